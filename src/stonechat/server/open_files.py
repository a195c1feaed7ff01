"""How many files the process may have open. Each connection is one, and the engine needs many for a query."""

from __future__ import annotations

import resource
from contextlib import suppress

_WANTED = 65_536


def allow_open_files() -> int:
    """Have the system allow as many open files as it does without asking anybody, up to 65,536; how many these are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(hard, _WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # some systems have another limit, which they do not tell
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _WANTED if allowed == resource.RLIM_INFINITY else allowed
