"""The raw surveys: who is kept, in which order, and the released scores and agreement."""

import numpy as np
import pandas as pd
import pytest
from surveys import AFFECTIVE, ALPHABET, APPRAISAL, PHYSICAL, made_affective, made_appraisal

from model_emotion.base import study
from model_emotion.human import ratings


def test_everyone_rated_every_emotion_in_the_studys_order(tmp_path):
    survey = ratings.affective(made_affective(tmp_path / "a.csv"), ALPHABET)
    assert survey.answers.shape == (4, 27, 2)
    item = ALPHABET.index("realization") + 1
    assert list(survey.answers[:, 0, 0]) == [(item + rater) % 9 + 1 for rater in range(4)]
    assert (survey.answers[:, :, 1] == 5).all()
    np.testing.assert_allclose(
        survey.means[-1],
        [np.mean([(ALPHABET.index("remorse") + 1 + rater) % 9 + 1 for rater in range(4)]), 5],
    )


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("Finished", "FALSE"),
        ("UserLanguage", "DE"),
        ("Consent", "I do not agree"),
        ("28_Arousal_1", "8"),
        ("28_Valence_1 ", "8"),
    ],
)
def test_each_rule_leaves_a_rater_out(tmp_path, column, value):
    def change(frame):
        frame.loc[1, column] = value

    survey = ratings.affective(made_affective(tmp_path / "a.csv", change), ALPHABET)
    assert survey.given == 4
    item = ALPHABET.index("realization") + 1
    assert list(survey.answers[:, 0, 0]) == [(item + rater) % 9 + 1 for rater in (0, 2, 3)]


@pytest.mark.parametrize("column", ["42_Item_1", "43_Item_1", "Specific Event", "Finished"])
def test_each_rule_leaves_an_appraisal_out(tmp_path, column):
    def change(frame):
        frame.loc[5, column] = {
            "42_Item_1": "5",
            "43_Item_1": "4",
            "Specific Event": "n/a",
            "Finished": "False",
        }[column]

    appraisals = ratings.appraisal(made_appraisal(tmp_path / "a.csv", change))
    assert (appraisals.given, len(appraisals.answers)) == (54, 53)
    assert (appraisals.emotions == study.EMOTIONS[2]).sum() == 1


@pytest.mark.parametrize("story", ["N/A", "NA", "null", "None", "", "nan", "n/a, I think"])
def test_only_the_literal_na_is_no_story(tmp_path, story):
    def change(frame):
        frame.loc[5, "Specific Event"] = story

    assert len(ratings.appraisal(made_appraisal(tmp_path / "a.csv", change)).answers) == 54


def test_not_applicable_is_the_middle_of_the_scale(tmp_path):
    def change(frame):
        frame.loc[0, "9_Item_1"] = "-99"

    answers = ratings.appraisal(made_appraisal(tmp_path / "a.csv", change)).answers
    assert answers[0, 5] == 5
    assert answers.sum() == 7 * answers.size - 2


def test_means_of_emotions_in_the_studys_order():
    emotions = np.array([*study.EMOTIONS[::-1], "realization"])
    appraisals = ratings.Appraisals(np.empty((28, 0)), emotions, 28)
    means = appraisals.emotion_means(np.r_[np.arange(27)[::-1], 4.0][:, None])
    assert list(means[:, 0]) == [2, *range(1, 27)]


# The study's surveys


def test_raters_kept(raw, words):
    kept = {}
    for survey in (
        ratings.affective(raw("human", AFFECTIVE), words),
        ratings.physical(raw("human", PHYSICAL), words),
    ):
        kept[survey.answers.shape] = survey.given
    assert kept == {(30, 27, 2): 35, (30, 27, 6): 36}


def test_appraisals_kept(raw):
    appraisals = ratings.appraisal(raw("human", APPRAISAL))
    assert (appraisals.given, appraisals.answers.shape) == (329, (299, 38))
    counts = dict(zip(*np.unique(appraisals.emotions, return_counts=True), strict=True))
    assert counts == {
        emotion: 12 if emotion in ("curiosity", "confusion") else 11 for emotion in study.EMOTIONS
    }


def test_a_reader_that_makes_na_missing_keeps_one_row_too_many(raw):
    table = pd.read_csv(raw("human", APPRAISAL), usecols=["42_Item_1", "43_Item_1", "Specific Event"]).iloc[
        2:
    ]
    caught = (table["42_Item_1"] == "4") & (table["43_Item_1"] == "-99")
    assert (caught & (table["Specific Event"] != "n/a")).sum() == 300
    assert len(ratings.appraisal(raw("human", APPRAISAL)).answers) == 299


def test_words_are_in_the_studys_order_after_its_permutation(raw, words):
    order = raw("human", "Data/preprocessed/reorder_emotions.csv").read_text().split()
    assert [words[int(number) - 1] for number in order] == list(study.EMOTIONS)


def test_mean_ratings_match_the_released_scores(raw, words):
    reference = pd.read_csv(
        raw("reference", "Data/preprocessed/emotional_features/score_emotional_PCs.csv")
    ).to_numpy()
    means = np.hstack(
        [
            ratings.affective(raw("human", AFFECTIVE), words).means,
            ratings.physical(raw("human", PHYSICAL), words).means,
        ]
    )
    scaled = (means - means.min(axis=0)) / (means.max(axis=0) - means.min(axis=0))
    np.testing.assert_allclose(scaled, reference[:, :8], rtol=0, atol=1e-9)


def test_agreement_table(raw):
    path = raw("human", "Data/emotion_agreements.csv")
    table = ratings.agreement(path)
    assert list(table) == ["emotion", "kappa", "count", "correlation", "accuracy"]
    assert list(table["emotion"]) == list(study.EMOTIONS)
    line = next(line for line in path.read_text().splitlines() if line.startswith("grief"))
    grief = table.set_index("emotion").loc["grief"]
    assert line.split(",")[1:5] == [
        str(int(grief["count"])),
        str(grief["correlation"]),
        str(grief["kappa"]),
        str(grief["accuracy"]),
    ]
