"""What `make repro` and, for one run, `make published` do: run the pipeline, write the report, check the claims.

`python -m model_emotion.claims.reproduce [--run RUN]` exits with 1 where a claim on the study fails.
"""

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path

import yaml

from model_emotion.claims import verdicts
from model_emotion.params import load_params
from model_emotion.project import environment, stage

TARGETS = ("figures", "retests", "claims")
"""The last stages of a run."""
SUMMARY, PAGE = Path("results/report.json"), Path("report.html")


def stages_with_committed_outputs(pipeline: dict, runs: list[str]) -> list[str]:
    """The stages of dvc.yaml, as DVC names them, all of whose outputs git keeps (`cache: false`)."""
    found = []
    for name, entry in pipeline["stages"].items():
        outs = [out for kind in ("outs", "metrics", "plots") for out in entry.get(kind, [])]
        if all(isinstance(out, dict) and next(iter(out.values())).get("cache") is False for out in outs):
            found += [f"{name}@{run}" for run in runs] if "matrix" in entry else [name]
    return found


def never_run(stages: list[str]) -> list[str]:
    """Those of the stages that have not run in this checkout yet."""
    return [name for name in stages if not (stage.TIMES / f"{name}.json").exists()]


def call(*command: str) -> None:
    """Run a command; where it fails, exit with its status."""
    if status := subprocess.run(command).returncode:
        sys.exit(status)


def reproduce(run: str | None) -> bool:
    """Bring all results up to date, or those of one run. Returns whether no claim failed.

    On a fresh clone DVC skips a stage whose outputs are committed, `figures` for example, as soon as its inputs come out with the
    hashes in dvc.lock. Whoever reproduces a result wants it made on this machine, so such stages are forced once.
    """
    runs = [run] if run else load_params().runs
    call("dvc", "repro", *([f"{name}@{run}" for name in TARGETS] if run else []))
    committed = stages_with_committed_outputs(
        yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8")), runs
    )
    if stages := never_run([name for name in committed if not run or name.endswith(f"@{run}")]):
        print(
            f"Not run in this checkout yet, although their outputs are committed: {', '.join(stages)}",
            flush=True,
        )
        call("dvc", "repro", "--force", "--single-item", *stages)
    if run:
        call(sys.executable, "-m", "stages.report", "--run", run)
    elif not page_is_current():  # DVC may have taken the summary from its cache
        call(sys.executable, "-m", "stages.report")
    return verdicts.check(run)


def page_is_current() -> bool:
    """Whether report.html was made from the present results."""
    digest = hashlib.sha256(SUMMARY.read_bytes()).hexdigest()
    return PAGE.exists() and digest in PAGE.read_text(encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", help="this run alone")
    run = parser.parse_args().run
    load_params()  # a wrong value is reported before anything runs
    environment.main()
    sys.exit(not reproduce(run))


if __name__ == "__main__":
    stage.run(main)
