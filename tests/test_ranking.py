"""Ranks of neurons by permuted ratings: compared with scipy, on matrices whose rows and columns move."""

import numpy as np
import pytest
from scipy import stats

from model_emotion.base import study
from model_emotion.base.results import Activations, write_activations
from model_emotion.masking import mask_plan, ranking
from model_emotion.masking.mask_plan import Plan, Size
from model_emotion.masking.masks import MaskName
from model_emotion.params import load_params
from model_emotion.rsa import rdm
from model_emotion.rsa.permutation import permutations

EMOTIONS, SEEDS, LAYERS, WIDTH = study.EMOTIONS[:7], (1, 3, 5), 2, 9
NAMES = ("valence", "arousal", "fairness")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The activations of a run, in the current folder, and its RDMs as matrices by attribute."""
    monkeypatch.chdir(tmp_path)
    draw, out = np.random.default_rng(0), tmp_path / "results/live"
    out.mkdir(parents=True)
    values = draw.normal(size=(len(SEEDS), len(EMOTIONS), LAYERS * WIDTH)).astype(np.float32)
    write_activations(
        Activations(values, SEEDS, EMOTIONS, LAYERS, WIDTH, "none"), out / "activations.safetensors"
    )
    scores = draw.random((len(EMOTIONS), len(NAMES)))
    matrices = {name: np.abs(of[:, None] - of) for name, of in zip(NAMES, scores.T, strict=True)}
    above = np.triu_indices(len(EMOTIONS), 1)
    table = rdm.pair_names(EMOTIONS).assign(**{name: matrix[above] for name, matrix in matrices.items()})
    table.to_csv(out / "attribute_rdms.csv", index=False)
    return values.astype(float), matrices


def plan(permuted, **changes):
    settings = {"ranking": "attributes", "kind": "binary", "baseline": "uniform", "seed": 4} | changes
    sizes = (Size(5, 5 / 18, 2, permuted=permuted), Size(3, 3 / 18, 1))
    return Plan(LAYERS, WIDTH, sizes=sizes, **settings)


@pytest.mark.parametrize("seeds", [(), (1, 5)])
def test_ranks_by_permuted_ratings_by_a_plain_loop(run, seeds):
    values, matrices = run
    found = ranking.rank_by_permuted_ratings(plan(5, ranking_seeds=seeds), "live")
    expected = ["valence/5/1", "arousal/5/2", "fairness/5/3", "valence/5/4", "arousal/5/5"]
    assert [str(name) for name in found] == [f"permuted/{name}" for name in expected]
    used = values[[SEEDS.index(seed) for seed in seeds or SEEDS]]
    a, b = np.triu_indices(len(EMOTIONS), 1)
    neurons = np.abs(used[:, a] - used[:, b]).mean(axis=0).T
    for (name, rank), order in zip(found.items(), permutations(len(EMOTIONS), 5, 4), strict=True):
        moved = matrices[name.attribute][np.ix_(order, order)][a, b]
        tau = [stats.kendalltau(of, moved).statistic for of in neurons]
        np.testing.assert_array_equal(rank, stats.rankdata(-np.round(tau, 9)))
        assert (moved != matrices[name.attribute][a, b]).any()


def test_more_draws_keep_the_earlier_ones_and_another_seed_gives_others(run):
    few, more, others = (
        ranking.rank_by_permuted_ratings(planned, "live") for planned in (plan(2), plan(9), plan(2, seed=5))
    )
    assert len(more) == 9
    for name, rank in few.items():
        np.testing.assert_array_equal(more[name], rank)
        assert (others[name] != rank).any()


def test_masks_by_permuted_ratings_silence_the_best_neurons(run):
    planned = plan(2)
    ranks = ranking.rank_by_permuted_ratings(planned, "live")
    made = planned.permuted_masks(ranks)
    assert list(made) == [MaskName("permuted", "valence", 5, 1), MaskName("permuted", "arousal", 5, 2)]
    for name, mask in made.items():
        assert mask.shape == (LAYERS, WIDTH)
        assert set(np.flatnonzero(mask == 0)) == set(np.argsort(ranks[name], kind="stable")[:5])


def test_the_first_size_has_them_unless_neurons_are_ranked_by_activity():
    params = load_params()
    backbone = params.backbone.model_copy(update={"layers": 2, "width": 9})
    for by, numbers in (("attributes", [3, 0]), ("spaces", [3, 0]), ("activation", [0, 0])):
        section = params.masks.model_copy(update={"ranking": by, "permuted_draws": 3})
        made = mask_plan.of_live(backbone, [5, 3], section)
        assert [size.permuted for size in made.sizes] == numbers
        assert [size.draws for size in made.sizes] == [section.draws, section.other_draws]
    assert mask_plan.of_published(params.study).permuted_names(NAMES) == []
