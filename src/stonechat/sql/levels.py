"""The SELECTs of a statement, with what each defines and the names that stand in it where a table may stand.

What such a name stands for follows from where it is used, which `sql.resolving` tells. Before all definitions comes the
alias of another table in the same FROM: `FROM t AS m, m` reads `t` twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Source:
    """What a SELECT reads: a table by its name alone, or else something without a `name`; and what it is called."""

    name: str = ""
    index: int = -1
    alias: str = ""


@dataclass(slots=True, eq=False)
class Member:
    """One SELECT of a query. `definitions` has for each name of its WITH the parenthesis of the definition.

    `aliases` are names of its expressions, but for those in queries below; `sources` is what its FROM has, in order.
    """

    definitions: dict[str, int] = field(default_factory=dict)
    aliases: set[str] = field(default_factory=set)
    sources: list[Source] = field(default_factory=list)
    begins: bool = True
    has_with: bool = False
    recursive: bool = False

    def called(self) -> Mapping[str, Source]:
        """What it reads, by the aliases of that."""
        return {source.alias: source for source in self.sources if source.alias}

    def captured(self) -> frozenset[int]:
        """The sources, by their indexes, whose names are aliases of others: these stand for what the others read.

        The engine looks an alias up before any table, unless it is just finding out what that alias stands for.
        """
        called = self.called()
        is_captured: dict[Source, bool] = {}
        for source in self.sources if called else ():
            chain: dict[Source, bool] = {}
            step: Source | None = source
            while step is not None and step not in chain and step not in is_captured:
                chain[step] = True
                last, step = step, called.get(step.name)
            if chain:
                chain[last] = step is not None and step not in chain
            is_captured |= chain
        return frozenset(source.index for source in self.sources if is_captured.get(source))


@dataclass(slots=True, eq=False)
class Level:
    """What stands inside one pair of parentheses, which token `opened` opens; -1 is the whole statement.

    `around` is the level and the SELECT that it stands in; `is_member` says whether it holds a part of the statement
    itself, such as a SELECT of its UNION, `is_query` whether it holds a query, and `is_operand` whether that is all of
    the SELECT around it, in parentheses; `first_operand` is the first of these. `expects` is the keyword that a
    table would belong to next, and `source` what an alias would.
    """

    opened: int = -1
    around: tuple[Level, Member] | None = None
    function: str = ""
    is_member: bool = True
    is_query: bool = True
    is_operand: bool = False
    first_operand: Member | None = None
    first: Member = field(default_factory=Member)
    member: Member = field(init=False)
    expects: str = ""
    after_comma: str = ""
    source: Source | None = None

    def __post_init__(self) -> None:
        self.member = self.first

    def look_up(self, name: str, member: Member, alone: bool) -> tuple[int | None, bool]:
        """The definition of a name that a SELECT of the level sees, and whether what is around it shares none with it.

        A SELECT without a WITH has that of the first one; so has one in parentheses that are no more than an operand.
        """
        alone = alone or member.has_with
        inherits = not alone and member is not self.first
        inherited = (self.first_operand or self.first).definitions if inherits else {}
        return member.definitions.get(name, inherited.get(name)), alone and self.is_operand


@dataclass(frozen=True, slots=True)
class Named:
    """Token `index` names something where a table may stand, behind a FROM (or JOIN) or an IN."""

    index: int
    name: str
    behind: str
    level: Level
    member: Member

    def definition(self) -> int | None:
        """The parenthesis of the definition that the name stands for, if there is one in scope.

        A recursive one is called by its name in the members after the first; in that one, the name is a table's.
        """
        level, member, inside, is_first = self.level, self.member, -1, True
        alone = False
        while True:
            opened, alone = level.look_up(self.name, member, alone)
            if opened is not None and (opened != inside or (member.recursive and not is_first)):
                return opened
            if level.around is None or level.function == "VIEW":
                return None
            inside, is_first = level.opened, member is level.first
            level, member = level.around

    def parentheses(self) -> Iterator[int]:
        """The parentheses around it, from the inside out."""
        level = self.level
        while level.around is not None:
            yield level.opened
            level, _ = level.around


@dataclass(slots=True)
class Scopes:
    """The names of a statement in the places of tables, and its definitions: parenthesis -> name.

    `outermost` are the names that the statement itself defines, or a member of its UNION; `aliases` those of
    expressions; `called` are names behind an IN that are aliases of tables, unless one of an expression comes before.
    """

    named: list[Named] = field(default_factory=list)
    definitions: dict[int, str] = field(default_factory=dict)
    outermost: set[str] = field(default_factory=set)
    aliases: set[str] = field(default_factory=set)
    called: set[str] = field(default_factory=set)


def selecting(level: Level, member: Member) -> Member:
    """The SELECT that something in a level belongs to, whatever parentheses of an expression are around it."""
    while not level.is_query and level.around is not None:
        level, member = level.around
    return member


def leave_captured(scopes: Scopes) -> None:
    """Leave out the names that are what another table of the same FROM is, by the alias of that."""
    kept: list[Named] = []
    taken: dict[Member, tuple[AbstractSet[int], AbstractSet[str]]] = {}
    for each in scopes.named:
        member = selecting(each.level, each.member)
        if member not in taken:
            taken[member] = member.captured(), member.called().keys()
        captured, aliases = taken[member]
        if each.behind == "IN" and each.name in aliases:
            scopes.called.add(each.name)
        elif each.index not in captured:
            kept.append(each)
    scopes.named = kept
