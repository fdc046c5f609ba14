"""Malformed surveys: an error names the column and the row, and never shows what a person wrote."""

import pytest
from surveys import (
    AFFECTIVE,
    ALPHABET,
    APPRAISAL,
    PHYSICAL,
    SECRET,
    WORDS,
    made_affective,
    made_appraisal,
    read_survey,
)

from model_emotion.base.errors import InputError
from model_emotion.human import ratings


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


@pytest.mark.parametrize("keep", [0.0, 0.001, 0.3, 0.6, 0.97])
@pytest.mark.parametrize("name", [AFFECTIVE, PHYSICAL, APPRAISAL])
def test_a_file_cut_off(raw, tmp_path, words, name, keep):
    whole = raw("human", name).read_bytes()
    path = tmp_path / "cut.csv"
    path.write_bytes(whole[: int(keep * len(whole))])
    try:
        read_survey(name, path, words)
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
