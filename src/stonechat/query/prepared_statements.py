"""Statements of plans made ready once: calls that go by one plan are one query each, and differ in its values alone.

Where their tables are, whether their answers may be kept and whatever else is asked of a statement before it runs
depends on what it is without its values. So it is asked once, of the statement with marks in their places.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from stonechat.engine.contract import Query
from stonechat.project.plans import Found, Gaps, Plan
from stonechat.query.cache import CacheKey
from stonechat.query.prepared import CLOCK, Prepared
from stonechat.sql.skeletons import remember_skeleton, skeleton


@dataclass(frozen=True, slots=True)
class PreparedStatement:
    """What is known of all calls that go by a plan: `marked` is one with marks for values, and has these `gaps`."""

    marked: Prepared
    gaps: Gaps
    skeleton: str

    @classmethod
    def of(cls, marked: Prepared) -> PreparedStatement | None:
        """That of a call, unless its values have a part in whether its answer is kept."""
        statement = marked.query.statement
        return cls(marked, Gaps.of(statement), skeleton(statement)) if marked.keeps else None

    def prepared(self, found: Found) -> Prepared:
        """The call with the values that were found for the gaps of the plan."""
        known = self.marked
        statement = self.gaps.filled(found.printed)
        remember_skeleton(statement, self.skeleton)
        query, key = known.query, known.key
        return Prepared(
            known.workspace_database,
            Query(statement, query.database, query.format, query.parameters, query.settings, query.limits),
            CacheKey(
                key.database,
                key.deployment_ids,
                statement,
                key.bound,
                key.format,
                key.settings,
                key.limits,
                key.lifetime,
            ),
            known.reads,
            known.counted,
            known.lifetime,
            known.repeatable,
            CLOCK not in found.used,
            known.keeps,
            known.about_itself,
        )


class PreparedStatements:
    """The statements of plans by the formats of their answers, as long as the plans are. One event loop's own."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Plan, dict[str, PreparedStatement | None]] = WeakKeyDictionary()

    def of(self, plan: Plan) -> dict[str, PreparedStatement | None]:
        """Those of a plan, to look up and to add to; None for one that can not be prepared."""
        known = self._known.get(plan)
        if known is None:
            known = self._known[plan] = {}
        return known
