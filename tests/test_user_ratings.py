"""What a user's own ratings become: distances and weights, and the study's own for the study's ratings."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from worlds import STUDYS, change, results

from model_emotion.base import study
from model_emotion.base.files import read_csv
from model_emotion.human import user_ratings
from model_emotion.inputs import user_data
from stages import targets as stage

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.xdist_group("own")]

ROOT = Path(__file__).parents[1]


def test_rescaled_distances_by_hand():
    scores = user_ratings.rescaled(
        pd.DataFrame({"warmth": [10.1, 10.3, 10.2, 10.5]}, index=["awe", "joy", "zest", "calm"])
    )
    np.testing.assert_allclose(scores["warmth"], [0, 0.5, 0.25, 1])
    # Pairs of the run's emotions, in its order: (calm, zest), (calm, joy), (zest, joy).
    # 10.3 - 10.2 and 10.2 - 10.1 would differ in floats.
    np.testing.assert_allclose(
        user_ratings.attribute_rdms(scores, ["calm", "zest", "joy"])["warmth"], [0.75, 0.5, 0.25]
    )
    awe, zest, joy = "awe", "zest", "joy"
    first, _, second = user_ratings.attribute_rdms(scores, [awe, zest, joy])["warmth"]
    assert first == second and 10.3 - 10.2 != 10.2 - 10.1


def test_the_weights_of_own_ratings_are_kendalls_tau_with_the_mean_human_rdm(here):
    """Over all of the 27 that were rated, also those that the run has not."""
    change({"own.attributes": "ratings.csv", "emotions": STUDYS[:4]})
    sys_argv = ["stage", "--run", "live"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", sys_argv)
        stage.main()
    weights, human = results()["weights"].set_index("attribute"), read_csv("results/human/mean_rdm.csv")
    ratings = pd.read_csv("data/own/ratings.csv").set_index("emotion")
    judged = human[human["emotion_a"].isin(STUDYS) & human["emotion_b"].isin(STUDYS)]
    assert len(judged) == 10 and list(weights.index) == list(ratings)
    for attribute in ratings:
        distances = [
            round(abs(ratings[attribute][a] - ratings[attribute][b]), 9)
            for a, b, _ in judged.itertuples(index=False)
        ]
        assert weights.loc[attribute, "tau"] == pytest.approx(
            stats.kendalltau(distances, judged["distance"]).statistic
        )
    assert results()["attributes"]["emotion"].tolist() == STUDYS[:4] and len(results()["attribute_rdms"]) == 6


def test_the_studys_ratings_given_as_ones_own_are_the_studys(raw, here):
    """The study's ratings, handed in by a user, give the same weights, and distances but for scale."""
    human = ROOT / "results/human"
    raw("human", "Data/raw_data/subjective_comparison/emotions.txt")
    if not (human / "weights.csv").exists():
        pytest.skip("no human results: run `make published` first")
    shutil.copy(human / "attributes.csv", "data/own/study.csv")
    ratings = user_data.read_ratings("study.csv", study.EMOTIONS)
    scores = user_ratings.rescaled(ratings)
    pd.testing.assert_frame_equal(scores, ratings)
    theirs, ours = read_csv(human / "attribute_rdms.csv"), user_ratings.attribute_rdms(scores, study.EMOTIONS)
    for attribute in study.ATTRIBUTES:
        np.testing.assert_allclose(ours[attribute], theirs[attribute] / theirs[attribute].max(), atol=1e-11)
    weights = user_ratings.human_weights(scores, read_csv(human / "similarity.csv"), 1000, 1)
    known = read_csv(human / "weights.csv")
    for column in ("tau", "tau_boot"):
        np.testing.assert_allclose(weights[column], known[column], atol=2e-3)
