"""Convert files of the original toolkit's version 1.0 into files of this one, and back, to the last digit.

| original | ours |
| --- | --- |
| EMOTION-SEED.pt, a trained prompt | EMOTION-SEED.safetensors |
| NAME.pkl, masks by name | NAME.safetensors |
| EMOTION-SEED.csv, activations: a header, one row | EMOTION-SEED.safetensors |
| EMOTION-SEED.json, accuracies by name of mask, fractions of 1 | EMOTION-SEED.csv, in percent |
"""

import json
import pickle
import re
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from model_emotion.base.errors import InputError, UserError
from model_emotion.base.files import read_tensors, replacing, write_csv, write_json, write_tensors, write_text
from model_emotion.base.study import LAYERS, MASK_NAMES
from model_emotion.inputs.released import count_neurons, read_neurons
from model_emotion.masking.masks import MaskName
from model_emotion.toolkit.pickles import LARGEST, read_arrays

BACKBONE = "roberta-base"
"""The original toolkit's only model."""
ATTRIBUTES = {ours: theirs for theirs, ours in MASK_NAMES.items()}
UNMASKED = {"best": "unmasked"}


def emotion_and_seed(path: Path | str) -> tuple[str, int]:
    """Return the emotion and the seed that a file's name, EMOTION-SEED, gives. Raises UserError if none."""
    if not (found := re.fullmatch(r"(.+)-(\d+)", Path(path).stem)):
        raise UserError(
            f"{path}: must be named after its emotion and seed, such as joy-42{Path(path).suffix}"
        )
    return found[1], int(found[2])


def our_name(theirs: str) -> str:
    """Return our name of an original mask, such as happy-face/4000 for happy_top4000; others stay."""
    found = re.fullmatch(r"(.+)_(?:top(\d+)(_random)?|random(\d+))", theirs)
    if not found or found[1] not in MASK_NAMES:
        return UNMASKED.get(theirs, theirs)
    attribute = MASK_NAMES[found[1]]
    if found[2] and not found[3]:
        return str(MaskName("attribute", attribute, int(found[2])))
    return str(MaskName("random", attribute, int(found[2] or found[4]), 1))


def their_name(ours: str, random: str) -> str:
    """Return the original's name of our mask; names that the original cannot express stay.

    random: the form of a random mask's name, `{}_random{}` in results and `{}_top{}_random` in masks.
    """
    try:
        name = MaskName.parse(ours)
    except ValueError:
        return {new: old for old, new in UNMASKED.items()}.get(ours, ours)
    if name.attribute not in ATTRIBUTES or name.draw not in (None, 1):
        return ours
    form = "{}_top{}" if name.kind == "attribute" else random
    return form.format(ATTRIBUTES[name.attribute], name.k)


def as_array(tensor: torch.Tensor, source: Path, name: str) -> np.ndarray:
    """Return a tensor as an array. Raises InputError if numpy has none of its kind, or if it is too large."""
    if (size := tensor.numel() * tensor.element_size()) > LARGEST:  # a few numbers, repeated without end
        raise InputError(f"{source}: {name!r} has {size:,} bytes, more than the {LARGEST:,} that are read")
    try:
        return np.ascontiguousarray(tensor.detach().numpy()).reshape(tuple(tensor.shape))
    except (TypeError, RuntimeError) as error:
        raise InputError(f"{source}: {name!r} cannot be read as an array ({error})") from None


def prompt_to_ours(found: Any, source: Path, target: Path) -> None:
    """Convert the content of a checkpoint, `source`.

    `prompts` [1, prompt_len, embedding] is its best prompt. The rest is kept too.
    """
    emotion, seed = emotion_and_seed(source)
    best = found.get("best_prompt") if isinstance(found, dict) else None
    if not isinstance(best, torch.Tensor) or best.ndim != 2:
        raise InputError(f"{source}: has no tensor `best_prompt` [prompt_len, embedding]")
    rest = {name: value for name, value in found.items() if name != "best_prompt"}
    if odd := [name for name in rest if not isinstance(name, str) or name == "prompts"]:
        raise InputError(f"{source}: {odd[0]!r} is not a name that a trained prompt has")
    tensors = {
        name: as_array(value, source, name) for name, value in rest.items() if isinstance(value, torch.Tensor)
    }
    plain = {name: value for name, value in rest.items() if name not in tensors}
    for name, value in plain.items():
        if value is not None and type(value) not in (bool, int, float, str):
            raise InputError(f"{source}: {name!r} is neither a tensor nor a plain value")
    about = {"emotion": emotion, "seeds": [seed], "backbone": BACKBONE, "original": plain}
    write_tensors({"prompts": as_array(best, source, "best_prompt")[None], **tensors}, target, about)


def prompt_to_original(tensors: dict[str, np.ndarray], about: dict, source: Path, target: Path) -> None:
    """Convert a prompt. `best_acc`, which our files do not hold, is NaN unless the original gave it.

    tensors, about: the content and the metadata of `source`.
    """
    prompts = tensors["prompts"]
    if prompts.ndim != 3 or len(prompts) != 1:
        raise InputError(f"{source}: has no tensor `prompts` of one seed [1, prompt_len, embedding]")
    unknown = {} if "original" in about else {"best_acc": torch.tensor(float("nan"))}
    kept = {name: torch.from_numpy(value) for name, value in tensors.items() if name != "prompts"}
    with replacing(target) as part:
        torch.save(
            {"best_prompt": torch.from_numpy(prompts[0]), **unknown, **kept, **about.get("original", {})},
            part,
        )


def masks_to_ours(source: Path, target: Path) -> None:
    """Convert masks [layers, width] by name; the original's names and order are in the metadata."""
    masks = {name: as_array(tensor, source, name) for name, tensor in read_arrays(source).items()}
    if wrong := [name for name, mask in masks.items() if mask.ndim != 2]:
        raise InputError(f"{source}: mask {wrong[0]!r} is not [layers, width]")
    names = {our_name(name): name for name in masks}
    if len(names) < len(masks):
        raise InputError(f"{source}: two masks have one name of ours")
    write_tensors({ours: masks[theirs] for ours, theirs in names.items()}, target, {"original": names})


def masks_to_original(source: Path, target: Path) -> None:
    """Convert masks to a pickle of torch tensors, int8 (as in the original) for our uint8."""
    masks, about = read_tensors(source, "masks")
    names: Mapping[str, str] = about.get("original") or {
        name: their_name(name, "{}_top{}_random") for name in masks
    }
    found = {
        theirs: torch.from_numpy(
            masks[ours].astype(np.int8) if masks[ours].dtype == np.uint8 else masks[ours]
        )
        for ours, theirs in names.items()
    }
    with replacing(target) as part:
        part.write_bytes(pickle.dumps(found))


def activations_to_ours(source: Path, target: Path) -> None:
    """Convert one row of activations, outputs of GELU, into `post_gelu` float32 [12, width].

    Raises InputError if float32, which the original measured in, does not hold a number exactly as written.
    """
    emotion, seed = emotion_and_seed(source)
    values = read_neurons(source, count_neurons(source))
    if len(values) % LAYERS:
        raise InputError(f"{source}: {len(values):,} values are not {LAYERS} layers of equal width")
    single = values.astype(np.float32)
    if [float(str(value)) for value in single] != values.tolist():
        raise InputError(f"{source}: has more digits than float32 holds")
    about = {"emotion": emotion, "seeds": [seed], "backbone": BACKBONE, "probe": "s"}
    write_tensors({"post_gelu": single.reshape(LAYERS, -1)}, target, about)


def activations_to_original(source: Path, target: Path) -> None:
    """Convert the outputs of GELU that the trainer saves into a header and one row."""
    tensors, about = read_tensors(source, "activations")
    if "post_gelu" not in tensors:
        raise InputError(f"{source}: has no tensor `post_gelu` [layers, width]")
    check_probe(about, source, "s", "1.0")
    write_neurons(tensors["post_gelu"].ravel(), target)


def check_probe(about: dict, source: Path, probe: str, version: str) -> None:
    """Raise UserError if a file's activations were read with another probe than those of a version."""
    if about.get("probe", probe) != probe:
        raise UserError(
            f"{source}: its activations were read with the probe {about['probe']!r}, but those of version "
            f"{version} with {probe!r}; make them with activated_neuron(probe={probe!r})"
        )


def write_neurons(values: np.ndarray, path: Path) -> None:
    """Write activations [neurons] as the original does: the neurons' numbers from 0, and one row."""
    rows = (map(str, range(len(values))), map(str, values))
    write_text("".join(",".join(row) + "\n" for row in rows), path)


def read_object(source: Path, number: Callable[[str], Any] | None = None) -> dict[str, Any]:
    """Return the JSON object in a file. Raises InputError if it holds none, or one key twice.

    number: reads numbers; None stands for Python's int and float.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if twice := [key for key, times in Counter(key for key, _ in pairs).items() if times > 1]:
            raise InputError(f"{source}: holds {twice[0]!r} twice")
        return dict(pairs)

    try:
        found = json.loads(
            source.read_text(encoding="utf-8"),
            parse_float=number,
            parse_int=number,
            object_pairs_hook=once,
        )
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source}: not JSON ({error})") from None
    if not isinstance(found, dict):
        raise InputError(f"{source}: must hold a JSON object, with values by name")
    return found


def results_to_ours(source: Path, target: Path) -> None:
    """Convert accuracies into `mask, accuracy, n`: percent, without rounding; n is unknown."""
    values = read_object(source, Decimal)
    if not {"sentiment", "seed"} <= values.keys():
        raise InputError(f"{source}: must hold sentiment, seed and accuracies by name of mask")
    if (values.pop("sentiment"), values.pop("seed")) != emotion_and_seed(target):
        raise InputError(f"{target}: must be named {source.stem}, after the sentiment and seed in {source}")
    for name, value in values.items():
        if not isinstance(value, Decimal) or not 0 <= value <= 1:
            raise InputError(f"{source}: {name} is not an accuracy between 0 and 1")
    rows = [(our_name(name), str(100 * value), None) for name, value in values.items()]
    write_csv(pd.DataFrame(rows, columns=["mask", "accuracy", "n"]), target)


def results_to_original(source: Path, target: Path) -> None:
    """Convert a table of `mask, accuracy` (percent) into accuracies by name of mask, fractions of 1."""
    emotion, seed = emotion_and_seed(target)
    table = pd.read_csv(source, dtype=str, keep_default_na=False)
    if missing := {"mask", "accuracy"} - set(table.columns):
        raise InputError(f"{source}: no column {sorted(missing)[0]}")
    values: dict[str, Any] = {"sentiment": emotion, "seed": seed}
    for mask, percent in zip(table["mask"], table["accuracy"], strict=True):
        if not re.fullmatch(r"\d+(\.\d*)?(e-\d+)?", percent, re.IGNORECASE) or Decimal(percent) > 100:
            raise InputError(f"{source}: {mask}: {percent!r} is not a percentage")
        values[their_name(mask, "{}_random{}")] = float(Decimal(percent) / 100)
    write_json(values, target)
