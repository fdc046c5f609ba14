"""Judged similarity of emotions: an RDM per subject, their mean, and the weight of each attribute in it."""

import zlib
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile

import numpy as np
import openpyxl
import pandas as pd

from model_emotion.base import study
from model_emotion.base.errors import InputError
from model_emotion.rsa import rdm
from model_emotion.rsa.correction import q_rank
from model_emotion.rsa.kendall import tau_b

HEADER = ("EmoPair_1", "EmoPair_2", "DistMean", "DistStd")
"""The first columns of the workbook. A column per subject follows, under an id that is never kept."""


def judgements(path: Path | str) -> np.ndarray:
    """Read the study's workbook of judgements: distances [subjects, 351], NaN where there is none.

    A distance is 10 minus the rating of similarity, 1 to 9. The pairs are in the order of
    `rdm.pair_names(study.EMOTIONS)`; those with `neutral` are left out. Raises InputError, which never shows
    what a cell holds, if the file is no workbook or a cell is wrong.
    """
    found = _distances_by_pair(path, *_sheet(path))
    pairs = [frozenset(pair) for pair in rdm.pair_names(study.EMOTIONS).itertuples(index=False)]
    for pair in pairs:
        if pair not in found:
            raise InputError(f"{path}: the pair {' and '.join(sorted(pair))} is missing")
    table = np.array([found[pair] for pair in pairs], dtype=float).T
    if np.isnan(table).all(axis=1).any() or np.isnan(table).all(axis=0).any():
        raise InputError(f"{path}: a subject or a pair has no judgement at all")
    return table


def _sheet(path: Path | str) -> tuple[int, list[tuple]]:
    """Return the number of columns with a header, and the rows of cells that are not empty."""
    try:
        with open(path, "rb") as file:
            sheet = openpyxl.load_workbook(file, read_only=True, data_only=True).worksheets[0]
            first = next(sheet.iter_rows(max_row=1, values_only=True), ())
            header, width = first[: len(HEADER)], sum(cell is not None for cell in first)
            rows = [
                row
                for row in sheet.iter_rows(min_row=2, values_only=True)
                if any(cell is not None for cell in row)
            ]
    except (BadZipFile, ParseError, zlib.error, EOFError, KeyError, ValueError, IndexError):
        raise InputError(f"{path}: not an Excel workbook, or cut off") from None
    for place, name in enumerate(HEADER):
        if place >= len(header) or header[place] != name:
            raise InputError(f"{path}: column {place + 1} is not '{name}'")
    if width <= len(HEADER) or not rows:
        raise InputError(f"{path}: no judgements in it")
    return width, rows


def _distances_by_pair(path: Path | str, width: int, rows: list[tuple]) -> dict[frozenset, list[float]]:
    """Return {pair of emotions: distance per subject}."""
    words = {*study.EMOTIONS, "neutral"}
    found: dict[frozenset, list[float]] = {}
    for number, row in enumerate(rows, 1):
        if any(cell is not None for cell in row[width:]):
            raise InputError(f"{path}: data row {number} is longer than the header")
        pair = frozenset(row[:2])
        if len(pair) != 2 or not pair <= words:
            raise InputError(f"{path}: data row {number} does not name two emotions")
        if pair in found:
            raise InputError(f"{path}: data row {number} repeats a pair")
        cells: Sequence[object] = row[len(HEADER) : width] + (None,) * (width - len(row))
        found[pair] = [
            _distance(value, path, column, number) for column, value in enumerate(cells, len(HEADER) + 1)
        ]
    return found


def _distance(value: object, path: Path | str, column: int, row: int) -> float:
    """Return a cell as float, NaN if it is empty. An error never shows what the cell holds."""
    if value is None:
        return np.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{path}: column {column}, data row {row} is not a number")
    if not 1 <= value <= 9:
        raise InputError(f"{path}: column {column}, data row {row} is off the scale from 1 to 9")
    return float(value)


def fill_gaps(table: np.ndarray) -> np.ndarray:
    """Replace each NaN of [subjects, pairs] by the pair's mean over the subjects who judged it."""
    return np.where(np.isnan(table), np.nanmean(table, axis=0), table)


def by_subject(table: np.ndarray, pairs: pd.DataFrame) -> pd.DataFrame:
    """Return distances [subjects, pairs] with a column `subject` (s01, …) and a column per pair, `joy|fear`.

    pairs: `emotion_a, emotion_b`, as `rdm.pair_names` returns them.
    """
    frame = pd.DataFrame(table, columns=pairs["emotion_a"] + "|" + pairs["emotion_b"])
    frame.insert(0, "subject", [f"s{number:02d}" for number in range(1, len(table) + 1)])
    return frame


def mean_rdm(table: np.ndarray) -> np.ndarray:
    """Return the mean human RDM [pairs] of distances [subjects, pairs] without gaps."""
    return rdm.keep_ties(table.mean(axis=0))


def bootstrap_means(table: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """Return the means [samples, pairs] of subjects drawn with replacement from [subjects, pairs].

    A distance, 1 to 9, is split into whole multiples of 2 ** -30 and a rest. Both parts are so short that
    BLAS adds them exactly in any order, so the result is the same on every processor.
    """
    subjects = len(table)
    counts = np.random.default_rng(seed).multinomial(subjects, np.full(subjects, 1 / subjects), size=samples)
    whole = np.round(table * 2**30) / 2**30
    return rdm.keep_ties((counts @ whole + counts @ (table - whole)) / subjects)


def attribute_weights(
    table: np.ndarray, attribute_rdms: pd.DataFrame, samples: int, seed: int
) -> pd.DataFrame:
    """Return the weights of attributes in the human RDM.

    The columns are `attribute, tau, tau_boot, se, ci_low, ci_high, p, q`. tau is Kendall's tau-b of the mean
    RDM with the attribute's RDM. The next four are the mean, the standard error and the 95 % percentile
    interval over bootstrap samples of subjects. p is the share of samples at or below 0; q is p corrected
    over the attributes by the study's rule.

    table: distances [subjects, pairs] without gaps. attribute_rdms: [pairs, attributes].
    """
    distances = attribute_rdms.to_numpy()
    tau = tau_b(mean_rdm(table)[None], distances)[0]
    boot = tau_b(bootstrap_means(table, samples, seed), distances)
    low, high = np.percentile(boot, [2.5, 97.5], axis=0)
    p = (boot <= 0).mean(axis=0)
    return pd.DataFrame(
        {
            "attribute": list(attribute_rdms),
            "tau": tau,
            "tau_boot": boot.mean(axis=0),
            "se": boot.std(axis=0, ddof=1),
            "ci_low": low,
            "ci_high": high,
            "p": p,
            "q": q_rank(p),
        }
    )
