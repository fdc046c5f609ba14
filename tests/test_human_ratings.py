"""The raw surveys: who is kept, what a malformed file is told, and that no id or story ever comes through."""

import hashlib
import io
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from model_emotion.base import study
from model_emotion.base.errors import InputError
from model_emotion.base.files import read_yaml
from model_emotion.human import ratings, similarity
from stages import attributes as attributes_stage
from stages import similarity as similarity_stage

FOLDER = "Data/raw_data/emotional_featuers"
AFFECTIVE, PHYSICAL, APPRAISAL = (
    f"{FOLDER}/{name}_features/rawdata.csv" for name in ("affective", "physical", "appraisal")
)
WORDS = "Data/raw_data/subjective_comparison/emotions.txt"
JUDGEMENTS = "Data/raw_data/subjective_comparison/data.xlsx"
ALPHABET = sorted(study.EMOTIONS) + ["neutral"]
SECRET = "A story that nobody may read"


@pytest.fixture(scope="session")
def words(raw):
    return ratings.word_list(raw("human", WORDS))


# --- made-up surveys


def made_affective(path, change=None):
    """Four raters who answer (item + rater) % 9 + 1 for arousal, 5 for valence and the catch items right."""
    frame = pd.DataFrame(
        {
            "Finished": ["TRUE"] * 4,
            "UserLanguage": "EN",
            "Consent": "I agree",
            "Prolific ID ": [f"{SECRET} {i}" for i in range(4)],
        }
    )
    for item in range(1, 29):
        frame[f"{item}_Arousal_1"] = [str((item + rater) % 9 + 1) for rater in range(4)] if item < 28 else "9"
        frame[f"{item}_Valence_1 "] = "5" if item < 28 else "9"
    if change:
        change(frame)
    frame.to_csv(path, index=False)
    return path


def made_appraisal(path, change=None):
    """Two rows an emotion, all answers 7, under the two rows of question text."""
    rows = 2 * len(study.EMOTIONS)
    frame = pd.DataFrame(
        {
            "Finished": ["True"] * rows,
            "UserLanguage": "EN",
            "PROLIFIC_PID": SECRET,
            "Consent": "I agree",
            "EMOTION": [emotion.upper() for emotion in study.EMOTIONS for _ in range(2)],
            "Recall": f'{SECRET}, "quoted"\nover two lines',
            "Specific Event": SECRET,
            **{item: "7" for item in ratings.APPRAISAL_ITEMS},
            "42_Item_1": "4",
            "43_Item_1": "-99",
        }
    )
    if change:
        change(frame)
    pd.concat([pd.DataFrame([["question text"] * frame.shape[1]] * 2, columns=frame.columns), frame]).to_csv(
        path, index=False
    )
    return path


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


# --- the study's surveys


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


# --- malformed files


def drop(column):
    return lambda frame: frame.drop(columns=column, inplace=True)


def put(row, column, value):
    def change(frame):
        frame.loc[row, column] = value

    return change


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (drop("3_Valence_1 "), ["column '3_Valence_1'", "missing"]),
        (drop("Consent"), ["column 'Consent'", "missing"]),
        (put(2, "7_Arousal_1", SECRET), ["column '7_Arousal_1'", "data row 3", "not a number"]),
        (put(2, "7_Arousal_1", ""), ["column '7_Arousal_1'", "data row 3", "not a number"]),
        (put(2, "7_Arousal_1", "nan"), ["column '7_Arousal_1'", "data row 3", "not a number"]),
        (put(0, "28_Valence_1 ", "nine"), ["column '28_Valence_1'", "data row 1", "not a number"]),
        (
            put(3, "1_Valence_1 ", "10"),
            ["column '1_Valence_1'", "data row 4", "is not a whole number from 1 to 9"],
        ),
        (
            put(3, "1_Valence_1 ", "-99"),
            ["column '1_Valence_1'", "data row 4", "is not a whole number from 1 to 9"],
        ),
        (
            put(3, "1_Valence_1 ", "4.5"),
            ["column '1_Valence_1'", "data row 4", "is not a whole number from 1 to 9"],
        ),
        (
            put(3, "1_Valence_1 ", "inf"),
            ["column '1_Valence_1'", "data row 4", "is not a whole number from 1 to 9"],
        ),
        (put(slice(None), "28_Arousal_1", "1"), ["no rater"]),
    ],
)
def test_malformed_ratings(tmp_path, change, wanted):
    path = made_affective(tmp_path / "a.csv", change)
    with pytest.raises(InputError) as error:
        ratings.affective(path, ALPHABET)
    assert all(part in str(error.value) for part in [str(path), *wanted])
    assert SECRET not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (drop("Specific Event"), ["column 'Specific Event'", "missing"]),
        (drop("41_Item_1"), ["column '41_Item_1'", "missing"]),
        (put(4, "20_Item_1", SECRET), ["column '20_Item_1'", "data row 7", "not a number"]),
        (put(4, "43_Item_1", ""), ["column '43_Item_1'", "data row 7", "not a number"]),
        (put(4, "20_Item_1", "0"), ["column '20_Item_1'", "data row 7", "is not a whole number from 1 to 9"]),
        (put(4, "EMOTION", SECRET), ["column 'EMOTION'", "data row 7"]),
        (put(slice(0, 1), "EMOTION", "JOY"), ["'realization'"]),
    ],
)
def test_malformed_appraisals(tmp_path, change, wanted):
    path = made_appraisal(tmp_path / "a.csv", change)
    with pytest.raises(InputError) as error:
        ratings.appraisal(path)
    assert all(part in str(error.value) for part in [str(path), *wanted])
    assert SECRET not in str(error.value)


def read(name, path, words):
    """A survey by its name, or a copy of it."""
    return (
        ratings.appraisal(path)
        if name == APPRAISAL
        else {AFFECTIVE: ratings.affective, PHYSICAL: ratings.physical}[name](path, words)
    )


@pytest.mark.parametrize("keep", [0.0, 0.001, 0.3, 0.6, 0.97])
@pytest.mark.parametrize("name", [AFFECTIVE, PHYSICAL, APPRAISAL])
def test_a_file_cut_off(raw, tmp_path, words, name, keep):
    whole = raw("human", name).read_bytes()
    path = tmp_path / "cut.csv"
    path.write_bytes(whole[: int(keep * len(whole))])
    try:
        read(name, path, words)
    except InputError as error:
        assert str(path) in str(error) and len(str(error)) < len(str(path)) + 120
    else:  # cut between two rows, which only the pinned hash reveals
        assert whole[: int(keep * len(whole))].endswith(b"\n")


def test_a_file_cut_off_inside_quotes(tmp_path):
    path = made_affective(tmp_path / "a.csv")
    lines = path.read_text().splitlines()
    path.write_text(
        "\n".join([*lines[:-1], lines[-1][:-1] + '"9'])
    )  # the closing quote of the last cell is gone
    with pytest.raises(InputError, match="a.csv: not a table of comma-separated values, or cut off"):
        ratings.affective(path, ALPHABET)


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00binary", b"a,b\n1,2\n", b'Finished,UserLanguage\n"open']
)
def test_not_a_survey(tmp_path, content):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    for read in (
        lambda path: ratings.affective(path, ALPHABET),
        ratings.appraisal,
        ratings.agreement,
        ratings.word_list,
    ):
        with pytest.raises(InputError, match="a.csv: "):
            read(path)


def test_a_word_list_with_a_wrong_word(raw, tmp_path):
    path = tmp_path / "emotions.txt"
    path.write_text(raw("human", WORDS).read_text().replace("grief", "brief"))
    with pytest.raises(InputError, match="27 emotions"):
        ratings.word_list(path)


@pytest.mark.parametrize(
    ("old", "new"), [("grief,590", "grief,many"), ("grief,", "brief,"), ("Accuracy", "Precision")]
)
def test_malformed_agreement(raw, tmp_path, old, new):
    path = tmp_path / "agreement.csv"
    path.write_text(raw("human", "Data/emotion_agreements.csv").read_text().replace(old, new))
    with pytest.raises(InputError, match="agreement.csv: column '"):
        ratings.agreement(path)


# --- people's data


@pytest.fixture(scope="session")
def human_results(raw, tmp_path_factory):
    """Both stages run twice on the study's inputs; what each wrote, printed and read into data frames."""
    runs = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(Path(__file__).parents[1])  # where params.yaml is
        frames, table = [], ratings._table
        patch.setattr(attributes_stage, "raw", raw)
        patch.setattr(similarity_stage, "raw", raw)
        patch.setattr(ratings, "_table", lambda *args: frames.append(table(*args)) or frames[-1])
        printed = io.StringIO()
        patch.setattr("sys.stdout", printed)
        patch.setattr("sys.stderr", printed)
        for number in (1, 2):
            out = tmp_path_factory.mktemp(f"human{number}")
            attributes_stage.main(out)
            similarity_stage.main(out, out / "attribute_rdms.csv")
            runs.append({path.name: path.read_bytes() for path in sorted(out.iterdir())})
    return runs, frames, printed.getvalue()


def test_stages_write_what_the_design_names(human_results):
    runs, _, _ = human_results
    assert set(runs[0]) == {
        *(
            "attributes.csv",
            "mean_ratings.csv",
            "attribute_rdms.csv",
            "loadings.csv",
            "reliability.csv",
            "parallel_analysis.csv",
            "raters.csv",
            "agreement.csv",
        ),
        *("similarity.csv", "mean_rdm.csv", "weights.csv"),
    }


def test_stages_give_the_committed_bytes(human_results):
    """On every processor: the hashes are those of dvc.lock."""
    (run, _), _, _ = human_results
    lock = read_yaml(Path(__file__).parents[1] / "dvc.lock")["stages"]
    committed = {
        Path(out["path"]).name: out["md5"]
        for stage in ("attributes", "similarity")
        for out in lock[stage]["outs"]
    }
    assert {name: hashlib.md5(content).hexdigest() for name, content in run.items()} == committed


def test_two_runs_give_the_same_bytes(human_results):
    runs, _, _ = human_results
    assert runs[0] == runs[1]


def test_no_id_or_story_in_results_or_output(human_results, private):
    runs, _, printed = human_results
    text = printed + "".join(content.decode() for content in runs[0].values())
    assert [place for place, secret in enumerate(sorted(private)) if secret in text] == []


def test_no_id_or_story_in_any_data_frame(human_results, private):
    _, frames, _ = human_results
    assert frames
    for frame in frames:
        assert not {"Prolific ID ", "PROLIFIC_PID", "ResponseId", "Recall"} & set(frame)
        for column in frame.select_dtypes(exclude="number"):
            seen = frame[column].astype(str)
            assert not seen.isin(private).any()
            assert seen.str.len().max() < 1000
        if "Specific Event" in frame:
            assert frame["Specific Event"].map(type).eq(bool).all()


def test_no_id_or_story_in_error_messages(raw, tmp_path, words, private):
    messages = []
    for name in (AFFECTIVE, PHYSICAL, APPRAISAL):
        table = pd.read_csv(raw("human", name), dtype=str, keep_default_na=False)
        answers = [column for column in table if column[0].isdigit()]
        ids = [column for column in table if column.strip() in ("Prolific ID", "PROLIFIC_PID", "Recall")]
        for column in ids:  # an id or story that slipped into a column of answers
            table[answers[20]] = table[column]
            path = tmp_path / "slipped.csv"
            table.to_csv(path, index=False)
            with pytest.raises(InputError) as error:
                read(name, path, words)
            messages.append(str(error.value))
    book = openpyxl.load_workbook(raw("human", JUDGEMENTS))
    book.worksheets[0].cell(row=9, column=12).value = book.worksheets[0].cell(row=1, column=12).value
    book.save(tmp_path / "slipped.xlsx")
    with pytest.raises(InputError) as error:
        similarity.judgements(tmp_path / "slipped.xlsx")
    messages.append(str(error.value))
    assert len(messages) == 6
    assert [place for place, secret in enumerate(sorted(private)) if secret in " ".join(messages)] == []
