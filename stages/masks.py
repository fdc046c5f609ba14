"""masks: a run's searchlight -> results/RUN/{masks.safetensors, overlap.csv, selectivity.csv, insignificant.csv}"""

import argparse

import pandas as pd

from model_emotion import cli, plan
from model_emotion.files import write_csv, write_tensors
from model_emotion.masks import attribute_masks, by_activity, random_masks
from model_emotion.params import load_params
from model_emotion.rsa.overlap import overlap, ranks, selectivity
from model_emotion.run import folder, read_activations


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True)
    run = parser.parse_args().run
    load_params()
    planned, out = plan.read(run), folder(run)

    attributes = pd.read_parquet(out / "searchlight.parquet")
    table = ranks(attributes)
    match planned.ranking:
        case "attributes":
            ranking = table
        case "spaces":
            ranking = ranks(pd.read_parquet(out / "searchlight_spaces.parquet"))
        case "activation":
            activations = read_activations(out / "activations.safetensors")
            ranking = by_activity(activations.values[planned.ranks(activations.seeds)])
    made = attribute_masks(ranking, planned.top_k, planned.layers, planned.kind, planned.seed)
    kept = {size.k: min(size.draws, plan.KEPT) for size in planned.sizes}
    made |= dict(random_masks(kept, made, **planned.random))
    about = {"masks": list(made), "ranking": planned.ranking, "kind": planned.kind, "baseline": planned.baseline}
    write_tensors(made, out / "masks.safetensors", about)

    shares = {size.k: size.share for size in planned.sizes}
    significant = attributes["significant"].to_numpy().reshape(table.shape)
    shared, weak = selectivity(table, significant, planned.top_k)
    tables = {"overlap": overlap(table, planned.top_k), "selectivity": shared, "insignificant": weak}
    for name, of_sizes in tables.items():
        write_csv(of_sizes.assign(share=of_sizes["k"].map(shares)), out / f"{name}.csv")


if __name__ == "__main__":
    cli.run(main)
