"""`make site`: a folder for a static web server, with nothing that may not be published."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from model_emotion.base.errors import UserError
from model_emotion.project import site

ROOT = Path(__file__).parents[1]
RUNS = ["published", "live"]


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A project folder with a report and results of two runs."""
    monkeypatch.chdir(tmp_path)
    for name in ("report.html", "CLAIMS.md", "paper_figures/published/E5.png", "paper_figures/other/E5.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)
    for run in ("human", *RUNS, "other"):
        Path("results", run, "prompts").mkdir(parents=True)
        for name in ("similarity.csv", "accuracy.csv", "masked_accuracy.csv", "retests.csv", "claims.json",
                     "activations.safetensors", "drops.parquet", "prompts/joy.safetensors"):  # fmt: skip
            Path("results", run, name).write_text(name)
    return tmp_path


def files(folder="site"):
    return {path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file()}


def test_the_folder_has_the_page_figures_and_tables_and_no_data_of_the_study(made):
    assert site.write(Path("site"), RUNS) == sum(path.stat().st_size for path in Path("site").rglob("*.*"))
    tables = {path for path in files() if path.startswith("results/")}
    assert files() - tables == {".nojekyll", "index.html", "CLAIMS.md", "paper_figures/published/E5.png"}
    assert tables == {
        *(f"results/{run}/{name}" for run in ("human", *RUNS) for name in ("retests.csv", "claims.json")),
        *(f"results/live/{name}" for name in ("similarity.csv", "accuracy.csv", "masked_accuracy.csv")),
        "results/human/accuracy.csv", "results/human/masked_accuracy.csv", "results/published/similarity.csv",
    }  # fmt: skip
    assert Path("site/index.html").read_text() == "report.html"


def test_it_replaces_what_it_wrote_and_nothing_else(made):
    site.write(Path("site"), RUNS)
    Path("results/live/retests.csv").unlink()
    site.write(Path("site"), RUNS)
    assert "results/live/retests.csv" not in files()
    shutil.rmtree("site")
    Path("site").mkdir()
    Path("site/mine.html").write_text("mine")
    with pytest.raises(UserError, match="site: exists, but `make site` did not write it"):
        site.write(Path("site"), RUNS)
    assert files() == {"mine.html"} and not list(Path().glob(".site*"))


def test_without_a_report_nothing_is_written(made):
    Path("report.html").unlink()
    with pytest.raises(UserError, match="report.html: not found; run `make repro`"):
        site.write(Path("site"), RUNS)
    assert not Path("site").exists()


def test_the_tables_hold_nothing_private(private, monkeypatch):
    monkeypatch.chdir(ROOT)
    tables = list(site.tables(RUNS))
    if len(tables) < 20:
        pytest.skip("no results: run `make published` first")
    cells = {
        cell for path in tables if path.suffix == ".csv" for cell in pd.read_csv(path, dtype=str).stack()
    }
    assert not cells & private
