"""The registry of inputs, and the stage `fetch`."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from servers import ARCHIVE, NOWHERE

from model_emotion.base.errors import InputError
from model_emotion.inputs.download import fetch
from model_emotion.inputs.registry import GROUPS, RAW, REGISTRY, STUDY, raw

ROOT = Path(__file__).parents[1]


def registry(group):
    lines = (ROOT / REGISTRY / f"{group}.txt").read_text().splitlines()
    return dict(line.split(" ") for line in lines if not line.startswith("#"))


def test_every_group_is_pinned_by_commit_and_hash():
    assert {path.stem for path in (ROOT / REGISTRY).iterdir()} == set(GROUPS)
    assert {group: len(registry(group)) for group in GROUPS} == {
        "goemotions": 3, "human": 11, "activations": 325, "masking": 648, "reference": 9,
    }  # fmt: skip
    for group, pin in GROUPS.items():
        assert re.fullmatch(r"[^/]+/[^/]+/[0-9a-f]{40}", pin)
        for name, sha256 in registry(group).items():
            assert name.startswith(f"{pin}/")
            assert re.fullmatch("[0-9a-f]{64}", sha256)
        assert list(registry(group)) == sorted(registry(group))


def test_groups_share_no_file():
    names = Counter(name for group in GROUPS for name in registry(group))
    assert not [name for name, count in names.items() if count > 1]


def test_the_study_s_grid_is_complete():
    from model_emotion.base.study import EMOTIONS, SEEDS

    cells = {f"{emotion}-{seed}" for emotion in EMOTIONS for seed in SEEDS}
    assert {
        Path(name).stem for name in registry("activations") if name.endswith(".csv") and "relu" in name
    } == cells
    for kind in ("RSA_tau_14property", "random"):
        assert {Path(name).stem for name in registry("masking") if f"/{kind}/" in name} == cells


def test_the_datasheet_s_table_is_right(raw):
    text = (ROOT / "data/README.md").read_text()
    for group, pin in GROUPS.items():
        sizes = [raw(group, name.removeprefix(f"{pin}/")).stat().st_size for name in registry(group)]
        assert re.search(rf"^\| {group} \|.*\| {len(sizes)} \| {sum(sizes):,} \|$", text, re.MULTILINE), (
            group,
            len(sizes),
            sum(sizes),
        )
        assert pin.split("/")[2] in text


@pytest.mark.parametrize("name", [f"{STUDY}/../../x.csv", "thunlp/Model_Emotion/main/x.csv", "/etc/passwd"])
def test_a_registry_can_t_name_files_outside_its_commit(place, name):
    (place["registry"] / "human.txt").write_text(f"{name} {'0' * 64}\n")
    with pytest.raises(InputError, match=r"human\.txt: '.*' is not a path below thunlp"):
        fetch("human", **place)


def test_a_reader_is_told_how_to_get_a_missing_file(tmp_path):
    with pytest.raises(
        InputError, match=r"raw/human/thunlp/.*/x\.csv: not found; download it with `dvc repro fetch@human`"
    ):
        raw("human", "x.csv", root=tmp_path / "raw")


@pytest.fixture
def project(tmp_path):
    """Return a folder with the stage's inputs, and a function that runs it there without a network."""
    (tmp_path / "data").mkdir()
    shutil.copytree(ROOT / REGISTRY, tmp_path / REGISTRY)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    blocked = {"https_proxy": NOWHERE, "http_proxy": NOWHERE, "HTTPS_PROXY": NOWHERE, "HTTP_PROXY": NOWHERE}
    blocked |= {"NO_PROXY": "", "no_proxy": "", "MODEL_EMOTION_MIRROR": ""}

    def run(*arguments, **environment):
        command = [sys.executable, str(ROOT / "stages/fetch.py"), *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=os.environ | blocked | environment, capture_output=True, text=True
        )

    yield tmp_path, run
    shutil.rmtree(tmp_path / "data")  # leaves no survey data in pytest's temporary folder


def test_the_stage_ends_in_one_line_without_network(project):
    _, run = project
    ended = run("--group", "masking")
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    (line,) = [line for line in ended.stderr.splitlines() if "error" in line]
    assert line.startswith("error: 648 of the 648 files of group 'masking' can't be had: ")
    assert f"https://github.com/{ARCHIVE} (no connection)" in line


def test_the_stage_fetches_the_study_s_files(project, raw):
    folder, run = project
    source = raw("human", "Data/emotion_agreements.csv")
    mirror = source.parents[STUDY.count("/") + 2]
    assert run("--group", "human", MODEL_EMOTION_MIRROR=str(mirror)).returncode == 0
    downloaded = folder / RAW / "human" / source.relative_to(mirror)
    assert downloaded.read_bytes() == source.read_bytes()
    assert len([path for path in (folder / "data/raw/human").rglob("*") if path.is_file()]) == 11


def test_the_stage_loads_nothing_heavy():
    heavy = ("pandas", "numpy", "torch", "scipy")
    call = f"import sys, stages.fetch; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", call], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[]\n"
