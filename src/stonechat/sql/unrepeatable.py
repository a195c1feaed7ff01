"""SQL whose value another call would not repeat."""

from __future__ import annotations

from typing import Final

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
        # A text without a year is of the last twelve months.
        *(
            f"parsedatetime{bits}besteffort{order}{otherwise}"
            for bits in ("", "32", "64")
            for order in ("", "us")
            for otherwise in ("", "ornull", "orzero")
        ),
        *("blockserializedsize", "lowcardinalityindices", "lowcardinalitykeys", "dumpcolumnstructure"),
    }
)


def is_repeatable(sql: str) -> bool:
    """Whether no function in a statement or an expression gives another value with each call."""
    return not any(word.lower() in _UNREPEATABLE for word in words_of(sql))
