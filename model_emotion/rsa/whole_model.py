"""The model's geometry of the emotions as a whole and layer by layer, beside the human one (the study's first version)."""

import numpy as np
import pandas as pd
from scipy import stats

from model_emotion.rsa.correction import q_bh, q_rank
from model_emotion.rsa.kendall import correlate, pattern
from model_emotion.rsa.rdm import cosine_rdm


def model_rdm(activations):
    """[seeds, emotions, neurons] -> [pairs]: 1 - cosine of two emotions' activations, averaged over seeds."""
    return np.mean([cosine_rdm(of_seed) for of_seed in activations.astype(float, copy=False)], axis=0)


def model_rsa(activations, layers, references):
    """Kendall's tau-b of the model's RDM with each reference RDM: `layer` (0 is the whole model), `reference, tau, p, q, q_bh`.

    activations [seeds, emotions, layers x width]; references: table [pairs, references]. p one-sided (greater), q over the whole table.
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
