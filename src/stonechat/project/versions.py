"""How often each data source has changed since the start: what tells a cached answer that it is out of date.

A number is raised after a change is visible to queries and before its writer hears that it is. So an answer whose
numbers, read before its query began, are still the current ones shows everything that anybody was told is there.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable, Mapping
from itertools import repeat

from stonechat.datafile.resources import NodeType
from stonechat.project.composition import compose_placeholder
from stonechat.project.model import Project
from stonechat.project.quarantine import QUARANTINE_SUFFIX


class DataVersions:
    """Counters by workspace and data source name. Raised from any thread, read from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: dict[tuple[str, str], int] = {}
        #: Numbers begin anew with each start, so they mean something only together with this.
        self.epoch = secrets.token_hex(8)

    def raise_for(self, workspace_id: str, names: Iterable[str]) -> None:
        """Note that data sources of a workspace, quarantines among them, have changed."""
        with self._lock:
            for key in ((workspace_id, name) for name in names):
                self._numbers[key] = self._numbers.get(key, 0) + 1

    def of(self, counted: Iterable[tuple[str, str]]) -> tuple[int, ...]:
        """The numbers of data sources, each by its workspace's id and its name there, in their order."""
        return tuple(map(self._numbers.get, counted, repeat(0)))


def affected_by_writes(project: Project) -> Mapping[str, frozenset[str]]:
    """For each data source what a block for it may change: itself, its quarantine, and all that views fill from it."""
    fed: dict[str, set[str]] = {name: set() for name in project.data_sources}
    for pipe in project.pipes_of_type(NodeType.MATERIALIZED):
        for name in compose_placeholder(project, pipe, pipe.output).reads & fed.keys():
            fed[name].add(pipe.output.options["datasource"])
    return {name: frozenset(_reached(name, fed)) | {name + QUARANTINE_SUFFIX} for name in fed}


def _reached(name: str, fed: Mapping[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current not in reached:
            reached.add(current)
            waiting.extend(fed[current])
    return reached
