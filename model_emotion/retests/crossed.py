"""H2 with emotions, seeds and masks as crossed random factors: a variance for each factor.

The design is balanced, with one drop for each emotion, seed and attribute mask, so that mean squares give
every variance and Satterthwaite's (1946) degrees of freedom the interval; no model has to be fitted.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from model_emotion.base.statistics import paired_drop
from model_emotion.masking.drops import ROUNDING
from model_emotion.retests.drops import FEWEST_MASKS, cubes
from model_emotion.retests.masks import several_sizes
from model_emotion.retests.rows import MISSING, Row, row, two_sided

FACTORS = ("emotion", "seed", "attribute")
DRAW = 2
"""The place of the random masks among the factors of their accuracies: emotion, seed, draw."""
MOST_UNCERTAIN = 0.2
"""The largest g of Fieller for which a ratio gets an interval. docs/log.md (2026-11-28) has error rates."""


def mean_squares(cube: np.ndarray) -> dict[tuple[int, ...], tuple[float, int]]:
    """Return (mean square, degrees of freedom) of each effect of a balanced design without repetitions.

    cube: [levels of factor 0, levels of factor 1, …], with one value in each cell. An effect is the tuple of
    its factors; the one of all factors is the residual. Factors of one level are left out.
    """
    factors = [factor for factor, levels in enumerate(cube.shape) if levels > 1]
    found: dict[tuple[int, ...], tuple[float, int]] = {}
    effects: dict[tuple[int, ...], np.ndarray] = {(): cube.mean(keepdims=True)}
    for size in range(1, len(factors) + 1):
        for effect in combinations(factors, size):
            others = tuple(factor for factor in range(cube.ndim) if factor not in effect)
            mean = cube.mean(axis=others, keepdims=True) if others else cube
            smaller = (part for key, part in effects.items() if set(key) < set(effect))
            effects[effect] = mean - sum(smaller)
            freedom = int(np.prod([cube.shape[factor] - 1 for factor in effect]))
            squares = (effects[effect] ** 2).sum() * cube.size / effects[effect].size
            found[effect] = float(squares / freedom), freedom
    return found


def variances(cube: np.ndarray) -> dict[tuple[int, ...], float]:
    """Return the variance of each effect, from expected mean squares (all factors random); at least 0."""
    found = mean_squares(cube)
    of: dict[tuple[int, ...], float] = {}
    for effect in sorted(found, key=len, reverse=True):
        above = sum(
            value * np.prod([cube.shape[factor] for factor in range(cube.ndim) if factor not in larger])
            for larger, value in of.items()
            if set(effect) < set(larger)
        )
        repeated = np.prod([cube.shape[factor] for factor in range(cube.ndim) if factor not in effect])
        of[effect] = float(max(0.0, (found[effect][0] - above) / repeated))
    return of


class Part(NamedTuple):
    """A part of the variance of a mean: a mean square over the number of cells, with the sign it counts by.

    single: whether it is the mean square of a single factor.
    """

    value: float
    freedom: int
    single: bool


def _parts(cube: np.ndarray) -> dict[tuple[int, ...], Part]:
    """Return the parts of the variance of a cube's mean, by effect, with all factors random."""
    return {
        effect: Part((-1) ** (len(effect) + 1) * square / cube.size, freedom, len(effect) == 1)
        for effect, (square, freedom) in mean_squares(cube).items()
    }


def mean_and_interval(
    cube: np.ndarray, random: np.ndarray | None = None
) -> tuple[float, tuple[float, float], float] | None:
    """Return the mean of a cube, its 95 % interval with all factors random, and two-sided p.

    The variance of the mean is a sum of mean squares with signs, and Satterthwaite's degrees of freedom are
    its square over the sum of the squares of its parts, each over its own. If the sum is not positive, only
    the mean squares of the single factors count, which is conservative.

    random: accuracies [emotion, seed, draw] under the random masks, if all attributes share them. Every drop
    then has the same mean of these masks, so the drops don't show how far it is off; the variance between the
    random masks is added, unless its estimate is below 0. None if no factor has two levels, if the cells are
    all alike, or if fewer than FEWEST_MASKS random masks are
    shared, or shared by fewer attributes.
    """
    of_cube = _parts(cube)
    if not any(part.single for part in of_cube.values()):
        return None
    if not abs(of_cube[max(of_cube, key=len)].value) * cube.size > ROUNDING**2:
        return None
    parts = list(of_cube.values())
    if random is not None:
        if min(random.shape[-1], cube.shape[-1]) < FEWEST_MASKS:
            return None
        of_draws = [part for effect, part in _parts(random).items() if DRAW in effect]
        parts += of_draws if sum(part.value for part in of_draws) > 0 else []
    if not sum(part.value for part in parts) > 0:
        parts = [part for part in parts if part.single]
    variance = sum(part.value for part in parts)
    freedom = variance**2 / sum(part.value**2 / part.freedom for part in parts)
    mean, se = float(cube.mean()), float(np.sqrt(variance))
    half = float(stats.t.ppf(0.975, freedom)) * se
    return mean, (mean - half, mean + half), float(two_sided(stats.t.sf(mean / se, freedom)))


def crossed(masked: pd.DataFrame, drops: pd.DataFrame, k: int) -> Iterator[Row]:
    """Is the mean drop above 0 if emotions, seeds and masks are all random? Which factor varies most?

    A row that decides for size k, one for each of several sizes, and at each a row for each factor's share of
    the variance. Random masks that all attributes share are random too. masked: masked_accuracy.csv. drops:
    drops.parquet.
    """
    method = (
        "mean drop, emotions, seeds and masks as crossed random factors; interval by Satterthwaite (1946)"
    )
    for question, sizes, decided_by in (
        ("masks_hurt_crossed", [k], "interval"),
        ("masks_hurt_crossed_of_size", several_sizes(drops), ""),
    ):
        for size in sizes:
            cube = _cube(drops, size)
            if found := mean_and_interval(cube, cubes(masked, drops, size)[1]):
                mean, ci, p = found
                key = "" if decided_by else str(size)
                yield row(question, method, decided_by, mean, ci, p, cube.size, key=key, k=size)
    yield from _shares(_cube(drops, k), "share_of_variance", k)
    for size in several_sizes(drops):
        yield from _shares(_cube(drops, size), "share_of_variance_of_size", size, f", {size}")


def _shares(cube: np.ndarray, question: str, k: int, suffix: str = "") -> Iterator[Row]:
    """Yield each factor's share of the variance of a cube of drops; nothing if they do not vary."""
    of = variances(cube)
    if not (total := sum(of.values())) > ROUNDING**2:
        return
    method = "share of the variance of drops, from expected mean squares of the balanced design"
    for effect, value in of.items():
        last = len(effect) == sum(levels > 1 for levels in cube.shape)
        name = "residual" if last else " x ".join(FACTORS[factor] for factor in effect)
        yield row(question, method, "", value / total, n=cube.size, key=f"{name}{suffix}", k=k)


def _cube(drops: pd.DataFrame, k: int) -> np.ndarray:
    """Return the drops of size k as [emotion, seed, attribute]."""
    wide = drops[drops["k"] == k].pivot(index=["emotion", "seed"], columns="attribute", values="drop")
    return wide.to_numpy().reshape(*wide.index.levshape, -1)


def share_of_distance(
    masked: pd.DataFrame, drops: pd.DataFrame, accuracy: pd.DataFrame, k: int
) -> Iterator[Row]:
    """What share of a prompt's accuracy above the majority rate does a mask remove, beyond random masks?

    A row for all attributes and one for each; descriptive. It makes drops of small and large models, and of
    easy and hard tasks, comparable. The estimate is the sum over emotions of the drop, divided by the sum of
    unmasked accuracy minus majority (from accuracy.csv). The interval is that of the ratio's linear terms
    (Cochran 1977, section 6.4) with emotions as a random factor; for the row of all masks, attributes too,
    and the random masks if all attributes share them. There is no interval if the mean distance is too
    uncertain to divide by, that is if Fieller's (1954) g, the square of its half-interval over its mean, is
    above MOST_UNCERTAIN. No rows if a majority rate is unknown, or if accuracy is not above it on average.
    """
    distance = (accuracy["accuracy"] - accuracy["majority"]).groupby(accuracy["emotion"]).mean()
    wide = drops[drops["k"] == k].pivot_table("drop", "emotion", "attribute", sort=False)
    each = distance[wide.index].to_numpy()[:, None, None]
    if not (mean := each.mean()) > 0:
        return
    over_emotions = paired_drop(each.ravel())
    certain = ((over_emotions.ci_high - mean) / mean) ** 2 <= MOST_UNCERTAIN
    cube, (_, random) = wide.to_numpy()[:, None], cubes(masked, drops, k)
    of_draws = None if random is None else random.mean(axis=1, keepdims=True) / mean
    ratio = "drop as a share of unmasked accuracy - majority; ratio of sums over emotions, interval over"
    every = f"{ratio} emotions and {'attributes' if random is None else 'masks'} as crossed random factors"
    parts = [("", every, cube, of_draws)]
    parts += [(name, f"{ratio} emotions", cube[..., [place]], None) for place, name in enumerate(wide)]
    for key, method, part, draws in parts:
        share = part.mean() / mean
        found = mean_and_interval(share + (part - share * each) / mean, draws) if certain else None
        ci = found[1] if found else (MISSING, MISSING)
        yield row("share_of_distance", method, "", share, ci, n=len(wide), key=key, k=k)
