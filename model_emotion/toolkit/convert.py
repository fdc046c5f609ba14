"""The command `python -m model_emotion.toolkit.convert SOURCE TARGET`: the original's files, both ways.

The suffixes tell what is converted: .pt, .pkl and .csv (activations) to .safetensors, .json (results) to
.csv, and back. A folder with a run's measurements is written in the study's released layout, and a folder in
that layout is read into a run's files.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from model_emotion.base.errors import UserError
from model_emotion.base.study import LAYERS
from model_emotion.inputs.released import MEASURED
from model_emotion.project import stage
from model_emotion.toolkit.layout import read_released, write_released
from model_emotion.toolkit.originals import CONVERSIONS


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
