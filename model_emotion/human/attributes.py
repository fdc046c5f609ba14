"""The 14 attributes of the 27 emotions: scores, RDMs, components, and the reliability of the ratings."""

import numpy as np
import pandas as pd

from model_emotion.base import study
from model_emotion.base.errors import UserError
from model_emotion.human import appraisal, reliability
from model_emotion.human.ratings import Appraisals, Survey
from model_emotion.params import Resampling
from model_emotion.rsa import rdm


def attribute_tables(
    affective: Survey,
    physical: Survey,
    appraisals: Appraisals,
    published_loadings: pd.DataFrame,
    parallel: Resampling,
) -> dict[str, pd.DataFrame]:
    """Compute the tables of the attributes, by the names of their files in results/human.

    published_loadings: the study's table, which names the appraisal items. parallel: random samples of the
    parallel analysis. Raises UserError if the parallel analysis does not find six components.
    """
    scree = appraisal.parallel_analysis(appraisals.answers, parallel.samples, parallel.seed)
    if scree.components != len(appraisal.COMPONENTS):
        raise UserError(
            f"the parallel analysis finds {scree.components} components, but there are 6 appraisal attributes"
        )
    scores = appraisal.fit(appraisals.answers).scores(appraisals.answers)
    means = np.hstack([affective.means, physical.means, appraisals.emotion_means(scores)])
    surveys: dict[str, Survey | Appraisals] = {
        "affective": affective, "physical": physical, "appraisal": appraisals
    }  # fmt: skip
    raters = [
        {"survey": name, "given": survey.given, "kept": len(survey.answers)}
        for name, survey in surveys.items()
    ]
    return _attributes_and_rdms(means) | {
        "mean_ratings": _by_emotion(means),
        "loadings": _loadings(appraisals.answers, published_loadings),
        "parallel_analysis": _scree(scree),
        "reliability": _reliability((affective, physical), scores, appraisals.emotions),
        "raters": pd.DataFrame(raters),
    }


def _by_emotion(values: np.ndarray) -> pd.DataFrame:
    """Return `emotion` and a column for each attribute. values: [27, attributes]."""
    table = pd.DataFrame(values, columns=study.ATTRIBUTES)
    table.insert(0, "emotion", study.EMOTIONS)
    return table


def _attributes_and_rdms(means: np.ndarray) -> dict[str, pd.DataFrame]:
    """Rescale mean ratings [27, attributes] to 0 to 1, and compute RDMs of the means themselves."""
    least, most = means.min(axis=0), means.max(axis=0)
    attributes = _by_emotion((means - least) / (most - least))
    distances = pd.DataFrame(rdm.fifteen_digits(rdm.absolute_rdm(means.T)).T, columns=study.ATTRIBUTES)
    pairs = rdm.pair_names(study.EMOTIONS)
    return {"attributes": attributes, "attribute_rdms": pd.concat([pairs, distances], axis=1)}


def _loadings(answers: np.ndarray, published: pd.DataFrame) -> pd.DataFrame:
    """Return `item`, the six components and `communality`, of a converged rotation as in the study."""
    converged = appraisal.fit(answers, appraisal.CONVERGED_EPS)
    loadings = pd.DataFrame(converged.loadings, columns=appraisal.COMPONENTS)
    loadings.insert(0, "item", appraisal.item_names(converged.loadings, published))
    loadings["communality"] = converged.communality
    return loadings


def _scree(parallel: appraisal.ParallelAnalysis) -> pd.DataFrame:
    """Return `component` (from 1), `eigenvalue`, `random_mean` and `random_quantile`."""
    scree = pd.DataFrame(vars(parallel)).rename(columns={"eigenvalues": "eigenvalue"})
    scree.insert(0, "component", range(1, len(scree) + 1))
    return scree


def _reliability(surveys: tuple[Survey, ...], scores: np.ndarray, emotions: np.ndarray) -> pd.DataFrame:
    """Return the intraclass correlations of all attributes.

    scores: [rows, 6] of the appraisal survey. emotions: [rows] names.
    """
    results = [
        reliability.icc_2k(column.T) for survey in surveys for column in np.moveaxis(survey.answers, 2, 0)
    ]
    results += [
        reliability.icc_1k(reliability.with_gaps(column, emotions, study.EMOTIONS)) for column in scores.T
    ]
    return reliability.table(study.ATTRIBUTES, results)
