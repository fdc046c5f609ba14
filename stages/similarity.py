"""Stage similarity: judgements of similarity -> results/human/{similarity, mean_rdm, weights}.csv"""

from pathlib import Path

from model_emotion.base import study
from model_emotion.base.files import read_csv, write_csv
from model_emotion.human import similarity
from model_emotion.inputs.registry import raw
from model_emotion.params import load_params
from model_emotion.project import stage
from model_emotion.rsa import rdm

JUDGEMENTS = "Data/raw_data/subjective_comparison/data.xlsx"


def main(
    out: Path = Path("results/human"), attribute_rdms: Path = Path("results/human/attribute_rdms.csv")
) -> None:
    bootstrap = load_params().analysis.bootstrap
    table = similarity.fill_gaps(similarity.judgements(raw("human", JUDGEMENTS)))
    distances = rdm.select(read_csv(attribute_rdms), study.EMOTIONS)[list(study.ATTRIBUTES)]
    weights = similarity.attribute_weights(table, distances, bootstrap.samples, bootstrap.seed)

    write_csv(similarity.similarity_table(table), out / "similarity.csv")
    mean = rdm.pair_names(study.EMOTIONS).assign(distance=similarity.mean_over_subjects(table))
    write_csv(mean, out / "mean_rdm.csv")
    write_csv(weights, out / "weights.csv")


if __name__ == "__main__":
    stage.run(main)
