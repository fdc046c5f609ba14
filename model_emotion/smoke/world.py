"""Synthetic data with a known answer, for `make smoke`: ratings, texts, and a RoBERTa with chosen weights.

1. 24 synthetic emotions are rated on eight attributes. Four attributes are PLANTED: each has six emotions of
   its own, rated between .5 and 1 on it and near 0 on the other three. The four CONTROLS are rated in the
   same way, for six emotions drawn at random, and appear in nothing else.
2. A text has two words for each planted attribute, with levels from -1 to 1, and fillers. It expresses an
   emotion if its level of that emotion's attribute, misread a little, is among the highest. The higher the
   emotion is rated, the fewer texts express it.
3. At `<mask>`, where everything is read, one attention head takes the mean of the prompt's vectors, the other
   that of the words: a number p of the prompt and a level t of the text for each attribute.
4. Each planted attribute has 32 planted FFN neurons. They hold GELU(g (p - t)), by how much the text falls
   short of what the prompt asks for, and write it on the direction from 'positive' to 'negative'. All other
   neurons have small random weights.
5. A prompt tuned to an emotion must therefore find the threshold p of its attribute, and make the other three
   p so low that no text falls short. The probe has no words, so that t = 0: there a planted neuron holds
   GELU(g p), which is near 0 for emotions rated low, and grows with the rating. Without an attribute's
   neurons no text falls short on it: its own emotions can no longer be recognised, and other emotions are not
   affected.
6. With nothing planted, the ratings, the texts and the sum of what the neurons write are the same. But a word
   means a direction without a name, a text expresses an emotion by its level along another direction, and
   each neuron reads a direction of its own. The model still learns its tasks, and its neurons still differ
   between emotions. But none is related to a rating, and none matters more than the others.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaForMaskedLM

from model_emotion.model.backbone import wrap
from model_emotion.model.engine import Engine

PLANTED = ("valence", "happy-face", "control", "fairness")
CONTROLS = ("arousal", "sad-face", "surprise-face", "novelty")
ATTRIBUTES = (*PLANTED, *CONTROLS)
EMOTIONS = tuple(f"emotion{number:02}" for number in range(1, 25))
OWN = len(EMOTIONS) // len(PLANTED)
HIGH = 0.25
"""Ratings above this are of an attribute's own emotions: they are .52 or more, the others 0, each +- .01."""

QUALITIES = len(PLANTED)
"""The number of attributes that a text has levels of."""
LAYERS, WIDTH, POPULATION, PROMPT_LEN = 2, 256, 32, 2
LEVELS = 9
WORDS = tuple(f"{attribute}{level}" for attribute in PLANTED for level in range(LEVELS))
FILLERS = ("the", "a", "and", "of", "so", "it")
SPECIAL = {
    "cls_token": "<s>",
    "pad_token": "<pad>",
    "sep_token": "</s>",
    "unk_token": "<unk>",
    "mask_token": "<mask>",
}
VOCABULARY = (*SPECIAL.values(), "negative", "positive", *WORDS, *FILLERS)
SPLITS = {"train": 800, "dev": 800}
MISREAD = 0.1
"""Standard deviation of the misreading, relative to that of the level: some texts cannot be classified."""
NAMELESS = 0.2
"""Standard deviation of a meaning without a name.

Texts then lie about .6 from the centre; a prompt of 0 accepts .8.
"""

IS_PROMPT, IS_WORD, VERDICT = range(3)
OF_PROMPT = range(3, 3 + QUALITIES)
OF_TEXT = range(3 + QUALITIES, 3 + 2 * QUALITIES)
HIDDEN = 2 * OF_TEXT.stop
EVIDENCE = 3.0
"""Logits that falling short by 1 costs: levels from -1 to 1 are 6 logits apart, a misreading is .2."""
AT_FIRST = 2.0
"""Logits for 'positive' if nothing falls short: 88 %, which decides, but can be outweighed."""


@dataclass(frozen=True, eq=False)
class World:
    """Ratings [emotions, attributes], and a table of texts and labels as `Corpus` takes it.

    Only the model uses the rest: meanings [words, qualities]; neurons [m], from 0, that give
    evidence; and the direction that each reads [m, qualities], of length 1.
    """

    seed: int
    ratings: pd.DataFrame
    table: pd.DataFrame
    meanings: np.ndarray
    neurons: np.ndarray
    directions: np.ndarray

    def population(self, attribute: str) -> np.ndarray:
        """Return the neurons, from 0, of a planted attribute; none if nothing is planted."""
        return self.neurons[self.directions[:, PLANTED.index(attribute)] == 1]


def make_world(seed: int, planted: bool = True) -> World:
    """Return the world of a seed. Its ratings and texts do not depend on whether anything is planted."""
    ratings, own, scores = _ratings(np.random.default_rng([seed, 0]))
    texts, chosen = np.random.default_rng([seed, 1]), np.random.default_rng([seed, 2])
    neurons = chosen.permutation(LAYERS * WIDTH)
    if planted:
        neurons = neurons[: QUALITIES * POPULATION]
        meanings = np.kron(np.eye(QUALITIES), np.linspace(-1, 1, LEVELS)[:, None])
        directions, needs = np.eye(QUALITIES)[np.arange(len(neurons)) % QUALITIES], np.eye(QUALITIES)[own]
    else:
        meanings = chosen.normal(0, NAMELESS, (len(WORDS), QUALITIES))
        directions, needs = _unit(chosen, len(neurons)), _unit(chosen, len(EMOTIONS))
        scores = chosen.permutation(scores)
    table = pd.concat(
        [_split(texts, split, count, meanings, needs, scores) for split, count in SPLITS.items()],
        ignore_index=True,
    )
    return World(seed, ratings, table, meanings, neurons, directions)


def _ratings(generator: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return ratings [emotions, attributes], the index of each emotion's attribute, and its exact score."""
    own = generator.permutation(np.repeat(np.arange(QUALITIES), OWN))
    exact = np.zeros((len(EMOTIONS), len(ATTRIBUTES)))
    for place, attribute in enumerate(ATTRIBUTES):
        high = (
            np.flatnonzero(own == place)
            if attribute in PLANTED
            else generator.choice(len(EMOTIONS), OWN, replace=False)
        )
        exact[high, place] = generator.permutation(np.linspace(0.52, 0.94, OWN))
    rated = exact + generator.normal(0, 0.01, exact.shape)  # raters differ, so that there are no ties
    return (
        pd.DataFrame(rated, index=pd.Index(EMOTIONS, name="emotion"), columns=ATTRIBUTES),
        own,
        exact[np.arange(len(own)), own],
    )


def _split(
    generator: np.random.Generator,
    split: str,
    count: int,
    meanings: np.ndarray,
    needs: np.ndarray,
    scores: np.ndarray,
) -> pd.DataFrame:
    """Return the texts of a split and their labels.

    needs: [emotions, qualities] directions. scores: [emotions] shares of the texts that do not express the
    emotion.
    """
    level = generator.integers(0, LEVELS, (count, QUALITIES, 1)) + generator.integers(
        -1, 2, (count, QUALITIES, 2)
    )
    words = (LEVELS * np.arange(QUALITIES)[:, None] + level.clip(0, LEVELS - 1)).reshape(count, -1)
    level = meanings[words].sum(axis=1) / 2 @ needs.T
    level += MISREAD * level.std(axis=0) * generator.normal(size=level.shape)
    expressed = level > [np.quantile(one, score) for one, score in zip(level.T, scores, strict=True)]
    said = [[*np.take(WORDS, own), *generator.choice(FILLERS, generator.integers(5))] for own in words]
    texts = [" ".join(generator.permutation(own)) for own in said]
    return pd.DataFrame(expressed.astype(int), columns=list(EMOTIONS)).assign(split=split, text=texts)


def _unit(generator: np.random.Generator, count: int) -> np.ndarray:
    """Return random directions [count, qualities] of length 1."""
    directions = generator.normal(size=(count, QUALITIES))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer with one token per word, which encodes `<s>` text `</s>`."""
    words = Tokenizer(
        models.WordLevel({word: number for number, word in enumerate(VOCABULARY)}, unk_token="<unk>")
    )
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=words, **SPECIAL)


def engine(world: World) -> Engine:
    """Return an Engine of the world's model.

    All weights that are not chosen here are 0, except those of the neurons, which are N(0, .02) like
    RoBERTa's at initialisation.
    """
    config = RobertaConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=HIDDEN,
        intermediate_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        max_position_embeddings=32,
        type_vocab_size=1,
        layer_norm_eps=1e4,
        hidden_dropout_prob=0,
        attention_probs_dropout_prob=0,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
    model, generator = RobertaForMaskedLM(config), torch.Generator().manual_seed(world.seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.zero_()
            if "norm" in name.lower() and name.endswith("weight"):
                # With so large an epsilon the variance does not matter: the layer norm centres, and is
                # linear.
                weight.fill_(config.layer_norm_eps**0.5)
            elif (
                name.endswith(("intermediate.dense.weight", "output.dense.weight"))
                and "attention" not in name
            ):
                weight.normal_(0, 0.02, generator=generator)
        _embed(model, world.meanings)
        _attend(model.roberta.encoder.layer[0].attention)
        _plant(model.roberta.encoder.layer, world)
        # The head's GELU does not change pairs: gelu(x) - gelu(-x) = x.
        model.lm_head.dense.weight.copy_(torch.eye(HIDDEN))
        model.lm_head.bias[VOCABULARY.index("positive")] = AT_FIRST
    return Engine(wrap(model, tokenizer(), "the synthetic RoBERTa"))


def _channel(number: int) -> torch.Tensor:
    """Return the direction [hidden] of a number: +1 and -1 side by side, which centring does not change."""
    direction = torch.zeros(HIDDEN)
    direction[2 * number], direction[2 * number + 1] = 1, -1
    return direction


def _reader(number: int) -> torch.Tensor:
    """Return the weights [hidden] that read a number."""
    return _channel(number) / 2


def _embed(model: RobertaForMaskedLM, meanings: np.ndarray) -> None:
    """Give words their meanings, and a mark that attention finds; positions mark the prompt."""
    embeddings, channels = model.roberta.embeddings, torch.stack([_channel(number) for number in OF_TEXT])
    words = embeddings.word_embeddings.weight  # shared with the head
    first = VOCABULARY.index(WORDS[0])
    words[first : first + len(WORDS)] = torch.from_numpy(meanings).float() @ channels + _channel(IS_WORD)
    words[VOCABULARY.index("positive")] = _reader(VERDICT)
    words[VOCABULARY.index("negative")] = -_reader(
        VERDICT
    )  # after the GELU, the logits differ by the verdict
    embeddings.position_embeddings.weight[1 : 1 + PROMPT_LEN] = _channel(IS_PROMPT)


def _attend(attention: Any) -> None:
    """Make head 1 average the prompt's vectors, and head 2 the words, whatever the prompt has learned.

    A mark of 12 leaves a weight of e^-12 to other positions. Each quality has a quarter of the words, so
    their mean is multiplied by four.
    """
    head, out = HIDDEN // 2, attention.output.dense.weight
    query, key, value = attention.self.query.bias, attention.self.key.weight, attention.self.value.weight
    query[[0, head]] = head**0.5
    key[0], key[head] = 12 * _reader(IS_PROMPT), 12 * _reader(IS_WORD) - 36 * _reader(IS_PROMPT)
    for first, numbers, times in ((0, OF_PROMPT, 1), (head, OF_TEXT, QUALITIES)):
        for row, number in enumerate(numbers, start=first):
            value[row], out[:, row] = times * _reader(number), _channel(number)


def _plant(layers: Any, world: World) -> None:
    """Make neurons read how far the text falls short of the prompt, and write it against 'positive'.

    Each reads along its direction and writes an equal share. Gains differ, as between real neurons. Like all
    neurons, they also read a little at random. But they write nothing else, since their activations are so
    large that it would blur what the next layer reads.
    """
    gains = np.random.default_rng([world.seed, 3]).uniform(4, 8, len(world.neurons))
    strength = EVIDENCE * QUALITIES / len(world.neurons)
    short = torch.stack([_reader(p) - _reader(t) for p, t in zip(OF_PROMPT, OF_TEXT, strict=True)])
    for neuron, direction, gain in zip(world.neurons, world.directions, gains, strict=True):
        layer, unit = layers[neuron // WIDTH], neuron % WIDTH
        layer.intermediate.dense.weight[unit] += torch.from_numpy(gain * direction).float() @ short
        layer.output.dense.weight[:, unit] = -strength / gain * _channel(VERDICT)
