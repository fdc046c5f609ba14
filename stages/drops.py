"""drops: accuracies of a run and the human weights -> drops and their tests, unimodality, human_correlation, metrics.json"""

from model_emotion.base.files import read_csv, write_csv, write_json
from model_emotion.base.results import folder, read_accuracy, read_masked_accuracy
from model_emotion.masking import mask_plan
from model_emotion.masking.drops import (
    above_floor,
    accuracy_by_condition,
    accuracy_by_mask,
    accuracy_drops,
    diptest,
    drop_table,
    floor,
    human_correlation,
    metrics,
    unimodality,
)
from model_emotion.params import load_params
from model_emotion.project import stage


def main():
    run = stage.run_option(__doc__)
    analysis, out = load_params().analysis, folder(run)

    accuracy, masked = read_accuracy(run), read_masked_accuracy(run)
    floors = floor(accuracy)
    drops = above_floor(accuracy_drops(masked), floors)
    weights = read_csv(out / "weights.csv").set_index("attribute")["tau_boot"]

    tables = {f"drop_by_{name}": drop_table(drops, keys, analysis.drop_alpha)
              for name, keys in {"emotion": ["emotion"], "attribute": ["attribute"], "cell": ["emotion", "attribute"]}.items()}  # fmt: skip
    tables["unimodality"] = unimodality(drops)
    if diptest is None:
        print(
            "unimodality.csv has no rows: the package diptest is not installed. `pip install diptest` needs a C++ compiler"
        )
    tables |= dict(zip(
        ["human_correlation", "human_correlation_summary", "human_correlation_attributes"],
        human_correlation(drops, weights),
        strict=True,
    ))  # fmt: skip
    tables["accuracy_by_condition"] = accuracy_by_condition(accuracy, masked)
    tables["accuracy_by_mask"] = accuracy_by_mask(masked)
    neurons = mask_plan.read(run).neurons
    for name, table in tables.items():
        write_csv(table.assign(share=table["k"] / neurons), out / f"{name}.csv")
    write_csv(floors, out / "floor.csv")

    write_json(metrics(accuracy, tables | {"floor": floors}, analysis.top_k), out / "metrics.json")


if __name__ == "__main__":
    stage.run(main)
