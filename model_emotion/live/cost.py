"""How long a run would take: the number of its examples times the measured time of an example.

With a GPU the rates are measured on the model itself. Without one there is only a lower bound, from the rate
of a matrix product. `python -m model_emotion.live.cost EXPERIMENT` prints the hours that
experiments/EXPERIMENT.yaml would take on this GPU, and ends with an error if there is none.
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from heapq import heapreplace
from time import perf_counter
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from model_emotion.base import study
from model_emotion.base.errors import UserError
from model_emotion.base.files import read_parquet
from model_emotion.live.session import DATA, load_engine
from model_emotion.masking import mask_plan
from model_emotion.model.checkpoint import resolved
from model_emotion.model.engine import Engine
from model_emotion.model.evaluation import evaluate
from model_emotion.model.tasks import Examples
from model_emotion.model.training import Recipe
from model_emotion.model.tuning import tune
from model_emotion.params import Params
from model_emotion.project import stage
from model_emotion.project.experiments import load

TOKENS = 20
"""The average length of a text of GoEmotions, in tokens."""
DRAWS, EPOCHS = (2, 20, 100), (2, 50)
"""Numbers of random draws and of epochs for which `make paper` states the hours."""


class Rates(NamedTuple):
    """Examples per second in training and in masked evaluation."""

    training: float
    evaluation: float


@dataclass(frozen=True)
class Work:
    """Numbers of examples that a run needs.

    They are needed in training, for the accuracies on dev after each epoch, and in evaluation. An evaluated
    example is a text with one prompt and one mask.
    """

    trained: int
    validated: int
    evaluated: int

    def __add__(self, other: "Work") -> "Work":
        return Work(
            self.trained + other.trained, self.validated + other.validated, self.evaluated + other.evaluated
        )


def task_sizes(params: Params, table: pd.DataFrame, split: str, at_most: int | None = None) -> np.ndarray:
    """Return the number of examples of each emotion's task in a split, at most `at_most`: int [emotions].

    table: GoEmotions as in data/goemotions.parquet.
    """
    positive = table.loc[table["split"] == split, list(params.emotions)].sum().to_numpy()
    return np.minimum(2 * positive, at_most or np.inf).astype(int)


def work_by_emotion(params: Params, table: pd.DataFrame) -> list[Work]:
    """Return the work of each emotion, in the order of params.yaml. table: as in `task_sizes`."""
    training, caps = params.training, params.evaluation
    recipe = Recipe(epochs=training.epochs, batch=training.batch, examples=training.examples)
    plan = mask_plan.of_live(params.backbone, params.sizes(), params.masks)
    ranked = {"attributes": study.ATTRIBUTES, "spaces": study.SPACES}.get(plan.ranking, ("activation",))
    pools = len(ranked) if plan.baseline == "layer_matched" else 1
    masks = sum(len(ranked) + pools * size.draws + size.permuted for size in plan.sizes)

    seeds = len(params.seeds)
    trained = [recipe.sees(int(n)) for n in task_sizes(params, table, "train")]
    validated = training.epochs * task_sizes(params, table, "dev", training.dev_examples)
    unmasked = task_sizes(params, table, params.protocol.split, caps.unmasked_examples)
    masked = task_sizes(params, table, params.protocol.split, caps.examples)
    numbers = zip(trained, validated, unmasked + masks * masked, strict=True)
    return [Work(*(seeds * int(n) for n in of_emotion)) for of_emotion in numbers]


def total_work(params: Params, table: pd.DataFrame) -> Work:
    """Return the work of a run. table: as in `task_sizes`."""
    return sum(work_by_emotion(params, table), Work(0, 0, 0))


def makespan(costs: Iterable[float], workers: int) -> float:
    """Return when the last worker is done, if each takes the next task, in order, as soon as it is free."""
    done = [0.0] * workers
    for cost in costs:
        heapreplace(done, done[0] + cost)
    return max(done)


def flops(params: Params, work: Work) -> float:
    """Return the floating-point operations of a run's matrix products.

    The FFN of the backbone is taken as four times its hidden width. The weights are frozen, so that a
    backward pass costs as much as a forward pass.
    """
    (layers, width), tokens = params.backbone.shape, 1 + params.training.prompt_len + TOKENS
    hidden = width // 4
    of_token = 2 * (4 * hidden**2 + 2 * hidden * width + 2 * hidden * tokens)
    return layers * tokens * of_token * (2 * work.trained + work.validated + work.evaluated)


def product_rate(size: int = 2048, repeats: int = 4) -> float:
    """Return the operations per second of float32 matrix products on this CPU (best of several)."""
    a, times = torch.rand(size, size), []
    for _ in range(repeats):
        start = perf_counter()
        a @ a
        times.append(perf_counter() - start)
    return 2 * size**3 / min(times)


def measured_rates(engine: Engine, params: Params, texts: int, seconds: float = 20.0) -> Rates:
    """Measure the rates of an engine on random texts of the average length, for about so many seconds.

    texts: how many each prompt and mask are evaluated on.
    """
    draw, tokenizer, seeds = (
        np.random.default_rng(0),
        engine.backbone.tokenizer,
        tuple(range(len(params.seeds))),
    )
    vocabulary = tokenizer.vocab_size

    def text() -> list[int]:
        words = draw.integers(vocabulary // 2, vocabulary, TOKENS - 2).tolist()
        return [tokenizer.cls_token_id, *words, tokenizer.sep_token_id]

    def examples(n: int) -> Examples:
        return Examples([text() for _ in range(n)], np.arange(n) % 2)

    settings = params.training.model_dump(include={"prompt_len", "batch", "lr", "dropout"})
    recipe = Recipe(**settings, epochs=1)
    shape = (32, engine.backbone.layers, engine.backbone.width)
    masks = torch.from_numpy((draw.random(shape) > 0.1).astype(np.uint8))
    prompt = torch.zeros(1, recipe.prompt_len, engine.backbone.embedding_width)

    def train(n: int) -> int:
        tune(engine, "timing", seeds, [examples(n) for _ in seeds], [examples(2) for _ in seeds], recipe)
        return n * len(seeds)

    def ask(n: int) -> int:
        evaluate(engine, prompt, masks, examples(n), params.evaluation.rows)
        return n * len(masks)

    return Rates(_rate(train, 2 * recipe.batch, seconds / 2), _rate(ask, texts, seconds / 2))


def _rate(work: Callable[[int], int], n: int, seconds: float) -> float:
    """Return the examples per second of work(n), repeated for about so many seconds after a first call."""
    work(n)
    done, start = 0, perf_counter()
    while perf_counter() - start < seconds:
        done += work(n)
    return done / (perf_counter() - start)


def refusal(params: Params, table: pd.DataFrame) -> str:
    """Return the message for a machine without CUDA: how many days its CPU would need at least."""
    work, rate = total_work(params, table), product_rate()
    operations = flops(params, work)
    return (
        f"no CUDA GPU found. {len(params.emotions)} x {len(params.seeds)} prompts need "
        f"{work.trained:,} examples in training and {work.evaluated:,} in masked evaluation, "
        f"{operations:.1e} operations. At this CPU's {rate / 1e9:.0f} billion per second that takes at least "
        f"{operations / rate / 86400:.0f} days. Run it on a machine where nvidia-smi shows a GPU"
    )


def changed(params: Params, draws: int, epochs: int) -> Params:
    """Return parameters with other numbers of epochs, and of random draws of every size."""
    masks = params.masks.model_copy(update={"draws": draws, "other_draws": draws})
    training = params.training.model_copy(update={"epochs": epochs})
    return params.model_copy(update={"masks": masks, "training": training})


def hours(params: Params, table: pd.DataFrame, rates: Rates) -> pd.DataFrame:
    """Return the projected hours for each of EPOCHS and DRAWS: `epochs, random draws, training (h), ...`."""
    rows = []
    for epochs in EPOCHS:
        for draws in DRAWS:
            work = total_work(changed(params, draws, epochs), table)
            train = work.trained / rates.training / 3600
            evaluate = (work.validated + work.evaluated) / rates.evaluation / 3600
            rows.append((epochs, draws, train, evaluate, train + evaluate))
    return pd.DataFrame(
        rows, columns=["epochs", "random draws", "training (h)", "evaluation (h)", "total (h)"]
    )


def main() -> None:
    """Print the rates and hours of an experiment. Raises UserError if there is no GPU or no data."""
    params = resolved(load(sys.argv[1]).params())
    if not DATA.exists():
        raise UserError(f"{DATA}: not found; make it with `dvc repro goemotions`")
    table = read_parquet(DATA)
    if not torch.cuda.is_available():
        raise UserError(refusal(params, table))
    texts = task_sizes(params, table, params.protocol.split, params.evaluation.examples)
    engine = load_engine(params.backbone, params.protocol.positions)
    rates = measured_rates(engine, params, int(texts.mean()))
    per_second = f"{rates.training:,.0f} in training, {rates.evaluation:,.0f} in masked evaluation"
    print(f"{torch.cuda.get_device_name()}, examples per second: {per_second}")
    print(hours(params, table, rates).round(2).to_string(index=False), flush=True)


if __name__ == "__main__":
    stage.run(main)
