"""Run the full pipeline on synthetic data with a known answer (`model_emotion.smoke.world`).

Are the planted neurons found, and does masking them lower accuracy? Prompts are tuned, neurons recorded,
compared with the ratings, masked and tested by the functions that the stages call. `measure` sees ratings,
prompts, texts and a model; only `judge_planted` knows what was planted. The same data with nothing planted
must give no finding.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from model_emotion.base import files
from model_emotion.base.errors import UserError
from model_emotion.base.results import ACCURACY, MASKED_ACCURACY, Activations, write_activations
from model_emotion.masking.drops import accuracy_drops, drop_table
from model_emotion.masking.masks import MaskName, attribute_masks, random_masks
from model_emotion.model.engine import Engine
from model_emotion.model.evaluation import evaluate, overall
from model_emotion.model.tasks import Corpus, Examples
from model_emotion.model.training import Recipe
from model_emotion.model.tuning import tune_together
from model_emotion.rsa import rdm
from model_emotion.rsa.permutation import critical, largest_tau, permutations
from model_emotion.rsa.searchlight import mean_rdm, searchlight, table
from model_emotion.rsa.selectivity import rank_table
from model_emotion.smoke import world as synthetic
from model_emotion.smoke.world import World

SEEDS = (1, 3)
RECIPE = Recipe(
    prompt_len=synthetic.PROMPT_LEN,
    epochs=4,
    batch=16,
    lr=0.03,
    schedule="linear",
    dropout=False,
    eval_rows=256,
)
EXAMPLES = {"train": 96, "dev": 64}
K, DRAWS = synthetic.POPULATION, 10
SAMPLES = 199
STUDY_ALPHA, DROP_ALPHA = 0.01, 0.05

# What the checks ask for.
ALPHA = 0.01  # chance that any neuron exceeds the critical tau: one world in a hundred fails without a fault
LEARNED = 0.70  # accuracy, where chance is .5: a mask must be able to lower it
FOUND = 0.75  # share of an attribute's planted neurons among its K best, where chance is 1 in 16
ABOVE = 0.50  # share of the planted neurons above the critical tau
HURT = 0.20  # drop on the emotions rated high: nearly half of what can be lost, .95 to .5
SPARED = 0.10  # largest drop or gain where none is expected: half of HURT

Prompts = dict[str, torch.Tensor]
"""{emotion: prompts [seeds, prompt_len, hidden]}"""
Tasks = Mapping[str, list[Examples]]
"""{emotion: a task per seed}"""


class Judgement(NamedTuple):
    """A line to read, and whether each of its checks passed."""

    line: str
    checks: dict[str, bool]


@dataclass(frozen=True, eq=False)
class Run:
    """The results of a run, like those in results/RUN.

    critical: the tau that the largest of all neurons and attributes exceeds by chance in a share ALPHA of
    cases.
    """

    activations: Activations
    accuracy: pd.DataFrame
    masked: pd.DataFrame
    masks: dict[MaskName, np.ndarray]
    searchlight: pd.DataFrame
    critical: float
    drops: pd.DataFrame

    def best(self, attribute: str) -> np.ndarray:
        """Return the K best neurons of an attribute, from 0."""
        return np.flatnonzero(self.masks[MaskName("attribute", attribute, K)].ravel() == 0)

    def above(self, attribute: str) -> np.ndarray:
        """Return the neurons, from 0, whose tau with an attribute exceeds the critical one."""
        of_attribute = self.searchlight[self.searchlight["attribute"] == attribute]
        return of_attribute.loc[of_attribute["tau"] > self.critical, "neuron"].to_numpy() - 1

    def drop(self, attribute: str, ratings: pd.DataFrame) -> tuple[float, float]:
        """Return the mean drop under an attribute's mask: on emotions rated high on it, on the others."""
        drops = self.drops[self.drops["attribute"] == attribute]
        high = (ratings[attribute] > synthetic.HIGH).loc[drops["emotion"]].to_numpy()
        return drops.loc[high, "drop"].mean(), drops.loc[~high, "drop"].mean()


def prompts_and_tasks(engine: Engine, texts: pd.DataFrame) -> tuple[Prompts, Tasks]:
    """Tune the prompts of all emotions side by side. Return them, and the dev tasks."""
    corpus = Corpus(texts, engine.backbone.tokenizer, engine.room(RECIPE.prompt_len))

    def examples(emotion: str, split: str) -> list[Examples]:
        draws = ("balanced_true_negatives", EXAMPLES[split])
        return [corpus.examples(corpus.task(emotion, split, seed, *draws), split) for seed in SEEDS]

    tasks = {
        emotion: (examples(emotion, "train"), examples(emotion, "dev")) for emotion in synthetic.EMOTIONS
    }
    tuned = tune_together(engine, tasks, SEEDS, RECIPE)
    if failed := [reason for one in tuned.values() for reason in one.failed.values()]:
        raise UserError("; ".join(failed))
    prompts = {emotion: one.prompts for emotion, one in tuned.items()}
    return prompts, {emotion: dev for emotion, (_, dev) in tasks.items()}


def measure(engine: Engine, ratings: pd.DataFrame, prompts: Prompts, dev: Tasks) -> Run:
    """Return the results for tuned prompts.

    They use only ratings [emotions, attributes] and forward passes.
    """
    layers, width = engine.backbone.layers, engine.backbone.width
    values = np.stack(
        [engine.activations(prompt, engine.probe()).numpy() for prompt in prompts.values()], axis=1
    )
    activations = Activations(values, SEEDS, tuple(prompts), layers, width, engine.backbone.name)
    rdms = rdm.absolute_rdm(ratings.to_numpy().T).T
    found = searchlight(activations.values, rdms)
    in_order = table(found, ratings.columns, width, STUDY_ALPHA)
    masks = attribute_masks(rank_table(in_order), [K], layers, "binary", seed=1)
    masks |= dict(random_masks({K: DRAWS}, masks, (layers, width), kind="binary", baseline="uniform", seed=1))
    accuracy, masked = accuracies(engine, prompts, masks, dev)
    return Run(
        activations,
        accuracy,
        masked,
        masks,
        in_order,
        critical_tau(activations, rdms, found.tau),
        accuracy_drops(masked),
    )


def measure_world(world: World) -> Run:
    """Tune prompts for the model of a world, and return the results."""
    engine = synthetic.engine(world)
    return measure(engine, world.ratings, *prompts_and_tasks(engine, world.table))


def accuracies(
    engine: Engine, prompts: Prompts, masks: dict, dev: Tasks
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables of results/RUN/accuracy.csv and masked_accuracy.csv."""
    rows, masked, stacked = [], [], np.stack(list(masks.values()))
    for emotion, of_seeds in prompts.items():
        for seed, prompt, examples in zip(SEEDS, of_seeds, dev[emotion], strict=True):
            positive, n = examples.labels.mean(), len(examples)
            alone = overall(evaluate(engine, prompt[None], None, examples, RECIPE.eval_rows))[0]
            rows.append((emotion, seed, alone, max(positive, 1 - positive), n))
            under = overall(evaluate(engine, prompt[None], stacked, examples, RECIPE.eval_rows))
            for name, value in zip(masks, under, strict=True):
                masked.append({"emotion": emotion, "seed": seed, **vars(name), "accuracy": value, "n": n})
    masked_table = pd.DataFrame(masked)[MASKED_ACCURACY].astype({"draw": "Int64"})
    return pd.DataFrame(rows, columns=ACCURACY), masked_table


def critical_tau(activations: Activations, rdms: np.ndarray, tau: np.ndarray) -> float:
    """Return the tau that the largest of all exceeds in a share ALPHA of permutations of the emotions.

    rdms: [pairs, attributes]. tau: [neurons, attributes], the one without permutation.
    """
    vectors = mean_rdm(activations.values)
    orders = permutations(len(activations.emotions), SAMPLES, seed=1)
    largest = largest_tau(lambda rows: vectors[rows], len(vectors), rdms, orders).max(axis=1)
    return float(critical(np.append(largest, np.nanmax(tau)), ALPHA))


def judge_planted(world: World, run: Run) -> Iterator[Judgement]:
    """Yield the judgements on the run of a planted world."""
    learned = run.accuracy["accuracy"].mean()
    yield Judgement(
        f"planted world: accuracy {learned:.0%} with tuned prompts (chance 50%)",
        {"prompts are learned": learned >= LEARNED},
    )
    yield _found(world, run)
    yield _above_chance(world, run)
    random = run.masked.loc[run.masked["kind"] == "random", "accuracy"].mean() - learned
    yield Judgement(
        f"masking {K} random neurons: {100 * random:+z.0f} points",
        {"random masks spare": abs(random) < SPARED},
    )
    for attribute in synthetic.PLANTED:
        high, others = run.drop(attribute, world.ratings)
        yield Judgement(
            f"masking the {K} best of {attribute}: {-100 * high:+z.0f} points compared with random masks "
            f"on the {synthetic.OWN} emotions that need it, {-100 * others:+z.0f} on the others",
            {
                f"the mask of {attribute} hurts": high >= HURT,
                f"the mask of {attribute} spares the others": abs(others) < SPARED,
            },
        )


def _found(world: World, run: Run) -> Judgement:
    found = {
        attribute: np.isin(world.population(attribute), run.best(attribute)).sum()
        for attribute in synthetic.PLANTED
    }
    total, chance = K * len(found), K * K * len(found) / (synthetic.LAYERS * synthetic.WIDTH)
    return Judgement(
        f"planted world: {sum(found.values())} of {total} planted neurons are among the {K} best of their "
        f"attribute (chance: {chance:.0f})",
        {f"neurons of {attribute} are found": count >= FOUND * K for attribute, count in found.items()},
    )


def _above_chance(world: World, run: Run) -> Judgement:
    above = {
        attribute: np.isin(world.population(attribute), run.above(attribute)).sum()
        for attribute in synthetic.PLANTED
    }
    controls = {attribute: len(run.above(attribute)) for attribute in synthetic.CONTROLS}
    checks = {f"neurons of {attribute} are above chance": n >= ABOVE * K for attribute, n in above.items()}
    checks |= {
        f"no neuron follows {attribute}, which is not planted": n == 0 for attribute, n in controls.items()
    }
    return Judgement(
        f"planted world: {sum(above.values())} of them have a tau above {run.critical:.2f}, the limit for "
        f"the largest by chance; {sum(controls.values())} neurons exceed it with other attributes",
        checks,
    )


def judge_null(world: World, run: Run) -> Iterator[Judgement]:
    """Yield the judgements on the run of a world with nothing planted."""
    learned, largest = run.accuracy["accuracy"].mean(), run.searchlight["tau"].max()
    above = {attribute: len(run.above(attribute)) for attribute in synthetic.ATTRIBUTES}
    drops = {
        attribute: float(np.max(run.drop(attribute, world.ratings))) for attribute in synthetic.ATTRIBUTES
    }
    worst = max(drops, key=lambda attribute: drops[attribute])
    yield Judgement(
        f"null world: accuracy {learned:.0%} with tuned prompts",
        {"null: prompts are learned": learned >= LEARNED},
    )
    yield Judgement(
        f"null world: {sum(above.values())} neurons have a tau above chance (largest {largest:.2f}, limit "
        f"{run.critical:.2f}); if pairs of emotions were independent, "
        f"{run.searchlight['significant'].sum()} would be significant",
        {f"null: no neuron follows {attribute}": count == 0 for attribute, count in above.items()},
    )
    yield Judgement(
        f"null world: the worst of {len(drops)} masks, that of {worst}: {-100 * drops[worst]:+z.0f} points "
        "compared with random masks",
        {f"null: the mask of {attribute} spares": drop < SPARED for attribute, drop in drops.items()},
    )


def write(run: Run, folder: Path) -> None:
    """Write the results, in files named as in results/RUN."""
    write_activations(run.activations, folder / "activations.safetensors")
    masks = {str(name): mask for name, mask in run.masks.items()}
    files.write_tensors(masks, folder / "masks.safetensors", {"kind": "binary", "baseline": "uniform"})
    files.write_parquet(run.searchlight, folder / "searchlight.parquet")
    files.write_csv(run.accuracy, folder / "accuracy.csv")
    files.write_csv(run.masked, folder / "masked_accuracy.csv")
    for key in ("attribute", "emotion"):
        files.write_csv(drop_table(run.drops, [key], DROP_ALPHA), folder / f"drop_by_{key}.csv")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m model_emotion.smoke", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of the synthetic data; default: %(default)s"
    )
    parser.add_argument("--out", type=Path, help="folder to write the results of both runs to; default: none")
    options, began = parser.parse_args(), time.monotonic()
    torch.set_num_threads(1)  # more threads slow such a small model down
    failed = []
    for name, judge in (("planted", judge_planted), ("null", judge_null)):
        world = synthetic.make_world(options.seed, planted=name == "planted")
        run = measure_world(world)
        if options.out:
            write(run, options.out / name)
        for judgement in judge(world, run):
            print(judgement.line, flush=True)
            failed += [check for check, passed in judgement.checks.items() if not passed]
    took = f"in {time.monotonic() - began:.0f} s"
    print(f"smoke: FAIL: {'; '.join(failed)} ({took})" if failed else f"smoke: PASS {took}")
    sys.exit(bool(failed))
