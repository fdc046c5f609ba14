"""H4 given what the model and people could share for other reasons, and in single layers."""

import math
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from scipy import stats

from model_emotion.base.results import Activations
from model_emotion.base.statistics import product
from model_emotion.retests.neurons import partial_tau
from model_emotion.retests.partial import basis, of_permuted, residuals
from model_emotion.retests.rows import ALPHA, Row, doubled, permuted_p, row
from model_emotion.rsa.kendall import tau_b
from model_emotion.rsa.permutation import critical, largest_tau, least_p, permutations, permuted_pairs
from model_emotion.rsa.rdm import absolute_rdm
from model_emotion.rsa.whole_model import model_rdm

VALENCE = "valence"


def training_controls(
    labels: pd.DataFrame, accuracy: pd.DataFrame, emotions: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """Return RDMs [pairs] of what training could put into both spaces.

    They are the differences in the logarithm of the number of training texts with the emotion, and in mean
    unmasked accuracy. labels: 0 or 1, a column per emotion. accuracy: accuracy.csv. An emotion without texts
    counts as having one.
    """
    sizes = [math.log(max(1, int(labels[emotion].sum()))) for emotion in emotions]
    means = accuracy.groupby("emotion")["accuracy"].mean().reindex(emotions)
    return {
        "training size": absolute_rdm(np.array(sizes)[None])[0],
        "unmasked accuracy": absolute_rdm(means.to_numpy()[None])[0],
    }


def model_and_human_given(
    model: np.ndarray, human: np.ndarray, given: Mapping[str, np.ndarray], samples: int, seed: int
) -> Iterator[Row]:
    """Is the model's RDM like the human RDM, given other RDMs?

    A row for each of `given`, one for all of them but valence, and one for all if valence is among them. The
    estimate is Spearman's partial rho: the correlation of the two RDMs' ranks after regression on the ranks
    of the others. For p, emotions are permuted in the model's residuals, which are then regressed again
    (Freedman and Lane 1983). `reference` is Kendall's partial tau-b (Whittaker 1990). It has no p: it is not
    0 if two RDMs have only a control in common (Korn 1984), and permutations of the model then reject far too
    often. model, human: RDMs [pairs]. given: RDMs [pairs] by name. No row for controls that follow from each
    other.
    """
    emotions = round((1 + math.sqrt(1 + 8 * len(model))) / 2)
    places = permuted_pairs(permutations(emotions, samples, seed))
    training = [name for name in given if name != VALENCE]
    sets = {name: [name] for name in given} | {" + ".join(training): training}
    if VALENCE in given:
        sets |= {" + ".join([*training, VALENCE]): [*training, VALENCE]}
    for key, some in sets.items():
        rdms = np.column_stack([human, *(given[name] for name in some)])
        ranks = stats.rankdata(rdms, axis=0)
        if (space := basis(np.column_stack([np.ones(len(model)), ranks[:, 1:]]))) is None:
            continue
        own, other = residuals(np.array([stats.rankdata(model), ranks[:, 0]]), space)
        rho = product(own[None], other[:, None])[0, 0]
        tau = partial_tau(tau_b(model[None], rdms), tau_b(rdms.T, rdms))[0, 0]
        method = (
            f"partial rho of the whole model's RDM with the mean human one, given {key}; two-sided p, "
            f"residuals' emotions permuted {samples} times (Freedman and Lane 1983); reference: partial tau-b"
        )
        p = float(permuted_p(rho, of_permuted(own[places], other, space)))
        yield row("model_and_human_given", method, "p", rho, p=p, n=emotions, key=key, reference=tau)


def layers_and_references(
    activations: Activations, references: pd.DataFrame, samples: int, seed: int
) -> list[Row]:
    """How many of the RDMs of the whole model and of each layer follow a reference RDM? One row each.

    The estimate is the number of RDMs whose tau-b exceeds the critical value (`reference`), and p is that of
    the largest, doubled. Both are corrected for all layers and all references: emotions are permuted, the
    largest tau over the layers is taken, and then the smallest p over the references (Mantel 1967, Westfall
    and Young 1993). references: frame [pairs, references].
    """
    values = activations.values
    parts = [values, *np.split(values, activations.layers, axis=2)]
    rdms = np.array([model_rdm(part) for part in parts])
    columns = references.to_numpy()
    tau = np.nan_to_num(tau_b(rdms, columns), nan=-1.0)
    orders = permutations(values.shape[1], samples, seed)
    by_chance = largest_tau(lambda rows: rdms[rows], len(rdms), columns, orders)
    largest = np.concatenate([tau.max(axis=0, keepdims=True), by_chance])
    p, level = least_p(largest, ALPHA / 2)
    limits = critical(largest, level)
    method = (
        "RDMs of the whole model and of layers whose tau-b exceeds the largest by chance, corrected for "
        f"layers and references; emotions permuted {samples} times; two-sided p of the largest tau"
    )
    rows = zip(references, (tau > limits).sum(axis=0), doubled(p), limits, strict=True)
    return [
        row("layers_and_references", method, "p", count, p=p_of, n=len(rdms), key=name, reference=limit)
        for name, count, p_of, limit in rows
    ]
