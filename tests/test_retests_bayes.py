"""Bayes factors and equivalence: against pingouin, base R and statsmodels."""

import shutil
import subprocess

import numpy as np
import pandas as pd
import pingouin
import pytest
from made_up_runs import at_least, between, cube, shared
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW, ttost_ind

from model_emotion.masking.drops import accuracy_drops
from model_emotion.retests import bayes
from model_emotion.retests.rows import table as table_of


@pytest.mark.parametrize("t", [-2.5, 0, 0.7, 1.9, 6.0])
@pytest.mark.parametrize(("x", "y"), [(14, None), (14, 14), (20, 5)])
def test_the_bayes_factor_of_t_is_pingouins(t, x, y):
    size, df = (x, x - 1) if y is None else (x * y / (x + y), x + y - 2)
    assert bayes.jzs_t(t, size, df) == pytest.approx(
        pingouin.bayesfactor_ttest(t, x, y, r=np.sqrt(0.5)), 1e-6
    )


@pytest.mark.parametrize(("r", "n"), [(0.53, 14), (-0.5, 14), (0, 8), (0.1, 50), (0.9, 20)])
def test_the_bayes_factor_of_r_is_pingouins(r, n):
    assert bayes.bayes_factor_of_r(r, n) == pytest.approx(pingouin.bayesfactor_pearson(r, n), rel=1e-9)


@pytest.mark.skipif(not shutil.which("Rscript"), reason="needs base R")
def test_the_bayes_factor_is_an_integral_over_effects_in_r():
    code = """t <- 1.4; n <- 14; f <- function(d) dt(t, n - 1, d * sqrt(n)) * dcauchy(d, 0, sqrt(2) / 2)
    cat(format(integrate(f, -Inf, Inf, rel.tol = 1e-9)$value / dt(t, n - 1), digits = 10))"""
    found = subprocess.run(["Rscript", "-e", code], capture_output=True, text=True, check=True).stdout
    assert bayes.jzs_t(1.4, 14, 13) == pytest.approx(float(found), rel=1e-6)


def test_equivalence_is_statsmodels_and_a_fisher_interval_inside_the_bound():
    draw = np.random.default_rng(1)
    one, two = draw.normal(0, 1, 40), draw.normal(0.1, 1, 30)
    mean = DescrStatsW(one)
    assert bayes.equivalence_of_mean(one.mean(), stats.sem(one), 39, 0.5) == pytest.approx(
        mean.ttost_mean(-0.5, 0.5)[0]
    )
    welch = stats.ttest_ind(one, two, equal_var=False)
    difference = one.mean() - two.mean()
    assert bayes.equivalence_of_mean(
        difference, difference / welch.statistic, welch.df, 0.5
    ) == pytest.approx(ttost_ind(one, two, -0.5, 0.5, usevar="unequal")[0])
    for r, n in ((0.1, 50), (0.25, 400), (-0.28, 2000)):
        half = stats.norm.ppf(0.95) / np.sqrt(n - 3)
        inside = max(np.abs(np.tanh(np.arctanh(r) + np.array([-half, half])))) < 0.3
        assert (bayes.equivalence_of_r(r, n, 0.3) < 0.05) == inside


def test_of_rows_the_estimates_are_those_of_their_cases():
    table, own, random = shared(6)
    drops = accuracy_drops(table)
    found = table_of(bayes.evidence_on_drop(table, drops, 10)).set_index(["question", "key"])
    masks = random.mean(axis=(0, 1)), own.mean(axis=(0, 1))
    t = stats.ttest_ind(*masks).statistic
    for key, scale in bayes.SCALES.items():
        expected = pingouin.bayesfactor_ttest(t, 6, 14, r=scale)
        assert found.loc[("bayes_factor_drop", key), "estimate"] == pytest.approx(expected)
    equal = found.loc[("equivalence_drop", "")]
    expected = ttost_ind(*masks, -0.02, 0.02, usevar="unequal")[0]
    assert (equal["p"], equal["estimate"]) == pytest.approx((expected, masks[0].mean() - masks[1].mean()))
    paired, drop = cube(attributes=9, seed=3)
    found = table_of(bayes.evidence_on_drop(paired, accuracy_drops(paired), 10)).set_index("question")
    t = stats.ttest_1samp(drop.mean(axis=(0, 1)), 0).statistic
    first = found.loc["bayes_factor_drop", "estimate"].iloc[0]
    assert first == pytest.approx(pingouin.bayesfactor_ttest(t, 9, r=np.sqrt(0.5)))
    assert (found["verdict"] == "").all()
    alike = shared(3, spread=0.0)[0]
    assert (
        bayes.evidence_on_drop(alike.assign(accuracy=0.7), accuracy_drops(alike.assign(accuracy=0.7)), 10)
        == []
    )


def test_without_an_effect_evidence_favours_none_and_with_one_it_favours_it():
    draw, factors = np.random.default_rng(2), {}
    for effect in (0.0, 1.0):
        t = stats.ttest_1samp(draw.normal(effect, 1, (200, 20)), 0, axis=1).statistic
        factors[effect] = np.array([bayes.jzs_t(value, 20, 19) for value in t])
    assert np.mean(factors[0.0] < 1 / 3) > 0.6 and np.mean(factors[0.0] > 3) < 0.05
    assert np.mean(factors[1.0] > 3) > 0.9
    # under equal chances, the mean of a Bayes factor is 1 without an effect
    assert np.mean(factors[0.0]) < 1.3


def test_equivalence_errs_in_one_of_twenty_at_its_bound_and_finds_what_is_small():
    draw = np.random.default_rng(3)

    def share(mean, spread):
        values = draw.normal(mean, spread, (3000, 14))
        rows = zip(values.mean(axis=1), stats.sem(values, axis=1), strict=True)
        return np.mean([bayes.equivalence_of_mean(*row, 13, bayes.BOUND) < 0.05 for row in rows])

    assert between(share(bayes.BOUND, 0.01), 0.05, 3000)
    assert share(0, 0.01) >= at_least(0.95, 3000)


def test_evidence_on_the_correlation_is_that_of_r():
    table, drop = cube(attributes=14, seed=5)
    weights = pd.Series(np.linspace(0, 0.6, 14), sorted(table["attribute"].unique()))
    of_table = accuracy_drops(table)
    found = table_of(bayes.evidence_on_correlation(of_table, 10, weights)).set_index("question")
    mean = of_table.groupby("attribute")["drop"].mean()
    r = np.corrcoef(mean, weights[mean.index])[0, 1]
    factor = found.loc["bayes_factor_correlation", "estimate"]
    assert factor == pytest.approx(pingouin.bayesfactor_pearson(r, 14))
    assert found.loc["equivalence_correlation", "estimate"] == pytest.approx(r)
    assert bayes.evidence_on_correlation(of_table, 10, weights[:3]) == []
