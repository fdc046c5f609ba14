"""One prompt under many masks: which masks there are, and the accuracy that each leaves.

Used by the toolkit's trainer and by its command. The original toolkit's masks were pickles. They can run code
when they are read, so they are refused; `convert` reads them without running it.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_parquet, read_tensors
from model_emotion.base.results import MEASURED, folder, read_activations
from model_emotion.base.values import nameable, normal
from model_emotion.inputs import user_data
from model_emotion.inputs.tables import UserTable, as_table, read_table
from model_emotion.live.session import DATA, load_corpus
from model_emotion.masking.masks import MaskName, as_mask, attribute_masks, by_activity, random_masks
from model_emotion.model import checkpoint
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
BASELINES = ("uniform", "disjoint")
PERCENT = 100.0
PICKLES = (".pkl", ".pickle", ".pt", ".pth")


def prompt_path(folder: Path | str, sentiment: str, seed: int) -> Path:
    """Return the file in which the trainer saves a prompt."""
    return Path(folder) / f"{sentiment}-{seed}.safetensors"


def load_whole_texts(
    engine: Engine,
    prompt_len: int,
    max_length: int,
    sentiment: str,
    data: Path | str | pd.DataFrame = DATA,
    tokenizer: Any = None,
) -> tuple[Corpus, str]:
    """Read the texts of a sentiment: GoEmotions, or a table or file like one in data/own.

    Return them as tasks, and the name of the sentiment's label: as given or, where the texts have no such
    label, in small letters as in the original. Raises UserError if the model has no room for max_length
    tokens, or for a table that `user_data.labelled_texts` refuses.
    """
    if max_length > (room := engine.room(prompt_len)):
        raise UserError(
            f"max_source_length={max_length}: beside a prompt of {prompt_len} vectors {engine.backbone.name} "
            f"has room for {max(room, 0)} tokens"
        )
    label = normal(sentiment)
    if isinstance(data, pd.DataFrame) or Path(data) != DATA:
        table = _table(data)
        label = label if label in table.rows else label.lower()
        try:
            data = user_data.labelled_texts(table, {nameable(label): "sentiment"})
        except ValueError as error:
            raise UserError(f"sentiment: {error}") from None
    else:
        label = label.lower()
    return load_corpus(engine, prompt_len, max_length, data, tokenizer), label


def _table(data: Path | str | pd.DataFrame) -> UserTable:
    if isinstance(data, pd.DataFrame):
        return as_table(data)
    if not (path := Path(data).expanduser()).is_file():
        raise UserError(f"data: {path}: not found")
    return read_table(path)


def masked_accuracies(
    engine: Engine, prompt: torch.Tensor, masks: Mapping[str, np.ndarray], examples: Examples, rows: int = 32
) -> pd.DataFrame:
    """Return `mask, accuracy, n`: a prompt [prompt_len, embedding] without a mask, then with each mask.

    accuracy: in percent. masks: {name: mask [layers, width]}. rows: texts per batch.
    """
    stacked = torch.from_numpy(np.stack(list(masks.values())))
    correct = np.concatenate(
        [evaluate(engine, prompt[None], some, examples, rows) for some in (None, stacked)]
    )
    return pd.DataFrame(
        {"mask": ["unmasked", *masks], "accuracy": PERCENT * overall(correct), "n": len(examples)}
    )


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
    found = read_parquet(searchlight)
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
    """Return the number of neurons in a mask: top_k, or else a share of all, rounded down as in the original.

    Raises UserError if it is impossible.
    """
    k = int(ratio * neurons) if top_k is None else top_k
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
    baseline: str = BASELINES[0],
) -> dict[str, np.ndarray]:
    """Return masks [layers, width] by name, with k neurons chosen in some layers: the best, and random ones.

    Their names are ATTRIBUTE/K and random/K/DRAW, or random/ATTRIBUTE/K/DRAW if the baseline is `disjoint`:
    then no neuron of an attribute's mask is in its random masks. table: ranks [neurons, attributes]. layers:
    the layers to choose from, counted from 0. shape: (layers, width) of the model. kind: one of KINDS.
    Raises UserError for another kind or baseline, without draws, or if too few neurons are left to draw from.
    """
    for key, value, known in (("kind", kind, KINDS), ("baseline", baseline, BASELINES)):
        if value not in known:
            raise UserError(f"{key}={value!r}: must be one of {', '.join(known)}")
    if draws < 1:
        raise UserError(f"draws={draws}: must be at least 1")
    inside = table.iloc[(np.array(layers)[:, None] * shape[1] + np.arange(shape[1])).ravel()]
    masks = attribute_masks(inside, [k], len(layers), KINDS[kind], seed)
    if baseline == "disjoint":
        masks |= _disjoint_masks(masks, draws, KINDS[kind], seed)
    else:
        size = (len(layers), shape[1])
        masks |= dict(random_masks({k: draws}, masks, size, kind=KINDS[kind], baseline=baseline, seed=seed))
    whole = {str(name): np.ones(shape, dtype=mask.dtype) for name, mask in masks.items()}
    for name, mask in masks.items():
        whole[str(name)][layers] = mask
    return whole


def _disjoint_masks(
    attributes: Mapping[MaskName, np.ndarray], draws: int, kind: str, seed: int
) -> dict[MaskName, np.ndarray]:
    """Return random masks for each attribute's mask [layers, width], without any of its neurons."""
    masks = {}
    for name, mask in attributes.items():
        others = np.flatnonzero(mask == 1)
        if name.k > len(others):
            raise UserError(
                f"baseline='disjoint': a mask of {name.k} neurons leaves only {len(others)} others; choose a "
                "smaller ratio or top_k"
            )
        for draw in range(1, draws + 1):
            own, chosen = MaskName("random", name.attribute, name.k, draw), np.zeros(mask.size, dtype=bool)
            generator = np.random.default_rng([seed, draw, *str(name).encode()])
            chosen[generator.choice(others, size=name.k, replace=False)] = True
            masks[own] = as_mask(chosen, len(mask), kind, seed, str(own))
    return masks


def with_baseline(accuracies: pd.DataFrame) -> pd.DataFrame:
    """Add columns to a table of `masked_accuracies`: `kind` and `k`, and for attributes `random` and `drop`.

    random: mean accuracy of the random masks, or of those drawn for this attribute. drop: random minus the
    attribute's accuracy.
    """
    named = [MaskName.parse(text) for text in accuracies["mask"].iloc[1:]]
    table = accuracies.assign(
        kind=["unmasked", *(name.kind for name in named)],
        k=pd.array([None, *(name.k for name in named)], dtype="Int64"),
    )
    drawn_for = pd.Series(["", *(name.attribute for name in named)], index=table.index)
    random, attribute = table["kind"] == "random", table["kind"] == "attribute"
    means = table["accuracy"][random].groupby(drawn_for[random]).mean()
    baseline = drawn_for[attribute].map(means).fillna(means.get("", np.nan)).reindex(table.index)
    return table.assign(random=baseline, drop=baseline - table["accuracy"])


def read_file(path: Path | str, what: str) -> tuple[dict[str, np.ndarray], dict]:
    """Return the arrays of a safetensors file by name, and its metadata. Raises UserError for a pickle."""
    if Path(path).suffix in PICKLES:
        raise UserError(
            f"{path}: {what} are read only from safetensors, since pickles (.pkl, .pt) can run code; "
            f"convert it: python -m model_emotion.toolkit.convert {path} "
            f"{Path(path).with_suffix('.safetensors')}"
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
