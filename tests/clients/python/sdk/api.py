"""Calls what the SDK offers for data, and prints one JSON object of what came back."""

import json
import os

from tinybird_sdk import create_tinybird_api

api = create_tinybird_api({"base_url": os.environ["TINYBIRD_URL"], "token": os.environ["TINYBIRD_TOKEN"]})
row = {"timestamp": "2024-01-15 10:30:00", "pathname": "/home", "session_id": "s1", "country": "US"}
seen = {
    "ingested": api.ingest("page_views", row),
    "top": api.query("top_pages", {"start_date": "2024-01-01 00:00:00", "limit": 5})["data"],
    "sql": api.sql("SELECT count() AS total FROM page_views")["data"],
    "dry_run": api.delete_datasource("page_views", {"delete_condition": "country = 'US'", "dry_run": True}),
}
api.truncate_datasource("page_views")
seen["after_truncate"] = api.sql("SELECT count() AS total FROM page_views")["data"]
print(json.dumps(seen, default=str))
