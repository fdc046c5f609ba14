"""Made-up accuracies of a run, as accuracy.csv and masked_accuracy.csv, for tests of drops and re-tests.

Bounds for how often something happens in simulations come from the binomial distribution.
"""

import numpy as np
import pandas as pd
from scipy import stats

from model_emotion.base.results import ACCURACY, MASKED_ACCURACY
from model_emotion.retests.rows import table as table_of


def one(rows):
    """Return the only row, as the table has it."""
    (row,) = table_of(rows).to_dict("records")
    return row


def at_most(share, n):
    """The largest share of n that 99.9 % of samples with this probability do not exceed."""
    return stats.binom.ppf(0.999, n, share) / n


def at_least(share, n):
    """The smallest share of n that 99.9 % of samples with this probability reach."""
    return stats.binom.ppf(0.001, n, share) / n


def between(share, probability, n):
    """Whether a share of n lies inside the middle 99.8 % of samples with this probability."""
    return at_least(probability, n) <= share <= at_most(probability, n)


def accuracies(values, majority=0.5, n=100):
    """Return accuracy.csv of {emotion: accuracies of its seeds}."""
    rows = [
        (emotion, seed, value, majority, n)
        for emotion, of in values.items()
        for seed, value in enumerate(of, 1)
    ]
    return pd.DataFrame(rows, columns=ACCURACY)


def masked_accuracies(attribute, random, emotions=("joy", "fear"), k=10):
    """Return masked_accuracy.csv whose emotions lie around given means.

    attribute: {attribute: accuracy}. random: {(attribute or None, draw): accuracy}.
    """
    shift = np.linspace(-0.02, 0.02, len(emotions))
    rows = []
    for emotion, by in zip(emotions, shift, strict=True):
        rows += [
            (emotion, 1, name, "attribute", None, k, value + by, 64) for name, value in attribute.items()
        ]
        rows += [
            (emotion, 1, name, "random", draw, k, value + by, 64) for (name, draw), value in random.items()
        ]
    return pd.DataFrame(rows, columns=MASKED_ACCURACY).astype({"draw": "Int64"})


def masked_of(own, random=None):
    """Return masked_accuracy.csv of accuracies [emotion, seed, mask] under the attributes' masks.

    random: accuracies [emotion, seed, draw] under random masks that all attributes share; if there are none,
    each attribute has one random mask of its own, with an accuracy of .7.
    """
    names = [f"a{place:02}" for place in range(own.shape[2])]
    draws = [None] * len(names)
    if random is None:
        random, names, draws = np.full_like(own, 0.7), [*names, *names], [*draws, *([1] * len(names))]
    else:
        names, draws = [*names, *([None] * random.shape[2])], [*draws, *range(1, random.shape[2] + 1)]
    kinds = ["attribute"] * own.shape[2] + ["random"] * random.shape[2]
    values = np.concatenate([own, random], axis=2)
    rows = [
        (f"e{e}", s, names[m], kinds[m], draws[m], 10, values[e, s, m], 64)
        for e, s, m in np.ndindex(values.shape)
    ]
    return pd.DataFrame(rows, columns=MASKED_ACCURACY).astype({"draw": "Int64"})


def cube(emotions=5, seeds=3, attributes=4, effect=0.0, seed=0):
    """Return masked_accuracy.csv whose effects differ by attribute, and the drops [emotion, seed, attribute].

    Each attribute has one random mask of its own.
    """
    draw = np.random.default_rng(seed)
    drop = effect + draw.normal(0, 0.1, attributes) + draw.normal(0, 0.02, (emotions, seeds, attributes))
    return masked_of(0.7 - drop), drop


def shared(draws, attributes=14, spread=0.05, seed=0):
    """Return masked_accuracy.csv of attributes' masks that are as good as the random masks that they share.

    Returns the accuracies [emotion, seed, mask] under both kinds of masks too.
    """
    draw = np.random.default_rng(seed)
    masks = draw.normal(0.7, spread, attributes + draws) + draw.normal(0, 0.01, (3, 2, 1))
    both = masks[..., :attributes], masks[..., attributes:]
    return masked_of(*both), *both


def simulated(draw, mean=0.0, shape=(12, 4, 8), sd=(1.0, 0.5, 2.0), noise=1.0):
    """A balanced cube with random emotions, seeds and masks of these standard deviations."""
    cube = mean + draw.normal(0, noise, shape)
    for axis, (levels, spread) in enumerate(zip(shape, sd, strict=True)):
        cube = cube + draw.normal(0, spread, levels).reshape([-1 if each == axis else 1 for each in range(3)])
    return cube


def run_with_huge_neurons(draw, loss):
    """Masks of four sizes, three attributes of which take a huge neuron at some size and then lose `loss`."""
    values = draw.normal(0, 1, (2, 5, 400))
    values[..., 7] += 500
    masks, rows = {}, []
    for number in range(9):
        order = draw.permutation(np.delete(np.arange(400), 7))
        takes = 1 + number if number < 3 else None  # the place of the size at which it takes neuron 7
        for place, k in enumerate((10, 20, 30, 40)):
            chosen = order[:k]
            if takes is not None and place >= takes:
                chosen = np.append(order[: k - 1], 7)
            mask = np.ones(400)
            mask[chosen] = 0
            masks[f"a{number}/{k}"] = mask.reshape(2, 200)
            accuracy = 0.8 - 0.001 * k + draw.normal(0, 0.002) - (loss if 7 in chosen else 0)
            rows += [(e, 1, f"a{number}", "attribute", None, k, accuracy, 64) for e in ("joy", "fear")]
    return values, masks, pd.DataFrame(rows, columns=MASKED_ACCURACY)
