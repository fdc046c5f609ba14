"""Stage report: all results -> report.html, a self-contained page, and results/report.json, its numbers

The page also shows this machine, the times of its stages and the experiments of this checkout, so it is no
output of DVC: `make report` rebuilds it. `--readme` updates the tables in README.md and docs/method.md.
"""

import argparse
from pathlib import Path

from model_emotion.base.files import replace_block, sha256, write_json, write_text
from model_emotion.params import load_params
from model_emotion.project import stage
from model_emotion.report import content, hypotheses, machine
from model_emotion.report.page import render

PAGE = Path("report.html")
SUMMARY = Path("results/report.json")
README, METHOD = Path("README.md"), Path("docs/method.md")


def update_tables(runs: list[str]) -> None:
    """Update README's table, and the blocks on runs in README.md and docs/method.md."""
    verdicts = content.verdicts(runs)
    blocks = [(README, hypotheses.README_MARKS, hypotheses.readme_block(verdicts))]
    readme, method = (path.read_text(encoding="utf-8") for path in (README, METHOD))
    for run in runs:
        marks = hypotheses.marks(run)
        if marks[0] in readme:
            blocks.append((README, marks, hypotheses.sentences_block(run)))
        if marks[0] in method:
            table = hypotheses.table(run, verdicts)
            blocks.append((METHOD, marks, hypotheses.method_block(run, table)))
    for path, marks, block in blocks:
        replace_block(path, *marks, block)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", help="show only this run; results/report.json is not written")
    parser.add_argument(
        "--readme", action="store_true", help="update the tables in README.md and docs/method.md instead"
    )
    options, params = parser.parse_args(), load_params()
    if options.run and options.readme:
        parser.error("--readme updates the tables of all runs: leave out --run")
    runs: list[str] = [options.run] if options.run else list(params.runs)
    if options.readme:
        return update_tables(runs)
    verdicts = content.verdicts(runs)
    summary = content.summary(runs, verdicts)
    if not options.run:
        write_json(summary, SUMMARY)
    digest = "" if options.run else sha256(SUMMARY)  # tells `make repro` whether the page is current
    details = content.details(runs, verdicts, params.figures.model_dump(), params.analysis.drop_alpha)
    write_text(render(summary | details | machine.describe(runs) | {"digest": digest}), PAGE)
    print(f"{PAGE}: {PAGE.stat().st_size / 1e6:.1f} MB; open it in a browser (no network needed)")


if __name__ == "__main__":
    stage.run(main)
