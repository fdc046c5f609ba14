"""H2 and H3: does masking an attribute's neurons hurt more than masking random ones, and the more the attribute weighs?"""

import numpy as np
from scipy import optimize, stats

from model_emotion.cli import UserError
from model_emotion.manipulation import ENOUGH, drop_table, drops
from model_emotion.robustness import ALPHA, MISSING, POWER, row
from model_emotion.statistics import paired_drop


def _means_of_masks(masked, k):
    """Mean accuracy over emotions and seeds under each mask of size k: series by attribute; by attribute and draw of random masks."""
    of_size = masked[masked["k"] == k].assign(attribute=lambda rows: rows["attribute"].fillna(""), draw=lambda rows: rows["draw"].fillna(0))
    by = of_size.groupby(["kind", "attribute", "draw"], sort=False)["accuracy"]
    if by.size().nunique() > 1:
        raise UserError(f"masked accuracies: not every mask of size {k} was measured for the same emotions and seeds")
    means = by.mean()
    return means["attribute"].droplevel("draw"), means["random"]


def _random_masks_of(attribute, random):
    """(values, name) of the random masks that an attribute's is set among: several of its own, else those shared, else those of all."""
    owners = random.index.get_level_values("attribute")
    for owner, name in ((attribute, "own"), ("", "shared")):
        if (owners == owner).sum() > 1:
            return random[owners == owner].to_numpy(), name
    return random.to_numpy(), "of all attributes"


def place_among_random(masked, k):
    """Is an attribute's mask worse than random ones of its size? A row an attribute; masks are the cases.

    The estimate is the mean accuracy with the random masks minus that with the attribute's (`reference`), n the number of random masks, p
    the attribute's place among them (Phipson & Smyth 2010). The interval is that of a t prediction of one new random mask (Hahn & Meeker
    1991), widened to the random masks' range, for a few of them can be far below the others: it lies above 0 where the attribute's accuracy
    is below all of them and below what one more would leave. It decides where they are too few for any p below .05.
    """
    attribute_means, random_means = _means_of_masks(masked, k)
    rows = []
    for attribute, mean in attribute_means.items():
        random, whose = _random_masks_of(attribute, random_means)
        n = len(random)
        lower = int((random <= mean).sum())
        half = stats.t.ppf(0.975, n - 1) * random.std(ddof=1) * np.sqrt(1 + 1 / n) if n > 1 else MISSING
        estimate, p = random.mean() - mean, (1 + lower) / (n + 1)
        decided_by = "p" if 1 / (n + 1) < ALPHA else "interval"
        method = f"place among {n} random masks ({whose}); t prediction interval of one new mask, or their range"
        ci = (min(estimate - half, random.min() - mean), max(estimate + half, random.max() - mean))
        rows.append(row("place_among_random", method, decided_by, estimate, ci, p, n, key=attribute, k=k, reference=mean))
    return rows


def masks_hurt(masked, k, samples, seed, key=""):
    """H2 over all attributes' masks of size k, with the cases taken more and more seriously: mean drop, three rows.

    The study tests drops of all cells as if each were independent. Here the cases are attributes; emotions; or both and seeds, each drawn
    anew with replacement (pigeonhole bootstrap, Owen 2007; `samples` of them, percentile interval), which is wide on purpose: masks of
    an attribute, and prompts of an emotion, have much in common. key: what tells these rows from other ones.
    """
    wide = drops(masked[masked["k"] == k]).pivot(index=["emotion", "seed"], columns="attribute", values="drop")
    cube = wide.to_numpy().reshape(*wide.index.levshape, -1)  # [emotion, seed, attribute]
    rows = []
    for cases, means in (("attributes", cube.mean(axis=(0, 1))), ("emotions", cube.mean(axis=(1, 2)))):
        if len(means) > 1:
            test = paired_drop(means)
            method = f"mean drop, {cases} as the cases; t interval, one-sided p"
            ci = test["ci_low"], test["ci_high"]
            rows.append(row(f"masks_hurt_over_{cases}", method, "interval", test["drop"], ci, test["p"], len(means), key=key, k=k))
    generator = np.random.default_rng(seed)
    weights = [generator.multinomial(n, np.full(n, 1 / n), samples) / n for n in cube.shape]
    means = np.einsum("se,st,sa,eta->s", *weights, cube, optimize=True)
    method = f"mean drop; emotions, seeds and attributes drawn anew {samples} times (Owen 2007); percentile interval"
    ci = np.quantile(means, [0.025, 0.975])
    return [*rows, row("masks_hurt_over_all", method, "interval", cube.mean(), ci, n=cube.size, key=key, k=k)]


def _effects(masked, k):
    """Mean drop of each attribute's mask of size k: series by attribute."""
    return drops(masked[masked["k"] == k]).groupby("attribute", sort=False)["drop"].mean()


def human_correlation_of_attributes(masked, k, weights, key=""):
    """H3 with attributes as the cases: Pearson's r of an attribute's mean drop with its human weight. weights: series by attribute."""
    effect = _effects(masked, k)
    if len(effect) < ENOUGH or not set(effect.index) <= set(weights.index):  # masks of the three spaces, or of the most active neurons
        return []
    method = "Pearson's r over attributes of mean drop with human weight; Fisher z interval"
    if effect.nunique() == 1:  # the same drop everywhere: nothing to correlate
        return [row("human_correlation_attributes", method, "interval", n=len(effect), key=key, k=k)]
    found = stats.pearsonr(effect, weights[effect.index])
    ci = found.confidence_interval(0.95)
    return [row("human_correlation_attributes", method, "interval", found.statistic, ci, found.pvalue, len(effect), key=key, k=k)]


def human_correlation_permuted(masked, k, weights, samples, seed):
    """H3 with attributes as the cases, once more without a normal law: p of Pearson's r, the attributes' weights permuted. One row."""
    effect = _effects(masked, k)
    if len(effect) < ENOUGH or not set(effect.index) <= set(weights.index) or effect.nunique() == 1:
        return []
    permuted = stats.PermutationMethod(n_resamples=samples, rng=np.random.default_rng(seed))
    found = stats.pearsonr(effect, weights[effect.index], method=permuted)
    method = f"Pearson's r over attributes of mean drop with human weight; two-sided p, weights permuted {samples} times"
    return [row("human_correlation_permuted", method, "p", found.statistic, p=found.pvalue, n=len(effect), k=k)]


def share_of_distance(masked, accuracy, k, samples, seed):
    """How much of what a prompt knows beyond the commoner class does a mask take, more than random ones? A row for all, and an attribute.

    Sum over emotions of the drop, as a share of the sum of unmasked accuracy - majority (accuracy.csv; no rows where a majority is
    unknown, or where prompts know nothing beyond it); emotions drawn anew for a percentile interval, which there is none of where a draw
    has emotions alone of which nothing is known. It describes: drops of small models, of easy and of hard tasks are alike in it.
    """
    distance = (accuracy["accuracy"] - accuracy["majority"]).groupby(accuracy["emotion"]).mean()
    wide = drops(masked[masked["k"] == k]).pivot_table("drop", "emotion", "attribute", sort=False)
    parts = np.column_stack([wide.mean(axis=1), wide])
    distance, emotions = distance[wide.index].to_numpy(), len(wide)
    if not distance.sum() > 0:
        return []
    weights = np.random.default_rng(seed).multinomial(emotions, np.full(emotions, 1 / emotions), samples)
    drawn = weights @ distance
    ci = np.full((2, parts.shape[1]), MISSING)
    if (drawn > 0).all():
        ci = np.quantile((weights @ parts) / drawn[:, None], [0.025, 0.975], axis=0)
    method = f"drop as a share of unmasked accuracy - majority; ratio of sums over emotions, drawn anew {samples} times"
    return [
        row("share_of_distance", method, "", value, limits, n=emotions, key=key, k=k)
        for key, value, limits in zip(["", *wide], parts.sum(axis=0) / distance.sum(), ci.T, strict=True)
    ]


def without_seeds(masked, seeds):
    """(what to call them, masked accuracies without these seeds), None where none of them or nothing else was measured."""
    kept = masked[~masked["seed"].isin(seeds)]
    left_out = sorted(set(masked["seed"]) - set(kept["seed"]))
    return (f"without seeds {', '.join(map(str, left_out))}", kept) if left_out and len(kept) else None


def corrected_stars(masked, alpha):
    """How many drops are significant by Benjamini and Hochberg's q, `reference` by the study's? A row each for emotions, attributes."""
    table, rows = drops(masked), []
    for cases in ("emotion", "attribute"):
        tests = drop_table(table, [cases], alpha)
        method = f"drops of each {cases} and size with q < {alpha:g} by Benjamini and Hochberg (1995); reference: by the study's q"
        found = int((tests["q_bh"] < alpha).sum())
        rows.append(row("corrected_stars", method, "", found, n=len(tests), key=cases, reference=int(tests["star"].sum())))
    return rows


def smallest_effect(n, alpha=ALPHA, power=POWER):
    """The mean, in standard deviations, that a one-sided t test of n values at alpha finds with this power.

    Under it t is noncentral with parameter mean x sqrt(n) (Cohen 1988, chapter 2).
    """
    limit = stats.t.ppf(1 - alpha, n - 1)
    shift = optimize.brentq(lambda nc: stats.nct.sf(limit, n - 1, nc) - power, 0, limit + 10)
    return shift / np.sqrt(n)


def detectable_drop(masked, k):
    """The smallest mean drop that the test of one attribute, pooled over emotions and seeds, would find; a measure of the design, no claim.

    From the median over attributes of the drops' standard deviation. The test takes drops under one mask as independent.
    """
    by = drops(masked[masked["k"] == k]).groupby("attribute", sort=False)["drop"]
    n, deviation = int(by.size().min()), by.std(ddof=1).median()
    if n < 2:
        return []
    method = f"mean drop found with power {POWER} by the one-sided t test of an attribute, alpha {ALPHA}; noncentral t"
    return [row("detectable_drop", method, "", deviation * smallest_effect(n), n=n, k=k)]


def detectable_over_attributes(masked, k):
    """The smallest effects that attributes, as the cases, can show: mean drop (H2), and r of drop and weight (H3). Measures of the design.

    The drop from the attributes' own standard deviation; r by Fisher's z with a two-sided test.
    """
    effect = _effects(masked, k)
    n = len(effect)
    if n < ENOUGH:
        return []
    drop = f"mean drop found with power {POWER} by the one-sided t test over attributes, alpha {ALPHA}; noncentral t"
    r = f"r over attributes found with power {POWER} by the two-sided test, alpha {ALPHA}; Fisher's z"
    smallest_r = np.tanh((stats.norm.ppf(1 - ALPHA / 2) + stats.norm.ppf(POWER)) / np.sqrt(n - 3))
    return [
        row("detectable_drop_over_attributes", drop, "", effect.std(ddof=1) * smallest_effect(n), n=n, k=k),
        row("detectable_correlation", r, "", smallest_r, n=n, k=k),
    ]
