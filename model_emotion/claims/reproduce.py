"""Run the pipeline, write the report and check the claims: `make repro` and, for one run, `make published`.

`python -m model_emotion.claims.reproduce [--run RUN]` exits with status 1 if a claim on the study fails.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from model_emotion.base.files import read_yaml, sha256
from model_emotion.claims import verdicts
from model_emotion.params import load_params
from model_emotion.project import checkout, environment, stage

TARGETS = ("figures", "retests", "claims")
"""The last stages of a run."""
SUMMARY, PAGE = Path("results/report.json"), Path("report.html")


def stages_with_committed_outputs(pipeline: dict, runs: list[str]) -> list[str]:
    """Return the stages of dvc.yaml, as DVC names them, whose outputs are all in git (`cache: false`)."""
    found = []
    for name, entry in pipeline["stages"].items():
        outs = [out for kind in ("outs", "metrics", "plots") for out in entry.get(kind, [])]
        if all(isinstance(out, dict) and next(iter(out.values())).get("cache") is False for out in outs):
            found += [f"{name}@{run}" for run in runs] if "matrix" in entry else [name]
    return found


def never_run(stages: list[str]) -> list[str]:
    """Return those of the stages that have not yet run in this checkout."""
    return [name for name in stages if not (stage.TIMES / f"{name}.json").exists()]


def call(*command: str) -> None:
    """Run a command. If it fails or is killed, say what to do and exit with its status."""
    if status := subprocess.run(command).returncode:
        print("Run the same command again: finished stages and emotions are kept.", file=sys.stderr)
        sys.exit(status)


def reproduce(run: str | None) -> bool:
    """Bring all results up to date, or those of one run. Return whether no claim failed.

    On a fresh clone, DVC skips a stage whose outputs are committed, such as `figures`, as soon as its inputs
    have the hashes in dvc.lock. Since reproducing means computing on this machine, such stages are forced to
    run once.
    """
    runs: list[str] = [run] if run else list(load_params().runs)
    call("dvc", "repro", *([f"{name}@{run}" for name in TARGETS] if run else []))
    committed = stages_with_committed_outputs(read_yaml("dvc.yaml"), runs)
    if stages := never_run([name for name in committed if not run or name.endswith(f"@{run}")]):
        print("Running the stages whose outputs were committed:", ", ".join(stages), flush=True)
        call("dvc", "repro", "--force", "--single-item", *stages)
    if run:
        call(sys.executable, "-m", "stages.report", "--run", run)
    elif not page_is_current():  # DVC may have taken the summary from its cache
        call(sys.executable, "-m", "stages.report")
    return verdicts.check(run)


def page_is_current() -> bool:
    """Return whether report.html was made from the current results."""
    return PAGE.exists() and sha256(SUMMARY) in PAGE.read_text(encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", help="only this run: published or live")
    run = parser.parse_args().run
    params = load_params()  # a wrong value is reported before anything runs
    checkout.require_plain(name for name in params.imported if run in (None, name))
    checkout.tell_dvc()
    environment.main()
    sys.exit(not reproduce(run))


if __name__ == "__main__":
    stage.run(main)
