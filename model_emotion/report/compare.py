"""Compare runs: their answers on H1 to H4 side by side, and which attributes agree between their models.

Agreement is Spearman's rho (scipy.stats.spearmanr). All of it is descriptive: no hypothesis is tested.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from model_emotion.base.files import read_csv
from model_emotion.base.results import CARD, folder
from model_emotion.base.statistics import FEWEST
from model_emotion.base.values import OWN_RUNS
from model_emotion.report.hypotheses import read_answers


@dataclass(frozen=True)
class Measures:
    """What is compared of a run, by attribute.

    k: the mask size of its re-tests. drops: mean drop, a fraction of 1. counts: significant neurons. profiles
    [attribute, layer]: the share of each layer's neurons that is significant.
    """

    k: int
    drops: pd.Series
    counts: pd.Series
    profiles: pd.DataFrame


def measures(run: str) -> Measures:
    """Read what is compared of a run."""
    k = int(read_answers(run)("place_among_random")["k"].iloc[0])
    dropped = read_csv(folder(run) / "drop_by_attribute.csv").query("k == @k").set_index("attribute")["drop"]
    layers = read_csv(folder(run) / "significant_by_layer.csv")
    shares = layers.assign(share=layers["significant"] / layers["neurons"])
    return Measures(
        k,
        dropped,
        layers.groupby("attribute", sort=False)["significant"].sum(),
        shares.pivot(index="attribute", columns="layer", values="share"),
    )


def rho(a: Sequence[float] | np.ndarray, b: Sequence[float] | np.ndarray) -> float | None:
    """Return Spearman's rho, or None for fewer than FEWEST pairs or if either does not vary."""
    pairs = np.array([a, b], dtype=float)
    pairs = pairs[:, np.isfinite(pairs).all(axis=0)]
    if pairs.shape[1] < FEWEST or (pairs == pairs[:, :1]).all(axis=1).any():
        return None
    return float(spearmanr(*pairs).statistic)


def at_depths(profile: np.ndarray, layers: int) -> np.ndarray:
    """Return a profile over layers at the relative depths of a model of another number of layers.

    Layer l of L lies at the depth (l - 1/2) / L. Between layers, the profile is interpolated linearly.
    """
    own = (np.arange(len(profile)) + 0.5) / len(profile)
    return np.interp((np.arange(layers) + 0.5) / layers, own, profile)


def profile_agreement(a: np.ndarray, b: np.ndarray) -> float | None:
    """Return rho of two profiles over layers, at the depths of the model with fewer layers."""
    layers = min(len(a), len(b))
    return rho(at_depths(a, layers), at_depths(b, layers))


def agreement(a: Measures, b: Measures) -> dict[str, Any]:
    """Return rho over the shared attributes of drops and of counts, and rho over layers of each attribute."""
    shared = [name for name in a.counts.index if name in b.counts.index]
    profiles = {
        name: profile_agreement(a.profiles.loc[name].to_numpy(), b.profiles.loc[name].to_numpy())
        for name in shared
    }
    known = [value for value in profiles.values() if value is not None]
    return {
        "n": len(shared),
        "drops": rho(a.drops.reindex(shared).to_numpy(), b.drops.reindex(shared).to_numpy()),
        "counts": rho(a.counts[shared].to_numpy(), b.counts[shared].to_numpy()),
        "profile": float(np.median(known)) if known else None,
        "profiles": profiles,
    }


def cards_of(runs: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the cards of the runs that were measured elsewhere, as the stage import_run wrote them."""
    elsewhere = (run for run in runs if run not in OWN_RUNS)
    return {run: json.loads((folder(run) / CARD).read_text(encoding="utf-8")) for run in elsewhere}


def compare(runs: Sequence[str]) -> dict[str, Any]:
    """Return what templates/compare.html shows of several runs; a missing value is None."""
    found = {run: measures(run) for run in runs}
    names = list(dict.fromkeys(name for of in found.values() for name in of.counts.index))
    by_attribute = {
        name: {
            run: {
                "drop": None if pd.isna(drop := of.drops.get(name)) else float(drop),
                "neurons": int(of.counts[name]) if name in of.counts.index else None,
            }
            for run, of in found.items()
        }
        for name in names
    }
    pairs = {(a, b): agreement(found[a], found[b]) for a, b in combinations(runs, 2)}
    sizes = {run: of.k for run, of in found.items()}
    return {"sizes": sizes, "attributes": by_attribute, "pairs": pairs, "cards": cards_of(runs)}
