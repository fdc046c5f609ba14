"""masks: a run's searchlight -> results/RUN/{masks.safetensors, overlap.csv, selectivity.csv, insignificant.csv}"""

import pandas as pd

from model_emotion.base.files import write_csv, write_tensors
from model_emotion.base.results import folder, read_activations
from model_emotion.masking import mask_plan
from model_emotion.masking.masks import attribute_masks, by_activity, random_masks
from model_emotion.params import load_params
from model_emotion.project import stage
from model_emotion.rsa.selectivity import overlap, rank_table, selectivity


def main():
    run = stage.run_option(__doc__)
    load_params()
    planned, out = mask_plan.read(run), folder(run)

    attributes = pd.read_parquet(out / "searchlight.parquet")
    table = rank_table(attributes)
    match planned.ranking:
        case "attributes":
            ranking = table
        case "spaces":
            ranking = rank_table(pd.read_parquet(out / "searchlight_spaces.parquet"))
        case "activation":
            activations = read_activations(out / "activations.safetensors")
            ranking = by_activity(activations.values[planned.ranking_mask(activations.seeds)])
    made = attribute_masks(ranking, planned.top_k, planned.layers, planned.kind, planned.seed)
    kept = {size.k: min(size.draws, mask_plan.KEPT) for size in planned.sizes}
    made |= dict(random_masks(kept, made, **planned.random))
    about = {
        "masks": list(made),
        "ranking": planned.ranking,
        "kind": planned.kind,
        "baseline": planned.baseline,
    }
    write_tensors(made, out / "masks.safetensors", about)

    shares = {size.k: size.share for size in planned.sizes}
    significant = attributes["significant"].to_numpy().reshape(table.shape)
    shared, weak = selectivity(table, significant, planned.top_k)
    tables = {"overlap": overlap(table, planned.top_k), "selectivity": shared, "insignificant": weak}
    for name, of_sizes in tables.items():
        write_csv(of_sizes.assign(share=of_sizes["k"].map(shares)), out / f"{name}.csv")


if __name__ == "__main__":
    stage.run(main)
