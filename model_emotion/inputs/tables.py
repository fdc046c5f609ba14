"""Read a user's table strictly: what is odd is refused or said, and nothing is lost or changed in silence.

A CSV file follows RFC 4180. Between columns it may have semicolons or tabs instead of commas, as European
spreadsheets write it; then numbers may have a decimal comma. Errors are one line, which names the file and
the data row (counted from 1, below the header) or the line. They never show a text, because people wrote
them.
"""

import csv
import io
import logging
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_parquet
from model_emotion.base.values import normal

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
"""What may stand between columns, in the order of preference."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
OTHER_FORMATS = {
    b"PAR1": "a Parquet file: give it the suffix .parquet",
    b"PK\x03\x04": "a zip archive or a spreadsheet: save the table as CSV UTF-8",
    b"\xd0\xcf\x11\xe0": "a spreadsheet: save the table as CSV UTF-8",
    b"\x1f\x8b": "compressed by gzip: unpack it first",
    b"\xff\xfe": "UTF-16, not UTF-8: save it as CSV UTF-8",
    b"\xfe\xff": "UTF-16, not UTF-8: save it as CSV UTF-8",
    b"version https://git-lfs": "a pointer of Git LFS instead of the file: run `git lfs pull`",
}
"""{first bytes of a file: what it is}"""
QUOTING = 'a text with a quotation mark stands in quotation marks, and the mark is doubled: ""'
LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class UserTable:
    """A table, and the name by which messages call it.

    rows: frame; its index holds the numbers of the data rows, from 1. Names of columns are as `normal` makes
    them. separator: what separates the columns of a CSV file, all of whose cells are strings, or "". Numbers
    may have a decimal comma unless commas separate them. header: the names of all columns of the file; those
    without a name, "", are not in rows.
    """

    name: Path | str
    rows: pd.DataFrame
    separator: str = ""
    header: tuple[str, ...] = ()

    def __contains__(self, column: str) -> bool:
        return column in self.rows

    def refuse(self, wrong: ArrayLike, fault: str, column: str = "") -> None:
        """Raise UserError with a fault if a data row is wrong, naming the first one. wrong: bool [rows]."""
        wrong = np.asarray(wrong, dtype=bool)
        if wrong.any():
            place = f"data row {self.rows.index[wrong.argmax()]}" + (column and f", column '{column}'")
            raise UserError(f"{self.name}: {place}: {fault}")

    def names(self, column: str) -> pd.Series:
        """Return the cells of a column as names (see `normal`), "" for empty cells."""
        cells = self.rows[column].astype(object)
        return cells.map(lambda cell: "" if _is_empty(cell) else normal(str(cell)))

    def numbers(self, columns: Iterable[str]) -> pd.DataFrame:
        """Return columns as floats, with NaN for what is no finite number.

        If a number has a decimal comma, none with a decimal point is one: the point could separate thousands.
        """
        cells = self.rows[list(columns)]
        comma = self.separator in (";", "\t") and cells.map(
            lambda cell: "," in cell and _value(cell, ",") < np.inf
        ).any(axis=None)
        return cells.map(lambda cell: _value(cell, "," if comma else "."))

    def refuse_rows_within_cells(self, column: str, values: Collection[str]) -> None:
        """Raise UserError if a line within a cell looks like a row, as a stray quotation mark makes it.

        It has as many separators as a row, and one of some values in a column.
        """
        place = self.header.index(column)

        def looks(line: str) -> bool:
            parts = line.split(self.separator)
            return len(parts) == len(self.header) and normal(parts[place].strip().strip('"')) in values

        for other in self.rows if self.separator else ():
            inner = self.rows[other].map(lambda cell: any(looks(line) for line in cell.splitlines()[1:-1]))
            self.refuse(inner, f"a line within it looks like a row; {QUOTING}", other)

    def zero_or_one(self, columns: Iterable[str]) -> pd.DataFrame:
        """Return columns as 0 and 1, with NaN for other values."""
        numbers = self.numbers(columns)
        return numbers.where(numbers.isin([0, 1]))


def read_table(path: Path) -> UserTable:
    """Read a CSV or Parquet file, by its suffix. Raises UserError if it is not one or has a fault.

    Rows and columns without any content, which spreadsheets leave, are left out. It is logged if there are
    such rows, if anything but commas separates columns, if cells have line breaks, or if quotation marks
    seem to be written in another way than by doubling them.
    """
    with open(path, "rb") as file:
        begins = file.read(32)
    parquet = path.suffix.lower() == ".parquet"
    for begin, what in OTHER_FORMATS.items():
        if begins.startswith(begin) and not (parquet and begin == b"PAR1"):
            raise UserError(f"{path}: is {what}")
    return _parquet(path) if parquet else _csv(path)


def as_table(rows: pd.DataFrame, name: str = "data") -> UserTable:
    """Return a data frame as a table. Raises UserError as `read_table` does."""
    return _checked(rows.set_axis(range(1, len(rows) + 1)), name)


def _checked(rows: pd.DataFrame, name: Path | str, separator: str = "") -> UserTable:
    """Return rows, numbered by their index, as a table, without columns that have no name and no content."""
    names = [normal(str(column)) for column in rows]
    for place, column in enumerate(names):
        if not column and not rows.iloc[:, place].map(_is_empty).all():
            raise UserError(
                f"{name}: column {place + 1} has no name; if it is pandas' index, write with index=False"
            )
    if not len(rows):
        raise UserError(f"{name}: has no rows")
    rows = rows.set_axis(names, axis=1).drop(columns="", errors="ignore")
    if rows.columns.has_duplicates:
        raise UserError(f"{name}: column '{rows.columns[rows.columns.duplicated()][0]}' is listed twice")
    return UserTable(name, rows, separator, tuple(names))


def _is_empty(cell: Any) -> bool:
    return (
        cell is None
        or cell is pd.NA
        or cell is pd.NaT
        or (not cell.strip() if isinstance(cell, str) else isinstance(cell, float) and cell != cell)
    )


def _parquet(path: Path) -> UserTable:
    try:
        rows = read_parquet(path)
    except (ValueError, OSError) as error:  # pandas' and pyarrow's errors are ValueErrors or OSErrors
        said = " ".join(str(error).split())
        raise UserError(
            f"{path}: can't be read as Parquet; a CSV file has the suffix .csv ({said})"
        ) from None
    return _checked(rows.set_axis(range(1, len(rows) + 1)), path)


def _csv(path: Path) -> UserTable:
    lines = list(io.StringIO(_decoded(path), newline=""))
    separator = _separator(path, lines)
    header, records, longest = None, [], 0
    for first, last, record in _records(path, lines, separator):
        if header is None:
            header = record or None
            continue
        if len(record) not in (0, len(header)):
            raise UserError(
                f"{path}: line {first}: has {len(record)} cells, but the header has {len(header)} columns; "
                f"a text that has {SEPARATORS[separator]} must stand in quotation marks"
            )
        records.append(record or [""] * len(header))
        longest = max(longest, last - first + 1)
    if header is None:
        raise UserError(f"{path}: is empty")
    rows = pd.DataFrame(records, range(1, len(records) + 1), header, dtype=object)
    empty = np.array([not any(cell.strip() for cell in record) for record in records], dtype=bool)
    table = _checked(rows[~empty], path, separator)
    if separator != ",":
        LOG.warning("%s: read with %s between its columns", path, SEPARATORS[separator])
    if empty.any():
        LOG.warning("%s: %d rows without any content are left out", path, empty.sum())
    if longest > 1:
        LOG.warning("%s: some cells have line breaks; the longest row has %d lines", path, longest)
    if escaped := sum(any('\\"' in cell for cell in record) for record in records):
        LOG.warning('%s: \\" stays as it is in %d rows; a quotation mark in CSV is ""', path, escaped)
    return table


def _decoded(path: Path) -> str:
    """Return the text of a CSV file in UTF-8, without a byte order mark."""
    content = path.read_bytes()
    if (place := content.find(b"\0")) >= 0:
        raise UserError(f"{path}: line {_line(content, place)}: has a NUL byte; save the table as CSV UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = _line(content, error.start)
        raise UserError(f"{path}: line {line}: not UTF-8; save the table as CSV UTF-8") from None


def _line(content: bytes, place: int) -> int:
    return content.count(b"\n", 0, place) + 1


def _separator(path: Path, lines: list[str]) -> str:
    """Return what separates the columns, by the header; empty a line `sep=;` that a spreadsheet put above."""
    first = lines[0].strip("\r\n ") if lines else ""
    if first.startswith("sep=") and first[4:] in SEPARATORS:
        lines[0] = "\n"
        return first[4:]
    bare = re.sub(r'"[^"]*"', "", first)
    found = [separator for separator in SEPARATORS if separator in bare] or [","]
    if len(found) > 1:
        raise UserError(
            f"{path}: line 1 has {' and '.join(SEPARATORS[one] for one in found)}; put names that have one "
            "of them in quotation marks"
        )
    return found[0]


def _records(path: Path, lines: list[str], separator: str) -> Iterator[tuple[int, int, list[str]]]:
    """Yield the numbers of its first and last line and the cells of each record; an empty line has none.

    Raises UserError if quotation marks are not closed, or join lines of which each looks like a row.
    """
    reader, first, width = csv.reader(lines, delimiter=separator, strict=True), 1, 0
    try:
        for record in reader:
            width, last = width or len(record), reader.line_num
            joined = lines[first - 1 : last]
            if len(joined) > 1 and width > 1 and all(line.count(separator) == width - 1 for line in joined):
                raise UserError(
                    f"{path}: line {first}: a quotation mark joins it with line {last}, but each of these "
                    f"lines looks like a row; {QUOTING}"
                )
            yield first, last, record
            first = last + 1
    except csv.Error as error:
        raise UserError(f"{path}: line {first}: can't be read as CSV: {error}; {QUOTING}") from None


def _value(cell: Any, decimal: str) -> float:
    """Return a cell as a finite number, or NaN. decimal: the decimal mark of numbers in strings."""
    if isinstance(cell, str):
        cell = cell.strip().translate({ord("."): "x", ord(","): "."} if decimal == "," else {})
        if not NUMBER.fullmatch(cell):
            return np.nan
    try:
        value = float(cell)
    except (TypeError, ValueError, OverflowError):
        return np.nan
    return value if np.isfinite(value) else np.nan
