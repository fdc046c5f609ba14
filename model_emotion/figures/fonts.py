"""Fonts for names of any script: installed ones for letters that the figures' own font lacks.

A name with letters that no installed font has is replaced, for example by `emotion 3`, and said.
"""

import logging
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, TypeVar

import pandas as pd
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

from model_emotion.base.results import Activations

FAMILY = "DejaVu Sans"
"""The figures' own font, which is part of matplotlib and so the same everywhere."""
LOG = logging.getLogger(__name__)
Table = TypeVar("Table", pd.DataFrame, Activations, pd.DataFrame | Activations)


@dataclass(frozen=True)
class Lettering:
    """How names are written: files of further fonts, and {name: what is written instead}."""

    files: tuple[str, ...] = ()
    instead: Mapping[str, str] = field(default_factory=dict)

    def families(self) -> list[str]:
        """Return the names of the further fonts, and make these known to matplotlib."""
        known = {font.fname for font in font_manager.fontManager.ttflist}
        for file in self.files:
            if file not in known:
                font_manager.fontManager.addfont(file)
        return [FT2Font(file).family_name for file in self.files]

    def written(self, table: Table) -> Table:
        """Return a table or activations with names as they are written."""
        if not self.instead:
            return table
        if isinstance(table, Activations):
            return replace(table, emotions=tuple(map(self.write, table.emotions)))
        columns = {
            column: values.cat.rename_categories(self.write)
            if isinstance(values.dtype, pd.CategoricalDtype)
            else values.map(self.write)
            for column, values in table.items()
            if not pd.api.types.is_numeric_dtype(values)
        }
        return table.assign(**columns).rename(columns=self.write)

    def write(self, cell: Any) -> Any:
        """Return a cell with the names in it as they are written."""
        if isinstance(cell, str):
            for name in sorted(self.instead, key=len, reverse=True):
                cell = cell.replace(name, self.instead[name])
        return cell


def lettering(names: Mapping[str, Sequence[str]]) -> Lettering:
    """Choose fonts for {kind of names: names}, as few as possible. Log names that no font has letters for."""
    missing = _letters(name for of_kind in names.values() for name in of_kind) - _glyphs(_own_file())
    files: list[str] = []
    others = [file for file in font_manager.findSystemFonts() if _glyphs(file)] if missing else []
    while missing and others:
        best = max(others, key=lambda file: (len(missing & _glyphs(file)), *_fits(file), file))
        if not missing & _glyphs(best):
            break
        missing -= _glyphs(best)
        files.append(best)
    instead = {
        name: f"{kind} {place}"
        for kind, of_kind in names.items()
        for place, name in enumerate(of_kind, 1)
        if _letters([name]) & missing
    }
    if instead:
        LOG.warning(
            "figures: no installed font has the letters of %s. Figures show %s instead; install a font that "
            "has them, such as Noto Sans, and draw the figures again",
            ", ".join(instead), ", ".join(instead.values()),
        )  # fmt: skip
    return Lettering(tuple(files), instead)


def _letters(names: Iterable[str]) -> set[str]:
    """Return the characters of names that are drawn; joiners and blanks are not."""
    return {letter for name in names for letter in name if unicodedata.category(letter) not in ("Cf", "Zs")}


def _own_file() -> str:
    return font_manager.findfont(FAMILY)


@cache
def _glyphs(file: str) -> frozenset[str]:
    """Return the characters that a font has; none if it can't be read."""
    try:
        return frozenset(map(chr, FT2Font(file).get_charmap()))
    except (RuntimeError, OSError):
        return frozenset()


@cache
def _fits(file: str) -> tuple[bool, bool]:
    """Return whether a font is a regular one and whether it has no serifs, as the figures' own has none."""
    font = FT2Font(file)
    return font.style_name in ("Regular", "Book", "Roman"), "Sans" in font.family_name
