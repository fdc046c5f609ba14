"""What the report shows besides results: this machine, the times of its stages, and the DVC experiments.

DVC hashes none of it.
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from model_emotion.base.files import parse_yaml
from model_emotion.base.results import MEASURED, folder
from model_emotion.project import environment
from model_emotion.project.environment import git
from model_emotion.project.experiments import load
from model_emotion.project.stage import TIMES

REFERENCES = "refs/exps/"
"""DVC keeps an experiment as the git reference refs/exps/BASELINE/NAME: a commit with its results."""


def records() -> dict[str, dict]:
    """Return {stage: its record} of the stages that measured a model."""
    paths = sorted((folder(MEASURED) / "provenance").glob("*.json"))
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}


def times() -> list[dict]:
    """Return the records of the stages that ran here (stage, seconds, memory), the earliest first."""
    return sorted(
        (json.loads(path.read_text(encoding="utf-8")) for path in TIMES.glob("*.json")),
        key=lambda record: record["ended"],
    )


def flat(values: Mapping[str, Any] | None, above: str = "") -> dict[str, Any]:
    """Return nested parameters as {"a.b": value}."""
    found: dict[str, Any] = {}
    for key, value in (values or {}).items():
        found |= flat(value, f"{above}{key}.") if isinstance(value, dict) else {f"{above}{key}": value}
    return found


def settings(revision: str) -> dict[str, Any]:
    """Return the parameters of a commit as {"a.b": value}."""
    return flat(parse_yaml(git("show", f"{revision}:params.yaml") or ""))


def result(revision: str, name: str) -> dict[str, Any]:
    """Return a JSON result of the run `live` in a commit, {} if the commit has none."""
    text = git("show", f"{revision}:{folder(MEASURED) / name}")
    return json.loads(text) if text else {}


def experiments() -> dict[tuple[str, str], str]:
    """Return {(commit it started from, name): git reference} of the DVC experiments of this checkout."""
    found = {}
    for reference in (git("for-each-ref", "--format=%(refname)", REFERENCES) or "").split():
        parts = reference.removeprefix(REFERENCES).split("/")
        if len(parts) == 3 and len(parts[0] + parts[1]) == 40:  # the others are DVC's queues and caches
            found[parts[0] + parts[1], parts[2]] = reference
    return found


def compared_experiments() -> list[dict[str, Any]]:
    """Return every experiment: question, baseline, changed settings, and numbers. Baselines come first.

    The baseline is the one that experiments/NAME.yaml names if it started from the same commit, else that.
    """
    found, rows = experiments(), []
    for (commit, name), reference in sorted(found.items()):
        asked = load(name) if Path(f"experiments/{name}.yaml").exists() else None
        base = asked.base if asked and (commit, asked.base) in found else None
        before, after = settings(found[commit, base] if base else commit), settings(reference)
        metrics = result(reference, "metrics.json")
        rows.append(
            {
                "name": name,
                "question": asked.question if asked else "",
                "against": base or commit[:7],
                "set": {key: value for key, value in after.items() if before.get(key, ...) != value},
                "held": result(reference, "claims.json").get("count", {}).get("PASS"),
                **{key: metrics.get(key) for key in ("mean_accuracy", "mean_majority", "human_correlation")},
                "drop": metrics.get("drop", {}),
            }
        )
    names = {row["name"] for row in rows}
    return sorted(rows, key=lambda row: (row["against"] in names, row["name"]))


def describe(runs: Collection[str]) -> dict[str, Any]:
    """Return this machine, its records, times and experiments by the names in page.html.

    Only a page that shows the run `live` has the records of its measuring stages.
    """
    return {
        "machine": environment.describe(),
        "records": records() if MEASURED in runs else {},
        "times": times(),
        "experiments": compared_experiments(),
        "named_experiments": [path.stem for path in sorted(Path("experiments").glob("*.yaml"))],
    }
