"""The raw surveys' files, and made-up ones."""

import openpyxl
import pandas as pd
from PIL import Image

from model_emotion.base import study
from model_emotion.human import ratings

FOLDER = "Data/raw_data/emotional_featuers"
AFFECTIVE, PHYSICAL, APPRAISAL = (
    f"{FOLDER}/{name}_features/rawdata.csv" for name in ("affective", "physical", "appraisal")
)
WORDS = "Data/raw_data/subjective_comparison/emotions.txt"
ALPHABET = sorted(study.EMOTIONS) + ["neutral"]
SECRET = "A story that nobody may read"


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


def read_survey(name, path, words):
    """A survey by its name, or a copy of it."""
    return (
        ratings.appraisal(path)
        if name == APPRAISAL
        else {AFFECTIVE: ratings.affective, PHYSICAL: ratings.physical}[name](path, words)
    )


def private(raw):
    """Every id, time and story in the raw files, in memory only."""
    found = set()
    for name in ("affective", "physical", "appraisal"):
        path = raw("human", f"{FOLDER}/{name}_features/rawdata.csv")
        table = pd.read_csv(path, dtype=str, keep_default_na=False).rename(columns=str.strip)
        columns = {
            "Prolific ID",
            "PROLIFIC_PID",
            "ResponseId",
            "StartDate",
            "EndDate",
            "RecordedDate",
            "Recall",
            "Specific Event",
        }
        for column in columns & set(table):
            found |= {cell.strip() for cell in table[column]}
    sheet = openpyxl.load_workbook(
        raw("human", "Data/raw_data/subjective_comparison/data.xlsx"), read_only=True
    ).worksheets[0]
    header = next(sheet.iter_rows(max_row=1, values_only=True))
    found |= {str(cell) for cell in header[4:]}
    found = {cell for cell in found if len(cell) > 5 and cell not in study.EMOTIONS}
    assert len(found) > 61 + 35 + 36 + 2 * 329 - 20
    return found


def leaks(private, *texts):
    """Which of the private texts, by their place in the alphabet, occur in a text; not the texts themselves.

    A search through bytes is twice as fast as one through decoded text.
    """
    whole = b"\0".join(text if isinstance(text, bytes) else text.encode() for text in texts)
    return [place for place, secret in enumerate(sorted(private)) if secret.encode() in whole]


def readable(path):
    """The bytes of a file in which words can stand: not the pixels of a PNG, and not an array's numbers."""
    if path.suffix == ".png":
        return repr(Image.open(path).text).encode()
    content = path.read_bytes()
    return content[: 8 + int.from_bytes(content[:8], "little")] if path.suffix == ".safetensors" else content
