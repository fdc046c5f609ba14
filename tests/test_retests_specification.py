"""Specification curves: single analyses against scipy, and p of a curve by simulation."""

import numpy as np
import pandas as pd
import pytest
from made_up_runs import accuracies, at_least, at_most, masked_accuracies
from scipy import stats

from model_emotion.base.errors import UserError
from model_emotion.retests import specification
from model_emotion.retests.rows import table as table_of

EMOTIONS = ("joy", "fear")
NAMES = [f"a{place:02}" for place in range(14)]
UNMASKED = accuracies({"joy": [0.9, 0.9], "fear": [0.7, 0.7]}, majority=0.5)
CHOICES = specification.read_choices()


def run_of(own, random, sizes=(10, 20)):
    """Return masked_accuracy.csv of accuracies {k: [attributes]} with a random mask for each attribute."""
    tables = []
    for k in sizes:
        for seed in (1, 3):
            shift = 0.001 * seed * np.resize([1, -1, -1, 1], len(NAMES))  # the seeds differ
            masks = dict(zip(NAMES, own[k] + shift, strict=True))
            paired = {(name, 1): value for name, value in zip(NAMES, random[k], strict=True)}
            tables.append(masked_accuracies(masks, paired, EMOTIONS, k).assign(seed=seed))
    return pd.concat(tables, ignore_index=True)


def made(draw, effect=0.0, weights=None):
    """Return a run whose drops have a mean effect, and follow weights if they are given."""
    follow = 0 if weights is None else 0.15 * weights
    common, noise = draw.normal(0, 0.02, 14), draw.normal(0, 0.01, (2, 14))
    own = {k: 0.7 - effect - follow + common + noise[place] for place, k in enumerate((10, 20))}
    return run_of(own, {k: draw.normal(0.7, 0.02, 14) for k in (10, 20)})


def weights_of(values):
    return {"bootstrap mean": pd.Series(values, NAMES), "full sample": pd.Series(values + 0.001, NAMES)}


def test_single_analyses_are_scipys():
    draw = np.random.default_rng(1)
    masked, weight = made(draw), draw.random(14)
    _, of_h2 = specification.curve_of_drops(masked, UNMASKED, CHOICES["H2"], 0, 1)
    _, of_h3 = specification.curve_of_correlations(masked, UNMASKED, weights_of(weight), CHOICES["H3"], 0, 1)
    assert list(of_h3.columns) == specification.COLUMNS
    assert len(of_h2) == 2 * 2 * 2 * 2 and len(of_h3) == 2 * 2 * 2 * 2 * 3 * 2  # two of three weights
    distance = {"joy": 0.4, "fear": 0.2}
    for row in pd.concat([of_h2, of_h3]).itertuples():
        kept = masked[(masked["k"] == row.size)]
        if row.seeds != "all seeds":
            kept = kept[kept["seed"] != 1]
        scale = kept["emotion"].map(distance) if row.scale == "share" else 1.0
        means = (kept["accuracy"] / scale).groupby([kept["kind"], kept["attribute"]]).mean()
        own, random = means["attribute"][NAMES], means["random"][NAMES]
        if row.hypothesis == "H2":
            test = (
                stats.ttest_rel(random, own)
                if row.baseline == "own"
                else stats.ttest_ind(random, own, equal_var=False)
            )
            assert (row.estimate, row.p) == pytest.approx((test.statistic, test.pvalue))
        else:
            drop = (random if row.baseline == "own" else random.mean()) - own
            correlate = {"Pearson": stats.pearsonr, "Spearman": stats.spearmanr, "Kendall": stats.kendalltau}
            how = {"method": "asymptotic"} if row.coefficient == "Kendall" else {}
            test = correlate[row.coefficient](drop, weight, **how)
            assert (row.estimate, row.p) == pytest.approx((test.statistic, test.pvalue))


def test_three_shared_random_masks_are_too_few_for_a_curve_of_drops():
    masks = dict(zip(NAMES, np.random.default_rng(2).normal(0.7, 0.05, 14), strict=True))
    shared = {(None, draw): 0.7 + draw / 100 for draw in range(1, 4)}
    rows, table = specification.curve_of_drops(
        masked_accuracies(masks, shared, EMOTIONS), UNMASKED, CHOICES["H2"], 99, 1
    )
    assert rows == [] and table.empty


def test_shared_random_masks_have_one_baseline_and_no_p_of_the_curve():
    masks = dict(zip(NAMES, np.random.default_rng(2).normal(0.7, 0.05, 14), strict=True))
    shared = {(None, draw): 0.7 + draw / 100 for draw in range(1, 6)}
    masked = masked_accuracies(masks, shared, EMOTIONS)
    rows, table = specification.curve_of_drops(masked, UNMASKED, CHOICES["H2"], 99, 1)
    found = table_of(rows)
    assert set(table["baseline"]) == {"pooled"} and len(table) == 2  # one choice of seeds, two scales
    assert found["p"].isna().all() and (found["verdict"] == "").all()
    weights = weights_of(np.linspace(0, 1, 14))
    rows, table = specification.curve_of_correlations(masked, UNMASKED, weights, CHOICES["H3"], 99, 1)
    assert len(table) == 2 * 3 * 2 and table_of(rows)["p"].notna().all()
    few = {name: of[:3] for name, of in weights.items()}
    assert specification.curve_of_correlations(masked, UNMASKED, few, CHOICES["H3"], 9, 1)[0] == []


def test_without_majority_rates_there_are_no_shares():
    masked = made(np.random.default_rng(3))
    unknown = UNMASKED.assign(majority=np.nan)
    _, table = specification.curve_of_drops(masked, unknown, CHOICES["H2"], 0, 1)
    assert set(table["scale"]) == {"points"}


def test_p_of_the_curve_errs_in_one_of_twenty_and_finds_an_effect():
    """Drops that follow the weights: their mean is .045 with a standard deviation of .041, and r is .68.

    One analysis with its own random masks would have a power of .97 (H2) or .8 (H3), by t; pooled ones, more.
    """
    draw, weight = np.random.default_rng(4), np.linspace(0, 0.6, 14)
    choices = {"baseline": CHOICES["H3"]["baseline"], "seeds": {"all seeds": []}, "scale": ["points"]}
    choices |= {"coefficient": ["Pearson", "Kendall"], "weight": ["bootstrap mean"]}
    share = {}
    for name, of, n in (("null", None, 60), ("effect", weight, 30)):
        p = []
        for seed in range(n):
            masked = made(draw, 0.0, of)
            human = weights_of(weight)
            of_h2, _ = specification.curve_of_drops(masked, UNMASKED, choices, 99, seed)
            of_h3, _ = specification.curve_of_correlations(masked, UNMASKED, human, choices, 99, seed)
            p.append([row["p"] for row in (*of_h2, *of_h3)])
        share[name] = np.mean(np.array(p) < 0.05, axis=0)  # median and share of H2, then of H3
    assert (share["null"] <= at_most(0.05, 60)).all(), share
    assert (share["effect"][::2] >= [at_least(0.95, 30), at_least(0.8, 30)]).all(), share


def test_the_median_and_share_are_those_of_the_curve_and_p_their_place_among_permuted_ones():
    """A plain loop with scipy over the permutations: weights in other orders, or masks exchanged."""
    draw, weight, samples = np.random.default_rng(5), np.linspace(0, 0.6, 14), 39
    masked, human = made(draw, 0, 0.5 * weight), {"bootstrap mean": pd.Series(weight, NAMES)}
    choices = {"baseline": ["own", "pooled"], "seeds": {"all seeds": []}, "scale": ["points"]}
    choices |= {"coefficient": ["Spearman"], "weight": list(human)}
    curves = {
        "H2": specification.curve_of_drops(masked, UNMASKED, choices, samples, 3),
        "H3": specification.curve_of_correlations(masked, UNMASKED, human, choices, samples, 3),
    }
    means = masked.groupby(["k", "kind", "attribute"])["accuracy"].mean()
    pairs = [(means[k, "attribute"][NAMES], means[k, "random"][NAMES]) for k in (10, 20)]
    orders = np.random.default_rng(3).permuted(np.tile(np.arange(14), (samples, 1)), axis=1)
    swaps = np.random.default_rng(3).random((samples, 14)) < 0.5
    analyses = {"H2": [], "H3": []}  # of each permutation, the data first: tests
    for order, swap in zip(np.vstack([np.arange(14), orders]), np.vstack([0 * swaps[0], swaps]), strict=True):
        both = [
            (own.where(~swap.astype(bool), random), random.where(~swap.astype(bool), own))
            for own, random in pairs
        ]
        analyses["H2"].append(
            [stats.ttest_rel(random, own) for own, random in both]
            + [stats.ttest_ind(random, own, equal_var=False) for own, random in both]
        )
        drops = [random - own for own, random in pairs] + [random.mean() - own for own, random in pairs]
        analyses["H3"].append([stats.spearmanr(drop, weight[order]) for drop in drops])
    for name, (rows, table) in curves.items():
        estimates = np.array([[test.statistic for test in some] for some in analyses[name]])
        found = np.array([[test.pvalue < 0.05 for test in some] for some in analyses[name]]) & (estimates > 0)
        median, share = table_of(rows).to_dict("records")
        medians, shares = np.median(estimates, axis=1), found.mean(axis=1)
        assert (median["estimate"], share["estimate"]) == pytest.approx((medians[0], shares[0]))
        assert (median["ci_low"], median["ci_high"]) == pytest.approx(
            (estimates[0].min(), estimates[0].max())
        )
        assert median["n"] == len(table) == 4
        tails = (medians >= medians[0] - 1e-12).sum(), (medians <= medians[0] + 1e-12).sum()
        assert median["p"] == pytest.approx(min(1, 2 * min(tails) / 40))
        assert share["p"] == pytest.approx(min(1, 2 * (shares >= shares[0] - 1e-12).sum() / 40))


def test_weights_by_scipy_and_an_unknown_choice_is_named(tmp_path):
    draw = np.random.default_rng(6)
    rdms, human = pd.DataFrame(draw.random((30, 2)), columns=["a", "b"]), draw.random(30)
    found = specification.weight_variants(pd.Series({"a": 0.1, "b": 0.2}), human, rdms)
    assert list(found) == list(specification.KNOWN["weight"])
    tau = {name: stats.kendalltau(human, rdms[name]).statistic for name in rdms}
    assert found["full sample"].to_dict() == pytest.approx(tau)
    both = stats.kendalltau(rdms["a"], rdms["b"]).statistic
    expected = (tau["a"] - tau["b"] * both) / np.sqrt((1 - tau["b"] ** 2) * (1 - both**2))
    assert found["partial"]["a"] == pytest.approx(expected)
    assert list(specification.weight_variants(found["partial"], np.empty(0), rdms)) == ["bootstrap mean"]
    (tmp_path / "choices.yaml").write_text("H3: {coefficient: [Pearson, Gauss]}")
    with pytest.raises(UserError, match="H3: coefficient: 'Gauss' is not known; choose from Pearson"):
        specification.read_choices(tmp_path / "choices.yaml")
