"""The command `python -m model_emotion.toolkit.convert SOURCE TARGET`: the original's files, both ways.

The suffixes tell what is converted: .pt (a prompt or activations), .pkl and .csv (activations) to
.safetensors, .json (results) to .csv, and back, and .json (metrics) to .json. A folder with a run's
measurements is written in the study's released layout, and a folder in that layout is read into a run's
files.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_tensors
from model_emotion.base.study import LAYERS
from model_emotion.inputs.released import MEASURED
from model_emotion.project import stage
from model_emotion.toolkit import originals, version2
from model_emotion.toolkit.layout import read_released, write_released
from model_emotion.toolkit.pickles import read_checkpoint


def tensors_to_ours(source: Path, target: Path) -> None:
    """Convert a file .pt: one tensor holds version 2.0's activations, anything else is a trained prompt."""
    found = read_checkpoint(source)
    convert = version2.activations_to_ours if isinstance(found, torch.Tensor) else originals.prompt_to_ours
    convert(found, source, target)


def tensors_to_original(source: Path, target: Path) -> None:
    """Convert a prompt, or activations, into a file .pt."""
    tensors, about = read_tensors(source, "a prompt or activations")
    activations = "prompts" not in tensors
    convert = version2.activations_to_original if activations else originals.prompt_to_original
    convert(tensors, about, source, target)


CONVERSIONS = {
    (".pt", ".safetensors"): tensors_to_ours,
    (".safetensors", ".pt"): tensors_to_original,
    (".pkl", ".safetensors"): originals.masks_to_ours,
    (".safetensors", ".pkl"): originals.masks_to_original,
    (".csv", ".safetensors"): originals.activations_to_ours,
    (".safetensors", ".csv"): originals.activations_to_original,
    (".json", ".csv"): originals.results_to_ours,
    (".csv", ".json"): originals.results_to_original,
    (".json", ".json"): version2.metrics_between,
}
"""The function that converts a file with one suffix into a file with another."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command. Raises UserError if the source is missing or malformed, or the target exists."""
    parser = argparse.ArgumentParser(
        prog="python -m model_emotion.toolkit.convert",
        description="Convert the original toolkit's files, or the released layout, to ours and back.",
    )
    parser.add_argument("source", type=Path, help="a file .pt, .pkl, .csv, .json, .safetensors, or a folder")
    parser.add_argument("target", type=Path, help="the file or folder to write")
    parser.add_argument(
        "--layers", type=int, default=LAYERS, help="of a released layout; default: %(default)s"
    )
    args = parser.parse_args(argv)
    source, target = args.source, args.target
    if not source.exists():
        raise UserError(f"{source}: not found")
    if target.exists():
        raise UserError(f"{target}: exists; delete it or name another")
    if args.layers < 1:
        raise UserError(f"--layers={args.layers}: must be at least 1")
    if source.is_dir():
        if (source / MEASURED).is_dir():
            read_released(source, target, args.layers)
        else:
            write_released(source, target)
        return
    try:
        convert = CONVERSIONS[source.suffix, target.suffix]
    except KeyError:
        pairs = ", ".join(" to ".join(pair) for pair in CONVERSIONS)
        raise UserError(
            f"{source}, {target}: not a pair of suffixes that can be converted ({pairs})"
        ) from None
    convert(source, target)


if __name__ == "__main__":
    stage.run(main)
