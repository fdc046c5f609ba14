"""Components of the appraisal items: principal components, their number, varimax, scores and names.

Nothing here reads the raw survey; arrays in, arrays out. `published_loadings` reads the study's own table, which is needed
for the items' names: ten of them stand nowhere else.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from model_emotion import study
from model_emotion.cli import UserError
from model_emotion.inputs import InputError

COMPONENTS = study.SPACES["appraisal"]

# Items (from 0, the survey's 4_Item_1 on) that mark a component: it bears the attribute's name and the sign with which its item
# loads positively. In turn: control, fairness, self relevance, other people, expectedness, repetition. So "novelty", as the
# study calls it, grows with repetition and familiarity: it is non-novelty, as the names of the study's masks say.
MARKERS = dict(zip(COMPONENTS, (8, 3, 24, 23, 0, 18), strict=True))

ITEMS = 38
STUDY_EPS = 1e-5  # where R's stats::varimax stops by default, and the study's scores come from
CONVERGED_EPS = 1e-14  # the study's table of loadings comes from a rotation that ran to the end


@dataclass(frozen=True)
class ParallelAnalysis:
    """Eigenvalues of the data beside those of random normal data of the same shape, each [items], greatest first."""

    eigenvalues: np.ndarray
    random_mean: np.ndarray
    random_quantile: np.ndarray

    @property
    def components(self):
        """How many leading components have eigenvalues above the random quantile."""
        above = self.eigenvalues > self.random_quantile
        return int(np.argmin(above)) if not above.all() else len(above)


@dataclass(frozen=True)
class Components:
    """Rotated principal components of items, named and signed after the six attributes of the appraisal space."""

    mean: np.ndarray  # [items]
    sd: np.ndarray  # [items]
    loadings: np.ndarray  # [items, 6] correlations of items with components
    weights: np.ndarray  # [items, 6] from standardised answers to scores

    @property
    def communality(self):
        """[items]: the share of an item's variance that the components explain."""
        return (self.loadings**2).sum(axis=1)

    def scores(self, answers):
        """[rows, items] -> [rows, 6] regression scores (Thurstone), standardised over the rows of the fit."""
        return (answers - self.mean) / self.sd @ self.weights


def parallel_analysis(answers, samples, seed, quantile=0.95):
    """ParallelAnalysis of answers [rows, items] (Horn 1965), with the 95th percentile as threshold (Glorfeld 1995)."""
    rng = np.random.default_rng(seed)
    random = np.stack([_eigenvalues(rng.standard_normal(answers.shape)) for _ in range(samples)])
    return ParallelAnalysis(_eigenvalues(answers), random.mean(axis=0), np.quantile(random, quantile, axis=0))


def varimax(loadings, eps=STUDY_EPS, max_iterations=10_000):
    """[items, n] -> (rotated [items, n], rotation [n, n]): varimax with Kaiser normalisation.

    The iteration of R's stats::varimax: it ends when the criterion (a sum of singular values) grows by less than the share
    `eps`. R's default of 1e-5 stops well before convergence, which changes scores in the second decimal.
    """
    length = np.sqrt((loadings**2).sum(axis=1, keepdims=True))
    unit = loadings / length
    rotation = np.eye(loadings.shape[1])
    criterion = 0.0
    for _ in range(max_iterations):
        rotated = unit @ rotation
        gradient = unit.T @ (rotated**3 - rotated * (rotated**2).mean(axis=0))
        u, singular, vt = np.linalg.svd(gradient)
        rotation = u @ vt
        before, criterion = criterion, singular.sum()
        if criterion < before * (1 + eps):
            return unit @ rotation * length, rotation
    raise UserError(f"varimax has not converged after {max_iterations} iterations")


def fit(answers, eps=STUDY_EPS):
    """Components of answers [rows, items]: six principal components of their correlations, rotated by varimax."""
    mean, sd = answers.mean(axis=0), answers.std(axis=0, ddof=1)
    correlation = np.corrcoef(answers, rowvar=False)
    values, vectors = np.linalg.eigh(correlation)
    leading = np.argsort(values)[::-1][: len(COMPONENTS)]
    rotated, _ = varimax(vectors[:, leading] * np.sqrt(values[leading]), eps)
    loadings = named(rotated)
    return Components(mean, sd, loadings, np.linalg.solve(correlation, loadings))


def named(loadings):
    """Columns of loadings [items, 6] in the order of the appraisal attributes, with the signs of their marker items."""
    markers = list(MARKERS.values())
    columns = np.abs(loadings[markers]).argmax(axis=1)
    if len(set(columns)) != len(markers):
        raise UserError("the components of the appraisal items can't be named: two marker items load most on the same one")
    ordered = loadings[:, columns]
    return ordered * np.sign(ordered[markers, range(len(markers))])


def published_loadings(path):
    """The study's table of loadings (an HTML table in a .doc): index item, the 6 components, communality."""
    # its columns are RC1 RC2 RC3 RC5 RC6 RC4: the order of the attributes
    text = Path(path).read_text(encoding="utf-8", errors="replace").replace("\N{EN DASH}", "-").replace("\N{MINUS SIGN}", "-")
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in re.findall(r"<tr>(.*?)</tr>", text, re.DOTALL)]
    rows = {row[0].strip(): row[1:] for row in rows if len(row) == 2 + len(COMPONENTS)}
    try:
        table = pd.DataFrame.from_dict(rows, orient="index", columns=[*COMPONENTS, "communality"]).astype(float)
    except ValueError:
        raise InputError(f"{path}: the table of loadings holds something that is not a number") from None
    if len(table) != ITEMS:
        raise InputError(f"{path}: a table of {len(table)} items on {len(COMPONENTS)} components, not of {ITEMS}")
    return table.rename_axis("item")


def item_names(loadings, published, tolerance=0.01):
    """Names of the items of loadings [items, 6]: for each the nearest row of the published table, within `tolerance` in each cell."""
    distance = np.abs(loadings[:, None] - published[list(COMPONENTS)].to_numpy()[None]).max(axis=2)
    nearest = distance.argmin(axis=1)
    if len(set(nearest)) != len(nearest) or distance.min(axis=1).max() > tolerance:
        raise UserError("the loadings are too far from the study's table to tell the items' names: did the answers or the rules change?")
    return [published.index[row] for row in nearest]


def _eigenvalues(answers):
    """Eigenvalues of the correlations of answers [rows, items], greatest first."""
    return np.linalg.eigvalsh(np.corrcoef(answers, rowvar=False))[::-1]
