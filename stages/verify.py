"""Stage verify: the verdicts on each run's claims, results/RUN/claims.json -> results/claims.json, CLAIMS.md

The stage succeeds whatever the verdicts are, so that DVC keeps every experiment. The option `--check` reads
its last result instead: it prints the line that ends `make repro`, and fails if a claim fails (`--run` limits
it to one run).
"""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from model_emotion.base.files import write_json, write_text
from model_emotion.base.results import folder
from model_emotion.claims import pages, schema, verdicts
from model_emotion.params import load_params
from model_emotion.project import stage

RESULT = Path("results/claims.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="check the last result instead of making one")
    parser.add_argument("--run", help="with --check: only the claims on this run")
    options, params = parser.parse_args(), load_params()
    if options.run and not options.check:
        parser.error("--run needs --check")
    if options.check:
        sys.exit(not verdicts.check(options.run))
    claims = schema.load_claims()
    runs = {schema.run_of(claim) for claim in claims.claims} & set(params.runs)
    judged = {run: verdicts.read(folder(run) / "claims.json") for run in sorted(runs)}
    joined = schema.joined(claims.claims, judged)
    write_json({"count": verdicts.tally(joined), "claims": [asdict(verdict) for verdict in joined]}, RESULT)
    write_text(pages.render(joined, claims.unpublished), "CLAIMS.md")
    print("\n".join(verdicts.summary(joined)))


if __name__ == "__main__":
    stage.run(main)
