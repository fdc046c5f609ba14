"""What the benchmarks of the model side share: a random model, texts as long as GoEmotions', plain reading, operations."""

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
    "MiniLM": {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536},
    "roberta-base": {},
}
"""Settings of transformers' RobertaConfig for the sizes of all-MiniLM-L6-v2 and roberta-base."""


def random_config(size="roberta-base"):
    return transformers.RobertaConfig(vocab_size=1000, max_position_embeddings=514, type_vocab_size=1, **SIZES[size])


@cache
def random_model(size="roberta-base"):
    """A random masked language model of that size, frozen, the same for all who ask; the vocabulary is cut to 1,000 words."""
    torch.manual_seed(0)
    transformers.utils.logging.disable_progress_bar()
    return transformers.RobertaForMaskedLM(random_config(size)).eval().requires_grad_(False)


def engine_of(model):
    ids = {"negative": [5], "positive": [6]}
    tokenizer = SimpleNamespace(mask_token_id=MASK, cls_token_id=CLS, pad_token_id=PAD, unk_token_id=3, encode=lambda word, **_: ids[word])
    return Engine(wrap(model, tokenizer, "random model"))


def random_texts(count, seed=0):
    """Lists of token ids, `<s>` and `</s>` included, 5 to 50 long, 19 at the mean, as GoEmotions' are."""
    generator = np.random.default_rng(seed)
    lengths = generator.normal(18.7, 8.5, count).round().clip(5, 50).astype(int)
    return [[CLS, *generator.integers(7, 1000, length - 2).tolist(), SEP] for length in lengths]


def inputs_of(model, prompt, texts, longest):
    """What transformers' RoBERTa takes: `<mask>`, the prompt, a text padded to that length; positions from 0."""
    ids = torch.tensor([text + [PAD] * (longest - len(text)) for text in texts])
    words = model.get_input_embeddings()
    start = torch.cat([words.weight[[MASK]], prompt]).expand(len(texts), -1, -1)
    seen = torch.cat([torch.ones(len(texts), start.shape[1], dtype=torch.long), (ids != PAD).long()], dim=1)
    positions = torch.arange(seen.shape[1]).expand(len(texts), -1)
    return {"inputs_embeds": torch.cat([start, words(ids)], dim=1), "attention_mask": seen, "position_ids": positions}


def longest_of(texts):
    return max(map(len, texts))


def at_position_0(model, inputs):
    return model.lm_head(model.roberta(**inputs).last_hidden_state[:, 0])


def at_all_positions(model, inputs):
    return model(**inputs).logits[:, 0]


def operations(model, lengths, kept=1.0):
    """(of the plain forward pass, of the shorter way for one more mask) a text, matrix products alone, the mean over texts.

    A position of a layer costs 4 products of the hidden width for attention, 2 with the FFN's, and 2 with every other position.
    """
    config = model.config
    hidden, width, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    positions = np.array([1 + PROMPT_LEN + length for length in lengths], dtype=float)
    attention, ffn = 2 * positions * (4 * hidden**2 + 2 * hidden * positions), 2 * positions * 2 * hidden * width
    first = 2 * positions * hidden * width * (1 - kept)  # what a mask changes of the first layer
    at_0 = 2 * (2 * hidden * config.hidden_size * 2 + 2 * positions * hidden * config.num_attention_heads + 2 * hidden * width * kept)
    return (layers * (attention + ffn)).mean(), (first + (layers - 2) * (attention + ffn * kept) + at_0).mean()


def operations_of_training(model, lengths, prompt_len):
    """(of a plain pass there and back, of what a prompt's gradient must have) a text, matrix products alone, the mean over texts.

    Back, a product with frozen weights costs what it did, one of attention twice that. What must be done has no padding, and of the
    last layer position 0 alone.
    """
    config = model.config
    hidden, width, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    positions = np.array([1 + prompt_len + length for length in lengths], dtype=float)
    layer = 2 * 2 * positions * (4 * hidden**2 + 2 * hidden * width) + 3 * 2 * positions * 2 * hidden * positions
    at_0 = 2 * 2 * (4 * hidden**2 + 2 * hidden * width) + 3 * 2 * 2 * positions * hidden * config.num_attention_heads
    return (layers * layer).mean(), ((layers - 1) * layer + at_0).mean()
