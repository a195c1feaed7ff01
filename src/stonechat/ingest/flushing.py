"""Who waits until everything is committed that was delivered before they asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from stonechat.ingest.gathering import Gathering

_ATTEMPTS_IN_SIGHT = 5
"""What a block may need that has to be split, or sent past its views. After more, nobody knows when it will be in."""


@dataclass(slots=True)
class Flush:
    """Asks for everything that was delivered before it. `targets` is the last sequence number by data source.

    One that is `given_up` is not told of the end, but that it is not in sight.
    """

    ended: Callable[[], None]
    given_up: Callable[[], None] | None = None
    targets: dict[str, int] = field(default_factory=dict)


class Flushes:
    """Those that the writer has been asked for and that have not ended. For its thread alone."""

    def __init__(self) -> None:
        self._flushes: list[Flush] = []

    def want(self, data_source: str) -> bool:
        """Whether one waits for rows of a data source, which then linger no more."""
        return any(data_source in flush.targets for flush in self._flushes)

    def begin(self, flush: Flush, gatherings: Mapping[str, Gathering]) -> None:
        """Let one wait for what is gathered, by data source."""
        for data_source, gathering in gatherings.items():
            pending = gathering.waiting or gathering.rows
            if pending:
                flush.targets[data_source] = pending[-1].sequence
        self._flushes.append(flush)
        self.committed("", 0)
        self.give_up(gatherings)

    def give_up(self, gatherings: Mapping[str, Gathering]) -> None:
        """Tell those who do not wait for ever of blocks that have failed too often."""
        stuck = {name for name, each in gatherings.items() if each.rows and each.attempt >= _ATTEMPTS_IN_SIGHT}
        for flush in list(self._flushes):
            if flush.given_up is not None and not stuck.isdisjoint(flush.targets):
                flush.given_up()
                self._flushes.remove(flush)

    def committed(self, data_source: str, sequence: int) -> None:
        """End those that waited for no more than the rows of a data source up to this one."""
        for flush in list(self._flushes):
            if flush.targets.get(data_source, sequence + 1) <= sequence:
                del flush.targets[data_source]
            if not flush.targets:
                flush.ended()
                self._flushes.remove(flush)
