"""H2, mask by mask: where does an attribute's mask lie among random masks of its size?"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from model_emotion.base.errors import UserError
from model_emotion.base.results import HOLDS
from model_emotion.retests.rows import ALPHA, MISSING, Row, doubled, row, table
from model_emotion.retests.tails import Pooled, pool


@dataclass(frozen=True)
class RandomMasks:
    """The random masks among which an attribute's mask of size k is placed.

    accuracy: [masks] mean accuracy under each. whose: `own` (the attribute's), `shared` or `of all
    attributes`. pooled: random masks of all sizes, if they are needed and enough.
    """

    accuracy: np.ndarray
    whose: str
    k: int
    pooled: Pooled | None = None

    @property
    def n(self) -> int:
        """The number of masks that decide."""
        return len(self.pooled.below) if self.pooled else len(self.accuracy)

    @property
    def decided_by(self) -> str:
        """`p`, or `interval` if there are too few masks for any two-sided p below ALPHA."""
        return "p" if _enough(self.n) else "interval"

    @property
    def rule(self) -> str:
        """How these masks decide, in words."""
        if self.pooled:
            return f"p by the place among {self.n} random masks of all sizes, standardised"
        rule = "p by the place" if self.decided_by == "p" else "t prediction interval of one new mask"
        return f"{rule}; {self.n} random masks ({self.whose})"

    @property
    def half_width(self) -> float:
        """Half the width of the 95 % t prediction interval of one more mask; NaN of a single mask."""
        n = len(self.accuracy)
        if n == 1:
            return MISSING
        return stats.t.ppf(1 - ALPHA / 2, n - 1) * self.accuracy.std(ddof=1) * np.sqrt(1 + 1 / n)

    @property
    def limits(self) -> tuple[float, float]:
        """The 95 % prediction interval of the accuracy under one more random mask.

        An attribute's mask holds its place if it lies below.
        """
        if self.pooled:
            return self.pooled.limits(self.k)
        mean, half, n = self.accuracy.mean(), self.half_width, len(self.accuracy)
        if self.decided_by == "interval":
            return mean - half, mean + half
        ordered, extreme = np.sort(self.accuracy), int(np.ceil(ALPHA / 2 * (n + 1))) - 2
        return float(ordered[extreme]), float(ordered[-1 - extreme])

    def p(self, accuracy: float) -> float:
        """Return two-sided p of an accuracy: twice its place, or that of the t prediction interval."""
        n = len(self.accuracy)
        if self.pooled:
            return self.pooled.place(self.k, accuracy)
        if self.decided_by == "p":
            return float(doubled((1 + (self.accuracy <= accuracy).sum()) / (n + 1)))
        if not self.half_width > 0:  # a single mask, or masks that are all alike
            return MISSING
        t = (self.accuracy.mean() - accuracy) / self.half_width * stats.t.ppf(1 - ALPHA / 2, n - 1)
        return float(2 * stats.t.sf(abs(t), n - 1))

    def holds_by_former_rule(self, accuracy: float) -> bool:
        """Whether an accuracy holds its place by the former rule, which had no stated error rate.

        Below the prediction interval and below all masks of the size, or, of 20 masks or more, a one-sided p
        below .05 by the place.
        """
        place = (1 + (self.accuracy <= accuracy).sum()) / (len(self.accuracy) + 1)
        if 1 / (len(self.accuracy) + 1) < ALPHA:
            return bool(place < ALPHA)
        lowest = min(self.accuracy.mean() - self.half_width, self.accuracy.min())
        return bool(accuracy < lowest)


def _enough(masks: int) -> bool:
    """Whether so many random masks allow a two-sided p below ALPHA by the place."""
    return 2 / (masks + 1) < ALPHA


def means_by_kind(masked: pd.DataFrame, k: int) -> pd.Series:
    """Average accuracy over emotions and seeds under each mask of size k, by kind, attribute and draw.

    Raises UserError unless every mask was evaluated for the same emotions and seeds.
    """
    of_size = masked[masked["k"] == k].assign(
        attribute=lambda rows: rows["attribute"].fillna(""), draw=lambda rows: rows["draw"].fillna(0)
    )
    by = of_size.groupby(["kind", "attribute", "draw"], sort=False)["accuracy"]
    if by.size().nunique() > 1:
        raise UserError(
            f"masked accuracies: not every mask of size {k} was measured for the same emotions and seeds"
        )
    return by.mean()


def means_of_masks(masked: pd.DataFrame, k: int) -> tuple[pd.Series, pd.Series]:
    """Return `means_by_kind` of the attributes' masks, by attribute, and of the random masks."""
    means = means_by_kind(masked, k)
    return means["attribute"].droplevel("draw"), means["random"]


def random_masks_of(attribute: str, random: pd.Series, k: int, pooled: Pooled | None = None) -> RandomMasks:
    """Choose the random masks for an attribute: its own if it has several, else the shared ones, else all.

    pooled: those of all sizes. They are used if masks of this size are too few and not the attribute's own.
    """
    owners = random.index.get_level_values("attribute")
    choices = (owners == attribute, "own"), (owners == "", "shared")
    some = [choice for choice in choices if choice[0].sum() > 1]
    chosen, whose = some[0] if some else (np.full(len(random), True), "of all attributes")
    accuracy = random[chosen].to_numpy()
    needed = whose != "own" and not _enough(len(accuracy))
    return RandomMasks(accuracy, whose, k, pooled if needed else None)


def pool_sizes(masked: pd.DataFrame) -> Pooled | None:
    """Pool the random masks of all sizes in masked_accuracy.csv; None if they are too few (`tails.pool`)."""
    random = masked[masked["kind"] == "random"]
    random = random.assign(attribute=random["attribute"].fillna(""))
    return pool(random.groupby(["k", "attribute", "draw"])["accuracy"].mean()) if len(random) else None


def place_among_random(masked: pd.DataFrame, k: int) -> list[Row]:
    """Is an attribute's mask worse than random masks of its size? One row per attribute; masks are the cases.

    The estimate is the mean accuracy with the random masks minus that with the attribute's mask
    (`reference`). The interval is the distance to the 95 % prediction interval of one more random mask. n is
    the number of random masks that decide. p is twice the attribute's place among them (Phipson and Smyth
    2010). With fewer than 40 random masks of this size, those of all sizes are standardised and pooled
    (`tails`). If these are too few as well, the t prediction interval decides (Hahn and Meeker 1991).

    A mask that is no worse than random masks holds its place with a probability of .025: by the place for any
    distribution, by the t interval for a normal one. Because standardising uses estimates, it is .025 to .034
    for pooled masks (normal, skewed, and the study's, by simulation).
    """
    attribute_means, random_means = means_of_masks(masked, k)
    pooled, rows = pool_sizes(masked), []
    for attribute, mean in attribute_means.items():
        random = random_masks_of(attribute, random_means, k, pooled)
        estimate, ci = random.accuracy.mean() - mean, [limit - mean for limit in random.limits]
        method = f"random masks' mean accuracy - the attribute's; {random.rule}"
        p, n = random.p(mean), random.n
        found = row("place_among_random", method, random.decided_by, estimate, ci, p, n, key=attribute, k=k)
        rows.append(found | {"reference": mean})
    return rows


def several_sizes(table: pd.DataFrame) -> list[int]:
    """Return the sizes in a table of masks, smallest first; none if there is only one."""
    sizes = sorted(table["k"].unique())
    return sizes if len(sizes) > 1 else []


def place_of_size(masked: pd.DataFrame) -> list[Row]:
    """How many attributes' masks hold their place among random ones, at each of several sizes? Descriptive.

    One row per size; its key is the number of neurons. `reference` is the number by the former rule
    (`RandomMasks.holds_by_former_rule`).
    """
    rows = []
    for k in several_sizes(masked[masked["kind"] == "attribute"]):
        places = table(place_among_random(masked, k))
        held = int((places["verdict"] == HOLDS).sum())
        attribute_means, random_means = means_of_masks(masked, k)
        before = sum(
            random_masks_of(name, random_means, k).holds_by_former_rule(mean)
            for name, mean in attribute_means.items()
        )
        former = (
            "reference: by the former rule, below all random masks of the size and their t interval, or, of "
            "20 random masks or more, with one-sided p < .05 by the place"
        )
        method = f"attributes whose mask holds its place among random ones; {former}"
        rows.append(row("place_of_size", method, "", held, n=len(places), key=str(k), k=k, reference=before))
    return rows


def place_error_rate(masked: pd.DataFrame) -> list[Row]:
    """How often does a random mask hold a place among the others of its size? Descriptive, two rows.

    `prediction interval`: by the t prediction interval, which lets this happen with a probability of .025
    (`reference`) if accuracies are normal. `former rule`: by `RandomMasks.holds_by_former_rule`. Each random
    mask takes the place of an attribute's mask once; n is their number. No rows if no three random masks of a
    size are placed together.
    """
    each = masked[masked["kind"] == "random"].assign(attribute=lambda rows: rows["attribute"].fillna(""))
    means, held = each.groupby(["k", "attribute", "draw"])["accuracy"].mean(), []
    for k, of_size in means.groupby(level="k"):
        by_owner = [of.to_numpy() for _, of in of_size.groupby(level="attribute")]
        alone = all(len(of) == 1 for of in by_owner)
        for values in [of_size.to_numpy()] if alone else by_owner:
            for place in range(len(values) if len(values) > 2 else 0):
                others = RandomMasks(np.delete(values, place), "", k)
                low = others.accuracy.mean() - others.half_width
                held.append([values[place] < low, others.holds_by_former_rule(values[place])])
    method = "share of random masks that hold their place among the others of their size; reference: nominal"
    if not held:
        return []
    return [
        row("place_error_rate", method, "", share, n=len(held), key=key, reference=ALPHA / 2)
        for key, share in zip(("prediction interval", "former rule"), np.mean(held, axis=0), strict=True)
    ]
