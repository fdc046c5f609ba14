"""goemotions: the three splits of GoEmotions -> data/goemotions.parquet"""

from model_emotion.base.files import write_parquet
from model_emotion.inputs.goemotions import SPLITS, read_labels, read_split, tidy
from model_emotion.inputs.registry import raw
from model_emotion.params import load_params
from model_emotion.project import stage


def main() -> None:
    load_params()
    labels = read_labels(raw("human", "Data/raw_data/subjective_comparison/emotions.txt"))
    splits = {
        split: read_split(raw("goemotions", f"goemotions/data/{split}.tsv"), labels) for split in SPLITS
    }
    write_parquet(tidy(splits), "data/goemotions.parquet")


if __name__ == "__main__":
    stage.run(main)
