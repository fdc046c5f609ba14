"""verify: every claim of claims.yaml against the results -> results/claims.json, CLAIMS.md

It always writes and succeeds, so that an experiment is kept whatever it finds. Two options read what it wrote instead: `--check`
prints the one line that ends `make repro` and fails where a claim fails; `--readme` puts the table of headlines into README.md.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from model_emotion import claims, cli
from model_emotion.files import write_json, write_text
from model_emotion.params import load_params

RESULT = Path("results/claims.json")


def last_verdicts():
    """The verdicts of the last verification."""
    if not RESULT.exists():
        raise cli.UserError(f"{RESULT}: not there; run `dvc repro` first")
    return [claims.Verdict(**entry) for entry in json.loads(RESULT.read_text(encoding="utf-8"))["claims"]]


def update_readme():
    """Put the table of headlines between README's two marks."""
    text = Path("README.md").read_text(encoding="utf-8")
    before, rest = text.split(claims.BEGIN)
    after = rest.split(claims.END)[1]
    write_text(before + claims.readme_block(last_verdicts()) + after, "README.md")


def check():
    """Print the summary of the last verification; exit 1 where a claim failed."""
    verdicts = last_verdicts()
    for verdict in verdicts:
        if verdict.status == claims.FAIL:
            print(verdict.line())
    print(claims.summary(verdicts))
    sys.exit(any(verdict.status == claims.FAIL for verdict in verdicts))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="judge the last verification instead of making one")
    parser.add_argument("--readme", action="store_true", help="put the last verification's headlines into README.md")
    options, params = parser.parse_args(), load_params()
    if options.check:
        return check()
    if options.readme:
        return update_readme()
    departed, stated = claims.departures(params), claims.load_claims()
    verdicts = [claims.judge(claim, departed) for claim in stated.claims]
    for verdict in verdicts:
        print(verdict.line())
    write_json({"count": claims.tally(verdicts), "claims": [asdict(verdict) for verdict in verdicts]}, RESULT)
    write_text(claims.render(verdicts, stated.unpublished), "CLAIMS.md")
    print(claims.summary(verdicts))


if __name__ == "__main__":
    cli.run(main)
