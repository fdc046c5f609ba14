"""H2, mask by mask: where does an attribute's mask lie among random masks of its size?"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from model_emotion.base.errors import UserError
from model_emotion.base.results import HOLDS
from model_emotion.retests.rows import ALPHA, MISSING, Row, row, table


@dataclass(frozen=True)
class RandomMasks:
    """The random masks among which an attribute's mask is placed.

    accuracy: [masks] mean accuracy under each. whose: `own` (the attribute's), `shared` or `of all
    attributes`.
    """

    accuracy: np.ndarray
    whose: str

    @property
    def half_width(self) -> float:
        """Half the width of the 95 % t prediction interval of one more mask; NaN of a single mask."""
        n = len(self.accuracy)
        if n == 1:
            return MISSING
        return stats.t.ppf(0.975, n - 1) * self.accuracy.std(ddof=1) * np.sqrt(1 + 1 / n)

    @property
    def decided_by(self) -> str:
        """`p`, or `interval` if there are too few masks for any p below ALPHA."""
        return "p" if 1 / (len(self.accuracy) + 1) < ALPHA else "interval"

    @property
    def limit(self) -> float:
        """How far below the masks' mean an attribute's mask must lie to hold its place."""
        mean, n = self.accuracy.mean(), len(self.accuracy)
        if self.decided_by == "p":
            as_low = int(np.ceil(ALPHA * (n + 1))) - 2  # masks that may be as low for p to stay below ALPHA
            return mean - np.sort(self.accuracy)[as_low]
        return max(self.half_width, mean - self.accuracy.min())


def means_of_masks(masked: pd.DataFrame, k: int) -> tuple[pd.Series, pd.Series]:
    """Average accuracy over emotions and seeds under each mask of size k.

    Returns a series by attribute, and one by attribute and draw for the random masks. Raises UserError unless
    every mask was evaluated for the same emotions and seeds.
    """
    of_size = masked[masked["k"] == k].assign(
        attribute=lambda rows: rows["attribute"].fillna(""), draw=lambda rows: rows["draw"].fillna(0)
    )
    by = of_size.groupby(["kind", "attribute", "draw"], sort=False)["accuracy"]
    if by.size().nunique() > 1:
        raise UserError(
            f"masked accuracies: not every mask of size {k} was measured for the same emotions and seeds"
        )
    means = by.mean()
    return means["attribute"].droplevel("draw"), means["random"]


def random_masks_of(attribute: str, random: pd.Series) -> RandomMasks:
    """Choose the random masks for an attribute: its own if it has several, else the shared ones, else all."""
    owners = random.index.get_level_values("attribute")
    for owner, whose in ((attribute, "own"), ("", "shared")):
        if (owners == owner).sum() > 1:
            return RandomMasks(random[owners == owner].to_numpy(), whose)
    return RandomMasks(random.to_numpy(), "of all attributes")


def place_among_random(masked: pd.DataFrame, k: int) -> list[Row]:
    """Is an attribute's mask worse than random masks of its size? One row per attribute; masks are the cases.

    The estimate is the mean accuracy with the random masks minus that with the attribute's mask
    (`reference`). n is the number of random masks. p is the attribute's place among them (Phipson and Smyth
    2010). The interval is the t prediction interval of one new random mask (Hahn and Meeker 1991), widened to
    the range of the random masks, a few of which can lie far below the others. It is above 0 if the
    attribute's accuracy is below all random masks and below what one more would leave. It decides if there
    are too few random masks for any p below .05.
    """
    attribute_means, random_means = means_of_masks(masked, k)
    rows = []
    for attribute, mean in attribute_means.items():
        random = random_masks_of(attribute, random_means)
        values, n, half = random.accuracy, len(random.accuracy), random.half_width
        estimate, p = values.mean() - mean, (1 + int((values <= mean).sum())) / (n + 1)
        ci = (min(estimate - half, values.min() - mean), max(estimate + half, values.max() - mean))
        of = f"place among {n} random masks ({random.whose})"
        method = f"{of}; t prediction interval of one new mask, or their range"
        found = row("place_among_random", method, random.decided_by, estimate, ci, p, n, key=attribute, k=k)
        rows.append(found | {"reference": mean})
    return rows


def several_sizes(table: pd.DataFrame) -> list[int]:
    """Return the sizes in a table of masks, smallest first; none if there is only one."""
    sizes = sorted(table["k"].unique())
    return sizes if len(sizes) > 1 else []


def place_of_size(masked: pd.DataFrame) -> list[Row]:
    """How many attributes' masks hold their place among random ones, at each of several sizes? Descriptive.

    One row per size; its key is the number of neurons.
    """
    rows = []
    for k in several_sizes(masked[masked["kind"] == "attribute"]):
        places = table(place_among_random(masked, k))
        held = int((places["verdict"] == HOLDS).sum())
        method = "attributes whose mask holds its place among random ones"
        rows.append(row("place_of_size", method, "", held, n=len(places), key=str(k), k=k))
    return rows
