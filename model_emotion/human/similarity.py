"""Judged similarity of emotions: one RDM a subject, their mean, and how much each attribute weighs in it."""

import zlib
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

HEADER = (
    "EmoPair_1",
    "EmoPair_2",
    "DistMean",
    "DistStd",
)  # then one column a subject, headed by an id that is never read


def judgements(path):
    """The study's workbook of judgements -> [subjects, 351] distances (10 - rating, 1 to 9), NaN where there is none.

    Pairs stand in the order of rdm.pair_names(study.EMOTIONS); those with `neutral` are left out.
    """
    try:
        with open(path, "rb") as file:
            sheet = openpyxl.load_workbook(file, read_only=True, data_only=True).worksheets[0]
            first = next(sheet.iter_rows(max_row=1, values_only=True), ())
            header, width = (
                first[: len(HEADER)],
                sum(cell is not None for cell in first),
            )  # what heads a subject's column is not kept
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
    words = {*study.EMOTIONS, "neutral"}
    found = {}
    for number, row in enumerate(rows, 1):
        if any(cell is not None for cell in row[width:]):
            raise InputError(f"{path}: data row {number} is longer than the header")
        pair = frozenset(row[:2])
        if len(pair) != 2 or not pair <= words:
            raise InputError(f"{path}: data row {number} does not name two emotions")
        if pair in found:
            raise InputError(f"{path}: data row {number} has a pair that stood before")
        cells = row[len(HEADER) : width] + (None,) * (width - len(row))
        found[pair] = [
            _distance(value, path, column, number) for column, value in enumerate(cells, len(HEADER) + 1)
        ]
    pairs = rdm.pair_names(study.EMOTIONS)
    for a, b in pairs.itertuples(index=False):
        if frozenset((a, b)) not in found:
            raise InputError(f"{path}: the pair {a} and {b} is missing")
    table = np.array([found[frozenset(pair)] for pair in pairs.itertuples(index=False)], dtype=float).T
    if np.isnan(table).all(axis=1).any() or np.isnan(table).all(axis=0).any():
        raise InputError(f"{path}: a subject or a pair has no judgement at all")
    return table


def fill_gaps(table):
    """[subjects, pairs] with NaN replaced by the pair's mean over the subjects who judged it."""
    return np.where(np.isnan(table), np.nanmean(table, axis=0), table)


def mean_rdm(table):
    """[subjects, pairs] without gaps -> [pairs], the mean human RDM."""
    return rdm.keep_ties(table.mean(axis=0))


def bootstrap_means(table, samples, seed):
    """[subjects, pairs] from 1 to 9 -> [samples, pairs]: means over as many subjects drawn with replacement.

    Both parts of a distance, whole multiples of 2 ** -30 and the rest, are so short that BLAS adds them exactly, whatever its order.
    """
    subjects = len(table)
    counts = np.random.default_rng(seed).multinomial(subjects, np.full(subjects, 1 / subjects), size=samples)
    whole = np.round(table * 2**30) / 2**30
    return rdm.keep_ties((counts @ whole + counts @ (table - whole)) / subjects)


def attribute_weights(table, attribute_rdms, samples, seed):
    """Weights of attributes in the human RDM: `attribute, tau, tau_boot, se, ci_low, ci_high, p, q`.

    table: [subjects, pairs] distances without gaps; attribute_rdms: data frame [pairs, attributes].
    tau: Kendall's tau-b of the mean RDM with the attribute's. Over bootstrap samples of subjects: mean, standard error,
    percentile interval of 95 %, and p, the share of samples at or below 0; q after the study's rule over the attributes.
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


def _distance(value, path, column, row):
    """A cell as float, NaN where empty; what it holds is never shown."""
    if value is None:
        return np.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{path}: column {column}, data row {row} is not a number")
    if not 1 <= value <= 9:
        raise InputError(f"{path}: column {column}, data row {row} is off the scale from 1 to 9")
    return float(value)
