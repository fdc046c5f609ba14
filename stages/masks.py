"""Stage masks: searchlights -> results/RUN/masks.safetensors, {overlap, selectivity, insignificant}.csv"""

from model_emotion.base.files import read_parquet, write_csv, write_tensors
from model_emotion.base.results import folder
from model_emotion.masking import mask_plan
from model_emotion.masking.ranking import rank_by_permuted_ratings, rank_neurons
from model_emotion.params import load_params
from model_emotion.project import stage
from model_emotion.rsa.selectivity import overlap, rank_table, selectivity


def main() -> None:
    run = stage.run_option(__doc__)
    load_params()
    plan, out = mask_plan.read(run), folder(run)

    attributes = read_parquet(out / "searchlight.parquet")
    table = rank_table(attributes)
    made = plan.attribute_masks(rank_neurons(plan, run))
    random = dict(plan.random_masks(made, at_most=mask_plan.KEPT))
    made |= plan.permuted_masks(rank_by_permuted_ratings(plan, run)) | random
    named = {str(name): mask for name, mask in made.items()}
    about = {"masks": list(named), "ranking": plan.ranking, "kind": plan.kind, "baseline": plan.baseline}
    write_tensors(named, out / "masks.safetensors", about)

    shares = {size.k: size.share for size in plan.sizes}
    significant = attributes["significant"].to_numpy().reshape(table.shape)
    shared, weak = selectivity(table, significant, plan.top_k)
    tables = {"overlap": overlap(table, plan.top_k), "selectivity": shared, "insignificant": weak}
    for name, of_sizes in tables.items():
        write_csv(of_sizes.assign(share=of_sizes["k"].map(shares)), out / f"{name}.csv")


if __name__ == "__main__":
    stage.run(main)
