"""Tasks that a tiny model learns in seconds, and engines to train prompts on, for tests of prompt tuning."""

import numpy as np
import tiny_models

from model_emotion.model import backbone
from model_emotion.model.engine import Engine
from model_emotion.model.tasks import Examples
from model_emotion.model.training import Recipe

SEEDS = (1, 3, 42)
SHORT = Recipe(prompt_len=4, epochs=3, batch=5, lr=0.02, dropout=False)
HAPPY, SAD = 10, 11
AGAIN = tiny_models.VOCABULARY.index("again")


class Padded(Engine):
    """An engine that always runs the model's own forward pass, with padding."""

    can_share = False


def engine(kind=Engine, **settings):
    model = tiny_models.model("roberta", num_hidden_layers=2, hidden_size=32, **settings)
    return kind(backbone.wrap(model, tiny_models.tokenizer(), "tiny roberta"))


def toy(count, seed):
    """Examples that the word after `<s>` tells apart, happy from sad; 0 to 4 other words follow."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(count) % 2)
    words = [
        generator.choice([7, 8, 9, 12, 13, 14, 15, 16, 17], generator.integers(0, 5)).tolist() for _ in labels
    ]
    return Examples(
        [[0, HAPPY if label else SAD, *own, 2] for label, own in zip(labels, words, strict=True)], labels
    )


def tasks(seeds, train=24, dev=16):
    return [toy(train, seed) for seed in seeds], [toy(dev, 1000 + seed) for seed in seeds]


def poisoned():
    """An engine for which the word `again` gives NaN."""
    tiny = engine()
    tiny.backbone.model.get_input_embeddings().weight[AGAIN] = float("nan")
    return tiny
