"""masks: a run's searchlight -> results/RUN/{masks.safetensors, overlap.csv, selectivity.csv, insignificant.csv}"""

import argparse

import pandas as pd

from model_emotion import cli, study
from model_emotion.files import write_csv, write_tensors
from model_emotion.masks import attribute_and_random_masks
from model_emotion.params import load_params
from model_emotion.rsa.overlap import overlap, ranks, selectivity
from model_emotion.run import folder


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True)
    run = parser.parse_args().run
    params, out = load_params(), folder(run)
    grid, masks = params.study, params.masks

    attributes = pd.read_parquet(out / "searchlight.parquet")
    ranking = attributes if masks.ranking == "attributes" else pd.read_parquet(out / "searchlight_spaces.parquet")
    tensors = attribute_and_random_masks(
        ranks(ranking), grid.top_k, grid.layers, kind=masks.kind, baseline=masks.baseline, draws=masks.draws, seed=masks.seed,
        random_top_k=study.RANDOM_ONLY_TOP_K,
    )  # fmt: skip
    write_tensors(tensors, out / "masks.safetensors", masks.model_dump())

    table = ranks(attributes)
    significant = attributes["significant"].to_numpy().reshape(table.shape)
    shared, weak = selectivity(table, significant, grid.top_k)
    write_csv(overlap(table, grid.top_k), out / "overlap.csv")
    write_csv(shared, out / "selectivity.csv")
    write_csv(weak, out / "insignificant.csv")


if __name__ == "__main__":
    cli.run(main)
