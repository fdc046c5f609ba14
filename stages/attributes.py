"""Stage attributes: the raw surveys -> results/human, tables of the 14 attributes of the 27 emotions"""

from pathlib import Path

from model_emotion.base.files import write_csv
from model_emotion.human import appraisal, attributes, ratings
from model_emotion.inputs import registry
from model_emotion.params import load_params
from model_emotion.project import stage

SURVEY = "Data/raw_data/emotional_featuers/{}_features/rawdata.csv"  # the study's spelling
WORDS = "Data/raw_data/subjective_comparison/emotions.txt"
LOADINGS = "Result/supplement_information/PCA_component_loadings_for_appraisal_features.doc"
AGREEMENT = "Data/emotion_agreements.csv"


def main(out: Path = Path("results/human")) -> None:
    parallel = load_params().analysis.parallel
    words = ratings.word_list(registry.raw("human", WORDS))
    surveys = attributes.Surveys(
        ratings.affective(registry.raw("human", SURVEY.format("affective")), words),
        ratings.physical(registry.raw("human", SURVEY.format("physical")), words),
        ratings.appraisal(registry.raw("human", SURVEY.format("appraisal"))),
    )
    published = appraisal.published_loadings(registry.raw("human", LOADINGS))
    tables = attributes.tables(surveys, published, parallel.samples, parallel.seed)
    tables["agreement"] = ratings.agreement(registry.raw("human", AGREEMENT))
    for name, table in tables.items():
        write_csv(table, out / f"{name}.csv")


if __name__ == "__main__":
    stage.run(main)
