"""How long a run would take: the examples it asks for, counted, times what an example costs here.

Where there is a GPU the cost is measured on the model itself; without one only a bound is given, from the rate of a matrix product.
"""

import sys
from dataclasses import astuple, dataclass
from heapq import heapreplace
from time import perf_counter

import numpy as np
import pandas as pd
import torch

from model_emotion.base.errors import UserError
from model_emotion.live.session import DATA, load_engine
from model_emotion.model.evaluation import evaluate
from model_emotion.model.tasks import Examples
from model_emotion.model.training import Recipe
from model_emotion.model.tuning import tune
from model_emotion.project import stage
from model_emotion.project.experiments import load

TOKENS = 20
"""Of a text of GoEmotions, on average."""


@dataclass(frozen=True)
class Work:
    """Examples that a run asks for. trained: seen by a prompt while it is tuned, looks at dev aside; looked: those looks; evaluated:
    (prompt, mask, text)."""

    trained: int
    looked: int
    evaluated: int


def task_sizes(params, table, split, at_most=None):
    """[emotions] examples of each emotion's task in a split, no more than `at_most`. table: GoEmotions as `data/goemotions.parquet`."""
    positive = table.loc[table["split"] == split, list(params.emotions)].sum().to_numpy()
    return np.minimum(2 * positive, at_most or np.inf).astype(int)


def work_of_cells(params, table):
    """Work of each emotion, in their order; arguments as those of `task_sizes`."""
    training, caps = params.training, params.evaluation
    recipe = Recipe(epochs=training.epochs, batch=training.batch, examples=training.examples)
    seeds, sizes = len(params.seeds), len(params.top_k)
    attributes = {"attributes": 14, "spaces": 3, "activation": 1}[params.masks.ranking]
    pools = attributes if params.masks.baseline == "layer_matched" else 1
    masks = attributes * sizes + pools * (params.masks.draws + params.masks.other_draws * (sizes - 1))

    trained = [recipe.sees(int(n)) for n in task_sizes(params, table, "train")]
    looked = training.epochs * task_sizes(params, table, "dev", training.dev_examples)
    once = task_sizes(params, table, params.protocol.split, caps.unmasked_examples)
    masked = task_sizes(params, table, params.protocol.split, caps.examples)
    return [
        Work(*(seeds * int(n) for n in cell))
        for cell in zip(trained, looked, once + masks * masked, strict=True)
    ]


def work(params, table):
    """Work of a run; arguments as those of `task_sizes`."""
    return Work(*np.sum([astuple(cell) for cell in work_of_cells(params, table)], axis=0).tolist())


def makespan(costs, workers):
    """When the last of some workers is done who take a cell each, and the next as they are free, in order."""
    done = [0.0] * workers
    for cost in costs:
        heapreplace(done, done[0] + cost)
    return max(done)


def flops(params, asked):
    """Floating-point operations of a run, matrix products alone, for a backbone whose FFN is four times its hidden width.

    The weights are frozen, so that a backward pass costs what a forward one does.
    """
    backbone, tokens = params.backbone, 1 + params.training.prompt_len + TOKENS
    hidden = backbone.width // 4
    forward = (
        backbone.layers * tokens * 2 * (4 * hidden**2 + 2 * hidden * backbone.width + 2 * hidden * tokens)
    )
    return forward * (2 * asked.trained + asked.looked + asked.evaluated)


def product_rate(size=2048, repeats=4):
    """Floating-point operations a second of a float32 matrix product on this machine's CPU, the best of some."""
    a, times = torch.rand(size, size), []
    for _ in range(repeats):
        start = perf_counter()
        a @ a
        times.append(perf_counter() - start)
    return 2 * size**3 / min(times)


def measured_rates(engine, params, texts, seconds=20.0):
    """(examples a second in training, in evaluation with masks) of an engine, on random texts of the usual length, after a first round.

    texts: that a prompt meets with a mask.
    """
    draw = np.random.default_rng(0)
    seeds, vocabulary = tuple(range(len(params.seeds))), engine.backbone.tokenizer.vocab_size
    bounds = (engine.backbone.tokenizer.cls_token_id, engine.backbone.tokenizer.sep_token_id)

    def examples(n):
        texts = [
            [bounds[0], *draw.integers(vocabulary // 2, vocabulary, TOKENS - 2).tolist(), bounds[1]]
            for _ in range(n)
        ]
        return Examples(texts, np.arange(n) % 2)

    training = params.training
    recipe = Recipe(
        prompt_len=training.prompt_len,
        epochs=1,
        batch=training.batch,
        lr=training.lr,
        dropout=training.dropout,
    )
    shape = (32, engine.backbone.layers, engine.backbone.width)
    masks = torch.from_numpy((draw.random(shape) > 0.1).astype(np.uint8))
    prompt = torch.zeros(1, training.prompt_len, engine.backbone.embedding_width)

    def train(n):
        tune(engine, "timing", seeds, [examples(n) for _ in seeds], [examples(2) for _ in seeds], recipe)
        return n * len(seeds)

    def ask(n):
        evaluate(engine, prompt, masks, examples(n), params.evaluation.rows)
        return n * len(masks)

    return _rate(train, 2 * training.batch, seconds / 2), _rate(ask, texts, seconds / 2)


def _rate(work, n, seconds):
    """Examples a second of work(n), repeated for about so many seconds after a first round."""
    work(n)
    done, start = 0, perf_counter()
    while perf_counter() - start < seconds:
        done += work(n)
    return done / (perf_counter() - start)


DRAWS, EPOCHS = (2, 20, 100), (2, 50)


def changed(params, draws, epochs):
    """Params with other numbers of random draws, of every size, and of epochs."""
    masks = params.masks.model_copy(update={"draws": draws, "other_draws": draws})
    return params.model_copy(
        update={"masks": masks, "training": params.training.model_copy(update={"epochs": epochs})}
    )


def refusal(params, table):
    """One sentence for a machine without CUDA."""
    asked, rate = work(params, table), product_rate()
    days = flops(params, asked) / rate / 86400
    return (
        f"no CUDA GPU here. {len(params.emotions)} x {len(params.seeds)} prompts take {asked.trained:,} examples of training and "
        f"{asked.evaluated:,} of masked evaluation: {flops(params, asked):.1e} operations, at the {rate / 1e9:.0f} billion a second of "
        f"this CPU's matrix products {days:.0f} days at the very least; run it where `nvidia-smi` shows a GPU"
    )


def hours(params, table, rates):
    """Frame: projected hours for every number of draws and epochs; rates: examples a second of training and of evaluation."""
    rows = []
    for epochs in EPOCHS:
        for draws in DRAWS:
            asked = work(changed(params, draws, epochs), table)
            rows.append(
                (
                    epochs,
                    draws,
                    asked.trained / rates[0] / 3600,
                    (asked.looked + asked.evaluated) / rates[1] / 3600,
                )
            )
    table = pd.DataFrame(rows, columns=["epochs", "random draws", "training (h)", "evaluation (h)"])
    return table.assign(**{"whole (h)": table["training (h)"] + table["evaluation (h)"]})


def main():
    params = load(sys.argv[1]).params()
    if not DATA.exists():
        raise UserError(f"{DATA}: not there; make it with `dvc repro goemotions`")
    table = pd.read_parquet(DATA)
    if not torch.cuda.is_available():
        raise UserError(refusal(params, table))
    texts = task_sizes(params, table, params.protocol.split, params.evaluation.examples)
    rates = measured_rates(load_engine(params.backbone, params.protocol.positions), params, int(texts.mean()))
    print(
        f"{torch.cuda.get_device_name()}: {rates[0]:,.0f} examples a second in training, {rates[1]:,.0f} in masked evaluation"
    )
    print(hours(params, table, rates).round(2).to_string(index=False), flush=True)


if __name__ == "__main__":
    stage.run(main)
