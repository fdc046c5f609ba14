"""Judged similarity of emotions: an RDM per subject, their mean, and the weight of each attribute in it."""

import zlib
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
"""The first columns. A column per subject follows; its header is an id, which is never read."""
Row = tuple[object, ...]


def judgements(path: Path) -> np.ndarray:
    """Read the study's workbook of judgements: distances [subjects, 351], NaN if missing.

    A distance is 10 - rating, from 1 to 9. Pairs are in the order of rdm.pair_names(study.EMOTIONS); pairs
    with `neutral` are left out.
    """
    rows, width = _rows(path)
    found = _distances(path, rows, width)
    pairs = rdm.pair_names(study.EMOTIONS)
    for a, b in pairs.itertuples(index=False):
        if frozenset((a, b)) not in found:
            raise InputError(f"{path}: the pair {a} and {b} is missing")
    table = np.array([found[frozenset(pair)] for pair in pairs.itertuples(index=False)], dtype=float).T
    if np.isnan(table).all(axis=1).any() or np.isnan(table).all(axis=0).any():
        raise InputError(f"{path}: a subject or a pair has no judgement")
    return table


def _rows(path: Path) -> tuple[list[Row], int]:
    """Return the rows of the workbook that are not empty, and the number of its columns."""
    try:
        with open(path, "rb") as file:
            sheet = openpyxl.load_workbook(file, read_only=True, data_only=True).worksheets[0]
            first = next(sheet.iter_rows(max_row=1, values_only=True), ())
            width, header = sum(cell is not None for cell in first), first[: len(HEADER)]
            every = sheet.iter_rows(min_row=2, values_only=True)
            rows = [row for row in every if any(cell is not None for cell in row)]
    except (BadZipFile, ParseError, zlib.error, EOFError, KeyError, ValueError, IndexError):
        raise InputError(f"{path}: not an Excel workbook, or incomplete") from None
    for place, name in enumerate(HEADER):
        if place >= len(header) or header[place] != name:
            raise InputError(f"{path}: column {place + 1} is not '{name}'")
    if width <= len(HEADER) or not rows:
        raise InputError(f"{path}: has no judgements")
    return rows, width


def _distances(path: Path, rows: list[Row], width: int) -> dict[frozenset, list[float]]:
    """Return the distances of each pair of emotions by subject."""
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
        cells = row[len(HEADER) : width] + (None,) * (width - len(row))
        found[pair] = [
            _distance(value, path, column, number) for column, value in enumerate(cells, len(HEADER) + 1)
        ]
    return found


def fill_gaps(table: np.ndarray) -> np.ndarray:
    """Replace NaN in a table [subjects, pairs] by the pair's mean over the subjects who judged it."""
    return np.where(np.isnan(table), np.nanmean(table, axis=0), table)


def mean_over_subjects(table: np.ndarray) -> np.ndarray:
    """Return the mean human RDM [pairs] of a table [subjects, pairs] without gaps."""
    return rdm.keep_ties(table.mean(axis=0))


def similarity_table(table: np.ndarray) -> pd.DataFrame:
    """Return distances [subjects, 351] as similarity.csv: `subject`, and a column `joy|love` per pair."""
    pairs = rdm.pair_names(study.EMOTIONS)
    individual = pd.DataFrame(table, columns=pairs["emotion_a"] + "|" + pairs["emotion_b"])
    individual.insert(0, "subject", [f"s{number:02d}" for number in range(1, len(table) + 1)])
    return individual


def bootstrap_means(table: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """Return mean RDMs [samples, pairs] over subjects drawn with replacement. table: [subjects, pairs].

    A distance, from 1 to 9, is split into whole multiples of 2 ** -30 and the rest. Both have so few digits
    that BLAS adds them exactly, in any order.
    """
    subjects = len(table)
    counts = np.random.default_rng(seed).multinomial(subjects, np.full(subjects, 1 / subjects), size=samples)
    whole = np.round(table * 2**30) / 2**30
    return rdm.keep_ties((counts @ whole + counts @ (table - whole)) / subjects)


def attribute_weights(
    table: np.ndarray, attribute_rdms: pd.DataFrame, samples: int, seed: int
) -> pd.DataFrame:
    """Return the attributes' weights in the human RDM: `attribute, tau, tau_boot, se, ci_low, ci_high, p, q`.

    table: distances [subjects, pairs] without gaps. attribute_rdms: frame [pairs, attributes]. tau is
    Kendall's tau-b of the mean RDM with the attribute's. tau_boot is its mean over bootstrap samples of
    subjects, se its standard error, the interval the percentiles at 95 %, and p the share of samples at or
    below 0. q is the study's, over the attributes.
    """
    distances = attribute_rdms.to_numpy()
    tau = tau_b(mean_over_subjects(table)[None], distances)[0]
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


def _distance(value: object, path: Path, column: int, row: int) -> float:
    """Return a cell as a float, NaN if it is empty. No error shows its content."""
    if value is None:
        return np.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{path}: column {column}, data row {row} is not a number")
    if not 1 <= value <= 9:
        raise InputError(f"{path}: column {column}, data row {row} is not from 1 to 9")
    return float(value)
