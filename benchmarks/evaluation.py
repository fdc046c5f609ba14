"""Examples a second of masked evaluation: ours, a fair plain loop, and the study's loop, on a random model of roberta-base's size.

`python benchmarks/evaluation.py`; takes minutes. One prompt of 100 vectors meets masks that leave 89 % of the neurons, on texts as long
as those of GoEmotions. All take turns in one process; medians over the rounds. The loops take one mask at a time, by a hook on every
output projection. `fair`: the model stays, texts are padded to the longest of a batch, the head reads position 0 alone. `study`: the
model is read from disk again for each mask (`from_pretrained`), texts are padded to 256 + 101 positions, the head reads all
positions. The vocabulary is cut to 1,000 words, which spares memory, and the study's loop most of its head. Peak memory is that of
a process that does ours alone, with the interpreter, its packages and the model.
"""

import statistics
import tempfile
import time
from contextlib import ExitStack

import numpy as np
import torch
import transformers
from side_by_side import (
    LONGEST,
    MASKED,
    PROMPT_LEN,
    WORDS,
    at_all_positions,
    at_position_0,
    engine_of,
    in_turns,
    inputs_of,
    options,
    own_peak_gb,
    peak_gb,
    random_model,
    random_texts,
    summary,
)

from model_emotion.model.evaluation import margins

BATCH = 32


def plain_loop(prompt, masks, texts, model_for, longest_of, read):
    """[masks, texts] margins of a plain loop over masks and batches."""
    found = torch.empty(len(masks), len(texts))
    for own, mask in zip(found, masks, strict=True):
        model = model_for()
        with ExitStack() as hooks, torch.no_grad():
            for layer, kept in zip(model.roberta.encoder.layer, mask.float(), strict=True):
                hook = layer.output.dense.register_forward_pre_hook(lambda module, inputs, kept=kept: (inputs[0] * kept,))
                hooks.enter_context(hook)
            for start in range(0, len(texts), BATCH):
                some = texts[start : start + BATCH]
                logits = read(model, inputs_of(model, prompt, some, longest_of(some)))[:, WORDS]
                own[start : start + BATCH] = logits[:, 1] - logits[:, 0]
    return found


def main():
    asked = options(__doc__, [("masks", 8, "of ours; the loops, which gain nothing from more, take fewer")])
    model, texts = random_model(), random_texts(asked.texts)
    engine, prompt = engine_of(model), torch.randn(PROMPT_LEN, 768, generator=torch.Generator().manual_seed(1)) * 0.02
    masks = np.random.default_rng(2).random((asked.masks, engine.backbone.layers * engine.backbone.width))
    masks = torch.from_numpy(masks.argsort(axis=1).argsort(axis=1) >= MASKED * masks.shape[1]).view(len(masks), engine.backbone.layers, -1)
    found = {}

    def ours():
        found["ours"] = torch.from_numpy(margins(engine, prompt[None], masks, texts, BATCH))
        return len(masks) * len(texts)

    def fair():
        found["fair"] = plain_loop(prompt, masks[:2], texts, lambda: model, lambda some: max(map(len, some)), at_position_0)
        return len(masks[:2]) * len(texts)

    if asked.ours:
        ours()
        print(own_peak_gb())
        return
    memory = peak_gb()
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        built = []

        def again():
            start = time.perf_counter()
            new = transformers.RobertaForMaskedLM.from_pretrained(folder).eval()
            built.append(time.perf_counter() - start)
            return new

        def study():
            found["study"] = plain_loop(prompt, masks[:1], texts, again, lambda some: LONGEST, at_all_positions)
            return len(texts)

        rates = in_turns({"ours": ours, "fair": fair, "study": study}, asked.rounds)
    print(f"{asked.masks} masks x {asked.texts} texts, {asked.rounds} rounds")
    print(summary(rates))
    print(f"a mask's model takes the study's loop {statistics.median(built):.2f} s to build, which is part of its time")
    apart = max((found["ours"][: len(other)] - other).abs().max().item() for other in (found["fair"], found["study"]))
    print(f"largest difference between margins {apart:.0e}; peak memory of ours {memory:.2f} GB")


if __name__ == "__main__":
    main()
