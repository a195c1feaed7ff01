"""Reads random bodies by a library that was compiled to watch its memory: `python -m tests.fuzz.watched FILE INPUTS`.

Bodies are blocks of the C library's memory here (PYTHONMALLOC=malloc), so a byte read behind one ends the process.
"""

from __future__ import annotations

import ctypes
import random
import sys
from itertools import product

from tests.fuzz.bulk_bodies import Bodies

from stonechat.ingest.bulk.library import Library


def main(file: str, inputs: int) -> None:
    """Read so many bodies, and each of them cut off somewhere too; print how many were read to their end."""
    library = Library(ctypes.CDLL(file))
    for defaults, objects in product((False, True), repeat=2):
        bodies = Bodies(defaults=defaults, objects=objects)
        reader = bodies.reader(library)
        read = 0
        for seed in range(inputs):
            chance = random.Random(seed)
            body = bodies.body(chance)
            read += bodies.check(reader, body)
            bodies.check(reader, body[: chance.randrange(len(body) + 1)])
        sys.stdout.write(f"defaults={defaults}, objects={objects}: {read} of {inputs} bodies were read in bulk\n")
        assert 0 < read < inputs


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
