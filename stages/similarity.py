"""The human space of the 27 emotions from judgements of their similarity, and the weight of each attribute in it."""

from pathlib import Path

import pandas as pd

from model_emotion.base import files, study
from model_emotion.human import similarity
from model_emotion.inputs import registry
from model_emotion.params import load_params
from model_emotion.project import stage
from model_emotion.rsa import rdm

JUDGEMENTS = "Data/raw_data/subjective_comparison/data.xlsx"


def main(out=Path("results/human"), attribute_rdms=Path("results/human/attribute_rdms.csv")):
    bootstrap = load_params().analysis.bootstrap
    table = similarity.fill_gaps(similarity.judgements(registry.raw("human", JUDGEMENTS)))
    distances = rdm.select(files.read_csv(attribute_rdms), study.EMOTIONS)[list(study.ATTRIBUTES)]
    weights = similarity.attribute_weights(table, distances, bootstrap.samples, bootstrap.seed)

    pairs = rdm.pair_names(study.EMOTIONS)
    individual = pd.DataFrame(table, columns=pairs["emotion_a"] + "|" + pairs["emotion_b"])
    individual.insert(0, "subject", [f"s{number:02d}" for number in range(1, len(table) + 1)])
    files.write_csv(individual, out / "similarity.csv")
    files.write_csv(pairs.assign(distance=similarity.mean_rdm(table)), out / "mean_rdm.csv")
    files.write_csv(weights, out / "weights.csv")


if __name__ == "__main__":
    stage.run(main)
