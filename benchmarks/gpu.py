"""Measure the engine on a CUDA device at roberta-base's size, and compute the hours of the full study there.

`python benchmarks/gpu.py [--json FILE]` takes less than 8 minutes. The model is random, of roberta-base's
size with a vocabulary of 1,000 words. Prompts have 100 vectors, texts are as long as GoEmotions', masks leave
89 % of the neurons. Rates are compared with the device's own rate of matrix products in the same precision:
once for the operations that cannot be skipped ("required"), once for those of a plain forward pass ("plain").
The number of texts at once grows until the memory is full, the rate no longer grows, or a measurement takes
too long.
"""

import argparse
import json
import logging
import time
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from random_model import MASKED, PROMPT_LEN, engine_of, operations, random_model, random_texts

from model_emotion.live.cost import DRAWS, EPOCHS, changed, total_work
from model_emotion.model.engine import Engine
from model_emotion.model.evaluation import margins
from model_emotion.model.tasks import Examples
from model_emotion.model.training import Recipe
from model_emotion.model.tuning import tune
from model_emotion.project.experiments import load

MASKS, SEEDS, BATCH = 32, 12, 16
LONGEST = 8.0  # seconds of a measurement
PRECISIONS = ("float32", "tf32", "bf16")


def timed(run, seconds):
    """Return the median seconds of run(), which must end with an idle device.

    It is repeated for about `seconds`.
    """
    run()
    times = []
    while not times or sum(times) < seconds:
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def product_rate(precision, size=8192, repeats=10):
    """Return the operations a second of a product of two square matrices."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.randn(size, size, device="cuda", dtype=dtype) for _ in range(2))
    before = torch.backends.cuda.matmul.fp32_precision
    torch.backends.cuda.matmul.fp32_precision = "tf32" if precision == "tf32" else before

    def run():
        for _ in range(repeats):
            a @ b
        torch.cuda.synchronize()

    try:
        return repeats * 2 * size**3 / timed(run, 2)
    finally:
        torch.backends.cuda.matmul.fp32_precision = before


def evaluation(model, precision, peak):
    """Return a row for each number of texts at once, and the margins of the first texts."""
    engine = Engine(engine_of(model).backbone, precision=precision)
    draw = np.random.default_rng(2)
    drawn = draw.random((MASKS, engine.backbone.layers * engine.backbone.width)) >= MASKED
    masks = torch.from_numpy(drawn).view(MASKS, engine.backbone.layers, -1)
    prompt = 0.02 * torch.randn(1, PROMPT_LEN, 768, generator=torch.Generator().manual_seed(1))
    found, rows, seconds = [], 64, 0.0
    while rows <= 4096 and 2 * seconds < LONGEST:
        texts = random_texts(rows)
        torch.cuda.reset_peak_memory_stats()
        try:
            seconds = timed(lambda texts=texts, rows=rows: margins(engine, prompt, masks, texts, rows), 3)
        except torch.cuda.OutOfMemoryError:
            break
        distinct = {tuple(text) for text in texts}
        rate = len(masks) * len(distinct) / seconds
        plain, required = operations(model, [len(text) for text in distinct], 1 - MASKED)
        found.append(
            {
                "precision": precision,
                "rows": rows,
                "examples a second": rate,
                "share of peak, required": rate * required / peak,
                "share of peak, plain": rate * plain / peak,
                "memory (GB)": torch.cuda.max_memory_allocated() / 1e9,
            }
        )
        if len(found) > 2 and rate < 1.02 * found[-3]["examples a second"]:
            break
        rows *= 2
    return found, margins(engine, prompt, masks[:8], random_texts(256), 256)


def training(model, precision, peak):
    """Return a row for 12 seeds side by side, with 64 examples each and dropout on, like the study's."""
    engine = Engine(engine_of(model).backbone, precision=precision)
    recipe = Recipe(prompt_len=PROMPT_LEN, epochs=1, batch=BATCH)

    def examples(count, seed):
        return Examples(random_texts(count, seed), np.random.default_rng(seed).integers(0, 2, count))

    train = [examples(64, seed) for seed in range(SEEDS)]
    dev = [examples(1, 50 + seed) for seed in range(SEEDS)]
    torch.cuda.reset_peak_memory_stats()

    def run():
        assert not tune(engine, "joy", range(SEEDS), train, dev, recipe).failed

    rate = sum(map(len, train)) / timed(run, 5)
    plain, _ = operations(model, [len(text) for examples in train for text in examples.texts])
    return {
        "precision": precision,
        "examples a second": rate,
        "share of peak, plain": 2 * rate * plain / peak,
        "memory (GB)": torch.cuda.max_memory_allocated() / 1e9,
    }


def difference(found, reference):
    """Return how far margins differ from those of the first precision."""
    middle = np.median(reference)  # a random model gives all texts the same answer
    return {
        "margin": float(abs(found - reference).max()),
        "other side of the median": float(((found > middle) != (reference > middle)).mean()),
        "margins' sd": float(reference.std()),
    }


def projection(evaluated, trained):
    """Return the hours of experiments/paper.yaml: its examples on GoEmotions, divided by the rates."""
    params, table = load("paper").params(), pd.read_parquet("data/goemotions.parquet")
    best = pd.DataFrame(evaluated).groupby("precision")["examples a second"].max()
    rows = []
    for own, epochs, draws in product(trained, EPOCHS, DRAWS):
        asked = total_work(changed(params, draws, epochs), table)
        margins_read = asked.validated + asked.evaluated
        training = asked.trained / own["examples a second"] / 3600
        evaluation = margins_read / best[own["precision"]] / 3600
        rows.append(
            {
                "precision": own["precision"],
                "epochs": epochs,
                "random draws": draws,
                "trained": asked.trained,
                "evaluated": margins_read,
                "training (h)": training,
                "evaluation (h)": evaluation,
                "whole (h)": training + evaluation,
            }
        )
    return pd.DataFrame(rows)


def measure(precisions):
    """Return the rows of evaluation and training in each precision, and the differences of their margins."""
    model = random_model().to("cuda")
    evaluated, trained, reference, apart = [], [], None, {}
    peaks = {precision: product_rate(precision) for precision in precisions}
    print("matrix products, TFLOP/s:", {key: round(value / 1e12) for key, value in peaks.items()}, flush=True)
    for precision in precisions:
        rows, found = evaluation(model, precision, peaks[precision])
        evaluated += rows
        reference = found if reference is None else reference
        apart[precision] = difference(found, reference)
        trained.append(training(model, precision, peaks[precision]))
        shown = pd.DataFrame(rows).round(3).to_string(index=False)
        print(shown, trained[-1], apart[precision], sep="\n", flush=True)
    return {
        "products (TFLOP/s)": {key: value / 1e12 for key, value in peaks.items()},
        "evaluation": evaluated,
        "training": trained,
        "against the first precision": apart,
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    parser.add_argument("--precisions", nargs="+", default=PRECISIONS)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        parser.exit(1, "error: no CUDA device found\n")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    start = time.perf_counter()
    machine = f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    print(machine)
    measured = measure(options.precisions)
    hours = projection(measured["evaluation"], measured["training"])
    print(hours.round(2).to_string(index=False))
    found = {"machine": machine, **measured, "projection": hours.to_dict("records")}
    if options.json:
        options.json.write_text(json.dumps(found | {"seconds": time.perf_counter() - start}, indent=1))


if __name__ == "__main__":
    main()
