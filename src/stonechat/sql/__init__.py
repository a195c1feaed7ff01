"""ClickHouse's language, without knowledge of projects."""
