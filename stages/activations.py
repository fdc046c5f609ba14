"""activations: results/live/prompts -> results/live/activations.safetensors, every neuron at the probe position under every prompt"""

from time import perf_counter

import numpy as np
import torch

from model_emotion import cells, cli, environment
from model_emotion.model.setup import engine_of, sources, switch
from model_emotion.params import load_params
from model_emotion.run import MEASURED, Activations, folder, write_activations

USED = {"backbone": True, "seeds": True, "protocol": {"positions", "probe"}, "activation": True}


OUT = folder(MEASURED)


def prompt_file(emotion):
    return OUT / f"prompts/{emotion}.safetensors"


def worker(params):
    """A function emotion -> float32 [seeds, neurons], under the prompts of an emotion."""
    engine = engine_of(params.backbone, params.protocol.positions)
    probe, point = engine.probe(params.protocol.probe), params.activation.point

    def work(emotion):
        prompts = torch.from_numpy(cells.read(prompt_file(emotion))[0]["prompts"])
        return engine.activations(prompts.to(engine.device), probe, point=point).cpu().numpy()

    return work


def main():
    params, start = load_params(), perf_counter()
    prompts = [prompt_file(emotion) for emotion in params.emotions]
    made_from = [*sources(params.backbone), *prompts]
    found = dict(cells.spread(worker, params, params.emotions, 1, made_from))  # one: sooner done than another has started
    axes = {"seeds": tuple(params.seeds), "emotions": tuple(params.emotions)}
    size = {"layers": params.backbone.layers, "width": params.backbone.width, "backbone": params.backbone.name}
    values = np.stack([found[emotion] for emotion in params.emotions], axis=1)
    write_activations(Activations(values, **axes, **size), OUT / "activations.safetensors")
    mark = cells.fingerprint(params.model_dump(include=USED), [__file__, *prompts])
    environment.record(OUT / "provenance/activations.json", params, switch(), perf_counter() - start, {"activations": mark})


if __name__ == "__main__":
    cli.run(main)
