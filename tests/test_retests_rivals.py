"""Rival explanations of H2 to H4: layers, huge neurons, single cases and crossed random factors."""

import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from made_up_runs import at_most, between, run_with_huge_neurons, shared, simulated
from made_up_runs import cube as made_up_cube
from scipy import stats

from model_emotion.masking.drops import accuracy_drops
from model_emotion.retests import crossed, huge_neurons, layers, leave_one_out
from model_emotion.retests.rows import table

WEIGHTS = pd.Series(np.linspace(0, 0.6, 14), [f"a{number:02}" for number in range(14)])


def effects(values, k=10):
    """Drops of attributes a00, a01, ... whose effects have these values, the same for two emotions."""
    rows = [
        (emotion, 1, name, k, 0.7, 0.7 - value, value)
        for emotion in ("joy", "fear")
        for name, value in zip(WEIGHTS.index, values, strict=True)
    ]
    return pd.DataFrame(rows, columns=["emotion", "seed", "attribute", "k", "random", "masked", "drop"])


def counts_of(mean_layers, k=10):
    """Counts of neurons in layers 1 to 3 that give these mean layers, between 1 and 3."""
    rows = [
        (name, k, layer, neurons)
        for name, mean in zip(WEIGHTS.index, mean_layers, strict=True)
        for layer, neurons in ((1, 1000 - 500 * (mean - 1)), (3, 500 * (mean - 1)))
    ]
    return pd.DataFrame(rows, columns=["attribute", "k", "layer", "neurons"])


def test_neurons_are_counted_by_layer():
    mask, random = np.ones((3, 4)), np.zeros((3, 4))
    mask[0, 1], mask[2, :2] = 0, 0.5  # of the kind float: any value but 1
    counts = layers.mask_layers({"joyful/3": mask, "random/3/1": random})
    assert counts.to_dict("list") == {
        "attribute": ["joyful"] * 3, "k": [3] * 3, "layer": [1, 2, 3], "neurons": [1, 0, 2],
    }  # fmt: skip
    (row,) = layers.layers_of_masks(counts, 3)
    assert (row["estimate"], row["reference"]) == pytest.approx((7 / 3, 2))


def test_partial_r_is_that_of_the_textbook_and_p_that_of_a_plain_loop():
    draw = np.random.default_rng(2)
    y, x, z = draw.normal(size=(3, 14))
    y, x = y + z, x + z
    r, p = layers.freedman_lane(y, x, z, 1999, 5)
    xy, xz, yz = (np.corrcoef(a, b)[0, 1] for a, b in ((x, y), (x, z), (y, z)))
    assert r == pytest.approx((xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2)))
    generator, n, hits = np.random.default_rng(8), 2000, 0
    line = np.polyfit(z, y, 1)
    rest = y - np.polyval(line, z)
    design = np.column_stack([np.ones(14), z, x])

    def t(values):  # of x, in a regression on x and z
        found, (squares,), *_ = np.linalg.lstsq(design, values, rcond=None)
        return found[2] / np.sqrt(squares / 11 * np.linalg.inv(design.T @ design)[2, 2])

    for _ in range(n):
        hits += abs(t(np.polyval(line, z) + generator.permutation(rest))) >= abs(t(y))
    assert p == pytest.approx(hits / n, abs=4 * np.sqrt(p * (1 - p) / n) + 1e-3)


def test_freedman_and_lanes_p_is_uniform_if_only_the_layer_matters():
    draw = np.random.default_rng(4)
    p = []
    for number in range(400):
        z = draw.normal(size=14)
        x, y = z + draw.normal(size=14), 2 * z + draw.exponential(size=14)
        p.append(layers.freedman_lane(y, x, z, 99, number)[1])
    assert stats.kstest(p, "uniform").pvalue > 0.01 and np.mean(np.array(p) < 0.05) <= at_most(0.05, 400)
    x = z + draw.normal(size=14)
    assert layers.freedman_lane(z + x + draw.normal(0, 0.3, 14), x, z, 999, 1)[1] < 0.01


def test_an_effect_of_layers_is_none_of_the_weight():
    draw = np.random.default_rng(1)
    layer = 1.2 + 2 * WEIGHTS.to_numpy() + draw.normal(0, 0.1, 14)  # heavy attributes lie in late layers
    drops, counts = effects(0.1 * layer + draw.normal(0, 0.005, 14)), counts_of(layer)
    of = {
        (row["question"], row["key"]): row
        for row in table(list(layers.given_layer(drops, counts, WEIGHTS, 10, 999, 1))).to_dict("records")
    }
    given = of["human_correlation_given_layer", "drop"]
    assert given["reference"] > 0.9 and given["verdict"] == "inconclusive" and abs(given["estimate"]) < 0.6
    alone = of["layer_and_mask", "drop"]
    test = stats.pearsonr(layer, drops.groupby("attribute", sort=False)["drop"].mean())
    assert (alone["estimate"], alone["p"]) == pytest.approx((test.statistic, test.pvalue), abs=1e-12)
    ends = test.confidence_interval()
    assert (alone["ci_low"], alone["ci_high"]) == pytest.approx((ends.low, ends.high)) and ends.low > 0.9
    # semi-partial r: of y with what z leaves of x, by numpy's least squares
    x, y = WEIGHTS.to_numpy(), drops.groupby("attribute", sort=False)["drop"].mean().to_numpy()
    rest = x - np.polyval(np.polyfit(layer, x, 1), layer)
    semi = of["human_correlation_semipartial", "drop"]["estimate"]
    assert semi == pytest.approx(np.corrcoef(y, rest)[0, 1], abs=1e-9)
    of_weight = effects(0.2 * WEIGHTS + draw.normal(0, 0.005, 14))
    found = table(list(layers.given_layer(of_weight, counts, WEIGHTS, 10, 999, 1)))
    assert (found.query("question == 'human_correlation_given_layer'")["verdict"] == "holds").all()
    assert list(layers.given_layer(drops, counts, WEIGHTS.drop("a03"), 10, 99, 1)) == []


def test_every_size_has_its_partial_and_semi_partial_r_of_drop_and_of_damage():
    """Those of the main size are the rows that decide; a size alone has no rows of its own."""
    draw = np.random.default_rng(10)
    layer, sizes = 1.2 + draw.random(14), (10, 20)
    drops = pd.concat([effects(draw.normal(0.05, 0.02, 14), k) for k in sizes])
    drops["masked"] += draw.normal(0, 0.01, len(drops))  # so that damage and drop differ
    counts = pd.concat([counts_of(layer, k) for k in sizes])
    found = table(list(layers.given_layer(drops, counts, WEIGHTS, 10, 99, 1))).set_index(["question", "key"])
    for name in ("human_correlation_given_layer", "human_correlation_semipartial"):
        of_sizes = found.loc[f"{name}_of_size"]
        assert list(of_sizes.index) == ["drop, 10", "damage, 10", "drop, 20", "damage, 20"]
        assert (of_sizes["verdict"] == "").all()
        for measure in ("drop", "damage"):
            columns = ["estimate", "p", "reference"]
            main, again = found.loc[(name, measure)], of_sizes.loc[f"{measure}, 10"]
            pd.testing.assert_series_equal(main[columns], again[columns], check_names=False)
        assert of_sizes["estimate"].nunique() == 4
    alone = layers.given_layer(drops[drops["k"] == 10], counts, WEIGHTS, 10, 99, 1)
    assert not any(row["question"].endswith("_of_size") for row in alone)


def test_layers_that_are_all_alike_leave_r_as_it_is():
    drops = effects(0.1 * WEIGHTS + np.random.default_rng(3).normal(0, 0.01, 14))
    rows = list(layers.given_layer(drops, counts_of([2.0] * 14), WEIGHTS, 10, 99, 1))
    given = next(row for row in rows if row["question"] == "human_correlation_given_layer")
    assert given["estimate"] == pytest.approx(given["reference"])
    assert not any(row["question"] == "layer_and_mask" for row in rows)


def test_each_case_is_left_out_once():
    masked, drop = made_up_cube(emotions=5, attributes=6, seed=3)
    drops, weights = (
        accuracy_drops(masked),
        pd.Series(np.arange(6) / 6, [f"a{number:02}" for number in range(6)]),
    )
    rows = {(row["question"], row["key"]): row for row in leave_one_out.without_each_mask(drops, 10, weights)}
    assert len(rows) == 2 * (5 + 6)
    means = drop.mean(axis=1)  # [emotion, attribute]
    for number in range(6):
        left = np.delete(means, number, axis=1)
        found = rows["human_correlation_without_attribute", f"a{number:02}"]
        expected = stats.pearsonr(np.delete(weights.to_numpy(), number), left.mean(axis=0)).statistic
        assert found["estimate"] == pytest.approx(expected, abs=1e-9) and found["n"] == 5
        assert rows["drop_without_attribute", f"a{number:02}"]["estimate"] == pytest.approx(left.mean())
    found = rows["drop_without_emotion", "e2"]
    assert found["estimate"] == pytest.approx(np.delete(means, 2, axis=0).mean())
    assert found["reference"] == pytest.approx(means.mean())


def test_tau_without_each_emotion_is_scipys_on_smaller_rdms():
    draw = np.random.default_rng(7)
    emotions = [f"e{number}" for number in range(7)]
    square = draw.random((2, 7, 7))
    upper = np.triu_indices(7, 1)
    rows = list(leave_one_out.without_each_emotion(square[0][upper], square[1][upper], emotions))
    for number, row in enumerate(rows):
        kept = np.delete(np.arange(7), number)
        small = [of[np.ix_(kept, kept)][np.triu_indices(6, 1)] for of in square]
        assert row["estimate"] == pytest.approx(stats.kendalltau(*small).statistic)


@pytest.mark.parametrize("shape", [(4, 3, 5), (6, 1, 4)])
def test_mean_squares_are_those_of_base_r(shape):
    if not shutil.which("Rscript"):
        pytest.skip("base R is not installed")
    cube = np.random.default_rng(1).normal(size=shape).round(6)
    lines = [f"{e} {s} {m} {cube[e, s, m]}" for e, s, m in np.ndindex(shape)]
    design = "e * s * m" if shape[1] > 1 else "e * m"
    code = f"""d <- read.table(file("stdin"), col.names = c("e", "s", "m", "y"))
    for (name in c("e", "s", "m")) d[[name]] <- factor(d[[name]])
    cat(anova(suppressWarnings(lm(y ~ {design}, d)))[["Mean Sq"]])"""
    done = subprocess.run(
        ["Rscript", "-e", code], input="\n".join(lines), capture_output=True, text=True, check=True
    )
    expected = [float(word) for word in done.stdout.split() if word != "NaN"]
    found = [square for square, _ in crossed.mean_squares(cube).values()]
    assert found == pytest.approx(expected[: len(found)], rel=1e-5)


def test_the_crossed_interval_covers_and_its_variances_are_those_that_were_put_in():
    draw, covered, found = np.random.default_rng(6), 0, []
    for _ in range(400):
        cube = simulated(draw)
        _, (low, high), _ = crossed.mean_and_interval(cube)
        covered += low < 0 < high
        found.append(crossed.variances(cube))
    assert between(covered / 400, 0.95, 400)
    means = {effect: np.mean([of[effect] for of in found]) for effect in found[0]}
    for effect, value in {(0,): 1.0, (1,): 0.25, (2,): 4.0, (0, 1, 2): 1.0}.items():
        assert means[effect] == pytest.approx(value, rel=0.15), effect
    assert means[0, 1] < 0.1 > means[0, 2]
    _, (low, _), p = crossed.mean_and_interval(simulated(draw, mean=5.0))
    assert low > 0 and p < 0.01


def test_crossed_rows_take_shared_random_masks_as_random():
    masked, own, random = shared(6)
    own, random = (of + np.random.default_rng(0).normal(0, 0.01, of.shape) for of in (own, random))
    every = np.concatenate([own, random], axis=2)
    masked["accuracy"] = every.ravel()
    row = next(crossed.crossed(masked, accuracy_drops(masked), 10))
    drop = random.mean(axis=2, keepdims=True) - own
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(crossed.mean_and_interval(drop, random)[1])
    assert row["ci_low"] < crossed.mean_and_interval(drop)[1][0]


def test_crossed_rows_of_a_run():
    masked, _ = made_up_cube(emotions=8, seeds=3, attributes=6, effect=0.02)
    rows = table(list(crossed.crossed(masked, accuracy_drops(masked), 10))).set_index(["question", "key"])
    assert rows.loc[("masks_hurt_crossed", ""), "decided_by"] == "interval"
    shares = rows.loc["share_of_variance", "estimate"].astype(float)
    assert shares.sum() == pytest.approx(1) and shares.idxmax() == "attribute"  # as `cube` makes them
    other = masked.assign(k=20, accuracy=masked["accuracy"] ** 2)
    both = pd.concat([masked, other])
    of_sizes = table(list(crossed.crossed(both, accuracy_drops(both), 10))).query(
        "question == 'share_of_variance_of_size'"
    )
    assert of_sizes.groupby("k")["estimate"].sum().tolist() == pytest.approx([1, 1])
    assert of_sizes.loc[of_sizes["k"] == 10, "estimate"].tolist() == shares.tolist()
    assert of_sizes.loc[of_sizes["k"] == 20, "key"].tolist() == [f"{name}, 20" for name in shares.index]
    masked["accuracy"] = 0.7
    assert list(crossed.crossed(masked, accuracy_drops(masked), 10)) == []  # nothing varies


def test_a_step_that_takes_a_huge_neuron_is_found():
    draw = np.random.default_rng(9)
    values, masks, masked = run_with_huge_neurons(draw, 0.05)
    rule = "above 10 times the 99th percentile of their layer"
    flagged = huge_neurons.huge(values, 2)[rule]
    assert np.flatnonzero(flagged).tolist() == [7]
    found = huge_neurons.loss_steps(masked, masks, flagged)
    assert len(found) == 27 and found.query("first")["attribute"].tolist() == ["a0", "a1", "a2"]
    rows = table(list(huge_neurons.steps_with_huge_neurons(values, 2, masked, masks, 999, 1)))
    row = rows[(rows["question"] == "steps_with_huge_neurons") & (rows["key"] == rule)].iloc[0]
    assert row["verdict"] == "holds" and row["n"] == 3 and row["estimate"] == pytest.approx(0.05, abs=0.005)


def test_steps_without_an_effect_have_a_uniform_p():
    p = []
    for number in range(150):
        values, masks, masked = run_with_huge_neurons(np.random.default_rng(number), 0.0)
        found = huge_neurons.loss_steps(masked, masks, np.arange(400).reshape(2, 200) == 7)
        p.append(huge_neurons.excess_loss(found, 99, number)[1])
    assert np.mean(np.array(p) < 0.05) <= at_most(0.05, 150) and stats.kstest(p, "uniform").pvalue > 0.005
    assert huge_neurons.excess_loss(found.assign(first=False), 99, 1) is None


def test_random_masks_with_and_without_a_huge_neuron_are_compared():
    draw, masks, rows = np.random.default_rng(3), {}, []
    for number in range(1, 11):
        mask = np.ones(400)
        mask[draw.permutation(np.delete(np.arange(400), 7))[:9]] = 0
        mask[7] = number > 5
        masks[f"random/10/{number}"] = mask.reshape(2, 200)
        rows.append(
            ("joy", 1, None, "random", number, 10, (0.7 if number > 5 else 0.6) + draw.normal(0, 0.01), 64)
        )
    columns = ["emotion", "seed", "attribute", "kind", "draw", "k", "accuracy", "n"]
    masked, flagged = pd.DataFrame(rows, columns=columns), np.arange(400).reshape(2, 200) == 7
    (row,) = huge_neurons._random_masks(masked, masks, flagged, "rule")
    groups = masked["accuracy"].to_numpy()[5:], masked["accuracy"].to_numpy()[:5]
    assert row["estimate"] == pytest.approx(groups[0].mean() - groups[1].mean())
    assert row["p"] == pytest.approx(stats.ttest_ind(*groups, equal_var=False).pvalue)
