"""Strict reading of a user's tables: nothing is lost or changed in silence; what is odd is refused or said.

The properties at the end write tables with pandas and damage them at random. Their oracle knows nothing of
the reader: rows that were not damaged must come back as they were, each at its place, or the file is refused.
"""

import csv
import io
import re
import unicodedata

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from model_emotion.base.errors import UserError
from model_emotion.base.values import nameable
from model_emotion.inputs import user_data
from model_emotion.inputs.tables import as_table, read_table

ROWS = [["joy", "1", "so glad"], ["fear", "2", "a dark, long night"], ["anger", "4.5", 'he said "no"']]
HEADER = ["emotion", "warmth", "text"]
QUOTED = 'emotion,warmth,text\njoy,1,so glad\nfear,2,"a dark, long night"\nanger,4.5,"he said ""no"""\n'


@pytest.fixture
def read(tmp_path):
    """A function that writes text or bytes to a file and returns its table."""

    def reading(content, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_table(path)

    return reading


def cells(table):
    return [list(table.rows), *table.rows.to_numpy().tolist()]


@pytest.mark.parametrize("content", [
    QUOTED,
    QUOTED.replace("\n", "\r\n"),
    QUOTED.replace("\n", "\r"),
    QUOTED.removesuffix("\n"),
    "\ufeff" + QUOTED,
    QUOTED.replace("emotion,warmth,text", ' emotion ,"warmth",text '),
    QUOTED.replace("\n", ",,\n"),
])  # fmt: skip
def test_ways_to_write_the_same_table(read, content):
    assert cells(read(content)) == [HEADER, *ROWS]


@pytest.mark.parametrize("content, said", [
    (QUOTED + ",,\n,,\n", "2 rows without any content are left out"),
    (QUOTED.replace("fear", " , \t,\n\nfear"), "2 rows without any content are left out"),
    (QUOTED.replace(",", ";").replace("dark;", "dark,"), "read with semicolons between its columns"),
    ("sep=;\n" + QUOTED.replace(",", ";").replace("dark;", "dark,"), "semicolons between its columns"),
    ("sep=,\n" + QUOTED, ""),
    (QUOTED.replace(",", "\t").replace("dark\t", "dark,"), "read with tabs between its columns"),
])  # fmt: skip
def test_what_spreadsheets_write_is_read_and_said(read, caplog, content, said):
    assert cells(read(content)) == [HEADER, *ROWS]
    assert said in caplog.text and bool(said) == bool(caplog.text)


def test_rows_keep_their_numbers_where_empty_ones_are_left_out(read):
    table = read("emotion,warmth\n,\njoy,1\n\nfear,x\n")
    assert list(table.rows.index) == [2, 4]
    with pytest.raises(UserError, match="data row 4, column 'warmth': is not a number"):
        table.refuse(table.numbers(["warmth"])["warmth"].isna(), "is not a number", "warmth")


def test_line_breaks_within_a_text_stay_and_are_said(read, caplog):
    text = "first, it rained\n\nthen, at last,\r\nthe sun"
    table = read(f'split,text,joy\ntrain,"{text}",1\ndev,short,0\n')
    assert table.rows["text"].tolist() == [text, "short"]
    assert "some cells have line breaks; the longest row has 4 lines" in caplog.text


def test_quotation_marks_of_another_dialect_are_said(read, caplog):
    assert read('text,joy\nhe said \\"no\\",1\n').rows["text"].tolist() == ['he said \\"no\\"']
    assert '\\" stays as it is in 1 rows' in caplog.text


@pytest.mark.parametrize("content, message", [
    ("", "is empty"),
    ("\n\n", "is empty"),
    ("emotion,warmth\n", "has no rows"),
    ("emotion,warmth\n,\n", "has no rows"),
    ("emotion,,warmth\njoy,7,1\n", "column 2 has no name; if it is pandas' index"),
    ("emotion,warmth, warmth\njoy,1,2\n", "column 'warmth' is listed twice"),
    ("a\u0301,\u00e1\n1,2\n", "column '\u00e1' is listed twice"),
    ("emotion,warmth\njoy,1\nfear\n", "line 3: has 1 cells, but the header has 2 columns"),
    ("emotion,warmth\njoy,1\nfear,2,3\n", "line 3: has 3 cells, but the header has 2 columns"),
    ("emotion;warmth,text\njoy;1,a\n", "line 1 has commas and semicolons"),
    ("emotion;warmth;text\njoy;1\n", "line 2: has 2 cells, but the header has 3 columns"),
    ('text,joy\n"a,1\nb,0\nc,1\n', "line 2: can't be read as CSV: unexpected end of data"),
    ('split,text,joy\ntrain,"a,1\ntrain,b,0\ndev,"c,1\n', "line 2: can't be read as CSV"),
    ('split,text,joy\ntrain,"a,1\ntrain,b,0\ndev,c",1\n', "line 2: a quotation mark joins it with line 4"),
    ('text,joy\n"he said \\"no\\" twice",1\n', "line 2: can't be read as CSV"),
    (f'text,joy\n"{"x" * 200_000}",1\n', "line 2: can't be read as CSV: field larger than field limit"),
    (QUOTED.replace("glad", "gl\0ad"), "line 2: has a NUL byte; save the table as CSV UTF-8"),
    ("emotion,warmth\njoy,1\närger,2\n".encode("cp1252"), "line 3: not UTF-8; save the table as CSV UTF-8"),
    (QUOTED.encode("utf-16"), "is UTF-16, not UTF-8"),
    (QUOTED.encode("utf-16-le"), "line 1: has a NUL byte"),
    (b"PAR1...", "is a Parquet file: give it the suffix .parquet"),
    (b"PK\x03\x04...", "is a zip archive or a spreadsheet"),
    (b"\x1f\x8b\x08...", "is compressed by gzip"),
    ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a pointer of Git LFS"),
])  # fmt: skip
def test_what_cannot_be_read_for_sure_is_refused_in_one_line(read, content, message):
    with pytest.raises(UserError) as said:
        read(content)
    assert message in str(said.value) and "table.csv: " in str(said.value) and "\n" not in str(said.value)


@pytest.mark.parametrize("unnamed", ["", ",", ",,,"])
@pytest.mark.parametrize("split", ["dev", " dev", "\u00a0dev\u00a0"])
def test_a_row_within_a_text_is_refused(read, unnamed, split):
    """Two stray quotation marks join lines, of which the last has a comma too many.

    unnamed: the commas of empty columns at the end, which spreadsheets leave.
    """
    lines = ["text,split,joy", "first,train,0", '"a,train,1', f"b,{split},0", 'c,",dev,0']
    table = read("".join(f"{line}{unnamed}\n" for line in [*lines, '"long,\n1,2,\nend",dev,1']))
    assert len(table.rows) == 3
    with pytest.raises(UserError, match="data row 2, column 'text': a line within it looks like a row"):
        user_data.labelled_texts(table, {"joy": "sentiment"})


@pytest.mark.parametrize("content", [b"", b"text,joy\na,1\n", b"PAR1", b"PAR1 and no more PAR1"])
def test_what_is_no_parquet_is_refused_in_one_line(read, content):
    with pytest.raises(UserError, match="table.parquet: can't be read as Parquet; a CSV file has") as said:
        read(content, "table.parquet")
    assert "\n" not in str(said.value)


@pytest.mark.parametrize("separator, decimal, written, number", [
    (",", ".", "4.5", 4.5), (",", ".", " -.5e-3 ", -0.0005), (",", ".", "+7.", 7), (",", ".", "1E3", 1000),
    (";", ".", "4.5", 4.5), (";", ",", "4,5", 4.5), ("\t", ",", "-,5", -0.5), (";", ",", "3", 3),
    (",", ".", "4_5", None), (",", ".", "0x10", None), (",", ".", "nan", None), (",", ".", "inf", None),
    (",", ".", "1e999", None), (",", ".", "\u0664", None), (",", ".", '"4,5"', None),
    (",", ".", "1 000", None),
    (";", ",", "4.5", None), (";", ",", "1.000,5", None), (";", ".", "", None), (",", ".", "4.5.", None),
])  # fmt: skip
def test_numbers(read, separator, decimal, written, number):
    """A point in a table of decimal commas could separate thousands, so that it is no number there."""
    rows = [["emotion", "warmth"], ["joy", f"1{decimal}25"], ["fear", written], ["love", "9"]]
    found = read("\n".join(separator.join(row) for row in rows)).numbers(["warmth"])["warmth"]
    np.testing.assert_array_equal(found, [1.25, np.nan if number is None else number, 9])


def test_numbers_of_a_data_frame():
    values = [1, 2.5, True, np.float32(0.5), "7", None, pd.NA, np.nan, "x", [1], np.inf, 1 + 1j]
    found = as_table(pd.DataFrame({"warmth": pd.Series(values, dtype=object)})).numbers(["warmth"])["warmth"]
    np.testing.assert_array_equal(found, [1, 2.5, 1, 0.5, 7] + [np.nan] * 7)


# Properties

LETTERS = st.characters(codec="utf-8", exclude_characters="\0")
TEXTS = st.text(LETTERS, min_size=1, max_size=30).filter(str.strip)
DIALECTS = st.fixed_dictionaries({
    "sep": st.sampled_from(",;\t"),
    "lineterminator": st.sampled_from(["\n", "\r\n"]),
    "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    "encoding": st.sampled_from(["utf-8", "utf-8-sig"]),
})  # fmt: skip
CASES = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@CASES
@given(st.lists(st.tuples(TEXTS, TEXTS, st.sampled_from("01")), min_size=1, max_size=8), DIALECTS)
def test_any_text_in_any_dialect_comes_back_as_it_was(tmp_path, rows, dialect):
    table = pd.DataFrame(rows, columns=["text", "second text", "joy"])
    table.to_csv(tmp_path / "table.csv", index=False, **dialect)
    try:
        found = read_table(tmp_path / "table.csv")
    except UserError as error:
        # pandas puts a text with a bare carriage return, an old Mac's line break, in no quotation marks
        unquoted = dialect["quoting"] == csv.QUOTE_MINIMAL and table.map(lambda cell: "\r" in cell).any(
            axis=None
        )
        assert unquoted or "looks like a row" in str(error)  # its lines have as many commas as a row
        return
    assert found.rows.to_numpy().tolist() == table.to_numpy().tolist()


WORDS = st.text(st.sampled_from("abc äß喜'’.-"), min_size=1, max_size=12).map(lambda text: f"t{text}")
QUOTES = st.sampled_from(['"', '"', '""', '\\"', '",', ',"', '"\n"'])
OTHERS = st.sampled_from(["\\", ",", ";", "\t", "\n", "\r", "\r\n", "\0", "\ufeff", " ", "4_5", ""])
DAMAGES = st.tuples(st.one_of(QUOTES, OTHERS), st.integers(1, 9), st.integers(0, 20), st.integers(0, 2))


@CASES
@given(
    st.lists(
        st.tuples(st.sampled_from(["train", "dev"]), WORDS, st.sampled_from("01")), min_size=4, max_size=9
    ),
    st.lists(DAMAGES, min_size=1, max_size=3),
    st.booleans(),
    st.integers(0, 2),
)
@example([("train", "ta", "0")] * 4, [('"', 1, 1, 0), ('"', 3, 2, 0)], False, 0)
@example([("train", "ta", "0")] * 4, [('"', 1, 6, 0), ('",', 3, 1, 0)], False, 0)
@example([("train", "ta", "0")] * 4, [('",', 1, 1, 0), ('"', 3, 2, 0)], False, 1)
def test_damage_of_a_row_never_costs_another_one(tmp_path, rows, damages, quoted, unnamed):
    """Strings are put in, or replace up to two characters, below the header, often around a comma.

    unnamed: empty columns at the end, which spreadsheets leave.
    """
    target = io.StringIO()
    csv.writer(target, lineterminator="\n", quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL).writerows(
        [(*row, *[""] * unnamed) for row in [("split", "text", "joy"), *rows]]
    )
    lines, touched = target.getvalue().splitlines(), set()
    for damage, row, place, width in damages:
        row = min(row, len(rows))
        around = [comma.start() + side for comma in re.finditer(",", lines[row]) for side in (0, 1)]
        at = around[place] if place < len(around) else place % (len(lines[row]) + 1)
        lines[row] = lines[row][:at] + damage + lines[row][at + width :]
        touched.add(row - 1)
    (tmp_path / "table.csv").write_bytes("\n".join(lines).encode())
    try:
        texts = user_data.labelled_texts(read_table(tmp_path / "table.csv"), {"joy": "sentiment"})
    except UserError as error:
        assert "\n" not in str(error)
        return
    left = ((split, text, str(joy)) for split, text, joy in texts.to_numpy().tolist())
    assert all(row in left for number, row in enumerate(rows) if number not in touched)  # in this order


@CASES
@given(st.text(LETTERS, max_size=60))
def test_a_name_is_refused_or_the_same_however_it_is_composed(text):
    try:
        name = nameable(text)
    except ValueError as error:
        assert "can't be a name" in str(error)
        return
    assert name == nameable(unicodedata.normalize("NFD", text)) == nameable(f" {name} ")
    assert not set(name) & set("/\\:\0\n\t.,;'\"|") and len(name.encode()) < 200


def frames():
    """Data frames as a user may hand them over: some columns are spoilt."""
    odd = st.sampled_from(
        [None, np.nan, pd.NA, 1, 0, 2, True, "1", "0", "yes", "", " ", "null", 4.5, "train"]
    )
    label = st.one_of(st.sampled_from([0, 1]), odd)
    split = st.one_of(st.sampled_from(["train", "dev", "test"]), odd)
    text = st.one_of(TEXTS, odd)
    columns = {"split": split, "text": text, "joy": label, "Joy": label, "喜び": label}
    rows = st.lists(st.fixed_dictionaries(columns), min_size=0, max_size=6)
    names = st.sets(st.sampled_from(list(columns)))
    return st.builds(
        lambda rows, lost: pd.DataFrame(rows, columns=list(columns)).drop(columns=list(lost)), rows, names
    )


@CASES
@given(frames(), st.sampled_from(["joy", "Joy", "喜び", "fear"]))
def test_a_table_from_python_is_taken_as_it_is_or_refused(table, emotion):
    try:
        found = user_data.labelled_texts(as_table(table), {emotion: "sentiment"})
    except UserError as error:
        assert "\n" not in str(error)
        return
    assert (
        found["text"].tolist() == table["text"].tolist()
        and found["split"].tolist() == table["split"].tolist()
    )
    assert found[emotion].tolist() == [int(value) for value in table[emotion]]
    assert {*table[emotion]} <= {0, 1, "0", "1"}
