"""The data sources, as the SDK has them defined."""

from tinybird_sdk import define_datasource, engine, t

page_views = define_datasource(
    "page_views",
    {
        "description": "Page views",
        "schema": {
            "timestamp": t.date_time(),
            "pathname": t.string(),
            "session_id": t.string(),
            "country": t.string().low_cardinality().nullable(),
        },
        "engine": engine.merge_tree({"sorting_key": ["pathname", "timestamp"]}),
    },
)
