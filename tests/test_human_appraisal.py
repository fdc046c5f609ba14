"""Components of the appraisal items, against the study's tables, base R, statsmodels and known factors."""

import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.multivariate.factor_rotation import rotate_factors

from model_emotion.base import study
from model_emotion.base.errors import InputError, UserError
from model_emotion.human import appraisal, ratings
from model_emotion.params import load_params
from model_emotion.rsa import rdm

SURVEY = "Data/raw_data/emotional_featuers/appraisal_features/rawdata.csv"
TABLE = "Result/supplement_information/PCA_component_loadings_for_appraisal_features.doc"
FEATURES = "Data/preprocessed/emotional_features"


@pytest.fixture(scope="session")
def appraisals(raw):
    return ratings.appraisal(raw("human", SURVEY))


@pytest.fixture(scope="session")
def published(raw):
    return appraisal.published_loadings(raw("human", TABLE))


def unrotated(answers, n=6):
    values, vectors = np.linalg.eigh(np.corrcoef(answers, rowvar=False))
    return vectors[:, ::-1][:, :n] * np.sqrt(values[::-1][:n])


def mean_scores(appraisals, eps):
    return appraisals.emotion_means(appraisal.fit(appraisals.answers, eps).scores(appraisals.answers))


def rescaled(means):
    return (means - means.min(axis=0)) / (means.max(axis=0) - means.min(axis=0))


def made_answers(rows=400, seed=0):
    """Return answers of six uncorrelated factors, each on six of 36 items; item 0 is of factor 0."""
    rng = np.random.default_rng(seed)
    return np.kron(rng.standard_normal((rows, 6)), np.ones(6)) + 0.5 * rng.standard_normal((rows, 36))


# --- the study's tables


def test_scores_match_the_released_ones(raw, appraisals):
    reference = pd.read_csv(raw("reference", f"{FEATURES}/score_emotional_PCs.csv"))[
        list(appraisal.COMPONENTS)
    ]
    np.testing.assert_allclose(
        rescaled(mean_scores(appraisals, appraisal.STUDY_EPS)), reference, rtol=0, atol=1e-9
    )


def test_rdms_match_the_released_ones(raw, appraisals):
    reference = pd.read_csv(raw("reference", f"{FEATURES}/dist_emotional_PCs.csv"))[
        list(appraisal.COMPONENTS)
    ]
    distances = rdm.absolute_rdm(mean_scores(appraisals, appraisal.STUDY_EPS).T).T
    np.testing.assert_allclose(distances, reference, rtol=0, atol=1e-9)


def test_loadings_match_the_published_table(appraisals, published):
    components = appraisal.fit(appraisals.answers, appraisal.CONVERGED_EPS)
    names = appraisal.item_names(components.loadings, published)
    assert sorted(names) == sorted(published.index) and len(names) == 38
    table = np.c_[components.loadings, components.communality]
    assert np.abs(table - published.loc[names].to_numpy()).max() < 0.001


def test_names_of_items_agree_with_the_studys_description(raw, appraisals, published):
    names = appraisal.item_names(
        appraisal.fit(appraisals.answers, appraisal.CONVERGED_EPS).loadings, published
    )
    described = list(pd.read_csv(raw("human", f"{FEATURES}/features_description.csv"))["name"][8:])
    assert set(described) < set(names) and len(names) - len(described) == 10
    markers = {component: names[item] for component, item in appraisal.MARKERS.items()}
    assert markers == {
        "control": "control",
        "fairness": "fairness",
        "self-relativity": "self relevance",
        "other-relativity": "other people",
        "expectedness": "expectedness",
        "novelty": "repetition",
    }


def test_each_table_needs_its_own_stopping_rule(raw, appraisals, published):
    """The study's scores come from R's early stop, its loadings from a converged rotation."""
    reference = pd.read_csv(raw("reference", f"{FEATURES}/score_emotional_PCs.csv"))[
        list(appraisal.COMPONENTS)
    ]
    assert (
        np.abs(rescaled(mean_scores(appraisals, appraisal.CONVERGED_EPS)) - reference).to_numpy().max() > 0.01
    )
    names = appraisal.item_names(
        appraisal.fit(appraisals.answers, appraisal.CONVERGED_EPS).loadings, published
    )
    early = appraisal.fit(appraisals.answers).loadings
    assert np.abs(early - published.loc[names, list(appraisal.COMPONENTS)].to_numpy()).max() > 0.01


def test_novelty_is_non_novelty(appraisals, published):
    components = appraisal.fit(appraisals.answers, appraisal.CONVERGED_EPS)
    loadings = pd.DataFrame(
        components.loadings, appraisal.item_names(components.loadings, published), appraisal.COMPONENTS
    )
    assert loadings.loc["familiarity", "novelty"] > 0.4 and loadings.loc["repetition", "novelty"] > 0.6


@pytest.mark.parametrize("seed", [1, 2])
def test_parallel_analysis_finds_six(appraisals, seed):
    parallel = appraisal.parallel_analysis(appraisals.answers, 100, seed)
    assert parallel.components == 6
    by_mean = parallel.eigenvalues > parallel.random_mean
    assert by_mean[:6].all() and not by_mean[6:].any()
    assert parallel.eigenvalues.sum() == pytest.approx(38) == parallel.random_mean.sum()


# --- oracles


@pytest.mark.parametrize("eps", [1e-5, 1e-10])
def test_varimax_is_base_rs(tmp_path, eps):
    if not shutil.which("Rscript"):
        pytest.skip("base R is not installed (Rscript)")
    loadings = np.random.default_rng(7).normal(size=(38, 6)) * np.linspace(1, 0.3, 6)
    np.savetxt(tmp_path / "loadings.csv", loadings, delimiter=",", fmt="%.17g")
    code = f"""x <- as.matrix(read.csv("loadings.csv", header = FALSE))
               v <- varimax(x, normalize = TRUE, eps = {eps})
               both <- format(rbind(unclass(v$loadings), v$rotmat), digits = 17)
               write.table(both, "rotated.csv", sep = ",",
                           row.names = FALSE, col.names = FALSE, quote = FALSE)"""
    subprocess.run(["Rscript", "-e", code], cwd=tmp_path, check=True, capture_output=True)
    rotated, rotation = appraisal.varimax(loadings, eps)
    np.testing.assert_allclose(
        np.vstack([rotated, rotation]), np.loadtxt(tmp_path / "rotated.csv", delimiter=","), rtol=0, atol=1e-9
    )


def test_converged_varimax_is_statsmodels(appraisals):
    loadings = unrotated(appraisals.answers)
    length = np.linalg.norm(loadings, axis=1, keepdims=True)
    oracle, _ = rotate_factors(loadings / length, "varimax")
    ours, _ = appraisal.varimax(loadings, appraisal.CONVERGED_EPS)
    match = np.abs((oracle * length).T @ ours).argmax(axis=1)
    assert sorted(match) == list(range(6))
    np.testing.assert_allclose(np.abs(oracle * length), np.abs(ours[:, match]), atol=1e-3)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(8, 20), st.integers(2, 5))
def test_varimax_is_a_rotation_that_simplifies(seed, items, n):
    loadings = np.random.default_rng(seed).normal(size=(items, n))
    rotated, rotation = appraisal.varimax(loadings)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(n), atol=1e-10)
    np.testing.assert_allclose(loadings @ rotation, rotated, atol=1e-10)

    def simplicity(x):
        return ((x / np.linalg.norm(x, axis=1, keepdims=True)) ** 2).var(axis=0).sum()

    assert simplicity(rotated) >= simplicity(loadings) - 1e-9
    flipped, _ = appraisal.varimax(loadings * np.r_[-1, np.ones(n - 1)])
    np.testing.assert_allclose(flipped, rotated * np.r_[-1, np.ones(n - 1)], atol=1e-6)


def test_varimax_that_does_not_converge_says_so():
    with pytest.raises(UserError, match="converged after 2"):
        appraisal.varimax(np.random.default_rng(0).normal(size=(38, 6)), eps=0, max_iterations=2)


def test_a_simple_structure_comes_back(monkeypatch):
    monkeypatch.setattr(
        appraisal, "MARKERS", dict(zip(appraisal.COMPONENTS, (6, 0, 12, 30, 18, 24), strict=True))
    )
    answers = made_answers()
    answers[:, 13] *= -3
    components = appraisal.fit(answers)
    owner = np.abs(components.loadings).argmax(axis=1)
    assert list(owner) == [1] * 6 + [0] * 6 + [2] * 6 + [4] * 6 + [5] * 6 + [3] * 6
    assert (np.sign(components.loadings[range(36), owner]) == np.where(np.arange(36) == 13, -1, 1)).all()
    assert (components.communality > 0.7).all() and (components.communality < 1).all()


def test_scores_are_standardised_uncorrelated_and_carry_the_loadings(appraisals):
    components = appraisal.fit(appraisals.answers)
    scores = components.scores(appraisals.answers)
    np.testing.assert_allclose(scores.mean(axis=0), 0, atol=1e-10)
    np.testing.assert_allclose(np.cov(scores.T), np.eye(6), atol=1e-10)
    both = np.corrcoef(np.hstack([appraisals.answers, scores]).T)
    np.testing.assert_allclose(both[:38, 38:], components.loadings, atol=1e-10)


def test_parallel_analysis_counts_planted_factors():
    rng = np.random.default_rng(3)
    assert appraisal.parallel_analysis(made_answers(), 50, 1).components == 6
    three = np.kron(rng.standard_normal((300, 3)), np.ones(4)) + rng.standard_normal((300, 12))
    assert appraisal.parallel_analysis(three, 100, 1).components == 3
    assert appraisal.parallel_analysis(rng.standard_normal((300, 12)), 200, 1).components == 0


def test_correlations_of_the_survey_are_numpys(appraisals):
    expected = np.corrcoef(appraisals.answers, rowvar=False)
    np.testing.assert_allclose(appraisal.correlations(appraisals.answers), expected, rtol=0, atol=1e-14)
    np.testing.assert_allclose(
        appraisal.eigen(expected)[0], np.linalg.eigvalsh(expected)[::-1], rtol=0, atol=1e-13
    )


def test_random_eigenvalues_are_far_from_where_they_would_be_rounded_otherwise(appraisals, monkeypatch):
    """With the settings of params.yaml: LAPACK's differ by about 2e-15 between processors."""
    chosen = load_params().analysis.parallel
    monkeypatch.setattr(appraisal, "RANDOM_DECIMALS", 17)
    found = appraisal.parallel_analysis(appraisals.answers, chosen.samples, chosen.seed)
    monkeypatch.undo()
    places = np.r_[found.random_mean, found.random_quantile] * 10**appraisal.RANDOM_DECIMALS
    assert (np.abs(places % 1 - 0.5) / 10**appraisal.RANDOM_DECIMALS).min() > 1e-12


def test_parallel_analysis_is_seeded():
    first, again, other = (
        appraisal.parallel_analysis(made_answers(60), 20, seed).random_quantile for seed in (1, 1, 2)
    )
    assert (first == again).all() and (first != other).any()


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(6)), st.lists(st.sampled_from([-1, 1]), min_size=6, max_size=6))
def test_names_survive_any_order_and_sign(order, signs):
    loadings = 0.1 * np.random.default_rng(0).random((38, 6))
    loadings[list(appraisal.MARKERS.values()), range(6)] = 0.7
    np.testing.assert_array_equal(appraisal.named((loadings * signs)[:, order]), loadings)


def test_components_that_cannot_be_named():
    loadings = np.full((38, 6), 0.1)
    loadings[:, 2] = 0.9
    with pytest.raises(UserError, match="cannot be named"):
        appraisal.named(loadings)


def test_items_are_named_by_the_nearest_row():
    rng = np.random.default_rng(1)
    table = pd.DataFrame(rng.normal(size=(5, 6)), ["a", "b", "c", "d", "e"], appraisal.COMPONENTS)
    order = [3, 0, 4, 1, 2]
    near = table.to_numpy()[order] + rng.uniform(-0.005, 0.005, (5, 6))
    assert appraisal.item_names(near, table) == ["d", "a", "e", "b", "c"]
    for far in (near + 0.02, near[[0, 0, 1, 2, 3]]):
        with pytest.raises(UserError, match="differ too much from the study's table"):
            appraisal.item_names(far, table)


def test_published_table_reads_its_dashes(published):
    assert published.shape == (38, 7)
    assert list(published) == [*study.SPACES["appraisal"], "communality"]
    assert published.loc["suddenness", "expectedness"] == -0.773
    np.testing.assert_allclose((published.iloc[:, :6] ** 2).sum(axis=1), published["communality"], atol=0.003)


def test_a_document_without_the_table(raw, tmp_path):
    path = tmp_path / "table.doc"
    path.write_text("<html><table><tr><td>no loadings</td></tr></table></html>")
    with pytest.raises(InputError, match="table.doc: the table has 0 items"):
        appraisal.published_loadings(path)
    path.write_text(
        raw("human", TABLE).read_text(encoding="utf-8").replace(">0.763<", ">much<"), encoding="utf-8"
    )
    with pytest.raises(InputError, match="is not a number"):
        appraisal.published_loadings(path)
