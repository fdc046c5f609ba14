"""Small statistics, against scipy, statsmodels and hand-worked cases."""

from fractions import Fraction

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from statsmodels.stats.multitest import multipletests

from model_emotion.base.statistics import (
    atanh,
    correlation_interval,
    line_interval,
    mean_correlation,
    paired_drop,
    product,
    regression,
    tanh,
)
from model_emotion.rsa.correction import q_bh, q_rank

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
    assert (
        found.t == pytest.approx(test.statistic) and found.p == pytest.approx(test.pvalue) and found.df == 29
    )
    assert (found.ci_low, found.ci_high) == pytest.approx((interval.low, interval.high))
    assert found.se == pytest.approx(stats.sem(random - masked))


@pytest.mark.parametrize(("drop", "p"), [(0.1, 0.0), (0.0, 1.0), (-0.1, 1.0)])
def test_drops_without_variance_are_certain(drop, p):
    found = paired_drop([drop] * 5)
    assert found.p == p and found.ci_low == found.ci_high == drop


def test_mean_correlation_equals_scipy_on_fishers_z():
    r = np.array([0.2, 0.5, -0.1, 0.7])
    found = mean_correlation(r)
    test = stats.ttest_1samp(np.arctanh(r), 0)
    assert found.mean_r == pytest.approx(np.tanh(np.arctanh(r).mean()))
    assert (found.t, found.p, found.df) == pytest.approx((test.statistic, test.pvalue, 3))
    assert found.ci_low < found.mean_r < found.ci_high


def test_correlations_that_hardly_differ_or_are_too_few_have_a_mean_and_no_warning():
    alike = mean_correlation([0.3, np.nextafter(0.3, 1), 0.3])
    assert alike.mean_r == pytest.approx(0.3) and alike.df == 2 and alike.p < 1e-20
    alone, none = mean_correlation([np.nan, 0.5]), mean_correlation([np.nan])
    assert (
        alone.mean_r == pytest.approx(0.5)
        and alone.df == 0
        and np.isnan([alone.t, alone.p, alone.ci_low]).all()
    )
    assert np.isnan(none).all()


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
    assert alone.drop == 0.25 and alone.df == 0 and np.isnan([alone.t, alone.p, alone.ci_low]).all()
    assert mean_correlation([0.1, np.nan, 0.3]) == mean_correlation([0.1, 0.3])


@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(1, 40), st.integers(1, 8))
def test_product_adds_in_the_order_of_a_plain_loop(seed, n, k, m):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((n, k)), rng.standard_normal((k, m))
    loop = np.empty((n, m))
    for i in range(n):
        for j in range(m):
            loop[i, j] = a[i, 0] * b[0, j]
            for place in range(1, k):
                loop[i, j] += a[i, place] * b[place, j]
    np.testing.assert_array_equal(product(a, b), loop)
    np.testing.assert_allclose(loop, a @ b, atol=1e-12)


@settings(deadline=None)
@given(st.floats(-1, 1, exclude_min=True, exclude_max=True), st.floats(-30, 30))
def test_fishers_z_and_back_are_correctly_rounded(r, z):
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(400):  # enough for the smallest float
        assert atanh(r) == float(mpmath.atanh(mpmath.mpf(r))) and tanh(z) == float(mpmath.tanh(mpmath.mpf(z)))
    np.testing.assert_allclose([atanh(r), tanh(z)], [np.arctanh(r), np.tanh(z)], rtol=1e-15, atol=1e-300)


def test_fishers_z_at_its_ends():
    assert [atanh(-1), atanh(1), atanh(0), tanh(-np.inf), tanh(np.inf), tanh(0)] == [
        -np.inf,
        np.inf,
        0,
        -1,
        1,
        0,
    ]
    assert np.isnan([atanh(np.nan), tanh(np.nan)]).all()


@given(st.integers(0, 10**6), st.integers(3, 60))
def test_regression_equals_scipys(seed, n):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(n)
    y = 0.5 * x + rng.standard_normal(n)
    found, line, test = regression(x, y), stats.linregress(x, y), stats.pearsonr(x, y)
    assert tuple(found) == pytest.approx(
        (line.rvalue, line.pvalue, line.slope, line.intercept), rel=1e-9, abs=1e-12
    )
    assert (found.r, found.p) == pytest.approx((test.statistic, test.pvalue), rel=1e-9)
    if n > 3:
        assert correlation_interval(found.r, n) == pytest.approx(
            tuple(test.confidence_interval(0.95)), abs=1e-12
        )


def test_regression_of_whole_numbers_is_right_to_the_last_digits():
    x, y = np.random.default_rng(1).integers(1, 100, (2, 14))
    dx, dy = ([Fraction(int(value)) - Fraction(int(of.sum()), 14) for value in of] for of in (x, y))
    slope = sum(a * b for a, b in zip(dx, dy, strict=True)) / sum(a * a for a in dx)
    assert regression(x, y).slope == pytest.approx(float(slope), rel=4e-16)


def test_regressions_on_and_of_a_constant():
    assert np.isnan(regression([1, 1, 1], [1, 2, 3])).all()
    flat = regression([1, 2, 3], [0.1] * 3)
    assert np.isnan([flat.r, flat.p]).all() and (flat.slope, flat.intercept) == (0, 0.1)
    assert regression([1, 2, 3], [2, 4, 6])[:2] == (1, 0)


def test_the_interval_of_a_line_is_that_of_statsmodels():
    x, at = np.array([0.1, 0.4, 0.5, 0.9, 1.3]), np.array([0.0, 0.5, 2.0])
    y = np.array([1.0, 0.2, 2.0, 2.5, 2.1])
    fitted = sm.OLS(y, sm.add_constant(x)).fit()
    intercept, slope = fitted.params
    line, half = line_interval(x, y, slope, intercept, at)
    expected = fitted.get_prediction(sm.add_constant(at)).conf_int(alpha=0.05)
    np.testing.assert_allclose(np.column_stack([line - half, line + half]), expected)
