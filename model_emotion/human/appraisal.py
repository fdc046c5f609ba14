"""Principal components of the appraisal items: their number, their rotation by varimax, scores and names.

`published_loadings` reads the study's own table of loadings. It is needed for the names of the items, ten of
which are in no other file.

The results must have the same bytes on every processor, but LAPACK, BLAS and numpy's powers differ in the
last bits. The eigenvectors and rotations are therefore computed with additions, multiplications, divisions
and square roots alone, in a fixed order: IEEE 754 defines their results.
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

MARKERS = dict(zip(COMPONENTS, (8, 3, 24, 23, 0, 18), strict=True))
"""{component: item that identifies it}; item 0 is the survey's 4_Item_1.

In turn the items are control, fairness, self relevance, other people, expectedness and repetition. A
component has the name and the sign with which its item loads most, and positively. The study's "novelty" thus
grows with repetition and familiarity: it is non-novelty, as the names of the study's masks say.
"""

ITEMS = 38
STUDY_EPS = 1e-5
"""The default tolerance of R's stats::varimax, which the study's scores come from."""
CONVERGED_EPS = 1e-14
"""A tolerance at which varimax converges, as for the study's table of loadings."""
RANDOM_DECIMALS = 9
"""Decimals of the eigenvalues of random data; LAPACK's differ by about 2e-15 between processors."""


@dataclass(frozen=True)
class ParallelAnalysis:
    """Eigenvalues [items] of the data and of random normal data of the same shape, largest first."""

    eigenvalues: np.ndarray
    random_mean: np.ndarray
    random_quantile: np.ndarray

    @property
    def components(self) -> int:
        """Number of leading components whose eigenvalues exceed the random quantile."""
        above = self.eigenvalues > self.random_quantile
        return int(np.argmin(above)) if not above.all() else len(above)


@dataclass(frozen=True)
class Components:
    """Rotated principal components of items, with the names and signs of the six appraisal attributes."""

    mean: np.ndarray
    """[items]"""
    sd: np.ndarray
    """[items]"""
    loadings: np.ndarray
    """[items, 6] correlations of items with components"""
    weights: np.ndarray
    """[items, 6] from standardised answers to scores"""

    @property
    def communality(self) -> np.ndarray:
        """[items] share of an item's variance that the components explain."""
        return (self.loadings**2).sum(axis=1)

    def scores(self, answers: np.ndarray) -> np.ndarray:
        """Return the regression scores (Thurstone) [rows, 6] of answers [rows, items].

        They are standardised over the rows that the components were fitted to.
        """
        return product((answers - self.mean) / self.sd, self.weights)


def parallel_analysis(
    answers: np.ndarray, samples: int, seed: int, quantile: float = 0.95
) -> ParallelAnalysis:
    """Compare the eigenvalues of answers [rows, items] with those of `samples` random data sets (Horn 1965).

    The threshold is a quantile of the random eigenvalues (Glorfeld 1995). LAPACK computes these, for speed,
    and their mean and quantile are rounded to RANDOM_DECIMALS.
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
    """Return the Pearson correlations [items, items] of the columns of answers [rows, items]."""
    centred = answers - answers.mean(axis=0)
    covariance = product(centred.T, centred)
    sd = np.sqrt(np.diag(covariance))
    return covariance / sd / sd[:, None]


def eigen(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the eigenvalues [n], largest first, and eigenvectors [n, n], in columns, of a symmetric matrix.

    This is Jacobi's method (1846). Each rotation makes one off-diagonal element 0. The sweeps over all of
    them end when all are 0 except for rounding.
    """
    n = len(matrix)
    a, vectors = matrix.copy(), np.eye(n)  # eigenvectors in rows, transposed at the end
    beside, negligible = ~np.eye(n, dtype=bool), np.finfo(float).eps ** 2 * np.abs(matrix).max()
    while np.abs(a[beside]).max(initial=0) > negligible:
        for p, q in zip(*np.triu_indices(n, 1), strict=True):
            if a[p, q] == 0:
                continue
            cotangent = (a[q, q] - a[p, p]) / (2 * a[p, q])  # of twice the angle
            tangent = math.copysign(1, cotangent) / (abs(cotangent) + math.sqrt(cotangent * cotangent + 1))
            cosine = 1 / math.sqrt(tangent * tangent + 1)
            sine = tangent * cosine
            # This is more exact than rotating the diagonal (Rutishauser 1966).
            diagonal = a[p, p] - tangent * a[p, q], a[q, q] + tangent * a[p, q]
            for rows in (a, a.T, vectors):
                rows[p], rows[q] = cosine * rows[p] - sine * rows[q], sine * rows[p] + cosine * rows[q]
            a[p, p], a[q, q] = diagonal
            a[p, q] = a[q, p] = 0
    order = np.argsort(-np.diag(a), kind="stable")
    return np.diag(a)[order], vectors[order].T


def polar(matrix: np.ndarray) -> np.ndarray:
    """Return the orthogonal matrix nearest to a regular square one: U V' of its decomposition U S V'.

    This is the iteration of Newton and Schulz, which needs products alone (Higham 2008, Functions of
    Matrices, section 8.3). Raises UserError if the matrix is singular.
    """
    nearest = matrix / math.sqrt((matrix * matrix).sum())
    for _ in range(100):  # a small singular value grows by half each time, so this is enough for 1e-16
        apart = np.eye(len(matrix)) - product(nearest.T, nearest)
        nearest = nearest + product(nearest, apart) / 2
        if np.abs(apart).max() < 1e-9:  # the last step has squared it
            return nearest
    raise UserError("varimax: a component of the loadings is a linear combination of the others")


def varimax(
    loadings: np.ndarray, eps: float = STUDY_EPS, max_iterations: int = 10_000
) -> tuple[np.ndarray, np.ndarray]:
    """Return loadings [items, n] rotated by varimax with Kaiser normalisation, and the rotation [n, n].

    This is the iteration of R's stats::varimax. It ends when the criterion (a sum of singular values) grows
    by less than the share `eps`. R's default of 1e-5 stops well before convergence, which changes scores in
    the second decimal. Raises UserError if the iteration does not end.
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
        before, criterion = criterion, math.fsum((rotation * gradient).ravel())  # sum of singular values
        if criterion < before * (1 + eps):
            return product(unit, rotation) * length, rotation
    raise UserError(f"varimax has not converged after {max_iterations} iterations")


def fit(answers: np.ndarray, eps: float = STUDY_EPS) -> Components:
    """Fit six principal components to the correlations of answers [rows, items]; rotate them by varimax.

    Raises UserError if the rotation does not converge, or if the components cannot be named.
    """
    mean, sd = answers.mean(axis=0), answers.std(axis=0, ddof=1)
    values, vectors = (found[..., : len(COMPONENTS)] for found in eigen(correlations(answers)))
    loadings = named(varimax(vectors * np.sqrt(values), eps)[0])
    weights = product(vectors / values, product(vectors.T, loadings))  # correlations' inverse x loadings
    return Components(mean, sd, loadings, weights)


def named(loadings: np.ndarray) -> np.ndarray:
    """Bring the columns of loadings [items, 6] into the order of the attributes, with the signs of MARKERS.

    Raises UserError if two marker items load most on the same component.
    """
    markers = list(MARKERS.values())
    columns = np.abs(loadings[markers]).argmax(axis=1)
    if len(set(columns)) != len(markers):
        raise UserError(
            "the components of the appraisal items can't be named: two marker items load most on the same one"
        )
    ordered = loadings[:, columns]
    return ordered * np.sign(ordered[markers, range(len(markers))])


def published_loadings(path: Path | str) -> pd.DataFrame:
    """Read the study's table of loadings, an HTML table in a .doc: index item, the 6 components, communality.

    Raises InputError if it is not a table of 38 items, or if a cell is not a number.
    """
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    text = text.replace("\N{EN DASH}", "-").replace("\N{MINUS SIGN}", "-")
    rows = [
        re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)
        for row in re.findall(r"<tr>(.*?)</tr>", text, re.DOTALL)
    ]
    cells = {row[0].strip(): row[1:] for row in rows if len(row) == 2 + len(COMPONENTS)}
    columns = [*COMPONENTS, "communality"]  # in the file RC1 RC2 RC3 RC5 RC6 RC4, which is this order
    try:
        table = pd.DataFrame.from_dict(cells, orient="index", columns=columns).astype(float)
    except ValueError:
        raise InputError(f"{path}: the table of loadings has a cell that is not a number") from None
    if len(table) != ITEMS:
        raise InputError(f"{path}: the table of loadings has {len(table)} items, not {ITEMS}")
    return table.rename_axis("item")


def item_names(loadings: np.ndarray, published: pd.DataFrame, tolerance: float = 0.01) -> list[str]:
    """Name the items of loadings [items, 6] after the nearest rows of the published table.

    Raises UserError if a cell differs from it by more than `tolerance`, or if two items get one name.
    """
    distance = np.abs(loadings[:, None] - published[list(COMPONENTS)].to_numpy()[None]).max(axis=2)
    nearest = distance.argmin(axis=1)
    if len(set(nearest)) != len(nearest) or distance.min(axis=1).max() > tolerance:
        raise UserError(
            "the loadings are too far from the study's table to tell the items' names; "
            "did the answers or the rules change?"
        )
    return [published.index[row] for row in nearest]
