"""Everything that is found out about a deployment before anything is made: what it would do, and why it may not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from stonechat.datafile.resources import Column
from stonechat.deploy.diff import Difference, SchemaChangeRefused, compare
from stonechat.deploy.feedback import Feedback, notices, remarks
from stonechat.deploy.figures import Held, held_by_tables
from stonechat.deploy.losses import losses
from stonechat.deploy.plan import Plan
from stonechat.deploy.rehearsal import rehearse_in, scratch_database
from stonechat.deploy.sharing import broken_readers, sharing_problems
from stonechat.deploy.token_changes import TokenChange, token_changes
from stonechat.deploy.trial import Trial, conversion_failures
from stonechat.deploy.untried import untried
from stonechat.deploy.versions import Versions
from stonechat.engine.contract import Engine
from stonechat.errors import StonechatError
from stonechat.project.live import LiveProjects
from stonechat.project.model import InvalidProject, Project
from stonechat.project.snapshot import Snapshot
from stonechat.sql.quoting import identifier, literal

# accurateCastOrDefault works through the nullable form of a type, which these lack.
_NEVER_NULLABLE = frozenset({"Array", "Map"})


@dataclass(frozen=True, slots=True)
class Preparation:
    """What a deployment would do, and what to tell whoever asked for it.

    `held` has what the live tables hold, by data source; those without rows are not in it.
    """

    difference: Difference
    plan: Plan
    feedback: tuple[Feedback, ...] = ()
    held: Mapping[str, Held] = field(default_factory=dict)
    tokens: Sequence[TokenChange] = ()


def prepare(
    live: Snapshot, wanted: Project, engine: Engine, neighbours: LiveProjects, *, allow_destructive: bool
) -> Preparation:
    """Compare a project with what is live, plan, and try the plan on empty tables. Nothing live is touched.

    With `allow_destructive`, what would be lost is only told, and so are workspaces in SHARED_WITH that are not there.
    Raises `InvalidProject` with every reason why it cannot be deployed.
    """
    difference = compare(live.project, wanted)
    told = tuple(notices(wanted.notices()))
    if not difference:
        return Preparation(difference, Plan((), ()), told)
    with scratch_database(engine) as database, scratch_database(engine) as empty:
        rehearsed = rehearse_in(database, wanted, engine, untried(live.project, wanted))
        _raise_if_any(rehearsed.problems, wanted)
        versions = Versions(live.project, wanted)
        problems: list[StonechatError] = list(_schema_problems(versions))
        plan = Trial(engine, live.project, database, empty).of(versions.plan(difference), problems)
    lost = [*losses(versions, difference), *broken_readers(live, wanted, neighbours, engine)]
    unshared = list(sharing_problems(live, wanted, neighbours))
    if not allow_destructive:
        problems += [*unshared, *(loss.refusal() for loss in lost)]
    _raise_if_any(problems or list(conversion_failures(engine, live, plan)), wanted)
    told += tuple(notices(rehearsed.notices))
    told += tuple(Feedback("WARNING", loss.resource, loss.message) for loss in lost)
    told += tuple(notices(problem.notice for problem in unshared))
    return Preparation(
        difference,
        plan,
        (*told, *remarks(versions, live, engine)),
        held_by_tables(engine, live),
        token_changes(live.project, wanted),
    )


def _raise_if_any(problems: list[StonechatError], wanted: Project) -> None:
    if problems:
        raise InvalidProject(problems, wanted.files)


def _schema_problems(versions: Versions) -> Iterator[SchemaChangeRefused]:
    """Columns whose values do not become those of another type without a word of the author."""
    for name, evolution in versions.evolutions.items():
        if name in versions.recomputed or versions.forward_query(name) is not None:
            continue
        before = {column.name: str(column.type) for column in versions.live.data_sources[name].columns}
        for column in evolution.incompatible:
            yield SchemaChangeRefused(
                f"The column '{column.name}' of the data source '{name}' changes from {before[column.name]} to "
                f"{column.type}, and its values do not convert by themselves",
                hint=f"Write a FORWARD_QUERY that converts them{_conversion(column)}.",
                position=column.position,
            )


def _conversion(column: Column) -> str:
    if column.type.name == "AggregateFunction":
        return ""
    name = column.name if column.name.isidentifier() and column.name.isascii() else identifier(column.name)
    if column.type.name in _NEVER_NULLABLE:
        return f", for instance SELECT * EXCEPT ({name}), CAST({name} AS {column.type}) AS {name}"
    kind = literal(str(column.type))
    converted = name if column.nullable else f"ifNull({name}, defaultValueOfTypeName({kind}))"
    return f", for instance SELECT * EXCEPT ({name}), accurateCastOrDefault({converted}, {kind}) AS {name}"
