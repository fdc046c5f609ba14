"""H2 and H3: does masking an attribute's neurons hurt more than masking random ones, and the more the attribute weighs?"""

import numpy as np
from scipy import stats

from model_emotion.base.errors import UserError
from model_emotion.base.results import HOLDS
from model_emotion.base.statistics import paired_drop, product
from model_emotion.masking.drops import ROUNDING, accuracy_drops, drop_table
from model_emotion.retests.rows import ALPHA, MISSING, row, table


def means_of_masks(masked, k):
    """Mean accuracy over emotions and seeds under each mask of size k: series by attribute; by attribute and draw of random masks."""
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


def random_masks_of(attribute, random):
    """(values, name) of the random masks that an attribute's is set among: several of its own, else those shared, else those of all."""
    owners = random.index.get_level_values("attribute")
    for owner, name in ((attribute, "own"), ("", "shared")):
        if (owners == owner).sum() > 1:
            return random[owners == owner].to_numpy(), name
    return random.to_numpy(), "of all attributes"


def _half_width(random):
    """Of the 95 % t prediction interval of one more value like these; NaN of one alone."""
    n = len(random)
    return stats.t.ppf(0.975, n - 1) * random.std(ddof=1) * np.sqrt(1 + 1 / n) if n > 1 else MISSING


def limit_below(random):
    """How far below the mean of n random masks one must lie to hold, and whether its p or, where they are too few, the interval decides."""
    n = len(random)
    if 1 / (n + 1) < ALPHA:
        as_low = int(np.ceil(ALPHA * (n + 1))) - 2  # random masks that may be as low for p to stay below
        return random.mean() - np.sort(random)[as_low], "p"
    return max(_half_width(random), random.mean() - random.min()), "interval"


def place_among_random(masked, k):
    """Is an attribute's mask worse than random ones of its size? A row an attribute; masks are the cases.

    The estimate is the mean accuracy with the random masks minus that with the attribute's (`reference`), n the number of random masks, p
    the attribute's place among them (Phipson & Smyth 2010). The interval is that of a t prediction of one new random mask (Hahn & Meeker
    1991), widened to the random masks' range, for a few of them can be far below the others: it lies above 0 where the attribute's accuracy
    is below all of them and below what one more would leave. It decides where they are too few for any p below .05.
    """
    attribute_means, random_means = means_of_masks(masked, k)
    rows = []
    for attribute, mean in attribute_means.items():
        random, whose = random_masks_of(attribute, random_means)
        n = len(random)
        lower = int((random <= mean).sum())
        half = _half_width(random)
        estimate, p = random.mean() - mean, (1 + lower) / (n + 1)
        method = (
            f"place among {n} random masks ({whose}); t prediction interval of one new mask, or their range"
        )
        ci = (min(estimate - half, random.min() - mean), max(estimate + half, random.max() - mean))
        decided_by = limit_below(random)[1]
        rows.append(
            row(
                "place_among_random",
                method,
                decided_by,
                estimate,
                ci,
                p,
                n,
                key=attribute,
                k=k,
                reference=mean,
            )
        )
    return rows


def several_sizes(masked):
    """The sizes of attributes' masks, smallest first; none where there is but one."""
    sizes = sorted(masked.loc[masked["kind"] == "attribute", "k"].unique())
    return sizes if len(sizes) > 1 else []


def place_of_size(masked):
    """The same at every size of several: how many of n attributes' masks hold. A row a size, key its number of neurons; it describes."""
    rows = []
    for k in several_sizes(masked):
        places = table(place_among_random(masked, k))
        held = int((places["verdict"] == HOLDS).sum())
        method = "attributes whose mask holds its place among random ones"
        rows.append(row("place_of_size", method, "", held, n=len(places), key=str(k), k=k))
    return rows


def masks_hurt(masked, k, samples, seed, key=""):
    """H2 over all attributes' masks of size k, with the cases taken more and more seriously: mean drop, three rows.

    The study tests drops of all cells as if each were independent. Here the cases are masks; emotions, for these masks; or masks, emotions
    and seeds, each drawn anew with replacement (pigeonhole bootstrap, Owen 2007; `samples` of them, percentile interval), which is wide
    on purpose: masks of an attribute, and prompts of an emotion, have much in common. Where all attributes share their random masks these
    are cases too, so that the two means are compared (Welch 1947); else an attribute's drop is one. key: what tells these rows from others.
    """
    own, random = cubes(masked, k)
    drop = accuracy_drops(masked[masked["k"] == k]).groupby("emotion", sort=False)["drop"].mean().to_numpy()
    rows = []
    for cases, found in (("attributes", over_masks(own, random)), ("emotions", paired_drop(drop))):
        if found["df"] > 0:
            what = (
                "two means of masks, Welch's"
                if cases == "attributes" and random is not None
                else f"mean drop, {cases} as the cases;"
            )
            method, n = (
                f"{what} t interval, one-sided p",
                own.shape[2] if cases == "attributes" else len(drop),
            )
            ci = found["ci_low"], found["ci_high"]
            rows.append(
                row(
                    f"masks_hurt_over_{cases}",
                    method,
                    "interval",
                    found["drop"],
                    ci,
                    found["p"],
                    n,
                    key=key,
                    k=k,
                )
            )
    generator = np.random.default_rng(seed)

    def drawn(n):
        return generator.multinomial(n, np.full(n, 1 / n), samples) / n

    emotions, seeds, attributes = (drawn(n) for n in own.shape)

    def means(cube, masks):  # [emotion, seed, mask] -> [samples]
        of_masks = product(masks, cube.reshape(-1, cube.shape[2]).T).reshape(-1, *cube.shape[:2])
        return ((of_masks * seeds[:, None]).sum(axis=2) * emotions).sum(axis=1)

    apart = (
        means(random, drawn(random.shape[2])) - means(own, attributes)
        if random is not None
        else means(own, attributes)
    )
    method = (
        f"mean drop; emotions, seeds and masks drawn anew {samples} times (Owen 2007); percentile interval"
    )
    ci = np.quantile(apart, [0.025, 0.975])
    return [*rows, row("masks_hurt_over_all", method, "interval", drop.mean(), ci, n=own.size, key=key, k=k)]


def cubes(masked, k):
    """Accuracies [emotion, seed, mask] under attributes' masks of size k and under the random ones that all of these share.

    Where attributes have random masks of their own: the drops [emotion, seed, attribute], and None.
    """
    masked = masked[masked["k"] == k]
    shared = masked[(masked["kind"] == "random") & masked["attribute"].isna()]
    of_attributes = accuracy_drops(masked)
    values = "drop" if shared.empty else "masked"
    wide = of_attributes.pivot(index=["emotion", "seed"], columns="attribute", values=values)
    own = wide.to_numpy().reshape(*wide.index.levshape, -1)
    if shared.empty:
        return own, None
    random = shared.pivot(index=["emotion", "seed"], columns="draw", values="accuracy").loc[wide.index]
    return own, random.to_numpy().reshape(*wide.index.levshape, -1)


def over_masks(own, random):
    """Mean drop with masks as the cases, of what `cubes` gives: `paired_drop`'s dict, by Welch's t where random masks are cases too."""
    if random is None:
        return paired_drop(own.mean(axis=(0, 1)))
    means = [cube.mean(axis=(0, 1)) for cube in (random, own)]
    drop = means[0].mean() - means[1].mean()
    if min(map(len, means)) < 2:
        return {
            "drop": drop,
            "df": MISSING,
            "se": MISSING,
            "ci_low": MISSING,
            "ci_high": MISSING,
            "p": MISSING,
        }
    parts = [of.var(ddof=1) / len(of) for of in means]
    se = np.sqrt(sum(parts))
    if se < ROUNDING:  # masks are all alike: the drop is certain, or is none
        return {
            "drop": drop,
            "df": np.inf,
            "se": 0.0,
            "ci_low": drop,
            "ci_high": drop,
            "p": float(drop < ROUNDING),
        }
    df = se**4 / sum(part**2 / (len(of) - 1) for part, of in zip(parts, means, strict=True))
    half = stats.t.ppf(0.975, df) * se
    return {
        "drop": drop,
        "df": df,
        "se": se,
        "ci_low": drop - half,
        "ci_high": drop + half,
        "p": float(stats.t.sf(drop / se, df)),
    }


def share_of_distance(masked, accuracy, k, samples, seed):
    """How much of what a prompt knows beyond the commoner class does a mask take, more than random ones? A row for all, and an attribute.

    Sum over emotions of the drop, as a share of the sum of unmasked accuracy - majority (accuracy.csv; no rows where a majority is
    unknown, or where prompts know nothing beyond it); emotions drawn anew for a percentile interval, for all masks attributes too. There is
    none where a draw has emotions alone of which nothing is known. It describes: drops of small models, of easy and of hard tasks are
    alike in it.
    """
    distance = (accuracy["accuracy"] - accuracy["majority"]).groupby(accuracy["emotion"]).mean()
    wide = accuracy_drops(masked[masked["k"] == k]).pivot_table("drop", "emotion", "attribute", sort=False)
    attributes = wide.shape[1]
    distance, emotions = distance[wide.index].to_numpy(), len(wide)
    if not distance.sum() > 0:
        return []
    generator = np.random.default_rng(seed)
    weights = generator.multinomial(emotions, np.full(emotions, 1 / emotions), samples)
    of_attributes = (
        generator.multinomial(attributes, np.full(attributes, 1 / attributes), samples) / attributes
    )
    drawn = product(weights, distance[:, None])
    ci = np.full((2, 1 + attributes), MISSING)
    if (drawn > 0).all():
        shares = product(weights, wide.to_numpy()) / drawn
        ci = np.quantile(
            np.column_stack([(shares * of_attributes).sum(axis=1), shares]), [0.025, 0.975], axis=0
        )
    found = (wide.sum() / distance.sum()).to_numpy()
    method = f"drop as a share of unmasked accuracy - majority; ratio of sums over emotions, drawn anew {samples} times"
    return [
        row(
            "share_of_distance",
            method if key else f"{method}, and attributes",
            "",
            value,
            limits,
            n=emotions,
            key=key,
            k=k,
        )
        for key, value, limits in zip(["", *wide], [found.mean(), *found], ci.T, strict=True)
    ]


def without_seeds(masked, seeds):
    """(what to call them, masked accuracies without these seeds), None where none of them or nothing else was measured."""
    kept = masked[~masked["seed"].isin(seeds)]
    left_out = sorted(set(masked["seed"]) - set(kept["seed"]))
    return (f"without seeds {', '.join(map(str, left_out))}", kept) if left_out and len(kept) else None


def corrected_stars(masked, alpha):
    """How many drops are significant by Benjamini and Hochberg's q, `reference` by the study's? A row each for emotions, attributes."""
    table, rows = accuracy_drops(masked), []
    for cases in ("emotion", "attribute"):
        tests = drop_table(table, [cases], alpha)
        method = f"drops of each {cases} and size with q < {alpha:g} by Benjamini and Hochberg (1995); reference: by the study's q"
        found = int((tests["q_bh"] < alpha).sum())
        rows.append(
            row(
                "corrected_stars",
                method,
                "",
                found,
                n=len(tests),
                key=cases,
                reference=int(tests["star"].sum()),
            )
        )
    return rows
