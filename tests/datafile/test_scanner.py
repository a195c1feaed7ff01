"""Lines to instructions, every word with its place."""

from __future__ import annotations

from stonechat.datafile.problems import Findings
from stonechat.datafile.scanner import Instruction, last_of_each, scan, source_lines


def _scan(text: str) -> list[Instruction]:
    lines = source_lines(text)
    findings = Findings(lines)
    instructions = scan("f", lines, findings)
    findings.raise_if_any()
    return instructions


def _words(text: str) -> list[tuple[str, int]]:
    (instruction,) = _scan(text)
    return [(word.text, word.position.column) for word in instruction.words]


def test_commands_are_known_in_any_case_and_words_have_places() -> None:
    (instruction,) = _scan('\n  Token  "a b"\tREAD # comment')
    assert instruction.command == "TOKEN"
    assert (instruction.position.line, instruction.position.column) == (2, 3)
    assert [(word.text, word.position.column) for word in instruction.words] == [("a b", 11), ("READ", 16)]


def test_quotes_group_and_outer_ones_are_stripped() -> None:
    assert _words("TAGS 'a b' c'd e'f \"\" g") == [("a b", 7), ("c'd e'f", 12), ("", 21), ("g", 23)]


def test_value_of_several_words_is_as_written() -> None:
    (instruction,) = _scan("ENGINE_TTL  toDate(a,  'x')  + 1  # why")
    assert (instruction.value.text, instruction.value.position.column) == ("toDate(a,  'x')  + 1", 13)


def test_value_of_one_quoted_word_loses_its_quotes() -> None:
    (instruction,) = _scan("ENGINE_SORTING_KEY \"a, 'b'\"")
    assert (instruction.value.text, instruction.value.position.column) == ("a, 'b'", 21)


def test_template_expressions_group_what_they_hold() -> None:
    assert _words("""TAGS {{ tb_secret("A", "# '") }}x y""") == [("""{{ tb_secret("A", "# '") }}x""", 6), ("y", 35)]


def test_template_expressions_may_stand_in_quotes_and_have_their_own() -> None:
    line = """TAGS "{{ tb_secret("A") }}" 's3://{{tb_secret('B', 'x y')}}/*' """
    assert _words(line) == [("""{{ tb_secret("A") }}""", 7), ("""s3://{{tb_secret('B', 'x y')}}/*""", 30)]


def test_number_sign_begins_a_comment_outside_of_quotes() -> None:
    assert _words("TAGS a#b #c") == [("a", 6)]
    assert _words("TAGS 'a#b' c'#'d#e") == [("a#b", 7), ("c'#'d", 12)]
    assert _scan("# TAGS a\n   # TAGS b\n") == []


def test_apostrophe_inside_a_word_opens_nothing() -> None:
    assert _words("TAGS it's here") == [("it's", 6), ("here", 11)]


def test_block_ends_at_a_known_command_in_the_first_column() -> None:
    block, following = _scan("SQL >\n% \n  TYPE inside\nselect 1 # kept\nTYPES too\n\ntype endpoint")
    assert block.is_block
    assert block.value.text == "% \n  TYPE inside\nselect 1 # kept\nTYPES too\n"
    assert (block.value.position.line, following.command, following.position.line) == (2, "TYPE", 7)


def test_place_of_each_character_of_a_block_is_known() -> None:
    (block,) = _scan("SCHEMA >\n    a\n\tbc")
    assert [(block.value.at(i).line, block.value.at(i).column) for i in (0, 4, 6, 8, 9)] == [
        (2, 1),
        (2, 5),
        (3, 1),
        (3, 3),
        (3, 4),
    ]


def test_lines_of_a_block_are_spans_without_the_space_around_them() -> None:
    (block,) = _scan("INDEXES >\n    a b \n\n  c")
    assert [(line.text, line.position.line, line.position.column) for line in block.value.lines()] == [
        ("a b", 2, 5),
        ("c", 4, 3),
    ]


def test_line_ends_and_byte_order_mark_leave_no_trace() -> None:
    assert source_lines("\ufeffa\r\nb\n\rc") == ["a", "b", "", "c"]


def test_last_instruction_counts_and_a_notice_says_so() -> None:
    findings = Findings([])
    given = last_of_each(_scan("TAGS a\nTOKEN a READ\nTOKEN b READ\nTAGS b"), findings)
    assert {command: instruction.value.text for command, instruction in given.items()} == {"TAGS": "b"}
    assert [(notice.message, notice.position.line) for notice in findings.notices] == [
        ("TAGS is repeated: the last one counts", 4)
    ]
