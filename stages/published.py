"""Stage published: the authors' released measurements -> results/published/, activations and accuracies"""

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


def main() -> None:
    grid = load_params().study
    emotions, seeds, out = tuple(grid.emotions), tuple(grid.seeds), folder("published")

    def masked_file(kind: str, emotion: str, seed: int) -> Path:
        return raw("masking", released.masked_path(kind, emotion, seed))

    read = [
        [released.read_neurons(raw("activations", released.activations_path(e, seed))) for e in emotions]
        for seed in progress(seeds, "activations", unit="seed")
    ]
    of_backbone = grid.layers, grid.width, released.BACKBONE
    activations = Activations(np.array(read), seeds, emotions, *of_backbone)
    write_activations(activations, out / "activations.safetensors")

    accuracy = released.read_accuracy(raw("activations", released.UNMASKED), emotions, seeds)
    write_csv(accuracy, out / "accuracy.csv")
    sizes = {"attribute": tuple(grid.top_k), "random": study.RANDOM_ONLY_TOP_K + tuple(grid.top_k)}
    masked = released.read_masked_accuracy(masked_file, emotions, seeds, sizes)
    write_csv(masked, out / "masked_accuracy.csv")


if __name__ == "__main__":
    stage.run(main)
