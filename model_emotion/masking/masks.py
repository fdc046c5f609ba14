"""Neuron masks: which neurons of a model are silenced.

A mask is an array [layers, width] that multiplies the outputs of the neurons: 0 silences a neuron. Every mask
has exactly k neurons. A random mask depends only on its seed, its size and the number of its draw, so it can
be drawn again at any time and need not be stored. A `mask_plan.Plan` says which masks the run has.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal
from zlib import crc32

import numpy as np
import pandas as pd
from scipy.stats import rankdata


@dataclass(frozen=True)
class MaskName:
    """The name of a mask, as text `ATTRIBUTE/K`, `random/K/DRAW` or `KIND/ATTRIBUTE/K/DRAW`.

    kind: `attribute` for the best neurons of an attribute, `random` for neurons drawn at random, or
    `permuted` for the best neurons of an attribute whose ratings were given to other emotions. attribute:
    empty for a random mask that serves all attributes. k: the number of neurons. draw: the number of a random
    draw, from 1; None for an attribute's mask.
    """

    kind: Literal["attribute", "random", "permuted"]
    attribute: str
    k: int
    draw: int | None = None

    @classmethod
    def parse(cls, text: str) -> "MaskName":
        """Return the name that a text stands for. Raises ValueError for a text that names no mask."""
        match text.split("/"):
            case ["random", k, draw]:
                return cls("random", "", int(k), int(draw))
            case ["random" | "permuted" as kind, attribute, k, draw]:
                return cls(kind, attribute, int(k), int(draw))
            case [attribute, k]:
                return cls("attribute", attribute, int(k))
        raise ValueError(f"'{text}' is not the name of a mask")

    def __str__(self) -> str:
        parts: list[str] = [] if self.kind == "attribute" else [self.kind]
        parts += [self.attribute] if self.attribute else []
        return "/".join([*parts, str(self.k), *([] if self.draw is None else [str(self.draw)])])


def best(rank: np.ndarray, k: int) -> np.ndarray:
    """Return bool [neurons]: the k neurons of lowest rank. Among ties, those of lower number are chosen.

    rank: [neurons] of one attribute. Raises ValueError unless there are k neurons.
    """
    _check(k, len(rank))
    limit = np.partition(rank, k - 1)[k - 1]
    chosen = rank < limit
    chosen[np.flatnonzero(rank == limit)[: k - chosen.sum()]] = True
    return chosen


def uniform(neurons: int, k: int, seed: int, draw: int) -> np.ndarray:
    """Return bool [neurons]: k neurons drawn at random. Raises ValueError unless there are k neurons."""
    _check(k, neurons)
    chosen = np.zeros(neurons, dtype=bool)
    chosen[_generator(seed, k, draw).choice(neurons, size=k, replace=False)] = True
    return chosen


def layer_matched(like: np.ndarray, layers: int, seed: int, draw: int, name: str = "") -> np.ndarray:
    """Return bool [neurons]: drawn at random, in each layer as many as `like` [neurons] has there.

    name: makes the draws of different attributes differ.
    """
    per_layer = like.reshape(layers, -1)
    generator = _generator(seed, int(like.sum()), draw, name)
    chosen = np.zeros_like(per_layer)
    for layer, k in enumerate(per_layer.sum(axis=1)):
        chosen[layer, generator.choice(per_layer.shape[1], size=k, replace=False)] = True
    return chosen.ravel()


def as_mask(chosen: np.ndarray, layers: int, kind: str, seed: int = 0, name: str = "") -> np.ndarray:
    """Return the mask [layers, width] of the chosen neurons, bool [neurons].

    A `binary` mask is uint8, 0 for the chosen and 1 for the others. A `float` mask is float32 and scales each
    chosen neuron by a draw from the uniform distribution on [0, 1), which depends on the seed and the mask's
    name.
    """
    if kind == "binary":
        return (~chosen).astype(np.uint8).reshape(layers, -1)
    mask = np.ones(len(chosen), dtype=np.float32)
    mask[chosen] = _generator(seed, name).random(int(chosen.sum()), dtype=np.float32)
    return mask.reshape(layers, -1)


def by_activity(activations: np.ndarray) -> pd.DataFrame:
    """Rank the neurons by their mean over seeds and emotions: frame [neurons, 1], 1 is the largest.

    activations: [seed, emotion, neuron].
    """
    return pd.DataFrame({"activation": rankdata(-activations.mean(axis=(0, 1)))})


def best_masks(
    ranks: Mapping[MaskName, np.ndarray], layers: int, kind: str, seed: int
) -> dict[MaskName, np.ndarray]:
    """Return a mask [layers, width] for each name: its k best neurons. ranks: [neurons] by name."""
    return {name: as_mask(best(rank, name.k), layers, kind, seed, str(name)) for name, rank in ranks.items()}


def attribute_masks(
    ranks: pd.DataFrame, top_k: Iterable[int], layers: int, kind: str, seed: int
) -> dict[MaskName, np.ndarray]:
    """Return a mask [layers, width] for each attribute and size: its best neurons.

    ranks: frame [neurons, attributes]. top_k: sizes, as numbers of neurons.
    """
    sizes, columns = list(top_k), {name: ranks[name].to_numpy() for name in ranks}
    named = {MaskName("attribute", name, k): rank for name, rank in columns.items() for k in sizes}
    return best_masks(named, layers, kind, seed)


def random_masks(
    draws: Mapping[int, int],
    attributes: Mapping[MaskName, np.ndarray],
    shape: tuple[int, int],
    *,
    kind: str,
    baseline: str,
    seed: int,
) -> Iterator[tuple[MaskName, np.ndarray]]:
    """Yield the random masks [layers, width] with their names.

    draws: the number of draws of each size. attributes: the attributes' masks. shape: (layers, width).
    baseline: `uniform` draws from all neurons; `layer_matched` draws for each attribute, in each layer as
    many neurons as its mask has there.
    """
    layers, neurons = shape[0], shape[0] * shape[1]
    matched = {name: (mask != 1).ravel() for name, mask in attributes.items()}
    for k, number in draws.items():
        for draw in range(1, number + 1):
            if baseline == "uniform":
                drawn = {MaskName("random", "", k, draw): uniform(neurons, k, seed, draw)}
            else:
                drawn = {
                    MaskName("random", name.attribute, k, draw): layer_matched(
                        like, layers, seed, draw, str(name)
                    )
                    for name, like in matched.items()
                    if name.k == k
                }
            for name, chosen in drawn.items():
                yield name, as_mask(chosen, layers, kind, seed, str(name))


def _check(k: int, neurons: int) -> None:
    if not 1 <= k <= neurons:
        raise ValueError(f"a mask of {k} neurons, but there are {neurons}")


def _generator(*entropy: int | str) -> np.random.Generator:
    return np.random.default_rng(
        [crc32(part.encode()) if isinstance(part, str) else part for part in entropy]
    )
