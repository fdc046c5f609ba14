"""prompts: GoEmotions -> results/live/prompts/EMOTION.safetensors and results/live/learning_curves/SEED.csv

Emotions are trained in groups, side by side. The groups depend on params.yaml alone, so that prompts depend
neither on what is done already nor on the number of processes. An emotion that is done is not written again.
Where a loss is not finite, the stage leaves out that emotion, goes on with the others, and fails at its end.
"""

from pathlib import Path
from time import perf_counter

import pandas as pd
from tqdm import tqdm

from model_emotion import cli, environment
from model_emotion.cells import Cells, fingerprint, spread
from model_emotion.files import write_csv
from model_emotion.model.setup import corpus_of, engine_of, sources, switch, workers_of
from model_emotion.model.tuning import CURVE, Recipe, groups, tune_together
from model_emotion.params import load_params
from model_emotion.run import MEASURED, folder


def recipe_of(params):
    return Recipe(**params.training.model_dump(exclude={"dev_examples"}), prompt_init=params.protocol.prompt_init)


def groups_of(params):
    """Name each group of emotions that are trained side by side: {"joy+fear": ("joy", "fear")}."""
    found = groups(params.emotions, len(params.seeds) * params.training.batch)
    return {"+".join(emotions): emotions for emotions in found}


def worker(params):
    """Make the function that trains a group: its name -> {emotion: (Tuned, share of positives in dev)}."""
    protocol, training, recipe = params.protocol, params.training, recipe_of(params)
    engine = engine_of(params.backbone, protocol.positions)
    corpus, named = corpus_of(engine, recipe.prompt_len, protocol.max_length), groups_of(params)

    def examples(emotion, split, at_most):
        tasks = [corpus.task(emotion, split, seed, protocol.negatives, at_most) for seed in params.seeds]
        return [corpus.examples(task, split) for task in tasks]

    def work(name):
        splits = ("train", None), ("dev", training.dev_examples)
        tasks = {emotion: tuple(examples(emotion, *split) for split in splits) for emotion in named[name]}
        tuned = tune_together(engine, tasks, params.seeds, recipe)
        return {emotion: (tuned[emotion], dev[0].labels.mean()) for emotion, (_, dev) in tasks.items()}

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
    made_from, settings, named = sources(params.backbone), params.model_dump(include=used), groups_of(params)
    of_group = {name: fingerprint([settings, emotions], [__file__, *made_from]) for name, emotions in named.items()}
    marks = {emotion: of_group[name] for name, emotions in named.items() for emotion in emotions}
    cells = Cells(out / "prompts", marks)
    if missing := cells.missing():
        sees, failed = check(params, missing), []
        todo = [name for name, emotions in named.items() if set(emotions) & set(missing)]
        with tqdm(total=sum(sees.values()) * len(seeds), unit="ex", disable=None) as bar:
            for _, tuned in spread(worker, params, todo, workers_of(params.executor, len(todo)), made_from):
                for emotion in [emotion for emotion in tuned if emotion in missing]:
                    found, positive = tuned[emotion]
                    failed += found.failed.values()
                    if not found.failed:
                        about = {"emotion": emotion, "seeds": seeds, "best_epoch": found.best_epoch.tolist()}
                        cells.write(emotion, {"prompts": found.prompts.numpy()}, about | {"curve": found.curve.to_numpy().tolist()})
                        commoner = max(positive, 1 - positive)
                        bar.write(f"{emotion}: {found.accuracies.mean():.3f} on dev, always the commoner class {commoner:.3f}")
                    bar.update(sees[emotion] * len(seeds))
        if failed:
            raise cli.UserError("; ".join(sorted(failed)))
        made = {emotion: marks[emotion] for emotion in missing}
        environment.record(out / "provenance/prompts.json", params, switch(), perf_counter() - start, made)
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
