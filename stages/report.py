"""report: all results -> report.html, one page that opens from disk, and results/report.json, the same in numbers for programs

The page also shows this machine, the times of its stages and the experiments of this checkout, so it is no
output of DVC's: `make report` makes it anew. `--method` puts H1 to H4 into docs/method.md instead.
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
METHOD = Path("docs/method.md")


def method(runs):
    """Put each run's table between its marks."""
    claims = content.verdicts(runs)
    for run in runs:
        replace_block(METHOD, *hypotheses.MARKS[run], hypotheses.block(run, hypotheses.table(run, claims)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", help="a page of this run alone; results/report.json stays as it is")
    parser.add_argument(
        "--method", action="store_true", help="put the tables of H1 to H4 into docs/method.md instead"
    )
    options, params = parser.parse_args(), load_params()
    run = options.run
    runs = [run] if run else params.runs
    if options.method:
        return method(runs)
    claims = content.verdicts(runs)
    summary = content.summary(runs, claims)
    if not run:
        write_json(summary, SUMMARY)
    # by which `make repro` sees whether the page is of these results
    digest = "" if run else sha256(SUMMARY)
    details = content.details(runs, claims, params.figures.model_dump(), params.analysis.drop_alpha)
    write_text(render(summary | details | machine.describe() | {"digest": digest}), PAGE)
    print(f"{PAGE}: {PAGE.stat().st_size / 1e6:.1f} MB; it opens in a browser, without a network")


if __name__ == "__main__":
    stage.run(main)
