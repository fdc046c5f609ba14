"""Stage activations: prompts -> results/live/activations.safetensors, every neuron under every prompt"""

from model_emotion.base.results import MEASURED, folder, write_activations
from model_emotion.live.activations import record_activations
from model_emotion.model.checkpoint import resolved
from model_emotion.params import load_params
from model_emotion.project import stage


def main() -> None:
    write_activations(
        record_activations(resolved(load_params())), folder(MEASURED) / "activations.safetensors"
    )


if __name__ == "__main__":
    stage.run(main)
