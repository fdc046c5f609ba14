"""Examples a second of prompt tuning: ours, a fair plain loop, and the study's loop, on a random model of roberta-base's size.

`python benchmarks/training.py`; takes minutes. Prompts of 100 vectors, batches of 16, AdamW on the prompt alone, dropout on. All take
turns in one process; medians over the rounds. Ours trains three seeds side by side; the loops train one. `fair`: texts are padded to
the longest of a batch, the head reads position 0 alone. `study`: texts are padded to 256 + 101 positions, the head reads all
positions, of a vocabulary that is cut to 1,000 words. Ours also has its look at dev, of one example a seed. Peak memory is that
of a process that does ours alone, with the interpreter, its packages and the model.
"""

import numpy as np
import torch
from side_by_side import (
    LONGEST,
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
from torch.nn.functional import cross_entropy

from model_emotion.model.tasks import Examples
from model_emotion.model.tuning import Recipe, tune

SEEDS, BATCH = (1, 2, 3), 16


def random_examples(count, seed):
    return Examples(random_texts(count, seed), np.random.default_rng(seed).integers(0, 2, count))


def plain_loop(model, examples, longest_of, read):
    """Number of examples that a plain training loop took, one pass through them all."""
    prompt = (0.02 * torch.randn(PROMPT_LEN, model.config.hidden_size)).requires_grad_()
    optimiser = torch.optim.AdamW([prompt], lr=2e-3)
    model.train()
    for start in range(0, len(examples), BATCH):
        texts, labels = examples.texts[start : start + BATCH], torch.from_numpy(examples.labels[start : start + BATCH])
        logits = read(model, inputs_of(model, prompt, texts, longest_of(texts)))[:, WORDS]
        optimiser.zero_grad()
        cross_entropy(logits, labels).backward()
        optimiser.step()
    model.eval()
    return len(examples)


def main():
    asked = options(__doc__)
    model = random_model()
    engine, recipe = engine_of(model), Recipe(prompt_len=PROMPT_LEN, epochs=1, batch=BATCH)
    train, dev = [random_examples(asked.texts, seed) for seed in SEEDS], [random_examples(1, 10 + seed) for seed in SEEDS]

    def ours():
        tuned = tune(engine, "joy", SEEDS, train, dev, recipe)
        assert not tuned.failed
        return sum(map(len, train))

    if asked.ours:
        ours()
        print(own_peak_gb())
        return
    memory = peak_gb()
    contestants = {
        "ours": ours,
        "fair": lambda: plain_loop(model, train[0], lambda texts: max(map(len, texts)), at_position_0),
        "study": lambda: plain_loop(model, train[0], lambda texts: LONGEST, at_all_positions),
    }
    print(f"{len(SEEDS)} seeds x {asked.texts} texts, {asked.rounds} rounds")
    print(summary(in_turns(contestants, asked.rounds)))
    print(f"peak memory of ours {memory:.2f} GB")


if __name__ == "__main__":
    main()
