"""How much evidence there is for and against H2 and H3: Bayes factors, and tests of equivalence."""

import math

import pandas as pd
from scipy import integrate, special, stats

from model_emotion.base.statistics import atanh
from model_emotion.retests.drops import cubes, over_masks
from model_emotion.retests.rows import Row, row
from model_emotion.retests.weights import human_correlation_of_attributes

SCALES = {"": math.sqrt(2) / 2, "narrower prior": 0.5, "wider prior": 1.0}
"""Scales of the Cauchy prior on a standardised effect; the first is the usual default."""
BOUND, BOUND_R = 0.02, 0.3
"""Smaller drops, as fractions of 1, and smaller r count as equivalent to none."""


def jzs_t(t: float, n: float, df: float, scale: float = SCALES[""]) -> float:
    """Return the JZS Bayes factor of an effect against none, by t (Rouder et al. 2009, equation 1).

    n: size of the sample, of two samples n1 n2 / (n1 + n2). scale: of the Cauchy prior.
    """
    width = n * scale**2

    def density(g: float) -> float:
        spread = 1 + width * g
        evidence = -math.log(spread) / 2 - (df + 1) / 2 * math.log1p(t**2 / (spread * df))
        prior = -math.log(2 * math.pi) / 2 - 1.5 * math.log(g) - 1 / (2 * g)
        return math.exp(evidence + prior + (df + 1) / 2 * math.log1p(t**2 / df))

    return integrate.quad(density, 0, math.inf, epsabs=0, limit=200)[0]


def bayes_factor_of_r(r: float, n: int) -> float:
    """Return the Bayes factor of a correlation of n cases against none (Ly et al. 2016, equation 25).

    The prior of the correlation is uniform in [-1, 1].
    """
    if abs(r) >= 1:
        return math.inf
    log = math.log(math.sqrt(math.pi) / 2) + special.gammaln((n + 1) / 2) - special.gammaln((n + 2) / 2)
    factor = math.exp(log) * special.hyp2f1((n - 1) / 2, (n - 1) / 2, (n + 2) / 2, r * r)
    return float(factor)


def equivalence_of_mean(mean: float, se: float, df: float, bound: float) -> float:
    """Return p of two one-sided t tests that a mean lies inside ± bound (Schuirmann 1987)."""
    return float(max(stats.t.sf((mean + bound) / se, df), stats.t.cdf((mean - bound) / se, df)))


def equivalence_of_r(r: float, n: int, bound: float) -> float:
    """Return p of two one-sided tests by Fisher's z that a correlation lies inside ± bound."""
    se = 1 / math.sqrt(n - 3)
    low, high = (atanh(r) + atanh(bound)) / se, (atanh(r) - atanh(bound)) / se
    return float(max(stats.norm.sf(low), stats.norm.cdf(high)))


def evidence_on_drop(masked: pd.DataFrame, drops: pd.DataFrame, k: int) -> list[Row]:
    """How much more likely are the drops with an effect than without, and are they smaller than BOUND? H2.

    Masks are the cases. Rows `bayes_factor_drop`: the JZS Bayes factor of a two-sided t test, for each of
    SCALES (its key). It takes both kinds of masks to vary alike. Row `equivalence_drop`: the mean drop, with
    p of two one-sided tests against BOUND (`reference`). masked, drops: as for `cubes`. No rows if there are
    too few masks, or if they do not differ.
    """
    own, random = cubes(masked, drops, k)
    found, below = over_masks(own, random), own.mean(axis=(0, 1))
    if not (found.df > 0 and found.se > 0):
        return []
    if random is None:
        t, size, df = stats.ttest_1samp(below, 0).statistic, float(len(below)), len(below) - 1
    else:
        above = random.mean(axis=(0, 1))
        df, size = len(above) + len(below) - 2, len(above) * len(below) / (len(above) + len(below))
        squares = sum(((of - of.mean()) ** 2).sum() for of in (above, below))
        t = (above.mean() - below.mean()) / math.sqrt(
            squares / df / size
        )  # Student's; scipy warns of equal masks
    n = len(below)
    prior = "Bayes factor of an effect against none, masks as the cases; Cauchy prior of scale {:.3g} (JZS)"
    rows = [
        row("bayes_factor_drop", prior.format(scale), "", jzs_t(t, size, df, scale), n=n, key=key, k=k)
        for key, scale in SCALES.items()
    ]
    p, ci = equivalence_of_mean(found.drop, found.se, found.df, BOUND), (found.ci_low, found.ci_high)
    method = "mean drop, masks as the cases; p of two one-sided tests that it lies inside ± reference"
    return [*rows, row("equivalence_drop", method, "", found.drop, ci, p, n, k=k, reference=BOUND)]


def evidence_on_correlation(drops: pd.DataFrame, k: int, weights: pd.Series) -> list[Row]:
    """How much more likely are drops and weights with a correlation than without, and is r small? H3.

    Attributes are the cases. Row `bayes_factor_correlation`: the Bayes factor. Row `equivalence_correlation`:
    r, with p of two one-sided tests against BOUND_R (`reference`). No rows if there is no r.
    """
    found = human_correlation_of_attributes(drops, k, weights)
    if not found or not abs(found[0]["estimate"]) < 1:
        return []
    r, n, ci = found[0]["estimate"], found[0]["n"], (found[0]["ci_low"], found[0]["ci_high"])
    of = "Bayes factor of a correlation against none, attributes as the cases; uniform prior (Ly et al. 2016)"
    method = (
        "Pearson's r over attributes; p of two one-sided tests (Fisher's z) that it lies inside ± reference"
    )
    p = equivalence_of_r(r, n, BOUND_R)
    return [
        row("bayes_factor_correlation", of, "", bayes_factor_of_r(r, n), n=n, k=k),
        row("equivalence_correlation", method, "", r, ci, p, n, k=k, reference=BOUND_R),
    ]
