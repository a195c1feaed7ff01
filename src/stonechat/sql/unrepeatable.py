"""SQL whose value another call would not repeat."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from stonechat.sql.skeletons import skeleton
from stonechat.sql.statements import words_of

#: Functions whose value another call would not repeat, in lower case.
_UNREPEATABLE: Final = frozenset(
    {
        *("now", "now64", "nowinblock", "nowinblock64", "today", "yesterday", "current_date", "current_timestamp"),
        *("curdate", "localtimestamp", "utctimestamp", "utc_timestamp", "utc_date", "unix_timestamp", "timeslots"),
        *("rand", "rand32", "rand64", "randconstant", "randomstring", "randomfixedstring", "randomprintableascii"),
        *("randomstringutf8", "fuzzbits", "generateuuidv4", "generateuuidv7", "generaterandom", "generatesnowflakeid"),
        *("randuniform", "randnormal", "randlognormal", "randexponential", "randchisquared", "randstudentt"),
        *("randfisherf", "randbernoulli", "randbinomial", "randnegativebinomial", "randpoisson", "rand_canonical"),
        *("randcanonical", "generateulid", "rownumberinallblocks", "rownumberinblock", "blocknumber", "system"),
        *("blocksize", "runningaccumulate", "runningdifference", "groupuniqarraysample", "grouparraysample"),
        *("localtime", "arrayshuffle", "arraypartialshuffle", "arrayrandomsample", "datetimetouuidv7"),
        *("generaterandomstructure", "obfuscatequery", "neighbor", "runningdifferencestartingwithfirstvalue"),
        *("blockserializedsize", "lowcardinalityindices", "lowcardinalitykeys", "dumpcolumnstructure"),
    }
)
#: A text without a year is a time of the last twelve months for these.
_GUESSES: Final = re.compile(r"parseDateTime\d*+BestEffort", re.IGNORECASE | re.ASCII)
#: No quote stands in a string without an escape, so that this is no part of one.
_GUESSED: Final = rf"{_GUESSES.pattern}\w*+\s*+\(\s*+'"
_TOLD: Final = re.compile(rf"{_GUESSED}\d{{4}}-\d\d-\d\d[ T']", re.IGNORECASE | re.ASCII)
_MARKED: Final = re.compile(rf"{_GUESSED}\x01(\d+)\x01'", re.IGNORECASE | re.ASCII)
_REMEMBERED = 1000
_LONGEST_REMEMBERED = 20_000


def is_repeatable(sql: str) -> bool:
    """Whether no function in a statement or an expression gives another value with each call, nor in another year."""
    found = skeleton(sql)
    repeatable, guesses = _judged(found) if len(found) > _LONGEST_REMEMBERED else _judged_remembered(found)
    return repeatable and (not guesses or len(_TOLD.findall(sql)) == guesses)


def marks_of_times(marked: str) -> Sequence[int]:
    """The numbers of the marks in a statement that stand where a text without a year would be a time of this year."""
    return [int(number) for number in _MARKED.findall(marked)]


tells_year: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]|\Z)", re.ASCII).match
"""Whether a text in the place of such a mark is the same time every year."""


def _judged(found: str) -> tuple[bool, int]:
    """Of a skeleton: whether all functions are repeatable, and how many fill in a year that is missing."""
    return _UNREPEATABLE.isdisjoint(word.lower() for word in words_of(found)), len(_GUESSES.findall(found))


_judged_remembered = lru_cache(_REMEMBERED)(_judged)
