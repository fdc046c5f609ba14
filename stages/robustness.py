"""robustness: a run's measurements -> results/RUN/robustness.csv, the re-tests"""

import argparse

import pandas as pd

from model_emotion import cli, manipulation, rdm, robustness
from model_emotion.files import read_csv, write_csv
from model_emotion.params import load_params
from model_emotion.run import MEASURED, folder, read_accuracy, read_activations, read_masked_accuracy

HALVINGS = 5
ODD_SEEDS = (1, 42, 100)  # beside the study's other nine, which are 3 to 19; whether they were chosen is not known


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True)
    run = parser.parse_args().run
    analysis = load_params().analysis

    accuracy = read_accuracy(run)
    masked = manipulation.above_floor(read_masked_accuracy(run), manipulation.floor(accuracy))
    k = manipulation.shown_size(masked.query("kind == 'attribute'"), analysis.top_k)
    activations = read_activations(folder(run) / "activations.safetensors")
    attributes = rdm.select(read_csv(folder(run) / "attribute_rdms.csv"), activations.emotions)
    weights = read_csv(folder(run) / "weights.csv").set_index("attribute")["tau_boot"]

    rows = robustness.accuracy_above_majority(accuracy)
    if run == MEASURED:
        rows += robustness.accuracy_order(accuracy, read_accuracy("published"))
    rows += robustness.significant_neurons(activations.values, attributes, analysis.permutations.samples, analysis.permutations.seed)
    labels = pd.read_parquet(f"data/texts/{run}.parquet", filters=[("split", "==", "train")])[list(activations.emotions)]
    control = robustness.label_rdm(labels.to_numpy(dtype=float))
    rows += robustness.significant_neurons(activations.values, control, analysis.permutations.samples, analysis.permutations.seed)[:1]
    rows += robustness.own_neurons(activations.values, attributes, k)
    rows += robustness.split_half(activations.values, attributes, k, HALVINGS, analysis.permutations.seed)
    rows += robustness.place_among_random(masked, k)
    for key, of_seeds in (("", masked), *([found] if (found := robustness.without_seeds(masked, ODD_SEEDS)) else [])):
        rows += robustness.masks_hurt(of_seeds, k, analysis.bootstrap.samples, analysis.bootstrap.seed, key)
        rows += robustness.human_correlation_of_attributes(of_seeds, k, weights, key)
    rows += robustness.corrected_stars(masked, analysis.drop_alpha)
    rows += robustness.detectable_drop(masked, k)
    write_csv(robustness.table(rows), folder(run) / "robustness.csv")


if __name__ == "__main__":
    cli.run(main)
