"""The endpoints, as the SDK has them defined."""

from tinybird_sdk import define_endpoint, node, p, t

_RANKED = """
    SELECT pathname, count() AS views
    FROM page_views
    WHERE timestamp >= {{DateTime(start_date)}}
    GROUP BY pathname
    ORDER BY views DESC, pathname
    LIMIT {{Int32(limit, 10)}}
"""

top_pages = define_endpoint(
    "top_pages",
    {
        "description": "The most visited pages",
        "params": {"start_date": p.date_time(), "limit": p.int32().optional(10)},
        "nodes": [node({"name": "ranked", "sql": _RANKED})],
        "output": {"pathname": t.string(), "views": t.uint64()},
    },
)
