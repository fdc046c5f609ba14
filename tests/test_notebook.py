"""notebooks/one_emotion.ipynb, run in a fresh process, and the form of all notebooks."""

import getpass
import json
import re
import socket
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import notebooks
from model_emotion.base import study
from model_emotion.base.errors import UserError
from model_emotion.base.files import read_yaml, write_csv, write_parquet
from model_emotion.base.results import ACCURACY, MASKED_ACCURACY, Activations, write_activations
from model_emotion.project import notebook
from model_emotion.rsa import rdm
from model_emotion.rsa.searchlight import searchlight, table
from notebooks import MEASURING, PUBLISHED, ROOT

LAYERS, WIDTH, SEEDS, SIZES = 4, 550, (1, 3, 5), (1500, 2000)
CHOICES = {"emotion": "joy", "attribute": "control", "neurons": 1500}
KEPT = {"own": "own", "random": "random", "drops": "drops", "p": "p", "silenced": "silenced"} | {
    "unmasked": "unmasked",
    "sizes": "sizes['attribute'][attribute].dropna()",
    "likeness": "alike",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with nothing but a synthetic run `published`: three seeds, 2,200 neurons."""
    folder, draw = tmp_path_factory.mktemp("project"), np.random.default_rng(7)
    for name in ("notebooks", "results/human", "results/published"):
        (folder / name).mkdir(parents=True)
    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    people = pd.DataFrame(draw.random((351, 14)), columns=study.ATTRIBUTES)
    write_csv(rdm.pair_names(study.EMOTIONS).join(people), folder / notebook.ATTRIBUTE_RDMS)
    values = draw.normal(size=(len(SEEDS), 27, LAYERS * WIDTH)).astype(np.float32)
    ranking = table(searchlight(values, people.to_numpy()), people.columns, WIDTH, 0.01)
    cells = [(emotion, seed) for emotion in study.EMOTIONS for seed in SEEDS]
    accuracy = [(*cell, draw.uniform(0.7, 0.9), None, None) for cell in cells]
    masked = [
        (*cell, attribute, kind, 1 if kind == "random" else None, k, draw.uniform(0.5, 0.8), None)
        for cell in cells
        for attribute in study.ATTRIBUTES
        for kind, sizes in (("attribute", SIZES), ("random", (500, *SIZES)))
        for k in sizes
    ]
    activations, unmasked, under_masks, found = (folder / path for path in notebook.PUBLISHED)
    write_activations(Activations(values, SEEDS, study.EMOTIONS, LAYERS, WIDTH, "tiny"), activations)
    write_csv(pd.DataFrame(accuracy, columns=ACCURACY), unmasked)
    write_csv(pd.DataFrame(masked, columns=MASKED_ACCURACY).astype({"draw": "Int64"}), under_masks)
    write_parquet(ranking, found)
    return folder, values, people, pd.DataFrame(accuracy, columns=ACCURACY), masked


@pytest.fixture(scope="module")
def ran(project):
    """Run the whole notebook. Return what it printed, and its arrays."""
    return notebooks.run(notebooks.with_choices(PUBLISHED, **CHOICES), project[0], KEPT)


def test_the_best_neuron_is_the_one_most_like_people(ran, project):
    printed, left = ran
    _, values, people, _, _ = project
    pairs = [(a, b) for a in range(27) for b in range(a + 1, 27)]
    apart = np.mean([[np.abs(one[a] - one[b]) for a, b in pairs] for one in values.astype(float)], axis=0)
    control = people["control"].to_numpy()
    tau = np.array([stats.kendalltau(control, neuron).statistic for neuron in apart.T])
    assert f"computed here once more: {tau.max():.3f}" in printed
    best = np.argsort(-tau)[:1500]
    assert left["silenced"].tolist() == [int((best // WIDTH == layer).sum()) for layer in range(LAYERS)]
    assert "The mask silences 1,500 neurons, 68.2% of all." in printed
    joy = study.EMOTIONS.index("joy")
    for other in range(27):
        alike = np.mean([np.corrcoef(one[joy], one[other])[0, 1] for one in values])
        assert left["likeness"][other] == pytest.approx(alike, abs=1e-6)


def test_drops_are_those_of_the_accuracies(ran, project):
    printed, left = ran
    accuracy, masked = project[3:]
    before = np.array([row.accuracy for row in accuracy.itertuples() if row.emotion == "joy"])
    of_joy = {(kind, attribute, k, seed): value for (emotion, seed, attribute, kind, _, k, value, _) in masked
              if emotion == "joy"}  # fmt: skip
    own = np.array([of_joy["attribute", "control", 1500, seed] for seed in SEEDS])
    random = np.array([[of_joy["random", name, 1500, seed] for name in study.ATTRIBUTES] for seed in SEEDS])
    np.testing.assert_allclose(left["unmasked"], before)
    np.testing.assert_allclose(left["own"], own)
    assert left["random"].shape == (3, 14)
    for found, lost in zip(
        left["drops"], (before - random.mean(axis=1), before - own, random.mean(axis=1) - own), strict=True
    ):
        half = stats.t.ppf(0.975, 2) * lost.std(ddof=1) / np.sqrt(3)
        assert found == pytest.approx(100 * np.array([lost.mean(), lost.mean() - half, lost.mean() + half]))
    as_bad = sum(of_mask.mean() <= own.mean() for of_mask in random.T)
    assert left["p"] == (1 + as_bad) / 15 and f"of 14 random masks, {as_bad} cost as much" in printed
    means = [np.mean([of_joy["attribute", "control", k, seed] for seed in SEEDS]) for k in SIZES]
    np.testing.assert_allclose(left["sizes"], 100 * (before.mean() - np.array(means)))
    rank = 1 + sum(accuracy.groupby("emotion")["accuracy"].mean() > before.mean())
    assert f"joy: {before.mean():.1%} right on average" in printed and f"place {rank} of 27" in printed
    drop, low, high = left["drops"][2]
    clear = "more" if low > 0 else "less" if high < 0 else "no clear difference"
    assert f"the control mask of 1,500 neurons costs {drop:+.2f} percentage points more" in printed
    assert f"(95% interval {low:+.2f} to {high:+.2f}: {clear} with these seeds)" in printed
    assert list(left["figures"]) == [3, 1, 1]


@pytest.mark.parametrize(
    ("choice", "value", "message"),
    [
        ("emotion", "gratitud", "is not one of the 27 emotions; did you mean 'gratitude'?"),
        ("attribute", "valance", "is not one of the 14 attributes; did you mean 'valence'?"),
        ("neurons", 1501, "neurons: 1501 is not one of 1500, 2000, 2500, 3000, 4000, 5000, 6000"),
        ("neurons", 0.11, "neurons: "),
    ],
)
def test_an_invalid_choice_is_reported_in_one_line(project, monkeypatch, choice, value, message):
    monkeypatch.chdir(project[0] / "notebooks")
    with pytest.raises(UserError) as caught:
        notebook.begin_published(**CHOICES | {choice: value})
    said = str(caught.value)
    assert said.startswith("your choices: ") and message in said and "\n" not in said


def test_without_the_published_results_one_line_says_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        UserError, match=r"^[^\n]*published/searchlight.parquet: not found. Type `make notebook` in a"
    ):
        notebook.begin_published(**CHOICES)


def test_make_notebook_makes_what_the_first_notebook_reads_and_measures_nothing():
    """Follow the dependencies of the stage that the Makefile asks DVC for."""
    (asked,) = re.findall(r"^READ = .*dvc repro (\S+)$", (ROOT / "Makefile").read_text(), flags=re.M)
    stages = {}
    for name, entry in read_yaml(ROOT / "dvc.yaml")["stages"].items():
        matrix = entry.get("matrix", {})
        named = (["published", "live"] if "run" in matrix else matrix.get("group", [None]))  # fmt: skip
        for item in named:
            text = json.dumps(entry).replace("${item.run}", str(item)).replace("${item.group}", str(item))
            made = json.loads(text)
            outs = [out if isinstance(out, str) else next(iter(out)) for out in made.get("outs", [])]
            stages[f"{name}@{item}" if item else name] = (outs, made["deps"])
    needed, waiting = set(), [asked]
    while waiting:
        name = waiting.pop()
        needed.add(name)
        for other, (outs, _) in stages.items():
            uses = any(
                f"{dep}/".startswith(f"{out}/") or f"{out}/".startswith(f"{dep}/")
                for dep in stages[name][1]
                for out in outs
            )
            waiting += [other] if uses and other not in needed else []
    made = {out for name in needed for out in stages[name][0]}
    assert {str(path) for path in (notebook.ATTRIBUTE_RDMS, *notebook.PUBLISHED)} <= made
    assert "published" in needed and not needed & {"prompts", "activations", "evaluation"}
    assert not any(name.endswith("@live") for name in needed)


@pytest.mark.parametrize("path", [PUBLISHED, MEASURING])
def test_its_cells_are_short_and_its_terms_are_explained(path):
    prose, explaining = notebooks.cells(path, "markdown"), notebooks.cells(PUBLISHED, "markdown")
    longest = max(len([line for line in code.splitlines() if line]) for code in notebooks.cells(path, "code"))
    assert longest <= 14
    (choices,) = (text for text in prose if text.startswith("## 1 Your choices"))
    assert [
        name for name in (*study.EMOTIONS, *study.ATTRIBUTES) if not re.search(rf"\b{name}\b", choices)
    ] == []
    (glossary,) = (text for text in explaining if text.startswith("## Glossary"))
    words = re.findall(r"^\| \*\*(.+?)\*\* \| .{15,} \|$", glossary, flags=re.M)
    assert len(words) >= 15 and words == sorted(words, key=str.lower)
    (not_concluded,) = (text for text in prose if text.startswith("## What may not be concluded"))
    assert len(re.findall(r"^- \*\*", not_concluded, flags=re.M)) >= 5
    steps = prose[: prose.index(not_concluded)]
    explained = {word for text in steps for word in re.findall(r"\*\*([\w' ]+)\*\*", text)} - {"bold"}
    assert explained <= set(words) and len(explained) > 12


def test_the_second_notebook_says_first_what_it_needs():
    assert (
        notebooks.cells(MEASURING, "markdown")[0]
        .split("\n")[2]
        .startswith("This notebook needs one finished run: type `make repro` in a terminal first")
    )
    assert not any("make repro" in text for text in notebooks.cells(PUBLISHED, "markdown"))


@pytest.mark.parametrize(("path", "figures"), [(PUBLISHED, 3), (MEASURING, 1)])
def test_its_outputs_are_of_one_run_and_name_no_machine(path, figures):
    code = [cell for cell in notebooks.cells(path) if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = notebooks.outputs(path)
    assert {output["output_type"] for output in outputs} == {"stream", "execute_result", "display_data"}
    assert {output.get("name", "stdout") for output in outputs} == {"stdout"}
    images = notebooks.images(path)
    assert len(images) == figures and max(map(len, images)) < 150_000
    assert all(cell["metadata"] == {} for cell in notebooks.cells(path))
    text = path.read_text(encoding="utf-8")
    assert json.loads(text)["metadata"] == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}
    }
    said = re.sub(r'"image/png": ".*"', "", text)
    private = (socket.gethostname(), f"/{getpass.getuser()}", str(Path.home()), str(ROOT), "site-packages")
    for name in (*private, "/home/", "/tmp/", " at 0x"):
        assert name not in said


def test_jupyters_lock_adds_to_the_pinned_packages_and_repeats_none():
    ours, jupyters = ((ROOT / lock).read_text() for lock in ("requirements.lock", "notebooks/jupyter.lock"))
    pinned, added = (set(re.findall(r"^([a-z0-9.-]+)==", lock, flags=re.M)) for lock in (ours, jupyters))
    assert {"jupyterlab", "ipykernel"} <= added and not pinned & added
    lines = jupyters.splitlines()
    assert all(
        re.fullmatch(r"[a-z0-9.-]+==\S+( ; .*)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line)
        for line in lines
    )
