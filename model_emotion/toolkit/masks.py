"""One prompt under many masks: which masks there are, and what they leave of its accuracy. For the toolkit's trainer and its command.

The command, `python -m model_emotion.toolkit.trainer`, writes a CSV `mask, accuracy, n`, the prompt without any mask first. Its prompts are
those that the trainer saves, or a run's `results/live/prompts/EMOTION.safetensors`; its masks are tensors [layers, width] by name,
that multiply the neurons. The original's were pickles, which can run code: they are refused.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_tensors, write_csv
from model_emotion.base.results import MEASURED, folder, read_activations
from model_emotion.live.session import DATA
from model_emotion.masking.masks import MaskName, attribute_masks, by_activity, random_masks
from model_emotion.model import backbone, checkpoint
from model_emotion.model.engine import Engine
from model_emotion.model.evaluation import evaluate, overall
from model_emotion.model.tasks import Corpus
from model_emotion.rsa.selectivity import rank_table

DEFAULT_BACKBONE = "sentence-transformers/all-MiniLM-L6-v2"
MAX_SOURCE_LENGTH = 128  # the original toolkit's
RANKINGS = {"14Properties": "searchlight.parquet", "3Spaces": "searchlight_spaces.parquet"}
MOST_ACTIVE = "activation"
KINDS = {"BINARY_MASK": "binary", "FLOAT_MASK": "float"}


def prompt_path(folder, sentiment, seed):
    """Where the trainer saves a prompt."""
    return Path(folder) / f"{sentiment}-{seed}.safetensors"


def corpus_of(engine, prompt_len, max_length, data=DATA, tokenizer=None):
    """Corpus of a Parquet file, or of a table in memory. Raises UserError where it is not there and where the texts would not fit."""
    room = engine.room(prompt_len)
    if max_length > room:
        fits = f"beside a prompt of {prompt_len} vectors {engine.backbone.name} has room for {max(room, 0)} tokens"
        raise UserError(f"max_source_length={max_length}: {fits}")
    if not isinstance(data, pd.DataFrame):
        if not Path(data).is_file():
            raise UserError(
                f"{data}: not there; `dvc repro goemotions` makes data/goemotions.parquet, or name another table as data"
            )
        data = pd.read_parquet(data)
    if lacking := {"split", "text"} - set(data):
        raise UserError(f"data: a table without a column {' and '.join(sorted(lacking))}")
    return Corpus(data, tokenizer or engine.backbone.tokenizer, max_length)


def masked_accuracies(engine, prompt, masks, examples, rows=32):
    """Frame `mask, accuracy, n`: the prompt [prompt_len, embedding] without a mask, then with each of {name: mask [layers, width]}."""
    stacked = torch.from_numpy(np.stack(list(masks.values())))
    correct = np.concatenate(
        [evaluate(engine, prompt[None], some, examples, rows) for some in (None, stacked)]
    )
    return pd.DataFrame({"mask": ["unmasked", *masks], "accuracy": overall(correct), "n": len(examples)})


def rank_neurons(ours, ranking, run, activity):
    """(name of the ranking, frame [neurons, attributes] of ranks) for a backbone.

    ranking: one of RANKINGS or MOST_ACTIVE; None: the first of RANKINGS, or, with a warning, MOST_ACTIVE where there is no searchlight
    of this backbone. run: the folder with the searchlight, or a file in it; None: results/live, else results/published. activity: gives
    the activations [layers, width] when called. Raises UserError where what is asked for is not there.
    """
    if ranking not in (None, MOST_ACTIVE, *RANKINGS):
        raise UserError(f"ranking={ranking!r}: must be one of {', '.join((*RANKINGS, MOST_ACTIVE))}")
    if ranking != MOST_ACTIVE:
        wanted = ranking or next(iter(RANKINGS))
        runs = (
            [folder(MEASURED), folder("published")]
            if run is None
            else [Path(run) if Path(run).is_dir() else Path(run).parent]
        )
        looked = [place / RANKINGS[wanted] for place in runs]
        if path := next((path for path in looked if _is_of(path, ours)), None):
            found = pd.read_parquet(path)
            if not len(found):
                raise UserError(
                    f"{path}: ranks no neurons: own.attributes has not all attributes of one of the three spaces"
                )
            table = rank_table(found)
            if len(table) != ours.layers * ours.width:
                raise UserError(
                    f"{path}: ranks {len(table)} neurons, but {ours.name} has {ours.layers * ours.width}; run `dvc repro`"
                )
            return wanted, table
        lacking = f"no searchlight of {ours.name} for the ranking {wanted} (looked for {', '.join(map(str, looked))})"
        if ranking or run:
            raise UserError(
                f"{lacking}; `dvc repro` makes that of params.yaml's backbone, or give searchlight="
            )
        warnings.warn(f"{lacking}: the most active neurons are masked instead", stacklevel=3)
    return MOST_ACTIVE, by_activity(activity().reshape(1, 1, -1))


def _is_of(searchlight, ours):
    """Whether a searchlight is there, and the activations beside it are of this backbone."""
    beside = searchlight.with_name("activations.safetensors")
    if not (searchlight.is_file() and beside.is_file()):
        return False
    measured = read_activations(beside)
    same_name = checkpoint.PINS.get(measured.backbone, measured.backbone) == checkpoint.PINS.get(
        ours.name, ours.name
    )
    return same_name and (measured.layers, measured.width) == (ours.layers, ours.width)


def mask_size(neurons, ratio, top_k=None):
    """Neurons of a mask: top_k, or else that share of all. Raises UserError unless there are as many."""
    k = round(ratio * neurons) if top_k is None else top_k
    if not 1 <= k <= neurons:
        given = f"ratio={ratio}" if top_k is None else f"top_k={top_k}"
        raise UserError(f"{given}: a mask of {k} neurons, but there are {neurons}")
    return k


def best_and_random_masks(table, layers, shape, k, *, kind, draws, seed):
    """{`ATTRIBUTE/K` and `random/K/DRAW`: mask [layers, width]}, whose k neurons all lie in some layers.

    table: frame [neurons, attributes] of ranks. layers: those layers, from 0. shape: (layers, width) of the model. kind: one of KINDS.
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


def with_baseline(accuracies):
    """Frame of `masked_accuracies` with each mask's `kind` and `k`, and for an attribute `random`, the draws' mean, and `drop` from it."""
    names = accuracies["mask"].iloc[1:]
    described = [{"kind": "unmasked"}, *(vars(MaskName.parse(name)) for name in names)]
    kinds = pd.DataFrame(described)[["kind", "k"]].astype({"k": "Int64"})
    mean = accuracies.loc[kinds["kind"] == "random", "accuracy"].mean()
    baseline = pd.Series(mean, index=kinds.index).where(kinds["kind"] == "attribute")
    return pd.concat([accuracies, kinds], axis=1).assign(
        random=baseline, drop=baseline - accuracies["accuracy"]
    )


def read_prompt(path, sentiment, seed):
    """(prompt [prompt_len, embedding], metadata): the seed's of a file `prompts` [seed, prompt_len, embedding]. Raises UserError."""
    tensors, about = read_tensors(path, "prompts")
    prompts = tensors.get("prompts")
    if prompts is None or prompts.ndim != 3:
        raise UserError(f"{path}: has no tensor `prompts` [seed, prompt_len, embedding]")
    if about.get("emotion", sentiment) != sentiment:
        raise UserError(f"{path}: its prompts are for {about['emotion']}, not {sentiment}")
    seeds = about.get("seeds", [seed] * len(prompts))
    if seed not in seeds:
        raise UserError(f"{path}: has the seeds {', '.join(map(str, seeds))}, not {seed}")
    return torch.from_numpy(prompts[seeds.index(seed)]), about


def check_masks(masks, neurons, path):
    """Raises UserError unless there are masks and all are those of a backbone."""
    if not masks:
        raise UserError(f"{path}: holds no mask")
    for name, mask in masks.items():
        if mask.shape != (neurons.layers, neurons.width):
            shapes = f"{list(mask.shape)}, but {neurons.name} has [{neurons.layers}, {neurons.width}] neurons (layers, width)"
            raise UserError(f"{path}: mask {name!r} is {shapes}")


def _from(least):
    """An argparse type: whole numbers from `least` on."""

    def whole(text):
        if int(text) < least:
            raise ValueError
        return int(text)

    whole.__name__ = f"whole number from {least} on:"
    return whole


def _arguments(argv):
    parser = argparse.ArgumentParser(
        prog="python -m model_emotion.toolkit.trainer", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--sentiment", required=True, help="the emotion")
    parser.add_argument(
        "--random_seed", required=True, type=_from(0), help="the prompt's seed, which draws the examples too"
    )
    parser.add_argument("--maskPath", required=True, help="safetensors: masks [layers, width] by name")
    parser.add_argument("--resultPath", required=True, help="CSV to write")
    parser.add_argument(
        "--promptPath", help="default: outputs/SENTIMENT-SEED.safetensors, where the trainer saves it"
    )
    parser.add_argument(
        "--backbone", help=f"default: the one that the prompt's file names, or else {DEFAULT_BACKBONE}"
    )
    parser.add_argument("--revision", default="", help="of the backbone: a commit")
    parser.add_argument("--data", default=DATA, help="default: %(default)s")
    parser.add_argument("--split", default="dev", help="default: %(default)s")
    parser.add_argument("--examples", type=_from(1), help="at most so many; default: all")
    parser.add_argument(
        "--max_source_length",
        type=_from(3),
        default=MAX_SOURCE_LENGTH,
        help="of a text in tokens; default: %(default)s",
    )
    return parser.parse_args(argv)


def main(argv=None):
    """The command. Raises UserError."""
    args = _arguments(argv)
    path = args.promptPath or prompt_path("outputs", args.sentiment, args.random_seed)
    prompt, about = read_prompt(path, args.sentiment, args.random_seed)
    masks, _ = read_tensors(args.maskPath, "masks")
    trained_on = about.get("backbone", args.backbone or DEFAULT_BACKBONE)
    if args.backbone not in (None, trained_on):
        raise UserError(f"{path}: its prompts are for {trained_on}, not {args.backbone}")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    engine = Engine(backbone.load(trained_on, args.revision or about.get("revision", ""), device))
    if prompt.shape[1] != engine.backbone.embedding_width:
        raise UserError(
            f"{path}: its prompts are vectors of {prompt.shape[1]}, but {trained_on} takes {engine.backbone.embedding_width}"
        )
    check_masks(masks, engine.backbone, args.maskPath)
    corpus = corpus_of(engine, len(prompt), args.max_source_length, args.data)
    task = corpus.task(args.sentiment, args.split, args.random_seed, examples=args.examples)
    write_csv(masked_accuracies(engine, prompt, masks, corpus.examples(task, args.split)), args.resultPath)
