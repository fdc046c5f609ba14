"""H2: do masks hurt because they take a few neurons with huge activations?

Some neurons of a transformer are far more active than all others of their layer, and a model depends on them
(Kovaleva et al. 2021; Sun et al. 2024). A mask that happens to take one could do harm for that reason alone.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from model_emotion.masking.masks import MaskName
from model_emotion.retests.drops import welch
from model_emotion.retests.rows import Row, permuted_p, row, two_sided

TIMES, LARGEST = 10, 5
RULES = {
    f"above {TIMES} times the 99th percentile of their layer": lambda size: (
        size > TIMES * np.quantile(size, 0.99, axis=1)[:, None]
    ),
    f"among the {LARGEST} largest": lambda size: size >= np.sort(size, axis=None)[-LARGEST],
}
"""Name -> the function from |mean activation| [layers, width] to which neurons are huge."""


def huge(values: np.ndarray, layers: int) -> dict[str, np.ndarray]:
    """Return bool [layers, width] for each rule: the neurons whose mean activation is huge.

    values: [seeds, emotions, neurons]; the mean is over seeds and emotions.
    """
    size = np.abs(values.mean(axis=(0, 1), dtype=float)).reshape(layers, -1)
    return {name: rule(size) for name, rule in RULES.items()}


def loss_steps(masked: pd.DataFrame, masks: Mapping[str, np.ndarray], flagged: np.ndarray) -> pd.DataFrame:
    """Return `attribute, k, step, first`: how much accuracy a mask loses from one size to the next.

    The first size has no step. `first`: the larger mask takes a flagged neuron and the smaller one does not.
    masked: masked_accuracy.csv, which is averaged over emotions and seeds. masks: arrays [layers, width] by
    name.
    """
    own = masked[masked["kind"] == "attribute"]
    accuracy = own.groupby(["attribute", "k"], sort=False)["accuracy"].mean()
    named = {MaskName.parse(text): bool((mask[flagged] != 1).any()) for text, mask in masks.items()}
    takes = {(name.attribute, name.k): has for name, has in named.items() if name.kind == "attribute"}
    rows = []
    for attribute in accuracy.index.unique("attribute"):
        sizes = sorted(k for of, k in takes if of == attribute and (of, k) in accuracy.index)
        for before, k in zip(sizes, sizes[1:], strict=False):
            step = accuracy[attribute, before] - accuracy[attribute, k]
            first = takes[attribute, k] and not takes[attribute, before]
            rows.append((attribute, k, step, first))
    return pd.DataFrame(rows, columns=["attribute", "k", "step", "first"])


def excess_loss(table: pd.DataFrame, samples: int, seed: int) -> tuple[float, float, int] | None:
    """Return how much more accuracy is lost at steps that first take a huge neuron, two-sided p, and their n.

    table: from `loss_steps`. Steps are compared within a size, and p permutes within sizes which steps are
    first. None if no size has steps of both kinds.
    """
    both = table.groupby("k")["first"].transform("nunique") == 2
    of = [(group["step"].to_numpy(), group["first"].to_numpy()) for _, group in table[both].groupby("k")]
    if not of:
        return None
    centred = [step - step.mean() for step, _ in of]
    weight = [len(first) / (~first).sum() for _, first in of]  # centred: mean of first - mean of others
    n, generator = int(sum(first.sum() for _, first in of)), np.random.default_rng(seed)
    found = sum(w * step[first].sum() for w, step, (_, first) in zip(weight, centred, of, strict=True)) / n
    by_chance = sum(
        w * (generator.permuted(np.tile(first, (samples, 1)), axis=1) * step).sum(axis=1)
        for w, step, (_, first) in zip(weight, centred, of, strict=True)
    )
    return float(found), float(permuted_p(found, by_chance / n)), n


def steps_with_huge_neurons(
    values: np.ndarray,
    layers: int,
    masked: pd.DataFrame,
    masks: Mapping[str, np.ndarray],
    samples: int,
    seed: int,
) -> Iterator[Row]:
    """Does accuracy fall further at the size at which a mask first takes a neuron with a huge activation?

    For each rule: the number of such neurons; the excess of those steps, decided by p; and for random masks
    that are known, the accuracy of those without minus that of those with one, at each size with two of both.
    """
    for rule, flagged in huge(values, layers).items():
        method = f"neurons whose |mean activation| is {rule}"
        yield row("huge_neurons", method, "", int(flagged.sum()), n=flagged.size, key=rule)
        if found := excess_loss(loss_steps(masked, masks, flagged), samples, seed):
            estimate, p, n = found
            method = "loss of accuracy at the size at which a mask first takes one, minus that of other masks"
            method += f"; two-sided p, permuted within sizes {samples} times"
            yield row("steps_with_huge_neurons", method, "p", estimate, p=p, n=n, key=rule)
        yield from _random_masks(masked, masks, flagged, rule)


def _random_masks(
    masked: pd.DataFrame, masks: Mapping[str, np.ndarray], flagged: np.ndarray, rule: str
) -> Iterator[Row]:
    shared = masked[(masked["kind"] == "random") & masked["attribute"].isna()]
    accuracy = shared.groupby(["k", "draw"])["accuracy"].mean()
    takes = {
        (name.k, name.draw): bool((mask[flagged] != 1).any())
        for name, mask in ((MaskName.parse(text), mask) for text, mask in masks.items())
        if name.kind == "random" and not name.attribute and (name.k, name.draw) in accuracy.index
    }
    for k in dict.fromkeys(size for size, _ in takes):
        groups = [
            np.array([accuracy[key] for key, has in takes.items() if key[0] == k and has == wanted])
            for wanted in (False, True)
        ]
        if min(map(len, groups)) < 2:
            continue
        found, method = (
            welch(*groups),
            "accuracy under random masks without a huge neuron minus with one; Welch's t",
        )
        about = {"p": two_sided(found.p), "n": sum(map(len, groups)), "key": f"{rule}, {k}", "k": k}
        yield row(
            "random_masks_with_huge_neurons", method, "", found.drop, (found.ci_low, found.ci_high), **about
        )
