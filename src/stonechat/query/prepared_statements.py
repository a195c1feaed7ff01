"""Statements of plans made ready once: calls that go by one plan are one query each, and differ in its values alone.

Where their tables are, and nearly all else that is asked of a statement before it runs, depends on what it is without
its values. So it is asked once, of the statement with marks in their places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stonechat.engine.contract import Query
from stonechat.project.plans import Found, Gaps
from stonechat.project.snapshot import Snapshot
from stonechat.query.cache import CacheKey, all_stays, circumstances
from stonechat.query.prepared import CLOCK, Prepared
from stonechat.sql.skeletons import remember_skeleton, skeleton
from stonechat.sql.unrepeatable import is_repeatable, marks_of_times, tells_year

_WITH_A_YEAR = "2000-01-01"


@dataclass(frozen=True, slots=True)
class PreparedStatement:
    """What is known of all calls that go by a plan: `marked` is one with marks for values, and has these `gaps`.

    `times`, if there are any, are the numbers of gaps whose values decide whether an answer is repeatable;
    `circumstances` is what the keys of its answers have before the statement.
    """

    marked: Prepared
    gaps: Gaps
    skeleton: str
    times: Sequence[int]
    circumstances: str

    @classmethod
    def of(cls, snapshot: Snapshot, marked: Prepared) -> PreparedStatement:
        """That of a call with marks."""
        statement = marked.query.statement
        gaps, times = Gaps.of(statement), marks_of_times(statement)
        with_years = gaps.filled([_WITH_A_YEAR] * (1 + max(gaps.numbers, default=0)))
        names = marked.sources.names
        may_repeat = times and is_repeatable(with_years) and all_stays(snapshot.project, names)
        around = circumstances(marked.query, snapshot.deployments_of(names), marked.lifetime)
        return cls(marked, gaps, skeleton(statement), times if may_repeat else (), around)

    def prepared(self, found: Found) -> Prepared:
        """The call with the values that were found for the gaps of the plan."""
        known = self.marked
        statement = self.gaps.filled(found.printed)
        remember_skeleton(statement, self.skeleton)
        query, repeatable = known.query, known.repeatable
        if self.times:
            repeatable = all(map(tells_year, map(found.printed.__getitem__, self.times)))
        return Prepared(
            Query(statement, query.database, query.format, query.parameters, query.settings, query.limits),
            CacheKey(self.circumstances + statement),
            known.sources,
            known.lifetime,
            repeatable,
            CLOCK not in found.used,
            repeatable or known.lifetime is not None,
        )
