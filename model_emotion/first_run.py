"""Run stages whose outputs are committed, if this checkout has never run them: `python -m model_emotion.first_run [--run RUN]`.

On a fresh clone DVC skips such a stage, `figures` for example, as soon as its inputs come out with the hashes in dvc.lock.
Whoever reproduces a result wants it made on this machine. `results/times` says which stages have run here.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import yaml

from model_emotion import cli
from model_emotion.environment import TIMES
from model_emotion.params import load_params


def stages_with_committed_outputs(pipeline: dict, runs: list[str]) -> list[str]:
    """The stages of dvc.yaml, as DVC names them, all of whose outputs git keeps (`cache: false`)."""
    found = []
    for name, stage in pipeline["stages"].items():
        outs = [out for kind in ("outs", "metrics", "plots") for out in stage.get(kind, [])]
        if all(isinstance(out, dict) and next(iter(out.values())).get("cache") is False for out in outs):
            found += [f"{name}@{run}" for run in runs] if "matrix" in stage else [name]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--run", help="the stages of this run alone")
    run = parser.parse_args().run
    stages = stages_with_committed_outputs(yaml.safe_load(Path("dvc.yaml").read_text()), [run] if run else load_params().runs)
    stages = [stage for stage in stages if not (TIMES / f"{stage}.json").exists() and (not run or stage.endswith(f"@{run}"))]
    if stages:
        print(f"Not run in this checkout yet, although their outputs are committed: {', '.join(stages)}", flush=True)
        sys.exit(subprocess.run(["dvc", "repro", "--force", "--single-item", *stages]).returncode)


if __name__ == "__main__":
    cli.run(main)
