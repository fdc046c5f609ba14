"""The whole chain on a small world with a known answer (`model_emotion.smoke.world`): do planted neurons come back, and do their masks hurt?

Prompts are tuned, neurons recorded under the probe, compared with the ratings, masked and tested by the functions that the pipeline's
stages call. `measure` sees ratings, prompts, texts and a model; what was planted only `judge_planted` knows. The same world with
nothing planted goes the same way and must give nothing.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from model_emotion.base import files
from model_emotion.base.errors import UserError
from model_emotion.base.results import ACCURACY, MASKED_ACCURACY, Activations, write_activations
from model_emotion.masking.drops import accuracy_drops, drop_table
from model_emotion.masking.masks import attribute_masks, describe, random_masks
from model_emotion.model.evaluation import evaluate, overall
from model_emotion.model.tasks import Corpus
from model_emotion.model.training import Recipe
from model_emotion.model.tuning import tune
from model_emotion.rsa import rdm
from model_emotion.rsa.permutation import critical, largest_tau, permutations
from model_emotion.rsa.searchlight import mean_rdm, searchlight, table
from model_emotion.rsa.selectivity import rank_table
from model_emotion.smoke import world as synthetic

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

ALPHA = 0.01  # chance of even one neuron above the critical tau: one world in a hundred fails for nothing
LEARNED = 0.70  # accuracy, where chance is .5: there must be something for a mask to take
BACK = 0.75  # share of an attribute's planted neurons among its K best, where chance is 1 in 16
ABOVE = 0.50  # share of those above the critical tau
HURT = 0.20  # drop on the emotions rated high: nearly half of all that can be lost, .95 to .5
SPARED = 0.10  # drop, either way, where there is no reason for one: half of HURT


@dataclass(frozen=True, eq=False)
class Run:
    """What a run leaves: frames and masks as in results/RUN, and the tau that the largest of all rarely exceeds by chance."""

    activations: Activations
    accuracy: pd.DataFrame
    masked: pd.DataFrame
    masks: dict
    searchlight: pd.DataFrame
    critical: float
    drops: pd.DataFrame

    def best(self, attribute):
        """Neurons, from 0, among the K best of an attribute."""
        return np.flatnonzero(self.masks[f"{attribute}/{K}"].ravel() == 0)

    def above(self, attribute):
        """Neurons, from 0, whose tau with an attribute is above the critical one."""
        of_attribute = self.searchlight[self.searchlight["attribute"] == attribute]
        return of_attribute.loc[of_attribute["tau"] > self.critical, "neuron"].to_numpy() - 1

    def drop(self, attribute, ratings):
        """Mean drops under an attribute's mask: (on the emotions rated high, on the others)."""
        drops = self.drops[self.drops["attribute"] == attribute]
        high = (ratings[attribute] > synthetic.HIGH).loc[drops["emotion"]].to_numpy()
        return drops.loc[high, "drop"].mean(), drops.loc[~high, "drop"].mean()


def prompts_and_tasks(engine, texts):
    """({emotion: prompts [seeds, prompt_len, hidden]}, {emotion: a dev task a seed}, as Examples)."""
    corpus, prompts, dev = Corpus(texts, engine.backbone.tokenizer, engine.room(RECIPE.prompt_len)), {}, {}
    for emotion in synthetic.EMOTIONS:
        of_split = {}
        for split, count in EXAMPLES.items():
            tasks = [corpus.task(emotion, split, seed, "balanced_true_negatives", count) for seed in SEEDS]
            of_split[split] = [corpus.examples(task, split) for task in tasks]
        tuned = tune(engine, emotion, SEEDS, of_split["train"], of_split["dev"], RECIPE)
        if tuned.failed:
            raise UserError("; ".join(tuned.failed.values()))
        prompts[emotion], dev[emotion] = tuned.prompts, of_split["dev"]
    return prompts, dev


def measure(engine, ratings, prompts, dev):
    """Run of tuned prompts: from the ratings [emotions, attributes] and the model's forward pass alone."""
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
        by_chance(activations, rdms, found),
        accuracy_drops(masked),
    )


def measure_world(world):
    """Run of a world's model, its prompts tuned first."""
    engine = synthetic.engine(world)
    return measure(engine, world.ratings, *prompts_and_tasks(engine, world.table))


def accuracies(engine, prompts, masks, dev):
    """Frames as results/RUN/accuracy.csv and masked_accuracy.csv."""
    rows, masked, stacked = [], [], np.stack(list(masks.values()))
    for emotion, of_seeds in prompts.items():
        for seed, prompt, examples in zip(SEEDS, of_seeds, dev[emotion], strict=True):
            positive, n = examples.labels.mean(), len(examples)
            alone = overall(evaluate(engine, prompt[None], None, examples, RECIPE.eval_rows))[0]
            rows.append((emotion, seed, alone, max(positive, 1 - positive), n))
            for name, value in zip(
                masks,
                overall(evaluate(engine, prompt[None], stacked, examples, RECIPE.eval_rows)),
                strict=True,
            ):
                masked.append({"emotion": emotion, "seed": seed, **describe(name), "accuracy": value, "n": n})
    return pd.DataFrame(rows, columns=ACCURACY), pd.DataFrame(masked)[MASKED_ACCURACY].astype(
        {"draw": "Int64"}
    )


def by_chance(activations, rdms, found):
    """The tau that the largest of all neurons and attributes exceeds in a share ALPHA of permutations of the emotions."""
    vectors = mean_rdm(activations.values)
    orders = permutations(len(activations.emotions), SAMPLES, seed=1)
    largest = largest_tau(lambda rows: vectors[rows], len(vectors), rdms, orders).max(axis=1)
    return float(critical(np.append(largest, np.nanmax(found.tau)), ALPHA))


def judge_planted(world, run):
    """Yields (a line to read, {check: whether it is passed}) of the Run of a planted world."""
    learned = run.accuracy["accuracy"].mean()
    yield (
        f"planted world: accuracy {learned:.0%} with tuned prompts (chance 50%)",
        {"prompts are learned": learned >= LEARNED},
    )
    yield _back(world, run)
    yield _above(world, run)
    random = run.masked.loc[run.masked["kind"] == "random", "accuracy"].mean() - learned
    yield (
        f"masking {K} random neurons: {100 * random:+z.0f} points",
        {"random masks spare": abs(random) < SPARED},
    )
    for attribute in synthetic.PLANTED:
        high, others = run.drop(attribute, world.ratings)
        yield (
            f"masking the {K} best of {attribute}: {-100 * high:+z.0f} points beyond random on the {synthetic.OWN} emotions that need it, "
            f"{-100 * others:+z.0f} on the others",
            {
                f"the mask of {attribute} hurts": high >= HURT,
                f"the mask of {attribute} spares the others": abs(others) < SPARED,
            },
        )


def _back(world, run):
    back = {
        attribute: np.isin(world.population(attribute), run.best(attribute)).sum()
        for attribute in synthetic.PLANTED
    }
    total, chance = K * len(back), K * K * len(back) / (synthetic.LAYERS * synthetic.WIDTH)
    return (
        f"planted world: {sum(back.values())} of {total} planted neurons came back among the {K} best of their attribute "
        f"(chance: {chance:.0f})",
        {f"neurons of {attribute} come back": count >= BACK * K for attribute, count in back.items()},
    )


def _above(world, run):
    above = {
        attribute: np.isin(world.population(attribute), run.above(attribute)).sum()
        for attribute in synthetic.PLANTED
    }
    controls = {attribute: len(run.above(attribute)) for attribute in synthetic.CONTROLS}
    return (
        f"planted world: {sum(above.values())} of them have a tau above {run.critical:.2f}, all that chance allows the largest; "
        f"{sum(controls.values())} neurons have with an attribute that is not planted",
        {f"neurons of {attribute} are above chance": count >= ABOVE * K for attribute, count in above.items()}
        | {
            f"nothing is found of {attribute}, which is not planted": count == 0
            for attribute, count in controls.items()
        },
    )


def judge_null(world, run):
    """Yields (a line to read, {check: whether it is passed}) of the Run of a world with nothing planted."""
    learned, largest = run.accuracy["accuracy"].mean(), run.searchlight["tau"].max()
    above = {attribute: len(run.above(attribute)) for attribute in synthetic.ATTRIBUTES}
    drops = {attribute: np.max(run.drop(attribute, world.ratings)) for attribute in synthetic.ATTRIBUTES}
    worst = max(drops, key=drops.get)
    yield (
        f"null world: accuracy {learned:.0%} with tuned prompts",
        {"null: prompts are learned": learned >= LEARNED},
    )
    yield (
        f"null world: {sum(above.values())} neurons have a tau above chance (largest {largest:.2f}, chance allows {run.critical:.2f}); "
        f"pairs of emotions taken for independent, {run.searchlight['significant'].sum()} would be significant",
        {f"null: nothing is found of {attribute}": count == 0 for attribute, count in above.items()},
    )
    yield (
        f"null world: the worst of {len(drops)} masks, that of {worst}, {-100 * drops[worst]:+z.0f} points beyond random",
        {f"null: the mask of {attribute} spares": drop < SPARED for attribute, drop in drops.items()},
    )


def write(run, folder):
    """The run's files, named as in results/RUN."""
    write_activations(run.activations, folder / "activations.safetensors")
    files.write_tensors(run.masks, folder / "masks.safetensors", {"kind": "binary", "baseline": "uniform"})
    files.write_parquet(run.searchlight, folder / "searchlight.parquet")
    files.write_csv(run.accuracy, folder / "accuracy.csv")
    files.write_csv(run.masked, folder / "masked_accuracy.csv")
    for key in ("attribute", "emotion"):
        files.write_csv(drop_table(run.drops, [key], DROP_ALPHA), folder / f"drop_by_{key}.csv")


def main():
    parser = argparse.ArgumentParser(
        prog="python -m model_emotion.smoke", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--seed", type=int, default=1, help="of the world")
    parser.add_argument(
        "--out", type=Path, help="a folder for the tables of both runs; by default none is written"
    )
    options, began = parser.parse_args(), time.monotonic()
    torch.set_num_threads(1)  # more get in each other's way on so small a model
    failed = []
    for name, judge in {"planted": judge_planted, "null": judge_null}.items():
        world = synthetic.make_world(options.seed, planted=name == "planted")
        run = measure_world(world)
        if options.out:
            write(run, options.out / name)
        for line, checks in judge(world, run):
            print(line, flush=True)
            failed += [check for check, passed in checks.items() if not passed]
    took = f"in {time.monotonic() - began:.0f} s"
    print(f"smoke: FAIL: {'; '.join(failed)} ({took})" if failed else f"smoke: PASS {took}")
    sys.exit(bool(failed))
