"""Stage retests: a run's measurements -> results/RUN/{retests, specifications, mask_layers, majority}.csv"""

from model_emotion.base.files import read_csv, read_parquet, write_csv
from model_emotion.base.results import folder, read_accuracy, read_activations, read_masked_accuracy
from model_emotion.masking import mask_plan
from model_emotion.params import load_params
from model_emotion.project import stage
from model_emotion.retests.questions import Measured, tables


def main() -> None:
    run = stage.run_option(__doc__)
    analysis, out = load_params().analysis, folder(run)
    measured = Measured(
        accuracy=read_accuracy(run),
        published=read_accuracy("published") if run != "published" else None,
        masked=read_masked_accuracy(run),
        drops=read_parquet(out / "drops.parquet"),
        activations=read_activations(out / "activations.safetensors"),
        attribute_rdms=read_csv(out / "attribute_rdms.csv"),
        mean_rdm=read_csv(out / "mean_rdm.csv"),
        similarity=read_csv("results/human/similarity.csv"),
        weights=read_csv(out / "weights.csv").set_index("attribute")["tau_boot"],
        texts=read_parquet(f"data/texts/{run}.parquet"),
        masks={str(name): mask for name, mask in mask_plan.all_masks(run)},
    )
    for name, made in tables(measured, analysis).items():
        write_csv(made, out / f"{name}.csv")


if __name__ == "__main__":
    stage.run(main)
