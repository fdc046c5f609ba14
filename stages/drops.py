"""Stage drops: accuracies and human weights -> results/RUN/drops.parquet, tables of tests, metrics.json"""

from model_emotion.base.files import read_csv, write_csv, write_json, write_parquet
from model_emotion.base.results import folder, read_accuracy, read_masked_accuracy
from model_emotion.masking import mask_plan
from model_emotion.masking.drops import accuracy_drops, diptest, drop_tables, metrics, pooled_tables
from model_emotion.params import load_params
from model_emotion.project import stage


def main() -> None:
    run = stage.run_option(__doc__)
    analysis, out = load_params().analysis, folder(run)
    accuracy, masked = read_accuracy(run), read_masked_accuracy(run)
    weights = read_csv(out / "weights.csv").set_index("attribute")["tau_boot"]
    neurons = mask_plan.read(run).neurons

    drops = accuracy_drops(masked)
    write_parquet(drops, out / "drops.parquet")
    tables = drop_tables(accuracy, masked, drops, weights, analysis.drop_alpha)
    pooled = pooled_tables(masked, tables, weights, analysis.drop_alpha)
    written = tables | {f"pooled/{name}": table for name, table in pooled.items()}
    for name, table in written.items():
        sized = table.assign(share=table["k"] / neurons) if "k" in table else table
        write_csv(sized, out / f"{name}.csv")
    write_json(metrics(accuracy, tables, analysis.top_k), out / "metrics.json")
    if diptest is None:
        print(
            "unimodality.csv has no rows: the package diptest is not installed. "
            "To build it, install a C++ compiler, then run `pip install diptest`."
        )


if __name__ == "__main__":
    stage.run(main)
