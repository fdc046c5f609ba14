"""One prompt under many masks: which masks there are, and the accuracy that each leaves.

Used by the toolkit's trainer and by the command `python -m model_emotion.toolkit`. The command writes a CSV
with the columns mask, accuracy and n, the prompt without a mask first. It takes a prompt that the trainer
saved, or a run's `results/live/prompts/EMOTION.safetensors`, and masks [layers, width] by name, which
multiply the neurons' outputs. The original toolkit's masks were pickles. They can run code when they are
read, so they are refused.
"""

import argparse
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_tensors, write_csv
from model_emotion.base.results import MEASURED, folder, read_activations
from model_emotion.live.session import DATA, load_corpus
from model_emotion.masking.masks import MaskName, attribute_masks, by_activity, random_masks
from model_emotion.model import backbone, checkpoint
from model_emotion.model.backbone import Backbone
from model_emotion.model.engine import Engine
from model_emotion.model.evaluation import evaluate, overall
from model_emotion.model.tasks import Corpus, Examples
from model_emotion.rsa.selectivity import rank_table

DEFAULT_BACKBONE = "sentence-transformers/all-MiniLM-L6-v2"
MAX_SOURCE_LENGTH = 128  # the original toolkit's
RANKINGS = {"14Properties": "searchlight.parquet", "3Spaces": "searchlight_spaces.parquet"}
MOST_ACTIVE = "activation"
KINDS = {"BINARY_MASK": "binary", "FLOAT_MASK": "float"}
PICKLES = (".pkl", ".pickle", ".pt", ".pth")


def prompt_path(folder: Path | str, sentiment: str, seed: int) -> Path:
    """Return the file in which the trainer saves a prompt."""
    return Path(folder) / f"{sentiment}-{seed}.safetensors"


def load_whole_texts(
    engine: Engine,
    prompt_len: int,
    max_length: int,
    data: Path | str | pd.DataFrame = DATA,
    tokenizer: Any = None,
) -> Corpus:
    """Read texts like `load_corpus`, but raise UserError if the model has no room for max_length tokens."""
    if max_length > (room := engine.room(prompt_len)):
        raise UserError(
            f"max_source_length={max_length}: beside a prompt of {prompt_len} vectors {engine.backbone.name} "
            f"has room for {max(room, 0)} tokens"
        )
    return load_corpus(engine, prompt_len, max_length, data, tokenizer)


def masked_accuracies(
    engine: Engine, prompt: torch.Tensor, masks: Mapping[str, np.ndarray], examples: Examples, rows: int = 32
) -> pd.DataFrame:
    """Return `mask, accuracy, n`: a prompt [prompt_len, embedding] without a mask, then with each mask.

    masks: {name: mask [layers, width]}. rows: texts per batch.
    """
    stacked = torch.from_numpy(np.stack(list(masks.values())))
    correct = np.concatenate(
        [evaluate(engine, prompt[None], some, examples, rows) for some in (None, stacked)]
    )
    return pd.DataFrame({"mask": ["unmasked", *masks], "accuracy": overall(correct), "n": len(examples)})


def rank_neurons(
    ours: Backbone, ranking: str | None, run: Path | str | None, activity: Callable[[], np.ndarray]
) -> tuple[str, pd.DataFrame]:
    """Return the name of a ranking, and the ranks [neurons, attributes] that it gives a backbone's neurons.

    ranking: one of RANKINGS, or MOST_ACTIVE. None stands for the first of RANKINGS, or, with a warning, for
    MOST_ACTIVE if there is no searchlight of this backbone. run: the folder with the searchlight, or a file
    in it. None stands for results/live, or else results/published. activity: returns the activations [layers,
    width]. Raises UserError if the ranking is unknown, or if a searchlight that was asked for is missing or
    does not fit.
    """
    if ranking not in (None, MOST_ACTIVE, *RANKINGS):
        raise UserError(f"ranking={ranking!r}: must be one of {', '.join((*RANKINGS, MOST_ACTIVE))}")
    if ranking != MOST_ACTIVE:
        wanted = ranking or next(iter(RANKINGS))
        looked = [place / RANKINGS[wanted] for place in _runs(run)]
        if path := next((path for path in looked if _is_of(path, ours)), None):
            return wanted, _read_ranks(path, ours)
        places = ", ".join(map(str, looked))
        lacking = f"no searchlight of {ours.name} for the ranking {wanted} (looked for {places})"
        if ranking or run:
            raise UserError(
                f"{lacking}; `dvc repro` makes one of params.yaml's backbone, or name one with searchlight="
            )
        warnings.warn(f"{lacking}: the most active neurons are masked instead", stacklevel=3)
    return MOST_ACTIVE, by_activity(activity().reshape(1, 1, -1))


def _runs(run: Path | str | None) -> list[Path]:
    if run is None:
        return [folder(MEASURED), folder("published")]
    return [Path(run) if Path(run).is_dir() else Path(run).parent]


def _is_of(searchlight: Path, ours: Backbone) -> bool:
    """Return whether a searchlight exists, with activations of this backbone beside it."""
    beside = searchlight.with_name("activations.safetensors")
    if not (searchlight.is_file() and beside.is_file()):
        return False
    measured = read_activations(beside)
    pins = checkpoint.PINS  # the same pin for two names of one model
    same_model = pins.get(measured.backbone, measured.backbone) == pins.get(ours.name, ours.name)
    return same_model and (measured.layers, measured.width) == (ours.layers, ours.width)


def _read_ranks(searchlight: Path, ours: Backbone) -> pd.DataFrame:
    found = pd.read_parquet(searchlight)
    if not len(found):
        raise UserError(
            f"{searchlight}: ranks no neurons, since own.attributes covers none of the three spaces"
        )
    table = rank_table(found)
    if len(table) != (neurons := ours.layers * ours.width):
        raise UserError(
            f"{searchlight}: ranks {len(table)} neurons, but {ours.name} has {neurons}; run `dvc repro`"
        )
    return table


def mask_size(neurons: int, ratio: float, top_k: int | None = None) -> int:
    """Return the number of neurons in a mask: top_k, or else a share of all.

    Raises UserError if it is impossible.
    """
    k = round(ratio * neurons) if top_k is None else top_k
    if not 1 <= k <= neurons:
        given = f"ratio={ratio}" if top_k is None else f"top_k={top_k}"
        raise UserError(f"{given}: a mask of {k} neurons, but there are {neurons}")
    return k


def best_and_random_masks(
    table: pd.DataFrame,
    layers: Sequence[int],
    shape: tuple[int, int],
    k: int,
    *,
    kind: str,
    draws: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """Return {`ATTRIBUTE/K` and `random/K/DRAW`: mask [layers, width]}, with k neurons chosen in some layers.

    table: ranks [neurons, attributes]. layers: the layers to choose from, counted from 0. shape: (layers,
    width) of the model. kind: one of KINDS. Raises UserError for another kind, or without draws.
    """
    if kind not in KINDS:
        raise UserError(f"kind={kind!r}: must be one of {', '.join(KINDS)}")
    if draws < 1:
        raise UserError(f"draws={draws}: must be at least 1")
    inside = table.iloc[(np.array(layers)[:, None] * shape[1] + np.arange(shape[1])).ravel()]
    masks = attribute_masks(inside, [k], len(layers), KINDS[kind], seed)
    masks |= dict(
        random_masks(
            {k: draws}, masks, (len(layers), shape[1]), kind=KINDS[kind], baseline="uniform", seed=seed
        )
    )
    whole = {str(name): np.ones(shape, dtype=mask.dtype) for name, mask in masks.items()}
    for name, mask in masks.items():
        whole[str(name)][layers] = mask
    return whole


def with_baseline(accuracies: pd.DataFrame) -> pd.DataFrame:
    """Add columns to a table of `masked_accuracies`: `kind` and `k`, and for attributes `random` and `drop`.

    random: mean accuracy of the random masks. drop: random minus the attribute's accuracy.
    """
    names = accuracies["mask"].iloc[1:]
    described = [{"kind": "unmasked"}, *(vars(MaskName.parse(name)) for name in names)]
    kinds = pd.DataFrame(described)[["kind", "k"]].astype({"k": "Int64"})
    mean = accuracies.loc[kinds["kind"] == "random", "accuracy"].mean()
    baseline = pd.Series(mean, index=kinds.index).where(kinds["kind"] == "attribute")
    return pd.concat([accuracies, kinds], axis=1).assign(
        random=baseline, drop=baseline - accuracies["accuracy"]
    )


def read_file(path: Path | str, what: str) -> tuple[dict[str, np.ndarray], dict]:
    """Return the arrays of a safetensors file by name, and its metadata. Raises UserError for a pickle."""
    if Path(path).suffix in PICKLES:
        raise UserError(
            f"{path}: {what} are read only from safetensors, since pickles (.pkl, .pt) can run code"
        )
    return read_tensors(path, what)


def read_prompt(path: Path | str, sentiment: str, seed: int) -> tuple[torch.Tensor, dict]:
    """Return the prompt [prompt_len, embedding] of a seed, and the file's metadata.

    Raises UserError if the file is missing or holds prompts of another emotion or of other seeds.
    """
    tensors, about = read_file(path, "prompts")
    prompts = tensors.get("prompts")
    if prompts is None or prompts.ndim != 3:
        raise UserError(f"{path}: has no tensor `prompts` [seed, prompt_len, embedding]")
    if about.get("emotion", sentiment) != sentiment:
        raise UserError(f"{path}: its prompts are for {about['emotion']}, not {sentiment}")
    seeds = about.get("seeds", [seed] * len(prompts))
    if seed not in seeds:
        raise UserError(f"{path}: has the seeds {', '.join(map(str, seeds))}, not {seed}")
    return torch.from_numpy(prompts[seeds.index(seed)]), about


def check_masks(masks: Mapping[str, np.ndarray], ours: Backbone, path: Path | str) -> None:
    """Raise UserError unless there is a mask and all have a backbone's shape."""
    if not masks:
        raise UserError(f"{path}: holds no mask")
    for name, mask in masks.items():
        if mask.shape != (ours.layers, ours.width):
            raise UserError(
                f"{path}: mask {name!r} is {list(mask.shape)}, but {ours.name} has "
                f"[{ours.layers}, {ours.width}] neurons (layers, width)"
            )


def _at_least(least: int) -> Callable[[str], int]:
    """Return an argparse type for whole numbers from `least` on."""

    def whole(text: str) -> int:
        if int(text) < least:
            raise ValueError
        return int(text)

    whole.__name__ = f"whole number of at least {least}:"
    return whole


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m model_emotion.toolkit", description="Evaluate saved masks on a saved prompt."
    )
    add = parser.add_argument
    add("--sentiment", required=True, help="the emotion")
    add("--random_seed", required=True, type=_at_least(0), help="seed of the prompt and of its examples")
    add("--maskPath", required=True, help="safetensors: masks [layers, width] by name")
    add("--resultPath", required=True, help="CSV to write")
    add("--promptPath", help="default: outputs/SENTIMENT-SEED.safetensors, where the trainer saves it")
    add("--backbone", help=f"default: the one that the prompt's file names, or else {DEFAULT_BACKBONE}")
    add("--revision", default="", help="commit of the backbone")
    add("--data", default=DATA, help="default: %(default)s")
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
    corpus = load_whole_texts(engine, len(prompt), args.max_source_length, args.data)
    task = corpus.task(args.sentiment, args.split, args.random_seed, examples=args.examples)
    write_csv(masked_accuracies(engine, prompt, masks, corpus.examples(task, args.split)), args.resultPath)
