"""activations: results/live/prompts -> results/live/activations.safetensors, every neuron at the probe position under every prompt"""

from time import perf_counter

import numpy as np
import torch

from model_emotion import cells, cli, environment
from model_emotion.model.setup import engine_of, switch
from model_emotion.params import load_params
from model_emotion.run import MEASURED, Activations, folder, write_activations

USED = {"backbone": True, "seeds": True, "protocol": {"positions", "probe"}, "activation": True}


def prompt_file(out, emotion):
    return out / f"prompts/{emotion}.safetensors"


def main():
    params, out, start = load_params(), folder(MEASURED), perf_counter()
    engine = engine_of(params.backbone, params.protocol.positions)
    probe, point = engine.probe(params.protocol.probe), params.activation.point

    values = []
    for emotion in params.emotions:
        prompts = torch.from_numpy(cells.read(prompt_file(out, emotion))[0]["prompts"])
        values.append(engine.activations(prompts.to(engine.device), probe, point=point).cpu().numpy())
    axes = {"seeds": tuple(params.seeds), "emotions": tuple(params.emotions)}
    size = {"layers": engine.backbone.layers, "width": engine.backbone.width, "backbone": params.backbone.name}
    write_activations(Activations(np.stack(values, axis=1), **axes, **size), out / "activations.safetensors")
    mark = cells.fingerprint(params.model_dump(include=USED), [__file__, *(prompt_file(out, emotion) for emotion in params.emotions)])
    environment.record(out / "provenance/activations.json", params, switch(), perf_counter() - start, {"activations": mark})


if __name__ == "__main__":
    cli.run(main)
