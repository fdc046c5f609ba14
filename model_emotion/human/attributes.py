"""The tables of the 14 attributes of the 27 emotions, made from the three surveys.

The attributes are mean ratings (arousal, valence and six facial expressions) and the mean scores of six
principal components of the appraisal items.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from model_emotion.base import study
from model_emotion.base.errors import UserError
from model_emotion.human import appraisal, reliability
from model_emotion.human.ratings import Appraisals, Survey
from model_emotion.human.user_ratings import rescaled
from model_emotion.rsa import rdm


@dataclass(frozen=True)
class Surveys:
    """The kept raters of the three surveys."""

    affective: Survey
    physical: Survey
    appraisal: Appraisals

    @cached_property
    def scores(self) -> np.ndarray:
        """[rows of the appraisal survey, 6] scores of the components, from a rotation that stops as R's."""
        return appraisal.fit(self.appraisal.answers).scores(self.appraisal.answers)

    @cached_property
    def means(self) -> pd.DataFrame:
        """[27 emotions, 14 attributes] mean ratings and mean scores, in the study's order."""
        means = [self.affective.means, self.physical.means, self.appraisal.emotion_means(self.scores)]
        return pd.DataFrame(np.hstack(means), columns=study.ATTRIBUTES)


def tables(
    surveys: Surveys, published_loadings: pd.DataFrame, samples: int, seed: int
) -> dict[str, pd.DataFrame]:
    """Return the tables of results/human that the surveys decide, by name.

    published_loadings: the study's table, which names the items. samples, seed: of the parallel analysis.
    Raises UserError if that does not find six components, or if components or items cannot be named.
    """
    return {
        "attributes": pd.concat([pd.Series(study.EMOTIONS, name="emotion"), rescaled(surveys.means)], axis=1),
        "attribute_rdms": rdms(surveys.means),
        "loadings": loadings(surveys.appraisal, published_loadings),
        "parallel_analysis": scree(surveys.appraisal, samples, seed),
        "reliability": reliabilities(surveys),
        "raters": raters(surveys),
    }


def rdms(means: pd.DataFrame) -> pd.DataFrame:
    """Return `emotion_a, emotion_b` and the absolute differences of means [27, attributes], [351 pairs]."""
    distances = rdm.fifteen_digits(rdm.absolute_rdm(means.to_numpy().T)).T
    return pd.concat([rdm.pair_names(study.EMOTIONS), pd.DataFrame(distances, columns=means.columns)], axis=1)


def loadings(appraisals: Appraisals, published: pd.DataFrame) -> pd.DataFrame:
    """Return `item`, its loadings on the six components and its communality, [38 items].

    The rotation has converged, as for the study's published table, which names the items.
    """
    components = appraisal.fit(appraisals.answers, appraisal.CONVERGED_EPS)
    table = pd.DataFrame(components.loadings, columns=appraisal.COMPONENTS)
    table.insert(0, "item", appraisal.item_names(components.loadings, published))
    return table.assign(communality=components.communality)


def scree(appraisals: Appraisals, samples: int, seed: int) -> pd.DataFrame:
    """Return `component, eigenvalue, random_mean, random_quantile` of the parallel analysis, [38 components].

    Raises UserError if it does not find six components.
    """
    parallel = appraisal.parallel_analysis(appraisals.answers, samples, seed)
    if parallel.components != len(appraisal.COMPONENTS):
        raise UserError(
            f"the parallel analysis finds {parallel.components} components of the appraisal items, but the "
            f"attributes are made from {len(appraisal.COMPONENTS)}"
        )
    table = pd.DataFrame(vars(parallel)).rename(columns={"eigenvalues": "eigenvalue"})
    table.insert(0, "component", range(1, len(table) + 1))
    return table


def reliabilities(surveys: Surveys) -> pd.DataFrame:
    """Return the ICC of each attribute: ICC(2,k) of ratings, ICC(1,k) of the scores of appraisals."""
    results = [
        reliability.icc_2k(column.T)
        for survey in (surveys.affective, surveys.physical)
        for column in np.moveaxis(survey.answers, 2, 0)
    ]
    results += [
        reliability.icc_1k(reliability.by_group(column, surveys.appraisal.emotions, study.EMOTIONS))
        for column in surveys.scores.T
    ]
    return reliability.table(study.ATTRIBUTES, results)


def raters(surveys: Surveys) -> pd.DataFrame:
    """Return `survey, given, kept`: the number of raters, or of rows of the appraisal survey."""
    rows = [
        (name, survey.given, len(survey.answers))
        for name in ("affective", "physical", "appraisal")
        for survey in [getattr(surveys, name)]
    ]
    return pd.DataFrame(rows, columns=["survey", "given", "kept"])
