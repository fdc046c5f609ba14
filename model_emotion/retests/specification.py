"""Specification curves of H2 and H3: do they depend on how the data are analysed?

Every combination of defensible choices is one analysis, a specification (Simonsohn, Simmons and Nelson 2020).
specifications.yaml lists the choices; mask sizes are those of the run. H2's estimate is t of the mean drop
with masks as the cases, because drops in points and in shares have no unit in common. H3's is the correlation
of drop with weight over the attributes.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from itertools import product as combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_yaml
from model_emotion.base.statistics import FEWEST, product
from model_emotion.masking.drops import ROUNDING
from model_emotion.retests.drops import FEWEST_MASKS
from model_emotion.retests.neurons import partial_tau
from model_emotion.retests.rows import ALPHA, Row, doubled, permuted_p, row
from model_emotion.rsa.kendall import tau_b

CHOICES = Path(__file__).parent / "specifications.yaml"
COLUMNS = [
    "hypothesis", "size", "baseline", "seeds", "scale", "coefficient", "weight", "estimate", "p",
]  # fmt: skip
"""Columns of results/RUN/specifications.csv."""
KNOWN = {
    "baseline": ("own", "pooled"),
    "scale": ("points", "share"),
    "coefficient": ("Pearson", "Spearman", "Kendall"),
    "weight": ("bootstrap mean", "full sample", "partial"),
}
Choices = Mapping[str, Any]
Accuracies = dict[tuple[int, str, str], tuple[np.ndarray, np.ndarray]]
"""(size, seeds, scale) -> accuracy under each attribute's mask, and under each random mask."""


def read_choices(path: Path | str = CHOICES) -> dict[str, Choices]:
    """Read the choices of H2 and H3. Raises UserError that names a choice that is unknown."""
    choices: dict[str, Choices] = read_yaml(path)
    for hypothesis, of in choices.items():
        for name, some in of.items():
            for one in some if name in KNOWN else ():
                if one not in KNOWN[name]:
                    known = ", ".join(KNOWN[name])
                    raise UserError(
                        f"{path}: {hypothesis}: {name}: {one!r} is not known; choose from {known}"
                    )
    return choices


def weight_variants(
    boot: pd.Series, mean_rdm: np.ndarray, attribute_rdms: pd.DataFrame
) -> dict[str, pd.Series]:
    """Return human weights by attribute: the bootstrap mean, tau in the full sample, and partial tau.

    mean_rdm: [pairs], empty if nobody judged the emotions. attribute_rdms: frame [pairs, attributes].
    """
    found = {"bootstrap mean": boot}
    if len(mean_rdm) and set(attribute_rdms) <= set(boot.index):
        rdms = attribute_rdms.to_numpy()
        tau, among = tau_b(mean_rdm[None], rdms), tau_b(rdms.T, rdms)
        found["full sample"] = pd.Series(tau[0], attribute_rdms.columns)
        if np.linalg.matrix_rank(among) == len(among):
            found["partial"] = pd.Series(partial_tau(tau, among)[0], attribute_rdms.columns)
    return found


def accuracies(
    masked: pd.DataFrame, unmasked: pd.DataFrame, seeds: Mapping[str, Sequence[int]], scales: Sequence[str]
) -> tuple[list[str], Accuracies]:
    """Return the attributes, and the accuracy under each mask for each size, choice of seeds and scale.

    The scale `share` divides by accuracy minus majority rate of each emotion; it is left out if that is not
    above 0 for all emotions. A choice of seeds that leaves out none, or all, of the run's is left out too.
    masked, unmasked: masked_accuracy.csv and accuracy.csv with majority rates.
    """
    distance = (unmasked["accuracy"] - unmasked["majority"]).groupby(unmasked["emotion"]).mean()
    distance = distance.reindex(masked["emotion"].unique())
    attributes = list(dict.fromkeys(masked.loc[masked["kind"] == "attribute", "attribute"]))
    found: Accuracies = {}
    for (name, without), scale in combinations(seeds.items(), scales):
        kept = masked[~masked["seed"].isin(without)]
        if (without and len(kept) in (0, len(masked))) or (scale == "share" and not (distance > 0).all()):
            continue
        divided = kept["accuracy"] / kept["emotion"].map(distance) if scale == "share" else kept["accuracy"]
        mask = [kept[column].fillna(0) for column in ("attribute", "draw")]
        means = divided.groupby([kept["k"], kept["kind"], *mask]).mean()
        for k in sorted(masked.loc[masked["kind"] == "attribute", "k"].unique()):
            of_attributes = means[k, "attribute"].droplevel("draw")[attributes]
            random = means[k, "random"]
            own = [name for name in random.index.get_level_values("attribute") if name in attributes]
            if len(own) == len(random) == len(attributes):  # one each: in the order of the attributes
                random = random.droplevel("draw")[attributes]
            found[k, name, scale] = of_attributes.to_numpy(), random.to_numpy()
    return attributes, found


def _paired(masked: pd.DataFrame) -> bool:
    """Whether each attribute has one random mask of each size, and shares none."""
    random = masked[masked["kind"] == "random"]
    random = random[random["k"].isin(masked.loc[masked["kind"] == "attribute", "k"])]
    each = random.groupby(["k", "attribute"])["draw"].nunique()
    return bool(random["attribute"].notna().all() and (each == 1).all())


def t_of_drops(own: np.ndarray, random: np.ndarray, paired: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return t of the mean drop and its two-sided p: paired masks, or two samples (Welch 1947).

    own, random: accuracies [..., masks]. Both are NaN where masks are all alike.
    """
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # scipy's, on masks all alike
        if paired:
            found, spread = stats.ttest_1samp(random - own, 0, axis=-1), np.ptp(random - own, axis=-1)
        else:
            found = stats.ttest_ind(random, own, axis=-1, equal_var=False)
            spread = np.ptp(random, axis=-1) + np.ptp(own, axis=-1)
    alike = spread < ROUNDING
    return np.where(alike, np.nan, found.statistic), np.where(alike, np.nan, found.pvalue)


def correlations(effects: np.ndarray, weights: np.ndarray, coefficient: str) -> np.ndarray:
    """Correlate effects [m, attributes] with weights [n, attributes]: [m, n]. Constant rows give NaN."""
    if coefficient == "Kendall":
        a, b = np.triu_indices(effects.shape[1], 1)
        effects, weights = np.sign(effects[:, a] - effects[:, b]), np.sign(weights[:, a] - weights[:, b])
    else:
        if coefficient == "Spearman":
            effects, weights = stats.rankdata(effects, axis=1), stats.rankdata(weights, axis=1)
        effects, weights = (of - of.mean(axis=1, keepdims=True) for of in (effects, weights))
    lengths = [np.sqrt((of**2).sum(axis=1)) for of in (effects, weights)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return product(effects, weights.T) / lengths[0][:, None] / lengths[1]


def p_of_correlation(r: np.ndarray, n: int, coefficient: str) -> np.ndarray:
    """Return two-sided p of correlations of n cases: by t, or Kendall's by the normal approximation."""
    if coefficient == "Kendall":
        return 2 * stats.norm.sf(np.abs(r) * 3 * math.sqrt(n * (n - 1) / (2 * (2 * n + 5))))
    with np.errstate(divide="ignore"):
        return 2 * stats.t.sf(np.abs(r) * np.sqrt((n - 2) / (1 - np.minimum(r**2, 1))), n - 2)


def _summary(question: str, method: str, estimates: np.ndarray, p: np.ndarray) -> list[Row]:
    """Return two rows: the median of the specifications, and the share that is significant and above 0.

    estimates, p: [specifications, 1 + permutations], the data first. p of a row is its place among the
    permutations, two-sided for the median.
    """
    n = len(estimates)
    medians, shares = np.median(estimates, axis=0), ((p < ALPHA) & (estimates > 0)).mean(axis=0)
    count = len(medians)
    if count > 1:
        p_median = float(permuted_p(medians[0], medians[1:]))
        p_share = float(doubled((shares[0] <= shares + 1e-12).sum() / count))
        method += f" p: {count - 1} permutations"
    else:
        p_median = p_share = math.nan
    decided, spread = "p" if count > 1 else "", np.quantile(estimates[:, 0], [0, 1])
    share = f"share of specifications that are above 0 with two-sided p < .05; {method}"
    median = f"median and range of specifications; {method}"
    return [
        row(question, median, decided, medians[0], spread, p_median, n),
        row(question, share, decided, shares[0], p=p_share, n=n, key="significant"),
    ]


def curve_of_drops(
    masked: pd.DataFrame, unmasked: pd.DataFrame, choices: Choices, samples: int, seed: int
) -> tuple[list[Row], pd.DataFrame]:
    """Return rows on H2's curve, and the curve as a table with COLUMNS.

    If each attribute has its own random mask of each size, p comes from exchanging the two: for each of
    `samples` permutations, a random half of the attributes exchanges them, the same in all specifications.
    """
    attributes, found = accuracies(masked, unmasked, choices["seeds"], choices["scale"])
    paired = _paired(masked)
    baselines = choices["baseline"] if paired else ["pooled"]
    n = len(attributes)
    swaps = np.zeros((1, n), dtype=bool)
    if paired:
        swaps = np.vstack([swaps, np.random.default_rng(seed).random((samples, n)) < 0.5])
    table, estimates, p = [], [], []
    for baseline, ((k, of_seeds, scale), (own, random)) in combinations(baselines, found.items()):
        if min(len(own), len(random)) < (2 if baseline == "own" else FEWEST_MASKS):
            continue
        if paired:
            masks = np.where(swaps, random, own), np.where(swaps, own, random)
        else:
            masks = own[None], random[None]
        t, of_t = t_of_drops(*masks, baseline == "own")
        table.append(["H2", k, baseline, of_seeds, scale, "", "", t[0], of_t[0]])
        estimates.append(t)
        p.append(of_t)
    frame = pd.DataFrame(table, columns=COLUMNS)
    if frame.empty:
        return [], frame
    method = "t of the mean drop, masks as the cases, attributes' and random masks exchanged;"
    return _summary("specification_curve_drop", method, np.array(estimates), np.array(p)), frame


def curve_of_correlations(
    masked: pd.DataFrame,
    unmasked: pd.DataFrame,
    weights: Mapping[str, pd.Series],
    choices: Choices,
    samples: int,
    seed: int,
) -> tuple[list[Row], pd.DataFrame]:
    """Return rows on H3's curve, and the curve as a table with COLUMNS.

    For p, the attributes' weights are permuted `samples` times, alike in all specifications. weights: as
    `weight_variants` returns them. Nothing if there are fewer than FEWEST attributes, or one has no weight.
    """
    attributes, found = accuracies(masked, unmasked, choices["seeds"], choices["scale"])
    n, table = len(attributes), []
    variants = {name: of for name, of in weights.items() if name in choices["weight"]}
    if n < FEWEST or not all(set(attributes) <= set(of.index) for of in variants.values()):
        return [], pd.DataFrame(columns=COLUMNS)
    baselines = choices["baseline"] if _paired(masked) else ["pooled"]
    keys, drops = [], []
    for baseline, (key, (own, random)) in combinations(baselines, found.items()):
        keys.append((key[0], baseline, *key[1:]))
        drops.append((random if baseline == "own" else random.mean()) - own)
    orders = np.random.default_rng(seed).permuted(np.tile(np.arange(n), (samples, 1)), axis=1)
    orders = np.vstack([np.arange(n), orders])
    estimates, p = [], []
    for coefficient, (weight, of) in combinations(choices["coefficient"], variants.items()):
        r = correlations(np.array(drops), of[attributes].to_numpy()[orders], coefficient)
        of_r = p_of_correlation(r, n, coefficient)
        table += [
            ["H3", *key, coefficient, weight, *found]
            for key, *found in zip(keys, r[:, 0], of_r[:, 0], strict=True)
        ]
        estimates.append(r)
        p.append(of_r)
    method = "correlation of drop with human weight over attributes, weights permuted;"
    rows = _summary("specification_curve_correlation", method, np.concatenate(estimates), np.concatenate(p))
    return rows, pd.DataFrame(table, columns=COLUMNS)
