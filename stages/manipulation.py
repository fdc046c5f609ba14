"""manipulation: accuracies of a run and the human weights -> drops and their tests, unimodality, human_correlation, metrics.json"""

import argparse

from model_emotion import cli, manipulation, plan
from model_emotion.files import read_csv, write_csv, write_json
from model_emotion.params import load_params
from model_emotion.run import folder, read_accuracy, read_masked_accuracy


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True)
    run = parser.parse_args().run
    analysis, out = load_params().analysis, folder(run)

    accuracy, masked = read_accuracy(run), read_masked_accuracy(run)
    floors = manipulation.floor(accuracy)
    drops = manipulation.above_floor(manipulation.drops(masked), floors)
    weights = read_csv(out / "weights.csv").set_index("attribute")["tau_boot"]

    tables = {f"drop_by_{name}": manipulation.drop_table(drops, keys, analysis.drop_alpha)
              for name, keys in {"emotion": ["emotion"], "attribute": ["attribute"], "cell": ["emotion", "attribute"]}.items()}  # fmt: skip
    tables["unimodality"] = manipulation.unimodality(drops)
    if manipulation.diptest is None:
        print("unimodality.csv has no rows: the package diptest is not installed. `pip install diptest` needs a C++ compiler")
    tables |= dict(zip(
        ["human_correlation", "human_correlation_summary", "human_correlation_attributes"],
        manipulation.human_correlation(drops, weights),
        strict=True,
    ))  # fmt: skip
    tables["accuracy_by_condition"] = manipulation.accuracy_by_condition(accuracy, masked)
    tables["accuracy_by_mask"] = manipulation.accuracy_by_mask(masked)
    neurons = plan.read(run).neurons
    for name, table in tables.items():
        write_csv(table.assign(share=table["k"] / neurons), out / f"{name}.csv")
    write_csv(floors, out / "floor.csv")

    write_json(manipulation.metrics(accuracy, tables | {"floor": floors}, analysis.top_k), out / "metrics.json")


if __name__ == "__main__":
    cli.run(main)
