"""prompts: GoEmotions -> results/live/prompts/EMOTION.safetensors and results/live/learning_curves/SEED.csv

An emotion that is done is not done again. One of whose seeds the loss is no number is left out, the others go on, and the stage fails.
"""

from pathlib import Path

import pandas as pd
from tqdm import tqdm

from model_emotion import cli
from model_emotion.cells import Cells, fingerprint
from model_emotion.files import write_csv
from model_emotion.model.setup import corpus_of, engine_of, sources
from model_emotion.model.tuning import CURVE, Recipe, tune
from model_emotion.params import load_params
from model_emotion.run import MEASURED, folder


def recipe_of(training, protocol):
    own = training.model_dump(exclude={"dev_examples"})
    return Recipe(**own, prompt_init=protocol.prompt_init)


def main():
    params, out = load_params(), folder(MEASURED)
    protocol, training, seeds = params.protocol, params.training, params.seeds
    recipe = Recipe(**training.model_dump(exclude={"dev_examples"}), prompt_init=protocol.prompt_init)
    used = {"backbone": True, "seeds": True, "training": True, "protocol": {"negatives", "positions", "prompt_init", "max_length"}}
    mark = fingerprint(params.model_dump(include=used), [__file__, *sources(params.backbone)])
    cells = Cells(out / "prompts", dict.fromkeys(params.emotions, mark))
    if missing := cells.missing():
        engine = engine_of(params.backbone, protocol.positions)
        corpus = corpus_of(engine, recipe.prompt_len, protocol.max_length)

        def tasks(emotion, split, at_most=None):
            return [corpus.task(emotion, split, seed, protocol.negatives, at_most) for seed in seeds]

        train = {emotion: tasks(emotion, "train") for emotion in missing}
        dev = {emotion: tasks(emotion, "dev", training.dev_examples) for emotion in missing}  # fails now where one has none
        failed = []
        with tqdm(total=sum(recipe.sees(len(task)) for of in train.values() for task in of), unit="ex", disable=None) as bar:
            for emotion in missing:
                examples = [[corpus.examples(task, split) for task in of[emotion]] for split, of in (("train", train), ("dev", dev))]
                found = tune(engine, emotion, seeds, *examples, recipe, bar.update)
                failed += found.failed.values()
                if not found.failed:
                    about = {"emotion": emotion, "seeds": seeds, "best_epoch": found.best_epoch.tolist()}
                    cells.write(emotion, {"prompts": found.prompts.numpy()}, about | {"curve": found.curve.to_numpy().tolist()})
                    tqdm.write(f"{emotion}: {found.accuracies.mean():.3f} on dev, always the commoner class {dev[emotion][0].majority:.3f}")
        if failed:
            raise cli.UserError("; ".join(failed))
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
