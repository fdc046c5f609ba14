"""Small statistics, against scipy, statsmodels and hand-worked cases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from statsmodels.stats.multitest import multipletests

from model_emotion.statistics import mean_correlation, paired_drop, q_bh, q_rank

p_values = arrays(float, st.integers(1, 50), elements=st.floats(0, 1))


def test_q_rank_by_hand():
    np.testing.assert_allclose(q_rank([0.01, 0.04, 0.03, 0.5]), [0.04, 0.04 * 4 / 3, 0.06, 0.5])
    np.testing.assert_allclose(q_rank([0.02, 0.02]), [0.02 * 2 / 1.5] * 2)  # ties share their average rank
    assert q_rank([0.9, 0.95]).max() <= 1


@given(p_values)
def test_q_bh_equals_statsmodels_and_is_never_above_the_studys(p):
    np.testing.assert_allclose(q_bh(p), multipletests(p, method="fdr_bh")[1], atol=1e-12)
    if len(set(p)) == len(p):  # with ties the study's average rank is its own
        assert (q_bh(p) <= q_rank(p) + 1e-12).all()


@given(arrays(float, (3, 7), elements=st.floats(0, 1)))
def test_q_keeps_the_shape(p):
    assert q_rank(p).shape == q_bh(p).shape == (3, 7)
    np.testing.assert_array_equal(q_bh(p).ravel(), q_bh(p.ravel()))


def test_paired_drop_equals_scipys_paired_t():
    rng = np.random.default_rng(0)
    random, masked = rng.random(30), rng.random(30)
    found = paired_drop(random - masked)
    test = stats.ttest_rel(random, masked, alternative="greater")
    interval = stats.ttest_rel(random, masked).confidence_interval(0.95)
    assert found["t"] == pytest.approx(test.statistic) and found["p"] == pytest.approx(test.pvalue) and found["df"] == 29
    assert (found["ci_low"], found["ci_high"]) == pytest.approx((interval.low, interval.high))
    assert found["se"] == pytest.approx(stats.sem(random - masked))


@pytest.mark.parametrize(("drop", "p"), [(0.1, 0.0), (0.0, 1.0), (-0.1, 1.0)])
def test_drops_without_variance_are_certain(drop, p):
    found = paired_drop([drop] * 5)
    assert found["p"] == p and found["ci_low"] == found["ci_high"] == drop


def test_mean_correlation_equals_scipy_on_fishers_z():
    r = np.array([0.2, 0.5, -0.1, 0.7])
    found = mean_correlation(r)
    test = stats.ttest_1samp(np.arctanh(r), 0)
    assert found["mean_r"] == pytest.approx(np.tanh(np.arctanh(r).mean()))
    assert (found["t"], found["p"], found["df"]) == pytest.approx((test.statistic, test.pvalue, 3))
    assert found["ci_low"] < found["mean_r"] < found["ci_high"]


def test_correlations_that_hardly_differ_or_are_too_few_have_a_mean_and_no_warning():
    alike = mean_correlation([0.3, np.nextafter(0.3, 1), 0.3])
    assert alike["mean_r"] == pytest.approx(0.3) and alike["df"] == 2 and alike["p"] < 1e-20
    alone, none = mean_correlation([np.nan, 0.5]), mean_correlation([np.nan])
    assert alone["mean_r"] == pytest.approx(0.5) and alone["df"] == 0 and np.isnan([alone["t"], alone["p"], alone["ci_low"]]).all()
    assert alone.keys() == none.keys() and np.isnan(list(none.values())).all()


def test_a_perfect_correlation_has_no_z():
    with pytest.raises(ValueError, match="not inside"):
        mean_correlation([0.5, 1.0])


def test_a_test_that_could_not_be_made_is_not_counted():
    p = np.array([0.01, np.nan, 0.03, 0.5, np.nan])
    for correct in (q_rank, q_bh):
        np.testing.assert_array_equal(np.isnan(correct(p)), np.isnan(p))
        np.testing.assert_array_equal(correct(p)[[0, 2, 3]], correct(p[[0, 2, 3]]))
    assert np.isnan(correct(p[[1, 4]])).all()
    alone = paired_drop([0.25])
    assert alone["drop"] == 0.25 and alone["df"] == 0 and np.isnan([alone["t"], alone["p"], alone["ci_low"]]).all()
    assert mean_correlation([0.1, np.nan, 0.3]) == mean_correlation([0.1, 0.3])
