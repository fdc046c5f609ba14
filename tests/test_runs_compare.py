"""The comparison of runs: rank correlations of what they share, and profiles of models of different depth."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from model_emotion.report import compare

pytestmark = pytest.mark.usefixtures("one_thread")


def random_measures(seed, layers, attributes="abcdefg"):
    draw, names = np.random.default_rng(seed), list(attributes)
    drops = pd.Series(draw.normal(size=len(names)), names)
    counts = pd.Series(draw.integers(0, 50, len(names)), names)
    return compare.Measures(10, drops, counts, pd.DataFrame(draw.random((len(names), layers)), names))


def test_agreement_is_spearmans_rho_of_what_the_runs_share():
    a, b = random_measures(0, 12), random_measures(1, 12, "gfedcbx")
    found, shared = compare.agreement(a, b), list("bcdefg")
    assert found["n"] == 6
    for key, of_a, of_b in (("drops", a.drops, b.drops), ("counts", a.counts, b.counts)):
        # rho is the correlation of the ranks
        expected = np.corrcoef(stats.rankdata(of_a[shared]), stats.rankdata(of_b[shared]))[0, 1]
        assert found[key] == pytest.approx(expected)
    each = [stats.spearmanr(a.profiles.loc[name], b.profiles.loc[name]).statistic for name in shared]
    assert found["profile"] == pytest.approx(np.median(each))
    alike = compare.agreement(a, a)
    assert alike["drops"] == pytest.approx(1) and alike["profile"] == pytest.approx(1)


def test_profiles_of_models_of_different_depth_are_compared_at_the_same_depths():
    deep = (np.arange(12) + 0.5) / 12  # the depth of each layer
    np.testing.assert_allclose(compare.at_depths(deep, 6), (np.arange(6) + 0.5) / 6)
    assert compare.profile_agreement(deep, np.arange(6.0)) == pytest.approx(1)
    assert compare.profile_agreement(deep, -np.arange(6.0)) == pytest.approx(-1)
    assert compare.profile_agreement(deep, np.zeros(6)) is None  # no layer has a neuron
    assert compare.rho([1, 2, np.nan, 3], [1, 2, 3, 4]) is None  # three pairs
    assert compare.rho([1, 2, np.nan, 3, 4], [4, 3, 3, 2, 1]) == pytest.approx(-1)
