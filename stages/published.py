"""Stage published: the authors' released measurements -> results/published/

The files are activations.safetensors, accuracy.csv and masked_accuracy.csv.
"""

from pathlib import Path

import numpy as np

from model_emotion.base import study
from model_emotion.base.files import write_csv
from model_emotion.base.progress import progress
from model_emotion.base.results import Activations, folder, write_activations
from model_emotion.inputs import released
from model_emotion.inputs.registry import raw
from model_emotion.params import load_params
from model_emotion.project import stage

PLM = "Data/raw_data/PLM/prompt_tuning_RoBERTa"
MASKING = "Result/masking/RoBERTa"
FOLDERS = {"attribute": "RSA_tau_14property", "random": "random"}


def activation_file(emotion: str, seed: int) -> Path:
    """Return the path of the activations of a prompt."""
    return raw("activations", f"{PLM}/neurons_activation_before_relu/{emotion}-{seed}.csv")


def masking_file(kind: str, emotion: str, seed: int) -> Path:
    """Return the path of a prompt's accuracies with masks of a kind, `attribute` or `random`."""
    return raw("masking", f"{MASKING}/{FOLDERS[kind]}/Acc_perSeed_JSON/{emotion}-{seed}.json")


def main() -> None:
    grid, out = load_params().study, folder("published")
    emotions, seeds, sizes = tuple(grid.emotions), tuple(grid.seeds), tuple(grid.top_k)

    values = np.array(
        [
            [released.read_neurons(activation_file(emotion, seed)) for emotion in emotions]
            for seed in progress(seeds, "activations", unit="seed")
        ]
    )
    activations = Activations(values, seeds, emotions, grid.layers, grid.width, released.BACKBONE)
    write_activations(activations, out / "activations.safetensors")
    accuracy = released.read_accuracy(raw("activations", f"{PLM}/accuracy.csv"), emotions, seeds)
    write_csv(accuracy, out / "accuracy.csv")
    of_kind = {"attribute": sizes, "random": study.RANDOM_ONLY_TOP_K + sizes}
    masked = released.read_masked_accuracy(masking_file, emotions, seeds, of_kind)
    write_csv(masked, out / "masked_accuracy.csv")


if __name__ == "__main__":
    stage.run(main)
