"""Intraclass correlations against Shrout and Fleiss's example, pingouin, scipy and the study's figure."""

import numpy as np
import pandas as pd
import pingouin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from model_emotion.base import study
from model_emotion.human import appraisal, ratings, reliability

# Shrout & Fleiss 1979, table 2: six targets, four judges
EXAMPLE = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])

# The study's figure ICC_for_emotional_PCs.pdf, read from the coordinates of its points and bars: 1e-5 exact
FIGURE = """
arousal .90692 .84865 .95064
valence .99370 .98974 .99667
happy-face .99198 .98690 .99577
anger-face .97773 .96331 .98828
sad-face .98273 .97162 .99091
fear-face .97034 .95120 .98437
surprise-face .93707 .89704 .96673
disgust-face .98266 .97150 .99087
control .79056 .65209 .89033
fairness .84462 .74188 .91862
self-relativity .71528 .52702 .85090
other-relativity .73009 .55164 .85866
expectedness .71528 .52702 .85090
novelty .59021 .31927 .78541
"""


def pingouins(table, kind):
    """pingouin's row for a table [targets, raters]; its limits are rounded to two decimals."""
    frame = (
        pd.DataFrame(table).reset_index(names="target").melt("target", var_name="rater", value_name="rating")
    )
    return pingouin.intraclass_corr(frame, "target", "rater", "rating").set_index("Type").loc[kind]


def test_shrout_and_fleiss():
    assert reliability.icc_1k(EXAMPLE).icc == pytest.approx(0.44, abs=0.005)
    assert reliability.icc_2k(EXAMPLE).icc == pytest.approx(0.62, abs=0.005)
    # by hand: mean squares 11.24 between targets, 32.49 between judges, 1.02 rest, 6.26 within targets
    two_way, one_way = reliability.icc_2k(EXAMPLE), reliability.icc_1k(EXAMPLE)
    assert (two_way.df1, two_way.df2, one_way.df1, one_way.df2) == (5, 15, 5, 18)
    assert two_way.f == pytest.approx(11.24 / 1.02, rel=0.003)
    assert one_way.f == pytest.approx(11.24 / 6.26, rel=0.003)
    assert two_way.kind, one_way.kind == ("ICC(2,k)", "ICC(1,k)")


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(4, 12), st.integers(3, 9), st.floats(0.5, 3))
def test_pingouin_agrees(seed, targets, raters, spread):
    rng = np.random.default_rng(seed)
    table = (
        spread * rng.normal(size=(targets, 1))
        + 0.4 * rng.normal(size=(1, raters))
        + rng.normal(size=(targets, raters))
    )
    for ours, kind in ((reliability.icc_2k(table), "ICC(A,k)"), (reliability.icc_1k(table), "ICC(1,k)")):
        oracle = pingouins(table, kind)
        np.testing.assert_allclose(
            [ours.icc, ours.f, ours.p], oracle[["ICC", "F", "pval"]].astype(float), rtol=1e-7
        )
        assert (ours.df1, ours.df2) == (oracle["df1"], oracle["df2"])
        np.testing.assert_allclose([ours.ci_low, ours.ci_high], oracle["CI95"], atol=0.00501)


def test_limits_at_another_level_are_nested():
    narrow, wide = reliability.icc_2k(EXAMPLE, 0.9), reliability.icc_2k(EXAMPLE, 0.99)
    assert wide.ci_low < narrow.ci_low < narrow.icc < narrow.ci_high < wide.ci_high
    narrow, wide = reliability.icc_1k(EXAMPLE, 0.9), reliability.icc_1k(EXAMPLE, 0.99)
    assert wide.ci_low < narrow.ci_low < narrow.icc < narrow.ci_high < wide.ci_high


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_gaps_are_left_out_of_the_one_way_analysis(seed):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(8, 1)) + rng.normal(size=(8, 6))
    table[rng.random((8, 6)) < 0.2] = np.nan
    table[:, :2] = rng.normal(size=(8, 2))  # at least two ratings each
    result = reliability.icc_1k(table)
    oracle = stats.f_oneway(*(row[~np.isnan(row)] for row in table)).statistic
    assert result.f == pytest.approx(oracle)
    assert result.icc == pytest.approx(1 - 1 / oracle)
    assert result.df2 == 40  # as the study counts, gaps or not


def test_no_agreement_and_full_agreement():
    rng = np.random.default_rng(5)
    noise = reliability.icc_2k(rng.normal(size=(200, 30)))
    assert abs(noise.icc) < 0.3 and noise.p > 0.01
    same = np.tile(rng.normal(size=(27, 1)), 12) + 1e-6 * rng.normal(size=(27, 12))
    assert reliability.icc_2k(same).icc == pytest.approx(1) == reliability.icc_1k(same).icc


def test_tables_that_do_not_serve():
    with pytest.raises(ValueError, match="gaps"):
        reliability.icc_2k([[1, 2], [3, np.nan]])
    with pytest.raises(ValueError, match="at least one rating"):
        reliability.icc_1k([[1, 2], [np.nan, np.nan], [4, 5]])


def test_values_by_group():
    table = reliability.by_group(np.array([1.0, 2, 3, 4]), np.array(["b", "a", "b", "b"]), ["a", "b"])
    np.testing.assert_array_equal(table, [[2, np.nan, np.nan], [1, 3, 4]])


def test_the_studys_figure(raw):
    folder = "Data/raw_data/emotional_featuers"
    words = ratings.word_list(raw("human", "Data/raw_data/subjective_comparison/emotions.txt"))
    results = []
    for read, name in ((ratings.affective, "affective"), (ratings.physical, "physical")):
        answers = read(raw("human", f"{folder}/{name}_features/rawdata.csv"), words).answers
        results += [reliability.icc_2k(answers[:, :, column].T) for column in range(answers.shape[2])]
    appraisals = ratings.appraisal(raw("human", f"{folder}/appraisal_features/rawdata.csv"))
    scores = appraisal.fit(appraisals.answers).scores(appraisals.answers)
    tables = [reliability.by_group(column, appraisals.emotions, study.EMOTIONS) for column in scores.T]
    assert {(table.shape, int(np.isnan(table).sum())) for table in tables} == {((27, 12), 25)}
    results += [reliability.icc_1k(table) for table in tables]

    published = [line.split() for line in FIGURE.strip().splitlines()]
    table = reliability.table([name for name, *_ in published], results)
    assert list(table) == ["attribute", "kind", "icc", "f", "df1", "df2", "p", "q", "ci_low", "ci_high"]
    assert list(table["attribute"]) == list(study.ATTRIBUTES)
    np.testing.assert_allclose(
        table[["icc", "ci_low", "ci_high"]],
        np.array([row[1:] for row in published], float),
        rtol=0,
        atol=2e-5,
    )
    assert (table["q"] < 0.025).all()
    least = table.loc[table["p"].idxmax()]
    assert least["attribute"] == "novelty" and least["q"] == least["p"]  # the greatest of 14 p: p * 14 / 14
