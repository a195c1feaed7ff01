"""Tables that have the names of definitions which lead back to themselves.

The engine looks a name up where its definition is used, and not among the definitions that it is resolving. So in
`WITH raw AS (SELECT * FROM events), events AS (SELECT * FROM raw) SELECT * FROM events` the `events` within `raw` is a
table: who resolves `raw` is resolving `events`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from stonechat.sql.levels import Level, Member, Named, Scopes

_MOST_STEPS = 2_000


@dataclass(frozen=True, slots=True)
class Use:
    """A definition that is being resolved, and where its name stood; None for the statement itself."""

    definition: int | None = None
    place: tuple[Level, Member] | None = None
    around: Use | None = None

    def definitions(self) -> Iterator[int]:
        """Those that are being resolved."""
        use: Use | None = self
        while use is not None and use.definition is not None:
            yield use.definition
            use = use.around


def circular_definitions(scopes: Scopes) -> AbstractSet[int]:
    """The definitions, by their parentheses, that use themselves through others."""
    leads: dict[int, set[int]] = {opened: set() for opened in scopes.definitions}
    for named in scopes.named:
        definition = named.definition()
        if definition is not None:
            for opened in leads.keys() & set(named.parentheses()) - {definition}:
                leads[opened].add(definition)
    return {start for start in leads if _leads_back(start, leads)}


def need_uses(scopes: Scopes, names: Container[str]) -> bool:
    """Whether what these names of tables stand for may depend on where the definitions around them are used."""
    return any(name in names for name in scopes.definitions.values()) or bool(circular_definitions(scopes))


@dataclass(frozen=True, slots=True)
class Uses:
    """The tokens that name a table in some use of what they stand in, and those that name a definition in some."""

    tables: AbstractSet[int]
    definitions: AbstractSet[int]


def reads_table(named: Named, uses: Uses) -> bool:
    """Whether a name stands for a table, as far as its uses tell; where none does, what is around it decides."""
    if named.index in uses.tables:
        return named.index not in uses.definitions or named.definition() is None
    return named.index not in uses.definitions and named.definition() is None


def uses_of(scopes: Scopes) -> Uses:
    """What the names of a statement stand for wherever they are used. What nothing uses is in neither set.

    Of statements with very many uses, names of definitions in circles are in both.
    """
    circular = circular_definitions(scopes)
    named_in = names_by_definition(scopes)
    found: dict[bool, set[int]] = {True: set(), False: set()}
    # Where no use of a definition differs from another, one is enough: there may be more of them than of anything else.
    differ = bool(circular) or _may_differ(scopes)
    used: set[int] = set()
    uses = [Use()]
    for _ in range(_MOST_STEPS):
        if not uses:
            return Uses(found[True], found[False])
        use = uses.pop()
        for named in named_in[use.definition]:
            definition = resolved(named, use)
            found[definition is None].add(named.index)
            if definition is not None and definition not in (use.definitions() if differ else used):
                used.add(definition)
                uses.append(Use(definition, (named.level, named.member), use))
    unsure = {named.index for named in scopes.named if named.definition() in circular}
    free = {named.index for named in scopes.named if named.definition() is None}
    return Uses(found[True] | unsure | free, found[False] | unsure)


def _may_differ(scopes: Scopes) -> bool:
    """Whether a name may stand for one thing here and for another there: it is defined twice, or is a table's too."""
    names = scopes.definitions.values()
    defined = set(names)
    return len(defined) < len(names) or any(
        named.name in defined and named.definition() is None for named in scopes.named
    )


def names_by_definition(scopes: Scopes) -> Mapping[int | None, Sequence[Named]]:
    """The names of a statement by the innermost definition that they stand in; None for those in none."""
    found: dict[int | None, list[Named]] = defaultdict(list)
    for named in scopes.named:
        found[next((opened for opened in named.parentheses() if opened in scopes.definitions), None)].append(named)
    return found


def may_be_alias(named: Named, scopes: Scopes) -> bool:
    """Whether an alias of the name is known where it is looked up: around it, or around a use of what it is in."""
    places = [(named.level, named.member)]
    seen: set[int] = set()
    while places:
        level, member = places.pop()
        while named.name not in member.aliases | (set() if member.has_with else level.first.aliases):
            if level.opened in scopes.definitions and level.opened not in seen:
                seen.add(level.opened)
                places += [(use.level, use.member) for use in scopes.named if use.definition() == level.opened]
            if level.function == "VIEW" or level.around is None:
                break
            level, member = level.around
        else:
            return True
    return False


def resolved(named: Named, use: Use) -> int | None:
    """The definition that a name stands for in one use of those around it."""
    own = named.definition()
    if own is not None and own in set(named.parentheses()):
        return own  # a recursive definition calls itself
    resolving = set(use.definitions())
    level, member = named.level, named.member
    alone = False
    while True:
        opened, alone = level.look_up(named.name, member, alone)
        if opened is not None and opened not in resolving:
            return opened
        if level.function == "VIEW":
            return None
        if level.opened == use.definition and use.place is not None and use.around is not None:
            (level, member), use = use.place, use.around
            alone = False
        elif level.around is None:
            return None
        else:
            level, member = level.around


def _leads_back(start: int, leads: Mapping[int, AbstractSet[int]]) -> bool:
    seen: set[int] = set()
    todo = [start]
    while todo:
        for other in leads[todo.pop()]:
            if other == start:
                return True
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return False
