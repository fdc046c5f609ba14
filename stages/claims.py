"""Stage claims: the claims of claims.yaml on a run, judged by its results -> results/RUN/claims.json

It also writes results/RUN/compared.parquet, every number that was compared, published and regenerated. The
claims on human results belong to the run published. The stage succeeds whatever it finds, so that DVC
keeps every experiment. The stage verify joins the runs.
"""

from dataclasses import asdict

from model_emotion.base.files import write_json, write_parquet
from model_emotion.base.results import folder
from model_emotion.claims.judging import departures, judge_run
from model_emotion.claims.schema import load_claims
from model_emotion.claims.verdicts import summary, tally
from model_emotion.masking import mask_plan
from model_emotion.params import load_params
from model_emotion.project import stage


def main() -> None:
    run, params = stage.run_option(__doc__), load_params()
    departed = departures(params, mask_plan.read(run).ranking, run)
    verdicts, numbers = judge_run(run, load_claims().claims, departed)
    for verdict in verdicts:
        print(verdict.line())
    print("\n".join(summary(verdicts)))
    found = {"count": tally(verdicts), "claims": [asdict(verdict) for verdict in verdicts]}
    write_json(found, folder(run) / "claims.json")
    write_parquet(numbers, folder(run) / "compared.parquet")


if __name__ == "__main__":
    stage.run(main)
