"""The reader of CSV. A cell of it may be as long as a row, also where nothing else has asked for that."""

from __future__ import annotations

import csv

from stonechat.ingest.rows import LONGEST_ROW

# The module has one limit for the whole process: it is set where every reader comes from, before the first is made.
csv.field_size_limit(LONGEST_ROW)

csv_reader = csv.reader
