"""retests: a run's measurements -> results/RUN/retests.csv, the re-tests"""

import pandas as pd

from model_emotion.base.files import read_csv, write_csv
from model_emotion.base.results import MEASURED, folder, read_accuracy, read_activations, read_masked_accuracy
from model_emotion.masking import drops
from model_emotion.params import load_params
from model_emotion.project import stage
from model_emotion.retests import accuracy, masks, neurons, power, space
from model_emotion.retests.rows import table
from model_emotion.retests.weights import (
    human_correlation_of_attributes,
    human_correlation_of_size,
    human_correlation_permuted,
    pooled,
)
from model_emotion.rsa import rdm
from model_emotion.rsa.whole_model import model_rdm

HALVINGS = 5
ODD_SEEDS = (
    1,
    42,
    100,
)  # beside the study's other nine, which are 3 to 19; whether they were chosen is not known


def of_accuracy(run, accuracies):
    yield from accuracy.accuracy_above_majority(accuracies)
    if run == MEASURED:
        yield from accuracy.accuracy_order(accuracies, read_accuracy("published"))


def of_neurons(activations, attributes, labels, k, permutations):
    found = neurons.significant_neurons(activations, attributes, permutations.samples, permutations.seed)
    yield from found
    control = neurons.label_rdm(labels.to_numpy(dtype=float))
    yield from neurons.significant_neurons(activations, control, permutations.samples, permutations.seed)[:1]
    yield from neurons.own_neurons(activations, attributes, k, permutations.seed)
    yield from neurons.split_half(activations, attributes, k, HALVINGS, permutations.seed)


def of_masking(masked, accuracies, weights, k, analysis):
    bootstrap = analysis.bootstrap
    yield from masks.place_among_random(masked, k)
    for key, of_seeds in (
        ("", masked),
        *([found] if (found := masks.without_seeds(masked, ODD_SEEDS)) else []),
    ):
        yield from masks.masks_hurt(of_seeds, k, bootstrap.samples, bootstrap.seed, key)
        yield from human_correlation_of_attributes(of_seeds, k, weights, key)
    if found := pooled(masked):
        yield from human_correlation_of_attributes(found[1], k, weights, found[0])
    yield from human_correlation_of_size(masked, weights)
    yield from masks.place_of_size(masked)
    yield from human_correlation_permuted(masked, k, weights, bootstrap.samples, bootstrap.seed)
    yield from masks.share_of_distance(masked, accuracies, k, bootstrap.samples, bootstrap.seed)
    yield from masks.corrected_stars(masked, analysis.drop_alpha)
    yield from power.detectable_place(masked, k)
    yield from power.detectable_drop(masked, k)
    yield from power.detectable_over_attributes(masked, k)


def of_space(run, activations, attributes, permutations):
    judged, emotions = read_csv(folder(run) / "mean_rdm.csv"), len(activations.emotions)
    if judged.empty:  # nobody judged these emotions
        return
    subjects = rdm.select(by_pair("results/human/similarity.csv"), activations.emotions).T.to_numpy()
    human = rdm.select(judged, activations.emotions)["distance"].to_numpy()
    model = model_rdm(activations.values)
    yield from space.model_and_human(model, human, emotions, permutations.samples, permutations.seed)
    models = attributes.assign(model=model)
    yield from space.agreement_with_subjects(subjects, models, emotions, permutations.seed)


def by_pair(path):
    """similarity.csv as an RDM table: `emotion_a, emotion_b` and a column a subject."""
    wide = read_csv(path).set_index("subject").T
    pairs = wide.index.str.split("|", expand=True).to_frame(index=False, name=["emotion_a", "emotion_b"])
    return pairs.join(wide.reset_index(drop=True))


def main():
    run = stage.run_option(__doc__)
    analysis = load_params().analysis

    accuracies = read_accuracy(run)
    masked = drops.above_floor(read_masked_accuracy(run), drops.floor(accuracies))
    k = drops.shown_size(masked.query("kind == 'attribute'"), analysis.top_k)
    activations = read_activations(folder(run) / "activations.safetensors")
    attributes = rdm.select(read_csv(folder(run) / "attribute_rdms.csv"), activations.emotions)
    weights = read_csv(folder(run) / "weights.csv").set_index("attribute")["tau_boot"]
    texts = pd.read_parquet(f"data/texts/{run}.parquet")
    accuracies = accuracy.with_majority(accuracies, texts[texts["split"] == "dev"])
    labels = texts.loc[texts["split"] == "train", list(activations.emotions)]

    rows = [
        *of_accuracy(run, accuracies),
        *of_neurons(activations.values, attributes, labels, k, analysis.permutations),
        *of_masking(masked, accuracies, weights, k, analysis),
        *of_space(run, activations, attributes, analysis.permutations),
    ]
    write_csv(table(rows), folder(run) / "retests.csv")


if __name__ == "__main__":
    stage.run(main)
