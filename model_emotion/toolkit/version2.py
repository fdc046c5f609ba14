"""Convert files of the original toolkit's version 2.0 into files of this one, and back.

| original | ours |
| --- | --- |
| activated_neuron_before_relu.pt, outputs of GELU | `post_gelu` in a file .safetensors |
| activated_neuron_after_relu.pt, whether each is above 0 | `active` in a file .safetensors |
| eval_prompt_results.json, metrics under transformers' names | metrics as `eval_prompt` saves them, JSON |

Version 2.0 saves one tensor [layers, width] to each of the two files: float32 as the model computes, and
int32 of 0 and 1. Neither names the emotion, the seed, the model or the layers. It saves the metrics with
transformers' `Trainer.save_metrics`, its accuracy in percent.
"""

import json
import re
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model_emotion.base.errors import InputError
from model_emotion.base.files import replacing, write_json, write_tensors, write_text
from model_emotion.toolkit.originals import as_array, check_probe, read_object

PREFIX = "eval_"
OTHERS = re.compile("epoch|(before_)?init_mem_.*")
"""The metrics that transformers gives no prefix: the epoch, and the memory used before the evaluation."""
AFTER = "after_relu"
"""A part of the name of the file whose values are 0 and 1."""


def activations_to_ours(tensor: torch.Tensor, source: Path, target: Path) -> None:
    """Convert the tensor in `source`, floats into `post_gelu`, and int32 of 0 and 1 into `active`.

    Raises InputError for another shape or type, and for values that are not finite, or not 0 and 1.
    """
    if tensor.ndim != 2 or not tensor.numel():
        raise InputError(f"{source}: its tensor is {list(tensor.shape)}, not [layers, width]")
    if not (tensor.is_floating_point() or tensor.dtype == torch.int32):
        raise InputError(f"{source}: its tensor is {tensor.dtype}, but activations are floats or int32")
    name = "post_gelu" if tensor.is_floating_point() else "active"
    values = as_array(tensor, source, name)
    _check(values, name, source)
    write_tensors({name: values}, target, {"probe": "mask"})


def activations_to_original(
    tensors: dict[str, np.ndarray], about: dict[str, Any], source: Path, target: Path
) -> None:
    """Convert activations. The name of `target` tells whether it gets values (before_relu) or 0 and 1.

    tensors, about: the content and the metadata of `source`. Raises UserError if they do not hold what
    `target` should get, or if they were read with another probe than `<mask>`, version 2.0's.
    """
    check_probe(about, source, "mask", "2.0")
    name = "active" if AFTER in target.name else "post_gelu"
    if name == "active" and name not in tensors and "post_gelu" in tensors:
        _check(tensors["post_gelu"], "post_gelu", source)
        tensors = {name: (tensors["post_gelu"] > 0).astype(np.int32)}
    if name not in tensors:
        raise InputError(f"{source}: has no tensor `{name}` [layers, width], which {target.name} would hold")
    _check(tensors[name], name, source)
    with replacing(target) as part:
        torch.save(torch.from_numpy(tensors[name]), part)


def _check(values: np.ndarray, name: str, source: Path) -> None:
    """Raise InputError unless activations are finite numbers [layers, width], or 0 and 1 if `active`."""
    if values.ndim != 2 or not values.size:
        raise InputError(f"{source}: {name} is {list(values.shape)}, not [layers, width]")
    wrong = np.argwhere(~np.isin(values, (0, 1)) if name == "active" else ~np.isfinite(values))
    if len(wrong):
        layer, neuron = wrong[0]
        kind = "neither 0 nor 1" if name == "active" else "not finite"
        raise InputError(f"{source}: layer {layer}, neuron {neuron} (both counted from 0) is {kind}")


def metrics_between(source: Path, target: Path) -> None:
    """Convert metrics of version 2.0, whose names begin with `eval_`, or ours, into the other.

    Accuracies are in percent in both. Metrics that only one side saves are kept: version 2.0's loss and
    times, and our majority and n. Raises InputError if the file holds other names, or a number that is not
    finite.
    """
    values = read_object(source)
    _check_numbers(values, source)
    if any(name.startswith(PREFIX) for name in values):
        write_json(_without_prefix(values, source), target)
        return
    _check_accuracy(values, source)
    renamed = {name if OTHERS.fullmatch(name) else PREFIX + name: value for name, value in values.items()}
    write_text(json.dumps(renamed, indent=4, sort_keys=True), target)  # as transformers writes it


def _without_prefix(values: dict[str, Any], source: Path) -> dict[str, Any]:
    """Return metrics of version 2.0 under our names, the accuracy first."""
    found = {}
    for name, value in values.items():
        own = name.removeprefix(PREFIX)
        prefixed = own != name and own and not own.startswith(PREFIX) and not OTHERS.fullmatch(own)
        if not (prefixed or OTHERS.fullmatch(name)):
            raise InputError(f"{source}: {name!r} is not a metric that version 2.0's eval_prompt saves")
        found[own] = value
    _check_accuracy(found, source)
    return {"accuracy": found["accuracy"], **found}


def _check_accuracy(values: dict[str, Any], source: Path) -> None:
    accuracy: Any = values.get("accuracy")
    if type(accuracy) not in (int, float) or not 0 <= accuracy <= 100:
        raise InputError(f"{source}: holds no accuracy in percent, from 0 to 100")


def _check_numbers(value: Any, source: Path, name: str = "") -> None:
    """Raise InputError if a value, or one inside it, is not finite."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            _check_numbers(inner, source, name or str(key))
    elif isinstance(value, float) and not isfinite(value):
        raise InputError(f"{source}: {name} is not a finite number")
