"""For the benchmarks of the model: a random model, texts as long as GoEmotions', a plain head, operations."""

from functools import cache
from types import SimpleNamespace

import numpy as np
import torch
import transformers

from model_emotion.model.backbone import wrap
from model_emotion.model.engine import Engine

PROMPT_LEN, LONGEST = 100, 256
MASKED = 0.11  # of the neurons: the study's top 4,000 of 36,864
MASK, CLS, SEP, PAD, WORDS = 4, 0, 2, 1, [5, 6]
SIZES = {
    "MiniLM": {
        "hidden_size": 384,
        "num_hidden_layers": 6,
        "num_attention_heads": 12,
        "intermediate_size": 1536,
    },
    "roberta-base": {},
}
"""Settings of transformers' RobertaConfig for the sizes of all-MiniLM-L6-v2 and roberta-base."""


def random_config(size="roberta-base"):
    return transformers.RobertaConfig(
        vocab_size=1000, max_position_embeddings=514, type_vocab_size=1, **SIZES[size]
    )


@cache
def random_model(size="roberta-base"):
    """Return a frozen random masked language model of a size, always the same, that knows 1,000 words."""
    torch.manual_seed(0)
    transformers.utils.logging.disable_progress_bar()
    return transformers.RobertaForMaskedLM(random_config(size)).eval().requires_grad_(False)


def engine_of(model):
    ids = {"negative": [5], "positive": [6]}
    tokenizer = SimpleNamespace(
        mask_token_id=MASK,
        cls_token_id=CLS,
        pad_token_id=PAD,
        unk_token_id=3,
        encode=lambda word, **_: ids[word],
        get_vocab=dict,
    )
    return Engine(wrap(model, tokenizer, "random model"))


def random_texts(count, seed=0):
    """Return lists of token ids with `<s>` and `</s>`, 5 to 50 long, 19 on average, like GoEmotions'."""
    generator = np.random.default_rng(seed)
    lengths = generator.normal(18.7, 8.5, count).round().clip(5, 50).astype(int)
    return [[CLS, *generator.integers(7, 1000, length - 2).tolist(), SEP] for length in lengths]


def inputs_of(model, prompt, texts, longest):
    """Return the input of transformers' RoBERTa: `<mask>`, prompt, padded texts; positions from 0."""
    ids = torch.tensor([text + [PAD] * (longest - len(text)) for text in texts])
    words = model.get_input_embeddings()
    prompt = prompt - model.roberta.embeddings.token_type_embeddings.weight[0]  # which the model adds again
    start = torch.cat([words.weight[[MASK]], prompt]).expand(len(texts), -1, -1)
    seen = torch.cat([torch.ones(len(texts), start.shape[1], dtype=torch.long), (ids != PAD).long()], dim=1)
    positions = torch.arange(seen.shape[1]).expand(len(texts), -1)
    return {
        "inputs_embeds": torch.cat([start, words(ids)], dim=1),
        "attention_mask": seen,
        "position_ids": positions,
    }


def longest_of(texts):
    return max(map(len, texts))


def at_position_0(model, inputs):
    return model.lm_head(model.roberta(**inputs).last_hidden_state[:, 0])


def at_all_positions(model, inputs):
    return model(**inputs).logits[:, 0]


def _layer(config, positions, kept=1.0):
    """Return the operations of a layer: (products with weights, products of attention).

    kept: share of its neurons that a mask leaves.
    """
    hidden, width = config.hidden_size, config.intermediate_size * kept
    return 2 * positions * (4 * hidden**2 + 2 * hidden * width), 2 * positions * 2 * hidden * positions


def _at_0(config, positions, kept=1.0):
    """Return the same for a last layer that is needed only at position 0.

    Its heads attend to the layer's input.
    """
    hidden, width = config.hidden_size, config.intermediate_size * kept
    return 2 * (4 * hidden**2 + 2 * hidden * width), 2 * 2 * positions * hidden * config.num_attention_heads


def _positions(lengths, prompt_len):
    return np.array([1 + prompt_len + length for length in lengths], dtype=float)


def operations(model, lengths, kept=1.0):
    """Return operations per text, of matrix products only: (of a plain pass, required for one more mask)."""
    config, positions = model.config, _positions(lengths, PROMPT_LEN)
    plain, masked, at_0 = (
        sum(_layer(config, positions)),
        sum(_layer(config, positions, kept)),
        sum(_at_0(config, positions, kept)),
    )
    # What a mask changes in the first layer.
    first = 2 * positions * config.hidden_size * config.intermediate_size * (1 - kept)
    layers = config.num_hidden_layers
    return (layers * plain).mean(), (first + (layers - 2) * masked + at_0).mean()


def operations_of_training(model, lengths, prompt_len):
    """Return operations per text, of matrix products only: (of a plain forward and backward pass, required).

    Backward, a product with frozen weights costs as much as forward, and one of attention twice as much. The
    required ones have no padding, and need the last layer only at position 0.
    """
    config, positions = model.config, _positions(lengths, prompt_len)
    layer, at_0 = (
        2 * weights + 3 * attention
        for weights, attention in (_layer(config, positions), _at_0(config, positions))
    )
    layers = config.num_hidden_layers
    return (layers * layer).mean(), ((layers - 1) * layer + at_0).mean()
