"""H2 over all attributes: do their masks lower accuracy more than random masks?

Each question has its own random factor: masks or emotions. `drops` is drops.parquet and `masked` is
masked_accuracy.csv, both of the same emotions and seeds.
"""

import numpy as np
import pandas as pd
from scipy import stats

from model_emotion.base.statistics import DropTest, paired_drop
from model_emotion.masking.drops import ROUNDING, drop_table
from model_emotion.retests.masks import means_by_kind
from model_emotion.retests.rows import MISSING, Row, row, two_sided

FEWEST_MASKS = 4
"""The fewest masks on either side of a test that compares two kinds of masks.

Two and three show so little of how such masks vary that Welch's test rejects in 11 and 7 %, not in 5.
"""


def without_seeds(table: pd.DataFrame, seeds: tuple[int, ...]) -> tuple[str, pd.DataFrame] | None:
    """Return a name and a table's rows without some seeds; None if that leaves out no rows or all."""
    kept = table[~table["seed"].isin(seeds)]
    left_out = sorted(set(table["seed"]) - set(kept["seed"]))
    return (f"without seeds {', '.join(map(str, left_out))}", kept) if left_out and len(kept) else None


def cubes(masked: pd.DataFrame, drops: pd.DataFrame, k: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Arrange accuracies under masks of size k as [emotion, seed, mask]: attributes' masks, random masks.

    The latter are those that all attributes share. If attributes have random masks of their own, the result
    is the drops [emotion, seed, attribute], and None.
    """
    shared = _shared(masked, k)
    values = "drop" if shared.empty else "masked"
    of_size = drops[drops["k"] == k]
    wide = of_size.pivot(index=["emotion", "seed"], columns="attribute", values=values)
    own = wide.to_numpy().reshape(*wide.index.levshape, -1)
    if shared.empty:
        return own, None
    random = shared.pivot(index=["emotion", "seed"], columns="draw", values="accuracy").loc[wide.index]
    return own, random.to_numpy().reshape(*wide.index.levshape, -1)


def _shared(masked: pd.DataFrame, k: int) -> pd.DataFrame:
    """Return the accuracies under the random masks of size k that all attributes share."""
    return masked[(masked["k"] == k) & (masked["kind"] == "random") & masked["attribute"].isna()]


def over_masks(own: np.ndarray, random: np.ndarray | None) -> DropTest:
    """Test the mean drop with masks as the cases. own, random: from `cubes`.

    The t test is Welch's (1947) if random masks are cases too.
    """
    if random is None:
        return paired_drop(own.mean(axis=(0, 1)))
    return welch(random.mean(axis=(0, 1)), own.mean(axis=(0, 1)))


def welch(above: np.ndarray, below: np.ndarray) -> DropTest:
    """Test whether the mean of `above` [n] exceeds that of `below` [m] (Welch 1947).

    If one of them has fewer than FEWEST_MASKS values, all but `drop` is NaN.
    """
    drop = above.mean() - below.mean()
    if min(len(above), len(below)) < FEWEST_MASKS:
        return DropTest(drop, MISSING, MISSING, MISSING, MISSING, MISSING, MISSING)
    variances = [(of.var(ddof=1) / len(of), len(of) - 1) for of in (above, below)]
    se = np.sqrt(sum(variance for variance, _ in variances))
    if se < ROUNDING:  # masks are all alike: the drop is certain, or there is none
        return DropTest(drop, MISSING, np.inf, 0.0, drop, drop, float(drop < ROUNDING))
    df = se**4 / sum(variance**2 / freedom for variance, freedom in variances)
    half, t = stats.t.ppf(0.975, df) * se, drop / se
    return DropTest(drop, t, df, se, drop - half, drop + half, float(stats.t.sf(t, df)))


def hurt_over_attributes(masked: pd.DataFrame, drops: pd.DataFrame, k: int, key: str = "") -> list[Row]:
    """Is the mean drop above 0 if the attributes' masks of size k are the cases?

    If all attributes share their random masks, those are cases too, and the two means are compared; else an
    attribute's mean drop is a case. The study instead takes the drop of each emotion, seed and attribute as
    independent. No row if there are too few masks. key: tells this row from others of the same question.
    """
    own, random = cubes(masked, drops, k)
    cases = "mean drop, attributes as the cases;" if random is None else "two means of masks, Welch's"
    return _t_row("masks_hurt_over_attributes", cases, over_masks(own, random), own.shape[2], k, key)


def hurt_beyond_permuted(masked: pd.DataFrame, k: int) -> list[Row]:
    """Do the attributes' masks lower accuracy more than masks by permuted ratings do?

    Neurons that follow any RDM of the emotions may matter more than neurons drawn at random. The masks by
    permuted ratings choose such neurons, but their RDMs have nothing to do with the attributes. Masks of size
    k are the cases, and two means are compared (Welch 1947). The second row, which is descriptive, compares
    random masks with those by permuted ratings. No rows without such masks.
    """
    means = means_by_kind(masked, k)
    if "permuted" not in means:
        return []
    own, permuted, random = (means[kind].to_numpy() for kind in ("attribute", "permuted", "random"))
    cases, question = "two means of masks, Welch's", "masks_hurt_beyond_permuted"
    rows = _t_row(question, cases, welch(permuted, own), len(own), k, "")
    of_random = _t_row(question, cases, welch(random, permuted), len(permuted), k, "permuted and random")
    return rows + [found | {"decided_by": ""} for found in of_random]


def hurt_over_emotions(drops: pd.DataFrame, k: int, key: str = "") -> list[Row]:
    """Is the mean drop of these masks above 0 if emotions are the cases? No row of a single emotion."""
    of_emotions = _of_emotions(drops, k)
    found, cases = paired_drop(of_emotions), "mean drop, emotions as the cases;"
    return _t_row("masks_hurt_over_emotions", cases, found, len(of_emotions), k, key)


def _of_emotions(drops: pd.DataFrame, k: int) -> np.ndarray:
    """Return the mean drop of each emotion under the attributes' masks of size k."""
    return drops[drops["k"] == k].groupby("emotion", sort=False)["drop"].mean().to_numpy()


def _t_row(question: str, cases: str, found: DropTest, n: int, k: int, key: str) -> list[Row]:
    if not found.df > 0:
        return []
    method, ci = f"{cases} t interval", (found.ci_low, found.ci_high)
    p = 1.0 if abs(found.drop) < ROUNDING else two_sided(found.p)
    return [row(question, method, "interval", found.drop, ci, p, n, key=key, k=k)]


def corrected_stars(drops: pd.DataFrame, alpha: float) -> list[Row]:
    """How many drops are significant by Benjamini and Hochberg's q? `reference`: by the study's q.

    A row for the tests of emotions and one for those of attributes, over all sizes.
    """
    rows = []
    for cases in ("emotion", "attribute"):
        tests = drop_table(drops, [cases], alpha)
        of = f"drops of each {cases} and size with q < {alpha:g}"
        method = f"{of} by Benjamini and Hochberg (1995); reference: by the study's q"
        found, stars = int((tests["q_bh"] < alpha).sum()), int(tests["star"].sum())
        rows.append(row("corrected_stars", method, "", found, n=len(tests), key=cases, reference=stars))
    return rows
