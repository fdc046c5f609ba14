"""Components of the appraisal items: principal components, their number, varimax, scores and names.

Nothing here reads the raw survey; arrays in, arrays out. `published_loadings` reads the study's own table, which is needed
for the items' names: ten of them stand nowhere else.

The tables must have the same bytes on every processor, and LAPACK, BLAS and numpy's powers differ in the last bits. So eigenvectors and
rotations are made here of additions, multiplications, divisions and square roots alone, in one order: IEEE 754 defines their results.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from model_emotion.base import study
from model_emotion.base.errors import InputError, UserError
from model_emotion.base.statistics import product

COMPONENTS = study.SPACES["appraisal"]

# Items (from 0, the survey's 4_Item_1 on) that mark a component: it bears the attribute's name and the sign with which its item
# loads positively. In turn: control, fairness, self relevance, other people, expectedness, repetition. So "novelty", as the
# study calls it, grows with repetition and familiarity: it is non-novelty, as the names of the study's masks say.
MARKERS = dict(zip(COMPONENTS, (8, 3, 24, 23, 0, 18), strict=True))

ITEMS = 38
STUDY_EPS = 1e-5  # where R's stats::varimax stops by default, and the study's scores come from
CONVERGED_EPS = 1e-14  # the study's table of loadings comes from a rotation that ran to the end
RANDOM_DECIMALS = (
    9  # of the eigenvalues of random data: those by LAPACK differ by about 2e-15 between processors
)


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
        return product((answers - self.mean) / self.sd, self.weights)


def parallel_analysis(answers, samples, seed, quantile=0.95):
    """ParallelAnalysis of answers [rows, items] (Horn 1965), with the 95th percentile as threshold (Glorfeld 1995).

    The random eigenvalues are LAPACK's, for speed, and their mean and quantile are rounded to RANDOM_DECIMALS.
    """
    rng = np.random.default_rng(seed)
    random = [
        np.linalg.eigvalsh(np.corrcoef(rng.standard_normal(answers.shape), rowvar=False))
        for _ in range(samples)
    ]
    mean, upper = (
        np.round(values[::-1], RANDOM_DECIMALS)
        for values in (np.mean(random, axis=0), np.quantile(random, quantile, axis=0))
    )
    return ParallelAnalysis(eigen(correlations(answers))[0], mean, upper)


def correlations(answers: np.ndarray) -> np.ndarray:
    """Pearson correlations [items, items] of the columns of answers [rows, items]."""
    centred = answers - answers.mean(axis=0)
    covariance = product(centred.T, centred)
    sd = np.sqrt(np.diag(covariance))
    return covariance / sd / sd[:, None]


def eigen(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues [n], greatest first, and eigenvectors [n, n], one a column, of a symmetric matrix, by Jacobi's method (1846).

    Each rotation makes one element beside the diagonal 0; sweeps over all of them go on until all are 0 but for rounding.
    """
    n = len(matrix)
    a, vectors = matrix.copy(), np.eye(n)  # vectors in rows, until the end
    beside, negligible = ~np.eye(n, dtype=bool), np.finfo(float).eps ** 2 * np.abs(matrix).max()
    while np.abs(a[beside]).max(initial=0) > negligible:
        for p, q in zip(*np.triu_indices(n, 1), strict=True):
            if a[p, q] == 0:
                continue
            cotangent = (a[q, q] - a[p, p]) / (2 * a[p, q])  # of twice the angle
            tangent = math.copysign(1, cotangent) / (abs(cotangent) + math.sqrt(cotangent * cotangent + 1))
            cosine = 1 / math.sqrt(tangent * tangent + 1)
            sine = tangent * cosine
            diagonal = (
                a[p, p] - tangent * a[p, q],
                a[q, q] + tangent * a[p, q],
            )  # more exact than by rotation (Rutishauser 1966)
            for rows in (a, a.T, vectors):
                rows[p], rows[q] = cosine * rows[p] - sine * rows[q], sine * rows[p] + cosine * rows[q]
            a[p, p], a[q, q] = diagonal
            a[p, q] = a[q, p] = 0
    order = np.argsort(-np.diag(a), kind="stable")
    return np.diag(a)[order], vectors[order].T


def polar(matrix: np.ndarray) -> np.ndarray:
    """The orthogonal matrix nearest to a regular square one, U V' of its singular value decomposition U S V'.

    By the iteration of Newton and Schulz, which needs products alone (Higham 2008, Functions of Matrices, section 8.3). Raises UserError
    where the matrix is singular.
    """
    nearest = matrix / math.sqrt((matrix * matrix).sum())
    for _ in range(100):  # a singular value grows by half in each at first: enough for one of 1e-16
        apart = np.eye(len(matrix)) - product(nearest.T, nearest)
        nearest = nearest + product(nearest, apart) / 2
        if np.abs(apart).max() < 1e-9:  # and squared in the last
            return nearest
    raise UserError("varimax: a component of the loadings follows from the others")


def varimax(loadings, eps=STUDY_EPS, max_iterations=10_000):
    """[items, n] -> (rotated [items, n], rotation [n, n]): varimax with Kaiser normalisation.

    The iteration of R's stats::varimax: it ends when the criterion (a sum of singular values) grows by less than the share
    `eps`. R's default of 1e-5 stops well before convergence, which changes scores in the second decimal.
    """
    length = np.sqrt((loadings * loadings).sum(axis=1, keepdims=True))
    unit = loadings / length
    rotation = np.eye(loadings.shape[1])
    criterion = 0.0
    for _ in range(max_iterations):
        rotated = product(unit, rotation)
        squares = rotated * rotated
        gradient = product(unit.T, rotated * (squares - squares.mean(axis=0)))
        rotation = polar(gradient)
        before, criterion = (
            criterion,
            math.fsum((rotation * gradient).ravel()),
        )  # the sum of the singular values
        if criterion < before * (1 + eps):
            return product(unit, rotation) * length, rotation
    raise UserError(f"varimax has not converged after {max_iterations} iterations")


def fit(answers, eps=STUDY_EPS):
    """Components of answers [rows, items]: six principal components of their correlations, rotated by varimax."""
    mean, sd = answers.mean(axis=0), answers.std(axis=0, ddof=1)
    values, vectors = (found[..., : len(COMPONENTS)] for found in eigen(correlations(answers)))
    loadings = named(varimax(vectors * np.sqrt(values), eps)[0])
    weights = product(
        vectors / values, product(vectors.T, loadings)
    )  # the correlations' inverse, times loadings
    return Components(mean, sd, loadings, weights)


def named(loadings):
    """Columns of loadings [items, 6] in the order of the appraisal attributes, with the signs of their marker items."""
    markers = list(MARKERS.values())
    columns = np.abs(loadings[markers]).argmax(axis=1)
    if len(set(columns)) != len(markers):
        raise UserError(
            "the components of the appraisal items can't be named: two marker items load most on the same one"
        )
    ordered = loadings[:, columns]
    return ordered * np.sign(ordered[markers, range(len(markers))])


def published_loadings(path):
    """The study's table of loadings (an HTML table in a .doc): index item, the 6 components, communality."""
    # its columns are RC1 RC2 RC3 RC5 RC6 RC4: the order of the attributes
    text = (
        Path(path)
        .read_text(encoding="utf-8", errors="replace")
        .replace("\N{EN DASH}", "-")
        .replace("\N{MINUS SIGN}", "-")
    )
    rows = [
        re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)
        for row in re.findall(r"<tr>(.*?)</tr>", text, re.DOTALL)
    ]
    rows = {row[0].strip(): row[1:] for row in rows if len(row) == 2 + len(COMPONENTS)}
    try:
        table = pd.DataFrame.from_dict(rows, orient="index", columns=[*COMPONENTS, "communality"]).astype(
            float
        )
    except ValueError:
        raise InputError(f"{path}: the table of loadings holds something that is not a number") from None
    if len(table) != ITEMS:
        raise InputError(
            f"{path}: a table of {len(table)} items on {len(COMPONENTS)} components, not of {ITEMS}"
        )
    return table.rename_axis("item")


def item_names(loadings, published, tolerance=0.01):
    """Names of the items of loadings [items, 6]: for each the nearest row of the published table, within `tolerance` in each cell."""
    distance = np.abs(loadings[:, None] - published[list(COMPONENTS)].to_numpy()[None]).max(axis=2)
    nearest = distance.argmin(axis=1)
    if len(set(nearest)) != len(nearest) or distance.min(axis=1).max() > tolerance:
        raise UserError(
            "the loadings are too far from the study's table to tell the items' names: did the answers or the rules change?"
        )
    return [published.index[row] for row in nearest]
