"""The command `python -m model_emotion.toolkit`: evaluate saved masks on a saved prompt.

It writes a CSV with the columns mask, accuracy (percent) and n, the prompt without a mask first. It takes a
prompt that the trainer saved, or a run's `results/live/prompts/EMOTION.safetensors`, and masks [layers,
width] by name, which multiply the neurons' outputs.
"""

import argparse
from collections.abc import Callable, Sequence
from math import inf

import torch

from model_emotion.base.errors import UserError
from model_emotion.base.files import write_csv
from model_emotion.base.values import LARGEST_SEED
from model_emotion.live.session import DATA
from model_emotion.model import backbone
from model_emotion.model.engine import Engine
from model_emotion.toolkit.masks import (
    DEFAULT_BACKBONE,
    MAX_SOURCE_LENGTH,
    check_masks,
    load_whole_texts,
    masked_accuracies,
    prompt_path,
    read_file,
    read_prompt,
)


def _at_least(least: int, most: float = inf) -> Callable[[str], int]:
    """Return an argparse type for whole numbers from `least` to `most`."""

    def whole(text: str) -> int:
        if not least <= int(text) <= most:
            raise ValueError
        return int(text)

    whole.__name__ = f"whole number of at least {least}{f' and at most {most}' if most < inf else ''}:"
    return whole


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m model_emotion.toolkit", description="Evaluate saved masks on a saved prompt."
    )
    add = parser.add_argument
    add("--sentiment", required=True, help="the emotion")
    add(
        "--random_seed",
        required=True,
        type=_at_least(0, LARGEST_SEED),
        help="seed of the prompt and its examples",
    )
    add("--maskPath", required=True, help="safetensors: masks [layers, width] by name")
    add("--resultPath", required=True, help="CSV to write")
    add("--promptPath", help="default: outputs/SENTIMENT-SEED.safetensors, where the trainer saves it")
    add("--backbone", help=f"default: the one that the prompt's file names, or else {DEFAULT_BACKBONE}")
    add("--revision", default="", help="commit of the backbone")
    add("--data", default=DATA, help="a CSV or Parquet file of texts; default: %(default)s")
    add("--split", default="dev", help="default: %(default)s")
    add("--examples", type=_at_least(1), help="maximum number of examples; default: all")
    add(
        "--max_source_length",
        type=_at_least(3),
        default=MAX_SOURCE_LENGTH,
        help="of a text, in tokens; default: %(default)s",
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command. Raises UserError if files, masks, prompt and backbone do not fit together."""
    args = _arguments(argv)
    path = args.promptPath or prompt_path("outputs", args.sentiment, args.random_seed)
    prompt, about = read_prompt(path, args.sentiment, args.random_seed)
    masks, _ = read_file(args.maskPath, "masks")
    trained_on = about.get("backbone", args.backbone or DEFAULT_BACKBONE)
    if args.backbone not in (None, trained_on):
        raise UserError(f"{path}: its prompts are for {trained_on}, not {args.backbone}")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    engine = Engine(backbone.load(trained_on, args.revision or about.get("revision", ""), device))
    if prompt.shape[1] != (width := engine.backbone.embedding_width):
        raise UserError(
            f"{path}: its prompts are vectors of {prompt.shape[1]}, but {trained_on} takes {width}"
        )
    check_masks(masks, engine.backbone, args.maskPath)
    corpus, label = load_whole_texts(engine, len(prompt), args.max_source_length, args.sentiment, args.data)
    task = corpus.task(label, args.split, args.random_seed, examples=args.examples)
    write_csv(masked_accuracies(engine, prompt, masks, corpus.examples(task, args.split)), args.resultPath)
