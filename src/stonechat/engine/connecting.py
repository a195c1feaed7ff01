"""What connections to the embedded engine are opened with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

from stonechat.engine.pools import Profile

#: What ClickHouse gave another meaning after the pipes of many projects had been written; see decision 20.
_AS_BEFORE: Final = {
    "function_date_trunc_return_type_behavior": "1",
    "use_legacy_to_time": "1",
    "geotoh3_argument_order": "lon_lat",
    "allow_rank_dense_rank_arguments": "1",
    "allow_deprecated_error_prone_window_functions": "1",
}
#: What ClickHouse refuses as unwise and is able to do: values of JSON as keys of groups, orders and joins, slow types
#: and codecs, and joins of sub-queries that have no name.
_UNWISE: Final = {
    "allow_suspicious_types_in_group_by": "1",
    "allow_suspicious_types_in_order_by": "1",
    "allow_dynamic_type_in_join_keys": "1",
    "allow_suspicious_low_cardinality_types": "1",
    "allow_suspicious_fixed_string_types": "1",
    "allow_suspicious_variant_types": "1",
    "allow_suspicious_codecs": "1",
    "joined_subquery_requires_alias": "0",
}
#: Every connection: plain SQL as a server reads it, no functions that look into the process, statements of up to 16 MB.
#: The cache of conditions takes rows that a join with an empty side left unread for rows that do not fit: every later
#: query with that condition goes without them.
_COMMON: Final = {
    "implicit_select": "0",
    "allow_introspection_functions": "0",
    "max_query_size": "16777216",
    "session_timezone": "UTC",
    "use_query_condition_cache": "0",
    **_AS_BEFORE,
    **_UNWISE,
}
#: Readers, unless a statement says otherwise: groups by texts come in the order of the hash tables of older engines,
#: the first of them with a LIMIT, and joined rows in that of the left side; see decision 20.
_ORDER_OF_ROWS: Final = {
    "enable_packed_string_keys_in_aggregation": "0",
    "enable_group_by_top_k_optimization": "0",
    "query_plan_join_swap_table": "false",
    "query_plan_optimize_join_order_limit": "0",
    "join_algorithm": "direct,hash,ie_join",
}
#: Readers: to write an answer in threads of its own, which it is handed to and back, costs more than it saves.
_READER: Final = {
    "readonly": "1",
    "result_overflow_mode": "throw",
    "timeout_overflow_mode": "throw",
    "http_max_tries": "1",
    "output_format_parallel_formatting": "0",
}


def address(folder: Path, options: Mapping[str, str]) -> str:
    """What chDB connects to: a data folder, with the settings of every connection and others of this one."""
    pairs = "&".join(f"{name}={quote(value, safe='')}" for name, value in {**_COMMON, **options}.items())
    return f"{folder}?{pairs}"


def reader_options(profile: Profile) -> Mapping[str, str]:
    """The settings of a connection that only reads, within limits."""
    limits = profile.limits
    bounds = {
        "max_execution_time": f"{limits.seconds:g}",
        "max_memory_usage": str(limits.memory_bytes),
        "max_result_bytes": str(limits.result_bytes),
        "max_threads": str(limits.threads),
    }
    return {**_ORDER_OF_ROWS, **dict(profile.settings), **_READER, **bounds}
