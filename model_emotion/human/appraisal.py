"""Components of the appraisal items: principal components, their number, varimax, scores and names.

The tables must have the same bytes on every processor, but LAPACK, BLAS and numpy's powers differ in their
last bits. So eigenvectors and rotations are computed here, only by additions, multiplications, divisions and
square roots in a fixed order: IEEE 754 defines their results.
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
"""Attribute -> the item (from 0, the survey's 4_Item_1) that marks its component, and loads on it positively.

The items ask about control, fairness, self relevance, other people, expectedness and repetition. So what the
study calls "novelty" grows with repetition and familiarity: it is non-novelty, as the names of the study's
masks say.
"""

ITEMS = 38
STUDY_EPS = 1e-5
"""Where R's stats::varimax stops by default. The study's scores come from such a rotation."""
CONVERGED_EPS = 1e-14
"""The study's table of loadings comes from a rotation that converged."""
RANDOM_DECIMALS = 9
"""Decimals of the eigenvalues of random data. LAPACK's differ by about 2e-15 between processors."""


@dataclass(frozen=True)
class ParallelAnalysis:
    """Eigenvalues of the data and of random normal data of the same shape, each [items], largest first."""

    eigenvalues: np.ndarray
    random_mean: np.ndarray
    random_quantile: np.ndarray

    @property
    def components(self) -> int:
        """The number of leading components whose eigenvalues are above the random quantile."""
        above = self.eigenvalues > self.random_quantile
        return int(np.argmin(above)) if not above.all() else len(above)


@dataclass(frozen=True)
class Components:
    """Rotated principal components of items, in the order of the six attributes of the appraisal space.

    mean, sd: [items] of the answers. loadings: [items, 6] correlations of items with components. weights:
    [items, 6] from standardised answers to scores.
    """

    mean: np.ndarray
    sd: np.ndarray
    loadings: np.ndarray
    weights: np.ndarray

    @property
    def communality(self) -> np.ndarray:
        """The share of each item's variance that the components explain, [items]."""
        return (self.loadings**2).sum(axis=1)

    def scores(self, answers: np.ndarray) -> np.ndarray:
        """Return regression scores (Thurstone) [rows, 6], standardised over the rows of the fit.

        answers: [rows, items].
        """
        return product((answers - self.mean) / self.sd, self.weights)


def parallel_analysis(
    answers: np.ndarray, samples: int, seed: int, quantile: float = 0.95
) -> ParallelAnalysis:
    """Compare eigenvalues of answers [rows, items] with those of random data (Horn 1965).

    The threshold is the 95th percentile (Glorfeld 1995). The random eigenvalues are LAPACK's, for speed;
    their mean and quantile are rounded to RANDOM_DECIMALS.
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
    """Return Pearson correlations [items, items] of the columns of answers [rows, items]."""
    centred = answers - answers.mean(axis=0)
    covariance = product(centred.T, centred)
    sd = np.sqrt(np.diag(covariance))
    return covariance / sd / sd[:, None]


def eigen(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return eigenvalues [n], largest first, and eigenvectors [n, n], in columns, of a symmetric matrix.

    By Jacobi's method (1846): each rotation makes one off-diagonal element 0, and sweeps over all of them go
    on until all are 0 except for rounding.
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
            # more exact than by rotation (Rutishauser 1966)
            diagonal = a[p, p] - tangent * a[p, q], a[q, q] + tangent * a[p, q]
            for rows in (a, a.T, vectors):
                rows[p], rows[q] = cosine * rows[p] - sine * rows[q], sine * rows[p] + cosine * rows[q]
            a[p, p], a[q, q] = diagonal
            a[p, q] = a[q, p] = 0
    order = np.argsort(-np.diag(a), kind="stable")
    return np.diag(a)[order], vectors[order].T


def polar(matrix: np.ndarray) -> np.ndarray:
    """Return the orthogonal matrix nearest to a regular square matrix, U V' of its decomposition U S V'.

    By the iteration of Newton and Schulz, which needs only products (Higham 2008, Functions of Matrices,
    section 8.3). Raises UserError if the matrix is singular.
    """
    nearest = matrix / math.sqrt((matrix * matrix).sum())
    for _ in range(100):  # singular values grow by half each time at first: enough for 1e-16
        apart = np.eye(len(matrix)) - product(nearest.T, nearest)
        nearest = nearest + product(nearest, apart) / 2
        if np.abs(apart).max() < 1e-9:  # the last step squares the error
            return nearest
    raise UserError("varimax: a component of the loadings is a combination of the others")


def varimax(
    loadings: np.ndarray, eps: float = STUDY_EPS, max_iterations: int = 10_000
) -> tuple[np.ndarray, np.ndarray]:
    """Rotate loadings [items, n] by varimax with Kaiser normalisation: (rotated [items, n], rotation [n, n]).

    The iteration is that of R's stats::varimax: it ends when the criterion (a sum of singular values) grows
    by less than the share `eps`. R's default of 1e-5 stops well before convergence, which changes scores in
    the second decimal. Raises UserError if it does not converge.
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
    """Fit six principal components to the correlations of answers [rows, items], rotated by varimax."""
    mean, sd = answers.mean(axis=0), answers.std(axis=0, ddof=1)
    values, vectors = (found[..., : len(COMPONENTS)] for found in eigen(correlations(answers)))
    loadings = named(varimax(vectors * np.sqrt(values), eps)[0])
    inverse_times_loadings = product(vectors / values, product(vectors.T, loadings))
    return Components(mean, sd, loadings, weights=inverse_times_loadings)


def named(loadings: np.ndarray) -> np.ndarray:
    """Bring the columns of loadings [items, 6] into the order of the attributes, with positive marker items.

    Raises UserError if two marker items load most on the same component.
    """
    markers = list(MARKERS.values())
    columns = np.abs(loadings[markers]).argmax(axis=1)
    if len(set(columns)) != len(markers):
        raise UserError(
            "the appraisal components cannot be named: two marker items load most on the same component"
        )
    ordered = loadings[:, columns]
    return ordered * np.sign(ordered[markers, range(len(markers))])


def published_loadings(path: Path) -> pd.DataFrame:
    """Read the study's table of loadings (an HTML table in a .doc): index item, 6 components, communality.

    Ten of the items' names are found nowhere else. The columns RC1 RC2 RC3 RC5 RC6 RC4 are in the order of
    the attributes.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    text = text.replace("\N{EN DASH}", "-").replace("\N{MINUS SIGN}", "-")
    table_rows = re.findall(r"<tr>(.*?)</tr>", text, re.DOTALL)
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in table_rows]
    rows = {row[0].strip(): row[1:] for row in cells if len(row) == 2 + len(COMPONENTS)}
    columns = [*COMPONENTS, "communality"]
    try:
        table = pd.DataFrame.from_dict(rows, orient="index", columns=columns).astype(float)
    except ValueError:
        raise InputError(f"{path}: the table of loadings has a cell that is not a number") from None
    if len(table) != ITEMS:
        raise InputError(
            f"{path}: the table has {len(table)} items on {len(COMPONENTS)} components, not {ITEMS}"
        )
    return table.rename_axis("item")


def item_names(loadings: np.ndarray, published: pd.DataFrame, tolerance: float = 0.01) -> list[str]:
    """Return the names of items: those of the published table's rows nearest to their loadings [items, 6].

    Raises UserError if a cell differs by more than `tolerance`, or if two items have the same nearest row.
    """
    distance = np.abs(loadings[:, None] - published[list(COMPONENTS)].to_numpy()[None]).max(axis=2)
    nearest = distance.argmin(axis=1)
    if len(set(nearest)) != len(nearest) or distance.min(axis=1).max() > tolerance:
        raise UserError(
            "the loadings differ too much from the study's table to find the items' names there; "
            "check the raw answers and the rules for keeping rows"
        )
    return [published.index[row] for row in nearest]
