"""The stages on people's data: the committed bytes, and no id or story ever comes through."""

import hashlib
import io
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from PIL import Image, PngImagePlugin
from surveys import AFFECTIVE, APPRAISAL, PHYSICAL, leaks, read_survey, readable

from model_emotion.base.errors import InputError
from model_emotion.base.files import read_yaml, write_tensors
from model_emotion.human import ratings, similarity
from stages import attributes as attributes_stage
from stages import similarity as similarity_stage

JUDGEMENTS = "Data/raw_data/subjective_comparison/data.xlsx"


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


def test_a_leak_is_found_in_every_kind_of_file(tmp_path):
    about = PngImagePlugin.PngInfo()
    about.add_text("Description", "by a1b2c3d4")
    Image.new("L", (1, 1)).save(tmp_path / "figure.png", pnginfo=about)
    write_tensors({"x": np.zeros(3)}, tmp_path / "x.safetensors", {"rater": "a1b2c3d4"})
    (tmp_path / "table.csv").write_text("rater\na1b2c3d4\n")
    private = {"a1b2c3d4", "another"}
    for path in tmp_path.iterdir():
        assert leaks(private, "nothing", readable(path)) == [0], path
    assert leaks(private, "another a1b2c3d4") == [0, 1] and leaks(private, "a1b2", b"c3d4") == []


def test_no_id_or_story_in_results_or_output(human_results, private):
    runs, _, printed = human_results
    assert leaks(private, printed, *runs[0].values()) == []


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
                read_survey(name, path, words)
            messages.append(str(error.value))
    book = openpyxl.load_workbook(raw("human", JUDGEMENTS))
    book.worksheets[0].cell(row=9, column=12).value = book.worksheets[0].cell(row=1, column=12).value
    book.save(tmp_path / "slipped.xlsx")
    with pytest.raises(InputError) as error:
        similarity.judgements(tmp_path / "slipped.xlsx")
    messages.append(str(error.value))
    assert len(messages) == 6
    assert leaks(private, *messages) == []
