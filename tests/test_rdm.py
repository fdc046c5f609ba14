"""RDMs as vectors: the order of pairs, and distances compared with scipy and the study's table."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform

from model_emotion.base import study
from model_emotion.base.files import read_csv
from model_emotion.rsa import rdm


def test_pairs_run_down_the_columns_of_the_lower_triangle():
    names = rdm.pair_names(["a", "b", "c", "d"])
    assert list(names["emotion_a"] + names["emotion_b"]) == ["ab", "ac", "ad", "bc", "bd", "cd"]


def test_distances_equal_scipys():
    patterns = np.random.default_rng(0).random((7, 4))
    np.testing.assert_allclose(rdm.cosine_rdm(patterns), pdist(patterns, "cosine"))
    np.testing.assert_allclose(rdm.absolute_rdm(patterns[:, 0]), pdist(patterns[:, :1]))


@given(st.integers(2, 30))
def test_square_and_back(n):
    vector = np.arange(1.0, n * (n - 1) // 2 + 1)
    matrix = rdm.square(vector)
    np.testing.assert_array_equal(matrix, squareform(vector))
    np.testing.assert_array_equal(matrix[rdm.pair_indices(n)], vector)


def test_select_takes_the_pairs_of_some_emotions_in_their_order():
    emotions = ["a", "b", "c", "d"]
    table = rdm.pair_names(emotions).assign(x=[1, 2, 3, 4, 5, 6])
    assert rdm.select(table, ["c", "a", "d"])["x"].tolist() == [2, 6, 3]  # ca, cd, ad
    with pytest.raises(KeyError, match="emotion 'e' is missing"):
        rdm.select(table, ["a", "e"])


def test_fifteen_digits_gives_every_cell_of_the_released_table(raw):
    from model_emotion.human import ratings

    words = ratings.word_list(raw("human", "Data/raw_data/subjective_comparison/emotions.txt"))
    surveys = "Data/raw_data/emotional_featuers"
    affective = ratings.affective(raw("human", f"{surveys}/affective_features/rawdata.csv"), words)
    physical = ratings.physical(raw("human", f"{surveys}/physical_features/rawdata.csv"), words)
    ours = rdm.fifteen_digits(rdm.absolute_rdm(np.hstack([affective.means, physical.means]).T)).T
    released = read_csv(raw("reference", "Data/preprocessed/emotional_features/dist_emotional_PCs.csv"))
    pd.testing.assert_frame_equal(
        pd.DataFrame(ours, columns=study.ATTRIBUTES[:8]),
        released[list(study.ATTRIBUTES[:8])],
        check_exact=True,
    )


@given(st.floats(1e-12, 1e12))
def test_fifteen_digits_changes_a_value_by_at_most_one_unit_in_the_last_digit(value):
    rounded = float(rdm.fifteen_digits(value))
    assert rounded == pytest.approx(value, rel=1e-14)
    assert float(f"{rounded:.15g}") == rounded


def test_percentiles_by_hand():
    np.testing.assert_allclose(rdm.percentiles([3, 1, 2, 2]), [87.5, 12.5, 50, 50])
