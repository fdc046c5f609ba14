"""prompts: GoEmotions -> results/live/prompts/EMOTION.safetensors and results/live/learning_curves/SEED.csv

An emotion that is done is not done again. One of whose seeds the loss is no number is left out, the others go on, and the stage fails.
"""

from pathlib import Path
from time import perf_counter

import pandas as pd
from tqdm import tqdm

from model_emotion import cli, environment
from model_emotion.cells import Cells, fingerprint, spread
from model_emotion.files import write_csv
from model_emotion.model.setup import corpus_of, engine_of, sources, switch, workers_of
from model_emotion.model.tuning import CURVE, Recipe, tune
from model_emotion.params import load_params
from model_emotion.run import MEASURED, folder


def recipe_of(params):
    return Recipe(**params.training.model_dump(exclude={"dev_examples"}), prompt_init=params.protocol.prompt_init)


def worker(params):
    """A function emotion -> Tuned, and what it is asked about."""
    protocol, training, recipe = params.protocol, params.training, recipe_of(params)
    engine = engine_of(params.backbone, protocol.positions)
    corpus = corpus_of(engine, recipe.prompt_len, protocol.max_length)

    def examples(emotion, split, at_most):
        tasks = [corpus.task(emotion, split, seed, protocol.negatives, at_most) for seed in params.seeds]
        return [corpus.examples(task, split) for task in tasks]

    def work(emotion):
        train, dev = examples(emotion, "train", None), examples(emotion, "dev", training.dev_examples)
        return tune(engine, emotion, params.seeds, train, dev, recipe), dev[0].labels.mean()

    return work


def check(params, emotions):
    """Number of examples that a seed sees of each emotion. Raises UserError for what can't be measured, before any work."""
    recipe, protocol = recipe_of(params), params.protocol
    corpus = corpus_of(engine_of(params.backbone, protocol.positions), recipe.prompt_len, protocol.max_length)
    corpus.texts("train"), corpus.texts("dev")  # kept, so that each worker finds them
    for emotion in emotions:
        corpus.task(emotion, "dev", params.seeds[0], protocol.negatives)
    return {emotion: recipe.sees(len(corpus.task(emotion, "train", params.seeds[0], protocol.negatives))) for emotion in emotions}


def main():
    params, out, start = load_params(), folder(MEASURED), perf_counter()
    seeds = params.seeds
    used = {"backbone": True, "seeds": True, "training": True, "protocol": {"negatives", "positions", "prompt_init", "max_length"}}
    made_from = sources(params.backbone)
    mark = fingerprint(params.model_dump(include=used), [__file__, *made_from])
    cells = Cells(out / "prompts", dict.fromkeys(params.emotions, mark))
    if missing := cells.missing():
        sees, failed = check(params, missing), []
        with tqdm(total=sum(sees.values()) * len(seeds), unit="ex", disable=None) as bar:
            for emotion, (found, positive) in spread(worker, params, missing, workers_of(params.executor, len(missing)), made_from):
                failed += found.failed.values()
                if not found.failed:
                    about = {"emotion": emotion, "seeds": seeds, "best_epoch": found.best_epoch.tolist()}
                    cells.write(emotion, {"prompts": found.prompts.numpy()}, about | {"curve": found.curve.to_numpy().tolist()})
                    commoner = max(positive, 1 - positive)
                    bar.write(f"{emotion}: {found.accuracies.mean():.3f} on dev, always the commoner class {commoner:.3f}")
                bar.update(sees[emotion] * len(seeds))
        if failed:
            raise cli.UserError("; ".join(sorted(failed)))
        environment.record(out / "provenance/prompts.json", params, switch(), perf_counter() - start, dict.fromkeys(missing, mark))
    cells.sweep()

    curves = pd.DataFrame([row for emotion in params.emotions for row in cells.read(emotion)[1]["curve"]], columns=CURVE)
    for seed, curve in curves.groupby("seed"):
        mean = curve.groupby("epoch")[["train_loss", "dev_accuracy"]].mean()
        each = curve.pivot(index="epoch", columns="emotion", values="dev_accuracy")[params.emotions]
        write_csv(mean.join(each).reset_index(), out / f"learning_curves/{seed}.csv")
    for path in set((out / "learning_curves").iterdir()) - {out / f"learning_curves/{seed}.csv" for seed in params.seeds}:
        Path(path).unlink()


if __name__ == "__main__":
    cli.run(main)
