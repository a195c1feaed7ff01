"""Settings of how a query is run, not of what it answers. The server decides: authors may write them, to no effect."""

from __future__ import annotations

import re

_TUNING = re.compile(
    r"allow_(?:experimental|suspicious)_\w+|compile_\w+|do_not_merge_across_partitions_select_final|enable_analyzer"
    r"|group_by_two_level_\w+|max_(?:threads|block_size|bytes_(?:ratio_)?before_external_\w+)|min_count_to_compile_\w+"
    r"|optimize_(?!aggregation_in_order$)\w+|partial_merge_join_\w+|prefer_localhost_replica"
    r"|preferred_\w*block_size_\w+|query_plan_\w+|short_circuit_function_evaluation|use_\w*cache\w*|use_skip_indexes\w*",
    re.ASCII,
)


def is_tuning(name: str) -> bool:
    """Whether a setting is about how a query is run."""
    return _TUNING.fullmatch(name) is not None
