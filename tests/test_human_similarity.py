"""Judged similarity and attributes' weights, against the released tables, scipy, and the study's figure."""

from fractions import Fraction

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from model_emotion.base import study
from model_emotion.base.errors import InputError
from model_emotion.human import similarity
from model_emotion.rsa import rdm

JUDGEMENTS = "Data/raw_data/subjective_comparison/data.xlsx"

# Feature_weights_in_Human.pdf, read from its bars
FIGURE = """
happy-face .600 .586 .613
valence .583 .564 .599
fairness .422 .411 .432
anger-face .381 .365 .398
disgust-face .380 .367 .396
sad-face .361 .346 .374
fear-face .265 .254 .276
expectedness .082 .071 .094
control .068 .059 .078
self-relativity .067 .058 .076
surprise-face .044 .034 .055
novelty .029 .021 .037
other-relativity .008 -.002 .017
arousal -.002 -.014 .010
"""


@pytest.fixture(scope="session")
def judged(raw):
    return similarity.judgements(raw("human", JUDGEMENTS))


@pytest.fixture(scope="session")
def distances(raw):
    return pd.read_csv(raw("reference", "Data/preprocessed/emotional_features/dist_emotional_PCs.csv"))


def test_released_individual_and_mean_rdm(raw, judged):
    folder = "Data/preprocessed/subjective_comparison"
    individual = pd.read_csv(raw("reference", f"{folder}/ind_dist_subjective_comparison.csv")).to_numpy()
    mean = pd.read_csv(raw("reference", f"{folder}/avg_dist_subjective_comparison.csv")).to_numpy()[:, 0]
    filled = similarity.fill_gaps(judged)
    assert (
        judged.shape == (61, 351) and np.isnan(judged).sum() == 133
    )  # ten more of the 143 are of pairs with neutral
    np.testing.assert_allclose(filled, individual, rtol=0, atol=1e-12)
    np.testing.assert_allclose(filled.mean(axis=0), mean, rtol=0, atol=1e-12)


def test_the_studys_own_permutation_gives_the_same_order(raw, judged):
    sheet = pd.read_excel(raw("human", JUDGEMENTS))
    pairs = sheet.iloc[:, :2]
    sheet = sheet[~pairs.isin(["neutral"]).any(axis=1)]
    assert len(sheet) == 351
    order = np.array(raw("human", "Data/preprocessed/reorder_distance.csv").read_text().split(), dtype=int)
    np.testing.assert_array_equal(judged, sheet.iloc[order - 1, 4:].to_numpy(dtype=float).T)


@pytest.fixture(scope="session")
def weights(judged, distances):
    return similarity.attribute_weights(similarity.fill_gaps(judged), distances, 10_000, 1).set_index(
        "attribute"
    )


def test_published_weights(weights):
    assert list(weights.index) == list(study.ATTRIBUTES)
    assert list(weights) == ["tau", "tau_boot", "se", "ci_low", "ci_high", "p", "q"]
    for line in FIGURE.strip().splitlines():
        name, *published = line.split()
        np.testing.assert_allclose(
            weights.loc[name, ["tau_boot", "ci_low", "ci_high"]].astype(float),
            np.array(published, float),
            atol=0.003,
        )
    assert set(weights.index[weights["q"] >= 0.05]) == {"other-relativity", "arousal"}


def test_tau_is_scipys(weights, judged, distances):
    mean = np.round(similarity.fill_gaps(judged).mean(axis=0), 12)
    for attribute in study.ATTRIBUTES:
        assert weights.loc[attribute, "tau"] == pytest.approx(
            stats.kendalltau(mean, distances[attribute]).statistic, abs=1e-12
        )


def test_another_seed_gives_nearly_the_same(weights, judged, distances):
    other = similarity.attribute_weights(similarity.fill_gaps(judged), distances, 10_000, 2).set_index(
        "attribute"
    )
    assert (other["tau_boot"] != weights["tau_boot"]).all()
    assert (other["tau"] == weights["tau"]).all()
    assert np.abs(other - weights)[["tau_boot", "ci_low", "ci_high"]].to_numpy().max() < 0.002


def test_bootstrap_by_hand():
    """Every bootstrap number from a plain loop over the same samples."""
    rng = np.random.default_rng(0)
    table = rng.integers(1, 10, (7, 45)).astype(float)
    attributes = pd.DataFrame(rng.random((45, 3)), columns=["x", "y", "z"])
    result = similarity.attribute_weights(table, attributes, 200, 5)
    counts = np.random.default_rng(5).multinomial(7, np.full(7, 1 / 7), size=200)
    taus = []
    for count in counts:
        mean = np.repeat(table, count, axis=0).mean(axis=0).round(12)
        taus.append([stats.kendalltau(mean, attributes[name]).statistic for name in attributes])
    taus = np.array(taus)
    expected = [
        taus.mean(axis=0),
        taus.std(axis=0, ddof=1),
        *np.percentile(taus, [2.5, 97.5], axis=0),
        (taus <= 0).mean(axis=0),
    ]
    np.testing.assert_allclose(
        result[["tau_boot", "se", "ci_low", "ci_high", "p"]].to_numpy().T, expected, atol=1e-12
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 12), st.integers(0, 10**6))
def test_bootstrap_means_are_means_of_subjects(subjects, seed):
    table = np.random.default_rng(seed).random((subjects, 10))
    means = similarity.bootstrap_means(table, 50, seed)
    assert means.shape == (50, 10)
    assert (means >= table.min(axis=0) - 1e-9).all() and (means <= table.max(axis=0) + 1e-9).all()
    same = np.tile(table[:1], (subjects, 1))
    np.testing.assert_allclose(
        similarity.bootstrap_means(same, 50, seed), np.tile(table[:1], (50, 1)), atol=1e-11
    )


def test_bootstrap_means_are_exact_sums_whatever_the_order():
    """Fractions as the reference; and what is equal by arithmetic is the same float."""
    table = (
        np.random.default_rng(1).integers(1, 10, (30, 6))
        + np.random.default_rng(2).integers(0, 7, (30, 6)) / 7
    )
    table[:, 1] = table[:, 0][::-1]
    counts = np.random.default_rng(3).multinomial(30, np.full(30, 1 / 30), size=40)
    expected = [
        [float(sum(int(n) * Fraction(d) for n, d in zip(row, of, strict=True))) / 30 for of in table.T]
        for row in counts
    ]
    np.testing.assert_array_equal(similarity.bootstrap_means(table, 40, 3), rdm.keep_ties(np.array(expected)))


def test_a_planted_attribute_is_found_and_noise_is_not():
    rng = np.random.default_rng(11)
    planted, noise = rng.random(351), rng.random(351)
    table = planted + 0.5 * rng.standard_normal((40, 351))
    result = similarity.attribute_weights(
        table, pd.DataFrame({"planted": planted, "noise": noise, "against": -planted}), 500, 1
    )
    assert result["tau"][0] > 0.5 and result["q"][0] == 0
    assert result["tau"][2] == pytest.approx(-result["tau"][0]) and result["p"][2] == 1
    assert abs(result["tau"][1]) < 0.15


def test_gaps_are_filled_by_the_pairs_mean():
    filled = similarity.fill_gaps(np.array([[1, np.nan], [4, 2], [np.nan, 6]]))
    np.testing.assert_array_equal(filled, [[1, 4], [4, 2], [2.5, 6]])


# --- malformed workbooks

NAMES = sorted(study.EMOTIONS) + ["neutral"]
PAIRS = [(a, b) for place, a in enumerate(NAMES) for b in NAMES[place + 1 :]]


def made_workbook(path, change=None):
    """Return judgements of two subjects; the distance of a pair depends on its words' places in NAMES."""
    book = openpyxl.Workbook()
    book.active.append([*similarity.HEADER, "id of a person", "id of another"])
    for a, b in PAIRS:
        book.active.append([a, b, 0, 0, NAMES.index(a) % 9 + 1, NAMES.index(b) % 9 + 1])
    if change:
        change(book.active)
    book.save(path)
    return path


def test_pairs_are_found_by_name(tmp_path):
    def reverse(sheet):
        for row in range(2, 100):
            sheet.cell(row, 1).value, sheet.cell(row, 2).value = (
                sheet.cell(row, 2).value,
                sheet.cell(row, 1).value,
            )
        sheet.move_range("A2:F2", rows=500)
        sheet.cell(300, 6).value = None

    table = similarity.judgements(made_workbook(tmp_path / "data.xlsx", reverse))
    pairs = rdm.pair_names(study.EMOTIONS).to_numpy()
    first = [min(NAMES.index(a), NAMES.index(b)) % 9 + 1 for a, b in pairs]
    np.testing.assert_array_equal(table[0], first)
    assert np.isnan(table[1]).sum() == 1


def put(row, column, value):
    return lambda sheet: setattr(sheet.cell(row, column), "value", value)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (put(1, 2, "Other"), "column 2 is not 'EmoPair_2'"),
        (lambda sheet: sheet.delete_cols(3), "column 3 is not 'DistMean'"),
        (lambda sheet: sheet.delete_cols(5, 2), "no judgements"),
        (lambda sheet: sheet.delete_rows(2, 400), "no judgements"),
        (put(5, 6, "id of a person"), "column 6, data row 4 is not a number"),
        (put(5, 6, True), "column 6, data row 4 is not a number"),
        (put(5, 5, 10), "column 5, data row 4 is not from 1 to 9"),
        (put(5, 5, 0), "column 5, data row 4 is not from 1 to 9"),
        (put(5, 1, "happiness"), "data row 4 does not name two emotions"),
        (put(5, 1, None), "data row 4 does not name two emotions"),
        (put(2, 2, "admiration"), "data row 1 does not name two emotions"),
        (put(3, 2, "amusement"), "data row 2 repeats a pair"),
        (lambda sheet: sheet.delete_rows(2), "the pair admiration and amusement is missing"),
        (lambda sheet: [setattr(cell, "value", None) for (cell,) in sheet["F2:F379"]], "has no judgement"),
    ],
)
def test_malformed_workbook(tmp_path, change, wanted):
    path = made_workbook(tmp_path / "data.xlsx", change)
    with pytest.raises(InputError) as error:
        similarity.judgements(path)
    assert str(error.value).startswith(f"{path}: ") and wanted in str(error.value)
    assert "id of" not in str(error.value) and "happiness" not in str(error.value)


@pytest.mark.parametrize("keep", [0, 0.02, 0.5, 0.99])
def test_a_workbook_cut_off(raw, tmp_path, keep):
    whole = raw("human", JUDGEMENTS).read_bytes()
    path = tmp_path / "data.xlsx"
    path.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(InputError, match="data.xlsx: not an Excel workbook, or incomplete"):
        similarity.judgements(path)


def test_a_workbook_with_damaged_bytes(raw, tmp_path):
    whole = bytearray(raw("human", JUDGEMENTS).read_bytes())
    middle = len(whole) // 2
    whole[middle : middle + 200] = bytes(200)
    path = tmp_path / "data.xlsx"
    path.write_bytes(whole)
    with pytest.raises(InputError, match="data.xlsx: "):
        similarity.judgements(path)
