"""What the report shows beside results: this machine, how long its stages took, and the experiments. None of it is hashed by DVC."""

import json
from pathlib import Path

from model_emotion.base.files import parse_yaml
from model_emotion.base.results import MEASURED, folder
from model_emotion.project import environment
from model_emotion.project.environment import git
from model_emotion.project.experiments import load
from model_emotion.project.stage import TIMES


def records():
    """{stage: record} of the stages that measured a model."""
    paths = sorted((folder(MEASURED) / "provenance").glob("*.json"))
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}


def times():
    """[{stage, seconds, memory}] of what ran on this machine, in the order of the pipeline as far as it is known."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in TIMES.glob("*.json")]
    return sorted(found, key=lambda one: one["ended"])


def _flat(values, above=""):
    """Nested parameters as {"a.b": value}."""
    found = {}
    for key, value in (values or {}).items():
        found |= _flat(value, f"{above}{key}.") if isinstance(value, dict) else {f"{above}{key}": value}
    return found


def _settings(revision):
    return _flat(parse_yaml(git("show", f"{revision}:params.yaml") or ""))


def _json(revision, path):
    text = git("show", f"{revision}:{path}")
    return json.loads(text) if text else {}


def compared_experiments():
    """Every DVC experiment of this checkout: name, what it is compared with and sets, and the few numbers that experiments are compared by.

    DVC keeps an experiment as the git reference refs/exps/BASELINE/NAME, with its results committed. One that experiments/ gives a base is
    compared with that, where it was run from the same commit, else with the commit.
    """
    found = {}
    for reference in (git("for-each-ref", "--format=%(refname)", "refs/exps") or "").split():
        parts = reference.removeprefix("refs/exps/").split("/")
        if len(parts) == 3 and len(parts[0] + parts[1]) == 40:  # else DVC's own queues and caches
            found[parts[0] + parts[1], parts[2]] = reference
    rows = []
    for (commit, name), reference in sorted(found.items()):
        asked = load(name) if Path(f"experiments/{name}.yaml").exists() else None
        base = asked.base if asked and (commit, asked.base) in found else None
        before, after = _settings(found[commit, base] if base else commit), _settings(reference)
        metrics = _json(reference, "results/live/metrics.json")
        rows.append({
            "name": name, "question": asked.question if asked else "", "against": base or commit[:7],
            "set": {key: value for key, value in after.items() if key not in before or before[key] != value},
            "held": _json(reference, "results/live/claims.json").get("count", {}).get("PASS"),
            **{key: metrics.get(key) for key in ("mean_accuracy", "mean_majority", "human_correlation")},
            "drop": metrics.get("drop", {}),
        })  # fmt: skip
    return sorted(
        rows, key=lambda row: (row["against"] in {other["name"] for other in rows}, row["name"])
    )  # bases first


def describe():
    """By the names that page.html uses."""
    names = sorted(Path("experiments").glob("*.yaml"))
    return {
        "machine": environment.describe(), "records": records(), "times": times(), "experiments": compared_experiments(),
        "named_experiments": [path.stem for path in names],
    }  # fmt: skip
