"""RSA of the whole model and of each layer with the human RDMs, as in the first version of the study."""

import numpy as np
import pandas as pd
from scipy import stats

from model_emotion.rsa.correction import q_bh, q_rank
from model_emotion.rsa.kendall import correlate, pattern
from model_emotion.rsa.rdm import cosine_rdm


def model_rdm(activations: np.ndarray) -> np.ndarray:
    """Return the RDM [pairs] of activations [seeds, emotions, neurons]: 1 - cosine, averaged over seeds."""
    return np.mean([cosine_rdm(of_seed) for of_seed in activations.astype(float, copy=False)], axis=0)


def model_rsa(activations: np.ndarray, layers: int, references: pd.DataFrame) -> pd.DataFrame:
    """Return Kendall's tau-b of the model's RDM with each reference: `layer, reference, tau, p, q, q_bh`.

    Layer 0 is the whole model. activations: [seeds, emotions, layers x width]. references: frame [pairs,
    references]. p is one-sided (greater); q corrects for the whole table.
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
