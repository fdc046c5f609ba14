"""Checks of hostile folders: each fault of a run measured elsewhere is one line, and nothing in it is run."""

import os
import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from run_folders import NAME, edit_card, edit_csv, edit_tensors
from worlds import EMOTIONS

from model_emotion.base import run_folder
from model_emotion.base.errors import UserError
from model_emotion.base.files import parse_yaml
from model_emotion.live import run_check as check
from model_emotion.live.run_import import import_run
from model_emotion.report import compare
from model_emotion.report.page import templates_of_page

pytestmark = pytest.mark.usefixtures("one_thread")


def with_nan(values):
    values = values.copy()
    values[1, 2, 7] = np.nan
    return values


def with_a_dead_layer(values, emotions=slice(None), value=0):
    """Set the last of three layers to a value under some emotions' prompts."""
    values = values.copy()
    values[1, emotions, 48:] = value
    return values


def set_cell(column, value, row=3):
    def change(table):
        table.loc[row, column] = value
        return table

    return change


U, M, A = "accuracy.csv", "masked_accuracy.csv", "activations.safetensors"
FAULTS = {
    "missing": (lambda at: (at / U).unlink(), f"{U}: is missing"),
    "nan": (lambda at: edit_tensors(at, with_nan), f"{A}: anger, seed 3: a value is not finite"),
    "dead layer": (
        lambda at: edit_tensors(at, lambda v: with_a_dead_layer(v, 3)),
        f"{A}: layer 3 is 0 under a prompt in all neurons, so that it has no RDM",
    ),
    "constant layer": (
        lambda at: edit_tensors(at, lambda v: with_a_dead_layer(v, value=0.5)),
        f"{A}: layer 3 is the same under all prompts, so that it has no RDM",
    ),
    "a neuron less": (
        lambda at: edit_tensors(at, lambda v: np.ascontiguousarray(v[..., :-1])),
        "the shape is [2, 5, 71], but run.yaml (seeds, emotions, layers x width) needs [2, 5, 72]",
    ),
    "float64": (lambda at: edit_tensors(at, lambda v: v.astype(float)), f"{A}: the type is F64"),
    "other axes": (
        lambda at: edit_tensors(at, emotions=EMOTIONS[::-1]),
        f"{A}: emotions in its metadata differ from those in run.yaml",
    ),
    "seeds of another type": (
        lambda at: edit_tensors(at, seeds=[True, 3.0]),
        f"{A}: seeds in its metadata differ from those in run.yaml",
    ),
    "other metadata": (lambda at: edit_tensors(at, more=1), f"{A}: the metadata must name seeds"),
    "not safetensors": (lambda at: (at / A).write_bytes(b"{}" * 40), f"{A}: a header of "),
    "no safetensors": (
        lambda at: (at / A).write_bytes(b"\x02" + bytes(7) + b"{}x"), f"{A}: not a complete safetensors file"
    ),
    "a seed less": (
        lambda at: edit_csv(at, U, lambda t: t[~((t["emotion"] == "love") & (t["seed"] == "3"))]),
        f"{U}: love, seed 3: 0 rows; there must be one",
    ),
    "a seed twice": (
        lambda at: edit_csv(at, U, lambda t: pd.concat([t, t[:1]])),
        f"{U}: joy, seed 1: 2 rows; there must be one",
    ),
    "accuracy above 1": (
        lambda at: edit_csv(at, U, set_cell("accuracy", "1.01")),
        f"{U}: data row 4, column 'accuracy': is not a number from 0 to 1",
    ),
    "no accuracy": (
        lambda at: edit_csv(at, M, set_cell("accuracy", "")), f"{M}: data row 4, column 'accuracy': is not"
    ),
    "infinite": (lambda at: edit_csv(at, M, set_cell("accuracy", "inf")), "column 'accuracy': is not"),
    "unknown emotion": (
        lambda at: edit_csv(at, M, set_cell("emotion", "zest")),
        f"{M}: data row 4, column 'emotion': is not an emotion of the card",
    ),
    "no size": (
        lambda at: edit_csv(at, M, set_cell("k", "17")),
        f"{M}: data row 4, column 'k': is not one of the card's mask sizes [18, 5]",
    ),
    "half a text": (lambda at: edit_csv(at, U, set_cell("n", "2.5")), "column 'n': is neither empty nor"),
    "a mask less": (
        lambda at: edit_csv(at, M, lambda t: t[1:]), f"{M}: joy, seed 1: lacks 1 masks, such as 'arousal/18'"
    ),
    "a mask twice": (
        lambda at: edit_csv(at, M, lambda t: pd.concat([t, t[:1]])),
        f"{M}: joy, seed 1: repeats 1 masks, such as 'arousal/18'",
    ),
    "unknown attribute": (
        lambda at: edit_csv(at, M, set_cell("attribute", "colour", 0)),
        f"{M}: joy, seed 1: has unknown 1 masks",
    ),
    "other columns": (
        lambda at: edit_csv(at, U, lambda t: t.rename(columns={"n": "m"})),
        f"{U}: the columns must be emotion,",
    ),
    "not text": (lambda at: (at / U).write_bytes(b"\xff\xfe\x00"), f"{U}: not a CSV file"),
    "card and arrays": (lambda at: edit_card(at, width=12), "needs [2, 5, 36]"),
    "card's seeds": (lambda at: edit_card(at, seeds=[1, 3, 5]), "needs [3, 5, 72]"),
    "card's name": (lambda at: edit_card(at, name="another"), "name: 'another', but the folder is"),
    "a terminal's control character": (
        lambda at: edit_card(at, measured={"by": "a\x9b2Jb", "on": ""}),
        "run.yaml: measured.by: must be one line of plain text, without the character U+009B",
    ),
    "text in another order": (
        lambda at: edit_card(at, measured={"by": "", "on": "\u202eelpmaxe"}),
        "run.yaml: measured.on: must be one line of plain text, without the character U+202E",
    ),
    "no hash in the card": (
        lambda at: edit_card(at, backbone={"name": "tiny", "revision": "", "sha256": "f" * 63}),
        "run.yaml: backbone.sha256: ",
    ),
    "path in the card": (lambda at: edit_card(at, name="../../x"), "name: '../../x' can't name an imported"),
    "unknown key": (lambda at: edit_card(at, exec="ls"), "exec: unknown key"),
    "python in the card": (
        lambda at: (at / "run.yaml").write_text("!!python/object/apply:os.system [touch hacked]"),
        "run.yaml: ",
    ),
    "aliases": (
        lambda at: (at / "run.yaml").write_text("a: &a [1, 2]\nb: [*a, *a]\n"), "run.yaml: has anchors"
    ),
    "deep": (lambda at: (at / "run.yaml").write_text("[" * 500), "run.yaml: "),
    "large card": (lambda at: (at / "run.yaml").write_text("#" * 70_000), "run.yaml: more than 65,536 bytes"),
    "pickle": (
        lambda at: (at / "model.pkl").write_bytes(pickle.dumps([1])), "'model.pkl' is no file of a run"
    ),
    "pickled prompt": (
        lambda at: (at / "prompts/joy.pt").write_bytes(b""), "'prompts/joy.pt' is no file of a run"
    ),
    "unknown prompt": (
        lambda at: (at / "prompts/zest.safetensors").write_bytes(b""), "run.yaml has no 'zest'"
    ),
    "link": (
        lambda at: ((at / U).unlink(), (at / U).symlink_to("/etc/passwd")), f"{U}: a link or a special file"
    ),
    "pipe": (lambda at: ((at / U).unlink(), os.mkfifo(at / U)), f"{U}: a link or a special file"),
    "folder as file": (lambda at: ((at / U).unlink(), (at / U).mkdir()), f"{U}: a link or a special file"),
    "too large": (
        lambda at: os.truncate(at / U, 100 * 1000**2 + 1),
        f"{U}: 100,000,001 bytes; a file over 100,000,000 bytes belongs in DVC",
    ),
}  # fmt: skip


MORE = {"unknown attribute": 2, "card's seeds": 1 + 2 * len(EMOTIONS)}
"""Faults with more than one line: another mask is missing; every emotion lacks a seed."""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line_before_anything_is_analysed(fault, folder_of_a_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Path("data/runs") / NAME
    shutil.copytree(folder_of_a_run, folder)
    assert check.faults(folder) == []
    spoil, line = FAULTS[fault]
    spoil(folder)
    found = check.faults(folder)
    assert any(line in one for one in found) and len(found) == MORE.get(fault, 1), found
    assert all(one.startswith(str(folder)) and "\n" not in one for one in found)
    with pytest.raises(UserError):
        check.checked(NAME)
    assert not Path("hacked").exists()


def test_each_fault_has_its_own_line(folder_of_a_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Path("data/runs") / NAME
    shutil.copytree(folder_of_a_run, folder)
    for name in ("nan", "accuracy above 1", "a mask less"):
        FAULTS[name][0](folder)
    assert [line.split(": ")[0].split("/")[-1] for line in check.faults(folder)] == [A, U, M]


@pytest.mark.parametrize(
    "name",
    ["../live", "a/b", "/tmp/x", "", ".", "published", "live", "human", "times", "A", "a.b", "a" * 41, "a\n"],
)
def test_a_name_cannot_leave_the_folder_or_replace_another_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="can't name an imported run"):
        run_folder.folder_of(name)


def test_check_run_prints_the_faults(folder_of_a_run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder_of_a_run, tmp_path / "data/runs" / NAME)
    monkeypatch.setattr(sys, "argv", ["check", NAME])
    check.main()
    assert f"add {NAME} to `runs` and `imported` in params.yaml" in capsys.readouterr().out
    (tmp_path / "data/runs" / NAME / U).unlink()
    with pytest.raises(SystemExit) as ended:
        check.main()
    assert ended.value.code == 1 and capsys.readouterr().out == f"data/runs/{NAME}/{U}: is missing\n"


def test_html_in_a_card_is_shown_as_text(folder_of_a_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder, attack = Path("data/runs") / NAME, "<script>alert('x')</script>"
    shutil.copytree(folder_of_a_run, folder)
    values = parse_yaml((folder / "run.yaml").read_text())
    backbone = values["backbone"] | {"name": attack}
    edit_card(folder, measured={"by": attack, "on": '"><img src=x onerror=alert(1)>'}, backbone=backbone)
    edit_tensors(folder, backbone=attack)
    assert check.faults(folder) == []
    import_run(NAME)
    cards = compare.cards_of(["published", "live", NAME])
    assert list(cards) == [NAME]
    compared = {"cards": cards, "pairs": {}, "attributes": {}, "sizes": {}}
    page = templates_of_page().get_template("compare.html")
    shown = page.render(runs=["published", "live", NAME], cards=[], compared=compared)
    assert shown.count("&lt;script&gt;") == 2 and "<script" not in shown and "<img" not in shown
