"""judge: the claims of claims.yaml on a run against its results -> results/RUN/claims.json; the human results go with the run published

It always writes and succeeds, so that an experiment is kept whatever it finds. `stages/verify.py` joins the runs.
"""

import argparse
from dataclasses import asdict

from model_emotion import claims, cli, plan
from model_emotion.files import write_json
from model_emotion.params import load_params
from model_emotion.run import folder


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True)
    run, params = parser.parse_args().run, load_params()
    verdicts = claims.judge_run(run, claims.load_claims().claims, claims.departures(params, plan.read(run).ranking))
    for verdict in verdicts:
        print(verdict.line())
    print(claims.summary(verdicts))
    write_json({"count": claims.tally(verdicts), "claims": [asdict(verdict) for verdict in verdicts]}, folder(run) / "claims.json")


if __name__ == "__main__":
    cli.run(main)
