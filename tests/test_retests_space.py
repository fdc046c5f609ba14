"""Re-tests of the human space: the noise ceiling and agreement, against scipy, rsatoolbox and plain loops."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from made_up_runs import one
from scipy import stats

from model_emotion.retests import space
from model_emotion.retests.rows import table as table_of
from model_emotion.rsa import rdm


def subjects_and_models(seed=1, subjects=7, emotions=6):
    rng = np.random.default_rng(seed)
    common = rng.random(emotions * (emotions - 1) // 2)
    people = rng.integers(1, 10, (subjects, len(common))) + 6 * common  # with ties
    return np.round(people), pd.DataFrame({"common": common, "other": rng.random(len(common))})


def test_the_noise_ceiling_by_a_plain_loop():
    people, _ = subjects_and_models()
    lower, upper = space.noise_ceiling(people)
    ranks = [stats.rankdata(person) for person in people]
    everyone = np.sum(ranks, axis=0)
    others = [
        stats.kendalltau(person, everyone - rank).statistic
        for person, rank in zip(people, ranks, strict=True)
    ]
    assert lower == pytest.approx(np.mean(others))
    assert (
        upper == pytest.approx(np.mean([stats.kendalltau(person, everyone).statistic for person in people]))
        and lower < upper
    )


def test_the_noise_ceiling_is_rsatoolboxs():
    rsatoolbox = pytest.importorskip("rsatoolbox")
    people, _ = subjects_and_models(subjects=12, emotions=8)
    ours = space.noise_ceiling(people)
    theirs = rsatoolbox.inference.boot_noise_ceiling(rsatoolbox.rdm.RDMs(people), method="tau-b")
    assert ours == pytest.approx(theirs, abs=1e-9)


def test_agreement_is_a_loop_over_scipy_and_its_draws_too():
    people, models = subjects_and_models()
    found = space.agreement(people, models.to_numpy())
    assert found == pytest.approx(
        [np.mean([stats.kendalltau(person, models[name]).statistic for person in people]) for name in models]
    )
    draws = space.resampled_agreement(people, models.to_numpy(), 6, 3, 4)
    generator, matrix = np.random.default_rng(4), [rdm.square(models[name].to_numpy()) for name in models]
    for draw in draws:
        drawn, chosen = generator.integers(6, size=6), generator.integers(len(people), size=len(people))
        pairs = [(a, b) for a, b in zip(*np.triu_indices(6, 1), strict=True) if drawn[a] != drawn[b]]
        at = tuple(np.array([(drawn[a], drawn[b]) for a, b in pairs]).T)
        each = [
            [stats.kendalltau(rdm.square(people[one])[at], of[at]).statistic for of in matrix]
            for one in chosen
        ]
        assert draw == pytest.approx(np.mean(each, axis=0))


def test_few_emotions_are_drawn_with_three_at_least():
    people, models = subjects_and_models(emotions=4)
    draws = space.resampled_agreement(people, models.to_numpy(), 4, 200, 1)
    assert np.isfinite(draws).all() and (np.abs(draws) <= 1).all()


def test_a_model_like_the_subjects_comes_near_the_ceiling_and_noise_does_not():
    people, models = subjects_and_models(subjects=20, emotions=12)
    table = table_of(space.agreement_with_subjects(people, models, 12, 1)).set_index("key")
    lower, upper = table.loc[["lower", "upper"], "estimate"]
    assert table.loc["common", "verdict"] == "holds" and table.loc["other", "verdict"] == "inconclusive"
    assert (
        lower * 0.9 < table.loc["common", "estimate"] <= upper
        and (table["reference"].dropna() == lower).all()
    )


def test_mantels_p_counts_the_orders_of_the_emotions():
    """Four emotions have 24 orders: the p of many drawn is near that of all."""
    rng = np.random.default_rng(3)
    human = rng.random(6)
    model = human + rng.normal(0, 0.2, 6)
    row = one(space.model_and_human(model, human, 4, 9999, 1))
    pairs = np.triu_indices(4, 1)
    every = [
        stats.kendalltau(rdm.square(model)[np.ix_(order, order)][pairs], human).statistic
        for order in permutations(range(4))
    ]
    assert row["estimate"] == pytest.approx(stats.kendalltau(model, human).statistic)
    assert row["p"] == pytest.approx(2 * np.mean(np.array(every) >= row["estimate"] - 1e-12), abs=0.03)
