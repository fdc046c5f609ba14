"""Write a folder for any static web host: `make site` -> site/

It holds the report as index.html, the figures, CLAIMS.md, and the tables of results that may be published;
data/README.md says which those are and why.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from model_emotion.base.errors import UserError
from model_emotion.base.files import temporary_beside
from model_emotion.params import load_params
from model_emotion.project import stage

SITE = Path("site")
PAGE, FIGURES, RESULTS = Path("report.html"), Path("paper_figures"), Path("results")
MARK = ".nojekyll"
"""An empty file that tells GitHub's pages to serve the folder as it is. A folder without it is not ours."""
NOT_PUBLISHED = ("human/similarity.csv", "published/accuracy.csv", "published/masked_accuracy.csv")
"""Tables that hold the study's data one by one."""
KINDS = (".csv", ".json")


def tables(runs: list[str]) -> Iterator[Path]:
    """Yield the tables of results that may be published, those of human results and of some runs."""
    for folder in ("human", *runs):
        for path in sorted((RESULTS / folder).glob("*")):
            name = path.relative_to(RESULTS).as_posix()
            if path.suffix in KINDS and name not in NOT_PUBLISHED:
                yield path


def write(site: Path, runs: list[str]) -> int:
    """Write the folder, which replaces one that this function wrote, and return its size in bytes.

    Raises UserError if the report is missing or the folder holds anything else; nothing is then changed.
    """
    if not PAGE.is_file():
        raise UserError(f"{PAGE}: not found; run `make repro` or `make published` first")
    if site.exists() and not (site / MARK).is_file():
        raise UserError(f"{site}: exists, but `make site` did not write it; move it away first")
    part = temporary_beside(site)
    part.mkdir()
    (part / MARK).touch()
    shutil.copyfile(PAGE, part / "index.html")
    shutil.copyfile("CLAIMS.md", part / "CLAIMS.md")
    for run in runs:
        if (FIGURES / run).is_dir():
            shutil.copytree(FIGURES / run, part / FIGURES / run)
    for table in tables(runs):
        (part / table).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(table, part / table)
    if site.exists():
        shutil.rmtree(site)
    part.rename(site)
    return sum(path.stat().st_size for path in site.rglob("*") if path.is_file())


def main() -> None:
    """Write the folder and say how large it is."""
    size = write(SITE, list(load_params().runs))
    print(f"{SITE}: {size / 1e6:.0f} MB; copy it to any web server. Start with {SITE / 'index.html'}.")


if __name__ == "__main__":
    stage.run(main)
