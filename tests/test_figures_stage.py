"""The stage `figures`: what it draws and removes, and what it says of missing columns and values."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from made_up_figures import OPTIONS, SOME, draw, entry_of

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_yaml
from model_emotion.base.results import write_activations
from model_emotion.figures import catalogue, drawing, fonts, tables
from model_emotion.params import load_params

ROOT = Path(__file__).parents[1]
DRAWN = {"B2_weights", "E3_drop_by_emotion"}


@pytest.mark.parametrize("name", [name for name in tables.TABLES if name != "activations"])
def test_a_missing_column_is_named(name, small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = Path(tables.path(name, "published"))
    file.parent.mkdir(parents=True)
    write = small[name].to_parquet if file.suffix == ".parquet" else small[name].to_csv
    write(file, index=False)
    assert set(tables.TABLES[name][1]) <= set(tables.read(name, "published").columns)
    for column in tables.TABLES[name][1]:
        rest = small[name].drop(columns=column)
        (rest.to_parquet if file.suffix == ".parquet" else rest.to_csv)(file, index=False)
        with pytest.raises(UserError, match=rf"^{file}: no column '{column}'"):
            tables.read(name, "published")


def test_a_mask_size_or_emotion_that_the_run_lacks_is_an_error(small):
    with pytest.raises(
        UserError, match=r"figures\.top_k: there are no masks of 77 neurons. Choose from 1500, 4000"
    ):
        draw(entry_of("E3_drop_by_emotion"), small, top_k=77)
    with pytest.raises(UserError, match=r"figures\.emotion: 'fear' is not one of the run's emotions"):
        draw(entry_of("E10_regression_lines"), small, emotion="fear")


@pytest.fixture
def project(small, tmp_path):
    """A project folder with made-up results, and a function that runs the stage there for two figures."""
    for name, table in small.items():
        file = tmp_path / tables.path(name, "published")
        file.parent.mkdir(parents=True, exist_ok=True)
        if name == "activations":
            write_activations(table, file)
        else:
            (table.to_parquet if file.suffix == ".parquet" else table.to_csv)(file, index=False)
    params = read_yaml(ROOT / "params.yaml")
    params["study"] |= {"emotions": list(SOME), "top_k": [1500, 4000]}
    params["figures"] |= OPTIONS
    (tmp_path / "params.yaml").write_text(json.dumps(params))

    call = "; ".join(
        [
            "import sys",
            "from model_emotion.figures import catalogue",
            "from model_emotion.project.stage import run",
            "from stages import figures",
            f"chosen = [entry for entry in catalogue.FIGURES if entry.name in {sorted(DRAWN)}]",
            "catalogue.entries = lambda run: chosen",
            "run(figures.main)",
            "print([name for name in ('torch', 'matplotlib.pyplot') if name in sys.modules])",
        ]
    )

    def run():
        command = [sys.executable, "-c", call, "--run", "published"]
        return subprocess.run(
            command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
        )

    return tmp_path, run


def test_an_option_that_the_run_lacks_becomes_its_first_value(project, monkeypatch):
    monkeypatch.chdir(project[0])
    assert tables.of_run(OPTIONS, "published") == OPTIONS
    first = tables.read("drop_by_cell", "published").iloc[0]
    own = tables.of_run(OPTIONS | {"top_k": 77, "emotion": "fear", "attribute": "warmth"}, "published")
    assert (own["top_k"], own["emotion"], own["dpi"]) == (first["k"], first["emotion"], OPTIONS["dpi"])
    assert own["attribute"] == first["attribute"] == "valence"


def test_the_stage_draws_and_removes_old_figures(project):
    folder, run = project
    drawn = folder / "paper_figures/published"
    drawn.mkdir(parents=True)
    for old in ("E99_gone.svg", "E99_gone.png", ".E1_accuracy.svg.77.part"):
        (drawn / old).write_text("old")
    ended = run()
    assert ended.returncode == 0, ended.stderr
    assert (ended.stdout, ended.stderr) == ("[]\n", "")  # neither torch nor pyplot is imported
    assert {path.name for path in drawn.iterdir()} == {
        f"{name}.{kind}" for name in DRAWN for kind in ("svg", "png")
    } | {"README.md"}
    page = (drawn / "README.md").read_text()
    assert set(re.findall(r"!\[(.*)\]\(\1\.png\)", page)) == DRAWN
    (folder / "results/published/drop_by_emotion.csv").write_text(
        "emotion,k,drop,ci_low,ci_high\njoy,4000,0,0,0\n"
    )
    broken = run()
    assert broken.returncode == 1
    said = "drop_by_emotion.csv: no column 'star', which a figure needs; run `dvc repro`"
    assert broken.stderr.splitlines() == [f"error: results/published/{said}"]


def test_a_figure_whose_table_has_no_rows_is_not_drawn(project, tmp_path, monkeypatch):
    monkeypatch.chdir(project[0])
    assert drawing.make("E8_dip", "published", OPTIONS | {"lettering": fonts.Lettering()}, tmp_path)
    Path("results/published/unimodality.csv").write_text("k,attribute,dip,p,n,share\n")
    assert drawing.make("E8_dip", "published", OPTIONS | {"lettering": fonts.Lettering()}, tmp_path) == []


def test_the_committed_page_of_figures_is_current():
    params, names = load_params(ROOT / "params.yaml"), {entry.name for entry in catalogue.FIGURES}
    assert (ROOT / "paper_figures/published/README.md").read_text() == catalogue.index(
        "published", params.figures.model_dump(), names
    )


def test_the_committed_figures_are_small():
    for run in (ROOT / "paper_figures").iterdir():
        sizes = [path.stat().st_size for path in run.rglob("*.*")]
        assert sum(sizes) < 8e6 and max(sizes) < 7e5, run
