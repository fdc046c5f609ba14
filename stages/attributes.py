"""Stage attributes: the raw surveys -> results/human/, the 14 attributes of the 27 emotions"""

from pathlib import Path

from model_emotion.base.files import write_csv
from model_emotion.human import appraisal, ratings
from model_emotion.human.attributes import attribute_tables
from model_emotion.inputs.registry import raw
from model_emotion.params import load_params
from model_emotion.project import stage

SURVEYS = "Data/raw_data/emotional_featuers"  # spelled so in the study's repository
WORDS = "Data/raw_data/subjective_comparison/emotions.txt"
LOADINGS = "Result/supplement_information/PCA_component_loadings_for_appraisal_features.doc"
AGREEMENT = "Data/emotion_agreements.csv"


def main(out: Path = Path("results/human")) -> None:
    parallel = load_params().analysis.parallel
    words = ratings.word_list(raw("human", WORDS))
    affective = ratings.affective(raw("human", f"{SURVEYS}/affective_features/rawdata.csv"), words)
    physical = ratings.physical(raw("human", f"{SURVEYS}/physical_features/rawdata.csv"), words)
    appraisals = ratings.appraisal(raw("human", f"{SURVEYS}/appraisal_features/rawdata.csv"))
    published = appraisal.published_loadings(raw("human", LOADINGS))
    agreement = ratings.agreement(raw("human", AGREEMENT))

    tables = attribute_tables(affective, physical, appraisals, published, parallel)
    for name, table in (tables | {"agreement": agreement}).items():
        write_csv(table, out / f"{name}.csv")


if __name__ == "__main__":
    stage.run(main)
