"""Record every neuron at the probe position under every prompt: results/live/activations.safetensors."""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
import torch

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_tensors
from model_emotion.base.results import Activations, undefined_layers
from model_emotion.live.executor import map_emotions
from model_emotion.live.fingerprint import fingerprint
from model_emotion.live.session import PROMPTS, input_files, load_engine, make_deterministic
from model_emotion.params import Params
from model_emotion.project.environment import record_measurement

USED: dict[str, Any] = {
    "backbone": True,
    "seeds": True,
    "protocol": {"positions", "probe"},
    "activation": True,
}
"""The parameters that activations depend on, besides the prompts."""


def make_recorder(params: Params) -> Callable[[str], np.ndarray]:
    """Return the function that maps an emotion to its activations, float32 [seeds, neurons]."""
    engine = load_engine(params.backbone, params.protocol.positions)
    probe, point = engine.probe(params.protocol.probe), params.activation.point

    def record(emotion: str) -> np.ndarray:
        prompts = torch.from_numpy(read_tensors(PROMPTS / f"{emotion}.safetensors")[0]["prompts"])
        return engine.activations(prompts.to(engine.device), probe, point=point).cpu().numpy()

    return record


def check_layers(values: np.ndarray, layers: int, name: str) -> None:
    """Raise UserError if the dissimilarities of a layer are undefined, or are all 0.

    values: [seeds, emotions, layers x width] activations. name: of the model, for the message.
    """
    if found := undefined_layers(values, layers):
        first, problem = next(iter(found.items()))
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise UserError(
            f"{name}: layer {first}{more} {problem}, so that it has no RDM; use another model, or another "
            "activation.point in params.yaml"
        )


def record_activations(params: Params) -> Activations:
    """Return the activations of all prompts. One process is done sooner than another could start."""
    start, (layers, width) = perf_counter(), params.backbone.shape
    prompts = [PROMPTS / f"{emotion}.safetensors" for emotion in params.emotions]
    files = [*input_files(params.backbone), *prompts]
    found = dict(map_emotions(make_recorder, params, params.emotions, 1, files))
    mark = fingerprint(params.model_dump(include=USED), prompts, "live.activations")
    seconds = perf_counter() - start
    record_measurement("activations", params, make_deterministic(), seconds, {"activations": mark})
    values = np.stack([found[emotion] for emotion in params.emotions], axis=1)
    check_layers(values, layers, params.backbone.name)
    return Activations(
        values=values,
        seeds=tuple(params.seeds),
        emotions=tuple(params.emotions),
        layers=layers,
        width=width,
        backbone=params.backbone.name,
    )
