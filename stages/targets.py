"""Stage targets: what a run is compared with and evaluated on -> results/RUN/, data/texts/RUN.parquet

The tables {attributes, attribute_rdms, mean_rdm, weights, agreement}.csv and the texts are the study's, or
for the run `live` made of the files in data/own that params.yaml names.
"""

import shutil
from pathlib import Path

from model_emotion.base.files import read_parquet, replacing, write_csv, write_parquet
from model_emotion.base.results import MEASURED, folder
from model_emotion.human.targets import HUMAN, TABLES, shared_texts, user_tables, user_texts
from model_emotion.inputs.user_data import FOLDER
from model_emotion.params import load_params
from model_emotion.project import stage

GOEMOTIONS, TEXTS = Path("data/goemotions.parquet"), Path("data/texts")


def copy(source: Path, target: Path) -> None:
    """Copy a file, whole or not at all."""
    with replacing(target) as part:
        shutil.copyfile(source, part)


def main() -> None:
    run, params = stage.run_option(__doc__), load_params()
    out, own = folder(run), run == MEASURED
    texts, tables = (user_texts(params), user_tables(params)) if own else (None, {})

    for name in TABLES:
        if name in tables:
            write_csv(tables[name], out / f"{name}.csv")
        else:
            copy(HUMAN / f"{name}.csv", out / f"{name}.csv")
    if texts is None:
        copy(GOEMOTIONS, TEXTS / f"{run}.parquet")
    else:
        write_parquet(texts, TEXTS / f"{run}.parquet")
        counts = ", ".join(f"{n} {split}" for split, n in texts["split"].value_counts().items())
        print(f"{FOLDER}/{params.own.texts}: {counts}")
    if shared := shared_texts(read_parquet(TEXTS / f"{run}.parquet", columns=["split", "text"])):
        print(f"{TEXTS / f'{run}.parquet'}: {shared}; a prompt may have been trained or chosen on them")
    if own and params.own.attributes:
        print(f"{FOLDER}/{params.own.attributes}: {', '.join(tables['attributes'].columns[1:])}")


if __name__ == "__main__":
    stage.run(main)
