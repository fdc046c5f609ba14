"""Correlate RDMs of the whole model and of each layer with human RDMs, as the study's first version does."""

import numpy as np
import pandas as pd
from scipy import stats

from model_emotion.rsa.correction import q_bh, q_rank
from model_emotion.rsa.kendall import correlate, pattern
from model_emotion.rsa.rdm import cosine_rdm


def model_rdm(activations: np.ndarray) -> np.ndarray:
    """Return 1 - cosine of each pair of emotions' activations, averaged over seeds.

    activations [seeds, emotions, neurons] -> float64 [pairs].
    """
    return np.mean([cosine_rdm(of_seed) for of_seed in activations.astype(float, copy=False)], axis=0)


def model_rsa(activations: np.ndarray, layers: int, references: pd.DataFrame) -> pd.DataFrame:
    """Return Kendall's tau-b of the model's RDMs with reference RDMs: `layer, reference, tau, p, q, q_bh`.

    activations [seeds, emotions, layers x width]; references: data frame [pairs, references]. Layer 0 is the
    whole model. p is one-sided (greater); q is over the whole table.
    """
    parts = [activations, *np.split(activations, layers, axis=2)]
    rdms = np.array([model_rdm(part) for part in parts])
    tau, z = correlate(lambda rows: rdms[rows], len(rdms), pattern(references.to_numpy()))
    p = stats.norm.sf(z)
    layer, reference = np.indices(tau.shape)
    return pd.DataFrame(
        {
            "layer": layer.ravel(),
            "reference": references.columns.to_numpy()[reference.ravel()],
            "tau": tau.ravel(),
            "p": p.ravel(),
            "q": q_rank(p).ravel(),
            "q_bh": q_bh(p).ravel(),
        }
    )
