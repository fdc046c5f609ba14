"""The 14 attributes of the 27 emotions from the raw surveys: scores, RDMs, components, reliability."""

from pathlib import Path

import numpy as np
import pandas as pd

from model_emotion.base import files, study
from model_emotion.base.errors import UserError
from model_emotion.human import appraisal, ratings, reliability
from model_emotion.inputs import registry
from model_emotion.params import load_params
from model_emotion.project import stage
from model_emotion.rsa import rdm

SURVEYS = "Data/raw_data/emotional_featuers"  # spelt so there
WORDS = "Data/raw_data/subjective_comparison/emotions.txt"
LOADINGS = "Result/supplement_information/PCA_component_loadings_for_appraisal_features.doc"
AGREEMENT = "Data/emotion_agreements.csv"


def main(out=Path("results/human")):
    params = load_params().analysis
    words = ratings.word_list(registry.raw("human", WORDS))
    affective = ratings.affective(registry.raw("human", f"{SURVEYS}/affective_features/rawdata.csv"), words)
    physical = ratings.physical(registry.raw("human", f"{SURVEYS}/physical_features/rawdata.csv"), words)
    appraisals = ratings.appraisal(registry.raw("human", f"{SURVEYS}/appraisal_features/rawdata.csv"))
    published = appraisal.published_loadings(registry.raw("human", LOADINGS))
    agreement = ratings.agreement(registry.raw("human", AGREEMENT))

    parallel = appraisal.parallel_analysis(appraisals.answers, params.parallel.samples, params.parallel.seed)
    if parallel.components != len(appraisal.COMPONENTS):
        raise UserError(
            f"the parallel analysis finds {parallel.components} components; the attributes are made from 6"
        )
    scores = appraisal.fit(appraisals.answers).scores(appraisals.answers)
    converged = appraisal.fit(appraisals.answers, appraisal.CONVERGED_EPS)

    means = np.hstack([affective.means, physical.means, appraisals.emotion_means(scores)])
    least, most = means.min(axis=0), means.max(axis=0)
    attributes = pd.DataFrame((means - least) / (most - least), columns=study.ATTRIBUTES)
    distances = pd.DataFrame(rdm.fifteen_digits(rdm.absolute_rdm(means.T)).T, columns=study.ATTRIBUTES)

    results = [
        reliability.icc_2k(column.T)
        for survey in (affective, physical)
        for column in np.moveaxis(survey.answers, 2, 0)
    ]
    results += [
        reliability.icc_1k(reliability.with_gaps(column, appraisals.emotions, study.EMOTIONS))
        for column in scores.T
    ]

    loadings = pd.DataFrame(converged.loadings, columns=appraisal.COMPONENTS)
    loadings.insert(0, "item", appraisal.item_names(converged.loadings, published))
    loadings["communality"] = converged.communality
    scree = pd.DataFrame(vars(parallel)).rename(columns={"eigenvalues": "eigenvalue"})
    scree.insert(0, "component", range(1, len(scree) + 1))
    surveys = {"affective": affective, "physical": physical, "appraisal": appraisals}
    raters = [
        {"survey": name, "given": survey.given, "kept": len(survey.answers)}
        for name, survey in surveys.items()
    ]

    attributes.insert(0, "emotion", study.EMOTIONS)
    files.write_csv(attributes, out / "attributes.csv")
    files.write_csv(
        pd.concat([rdm.pair_names(study.EMOTIONS), distances], axis=1), out / "attribute_rdms.csv"
    )
    files.write_csv(loadings, out / "loadings.csv")
    files.write_csv(scree, out / "parallel_analysis.csv")
    files.write_csv(reliability.table(study.ATTRIBUTES, results), out / "reliability.csv")
    files.write_csv(pd.DataFrame(raters), out / "raters.csv")
    files.write_csv(agreement, out / "agreement.csv")


if __name__ == "__main__":
    stage.run(main)
