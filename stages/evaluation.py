"""evaluation: live prompts and masks -> results/live/{accuracy.csv, masked_accuracy.csv} and every single answer, results/live/correct

Every mask of a prompt meets the same examples. An emotion that is done is not done again.
"""

from itertools import islice
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from model_emotion import cells, cli, environment, masks, plan
from model_emotion.files import write_csv
from model_emotion.model.evaluation import ACCURACIES, MASKED_BATCH, UNMASKED_BATCH, evaluate
from model_emotion.model.setup import corpus_of, engine_of, sources, switch, workers_of
from model_emotion.params import load_params
from model_emotion.run import ACCURACY, MASKED_ACCURACY, MEASURED, folder

OUT = folder(MEASURED)
MASKS = OUT / "masks.safetensors"
AT_ONCE = 128  # masks in memory


def all_masks(planned):
    """Yields (name, mask): the attributes' as they were written, then all random ones from their seeds."""
    kept, about = cells.read(MASKS)
    attributes = {name: kept[name] for name in about["masks"] if masks.describe(name)["kind"] == "attribute"}
    yield from attributes.items()
    yield from masks.random_masks({size.k: size.draws for size in planned.sizes}, attributes, **planned.random)


def prompt_file(emotion):
    return OUT / f"prompts/{emotion}.safetensors"


def answers(engine, prompt, planned, examples, rows):
    """(names of all masks, uint8 [masks, n]: 1 where a prompt with that mask is right)."""
    todo, names, correct = all_masks(planned), [], []
    while some := dict(islice(todo, AT_ONCE)):
        names += some
        correct.append(evaluate(engine, prompt, torch.from_numpy(np.stack(list(some.values()))), examples, rows))
    return names, np.concatenate(correct).astype(np.uint8)


def worker(params):
    """A function emotion -> (tensors, names of masks): what the prompts of an emotion answer, alone and under every mask."""
    protocol, caps, planned = params.protocol, params.evaluation, plan.read(MEASURED)
    asked = planned.asks(params.seeds)
    engine = engine_of(params.backbone, protocol.positions)
    corpus = corpus_of(engine, params.training.prompt_len, protocol.max_length)

    def examples(emotion, seed, at_most):
        task = corpus.task(emotion, protocol.split, seed, protocol.negatives, at_most)
        return corpus.examples(task, protocol.split)

    def work(emotion):
        tensors = {}
        for seed, prompt in zip(params.seeds, torch.from_numpy(cells.read(prompt_file(emotion))[0]["prompts"]), strict=True):
            alone = examples(emotion, seed, caps.unmasked_examples)
            tensors[f"labels/{seed}"] = alone.labels.astype(np.uint8)
            tensors[f"unmasked/{seed}"] = evaluate(engine, prompt[None], None, alone, caps.rows)[0].astype(np.uint8)
            if seed in asked:
                names, tensors[f"masked/{seed}"] = answers(engine, prompt[None], planned, examples(emotion, seed, caps.examples), caps.rows)
        return tensors, names

    return work


def main():
    params, start = load_params(), perf_counter()
    protocol, seeds, split = params.protocol, params.seeds, params.protocol.split
    used = {"backbone": True, "seeds": True, "evaluation": True, "protocol": {"negatives", "positions", "split", "max_length"}}
    settings, made_from = params.model_dump(include=used), [*sources(params.backbone), MASKS, OUT / "plan.json"]
    files = [__file__, masks.__file__, *made_from]
    marks = {emotion: cells.fingerprint(settings, [*files, prompt_file(emotion)]) for emotion in params.emotions}
    done = cells.Cells(OUT / "correct", marks)
    if missing := done.missing():
        made_from += map(prompt_file, missing)
        with tqdm(total=len(missing), unit="emotion", disable=None) as bar:
            workers = workers_of(params.executor, len(missing))
            for emotion, (tensors, names) in cells.spread(worker, params, missing, workers, made_from):
                done.write(emotion, tensors, {"emotion": emotion, "seeds": seeds, "split": split, "masks": names})
                bar.write(f"{emotion}: {np.mean([tensors[f'unmasked/{seed}'].mean() for seed in seeds]):.3f} on {split} without a mask")
                bar.update()
        made = {emotion: marks[emotion] for emotion in missing}
        environment.record(OUT / "provenance/evaluation.json", params, switch(), perf_counter() - start, made)
    done.sweep()

    accuracy, rows, masked_rows = ACCURACIES[protocol.accuracy], [], []
    for emotion in params.emotions:
        answered, about = done.read(emotion)
        for seed in seeds:
            positive, unmasked = (answered[f"{name}/{seed}"] for name in ("labels", "unmasked"))
            majority = max(positive.mean(), 1 - positive.mean())
            rows.append((emotion, seed, accuracy(unmasked, UNMASKED_BATCH), majority, len(unmasked)))
        for seed in plan.read(MEASURED).asks(seeds):
            masked = answered[f"masked/{seed}"]
            for name, value in zip(about["masks"], accuracy(masked, MASKED_BATCH), strict=True):
                masked_rows.append({"emotion": emotion, "seed": seed, **masks.describe(name), "accuracy": value, "n": masked.shape[1]})
    write_csv(pd.DataFrame(rows, columns=ACCURACY), OUT / "accuracy.csv")
    write_csv(pd.DataFrame(masked_rows)[MASKED_ACCURACY].astype({"draw": "Int64"}), OUT / "masked_accuracy.csv")


if __name__ == "__main__":
    cli.run(main)
