"""What the page shows of drops: of every attribute and emotion, at every mask size, from both baselines.

The baseline of a drop is the attribute's own random mask, or the mean of all random masks of its size. If all
attributes share the run's random masks, the two are the same.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from model_emotion.base.files import read_csv
from model_emotion.base.results import folder, read_masked_accuracy
from model_emotion.report import hypotheses
from model_emotion.report.page import packed, script_json
from model_emotion.report.scale import round_ticks

UNIT = 1e-5
"""Accuracies and drops are whole multiples of this fraction of 1 in the page."""
BASELINES = {
    "own": ("", "human_correlation_of_size"),
    "all": ("pooled", "human_correlation_pooled_of_size"),
}
"""Baseline -> the folder of its tables in results/RUN, and the re-test of its correlation.

The baseline is the attribute's own random mask, or all random masks of the size.
"""
ALL_EMOTIONS = ""
NEAREST = 3
"""As many emotions are named as the nearest ones."""


def _units(value: float) -> int | None:
    return None if pd.isna(value) else round(value / UNIT)


def _rounded(value: float, digits: int = 5) -> float | None:
    return None if pd.isna(value) else round(float(value), digits)


def _tests(table: pd.DataFrame, order: Sequence[str], key: str) -> list[list[Any] | None]:
    """Return [drop, ci_low, ci_high, q, star] in an order of the column `key`; None where there is no row."""
    rows = table.set_index(key)
    return [
        [*(_units(rows.at[name, column]) for column in ("drop", "ci_low", "ci_high"))]
        + [_rounded(rows.at[name, "q"]), int(rows.at[name, "star"])]
        if name in rows.index
        else None
        for name in order
    ]


def _of_size(
    tables: dict[str, pd.DataFrame], k: int, attributes: Sequence[str], emotions: Sequence[str]
) -> dict[str, Any]:
    """Return the tests of one baseline at one size, for all emotions together and for each."""
    at = {name: table[table["k"] == k] for name, table in tables.items()}
    cells = dict(iter(at["cell"].groupby("emotion", sort=False)))
    return {
        "attributes": {ALL_EMOTIONS: _tests(at["attribute"], attributes, "attribute")}
        | {name: _tests(cells[name], attributes, "attribute") for name in emotions if name in cells},
        "emotions": _tests(at["emotion"], emotions, "emotion"),
        "r": {name: _rounded(r) for name, r in zip(at["r"]["emotion"], at["r"]["r"], strict=True)},
    }


def _random_masks(masked: pd.DataFrame, k: int) -> dict[str, list[int | None]]:
    """Return the mean accuracy with each random mask of a size, over the seeds: all emotions, and each."""
    random = masked[(masked["kind"] == "random") & (masked["k"] == k)]
    masks = random.assign(attribute=random["attribute"].fillna("")).groupby(["attribute", "draw"], sort=False)
    wide = pd.DataFrame({key: mask.groupby("emotion")["accuracy"].mean() for key, mask in masks})
    return {ALL_EMOTIONS: [_units(mean) for mean in wide.mean()]} | {
        str(name): [_units(mean) for mean in row]
        for name, row in zip(wide.index, wide.to_numpy(), strict=True)
    }


def _tables(place: Path) -> dict[str, pd.DataFrame]:
    """Return the tests of drops in a folder, by what each is of, and the correlations of each emotion."""
    return {name: read_csv(place / f"drop_by_{name}.csv") for name in ("emotion", "attribute", "cell")} | {
        "r": read_csv(place / "human_correlation.csv")
    }


def of_run(run: str, attributes: Sequence[str], emotions: Sequence[str]) -> dict[str, Any]:
    """Return the drops of a run; attributes and emotions are in the order of the page.

    A size has k, the mean accuracy with each random mask, and for each baseline the tests of drops and the
    correlations with human weight.
    """
    out, answers = folder(run), hypotheses.read_answers(run)
    human = read_csv(out / "weights.csv").set_index("attribute")["tau_boot"]
    tables = {name: _tables(out / place) for name, (place, _) in BASELINES.items()}
    tables = {name: of for name, of in tables.items() if len(of["cell"])}
    over = {name: answers(BASELINES[name][1]) for name in tables}
    masked = read_masked_accuracy(run)
    masked = masked[masked["emotion"].isin(tables["own"]["cell"]["emotion"].unique())]
    main = int(answers("place_among_random")["k"].iloc[0])
    sizes = []
    for k in sorted(tables["own"]["attribute"]["k"].unique()):
        of_baselines = {name: _of_size(of, k, attributes, emotions) for name, of in tables.items()}
        for name, found in over.items():
            if str(k) in found.index:
                row = found.loc[str(k)]
                ends = (_rounded(row["ci_low"]), _rounded(row["ci_high"]))
                of_baselines[name]["r"][ALL_EMOTIONS] = (
                    None if pd.isna(row["estimate"]) else [_rounded(row["estimate"]), *ends]
                )
        random = _random_masks(masked, k)
        sizes.append({"k": int(k), "main": int(k) == main, "random": random, "baselines": of_baselines})
    return {
        "sizes": sizes,
        "weights": [_rounded(human.get(name, np.nan)) for name in attributes],
        "accuracy": {
            row["emotion"]: [_units(row["accuracy"]), _units(row["majority"]), bool(row["floor"])]
            for row in read_csv(out / "floor.csv").to_dict("records")
        },
    }


def _reach(values: Sequence[int | None]) -> list[float]:
    """Return round ticks, in percentage points, that enclose these drops and 0."""
    known = [100 * UNIT * value for value in values if value is not None]
    return list(round_ticks(min(0, *known), max(0, *known)))


def _scales(runs: dict[str, dict[str, Any]]) -> dict[str, list[float]]:
    """Return the ticks of the axes, in percentage points: the same for all runs, sizes and baselines.

    mean: for all emotions together, with every random mask. one: for a single emotion. emotions: for the
    drop of each emotion.
    """
    found: dict[str, list[int | None]] = {"mean": [], "one": [], "emotions": []}
    for of in runs.values():
        for size in of["sizes"]:
            for tests in size["baselines"].values():
                for emotion, of_emotion in tests["attributes"].items():
                    ends = [value for row in of_emotion if row for value in row[:3]]
                    found["mean" if emotion == ALL_EMOTIONS else "one"] += ends
                found["emotions"] += [value for row in tests["emotions"] if row for value in row[:3]]
            means = size["random"][ALL_EMOTIONS]
            found["mean"] += [end - start for start in means for end in means]
    one = [value for value in found["one"] if value is not None]
    found["one"] = [int(end) for end in np.percentile(one, [0.5, 99.5])]  # a few intervals reach farther
    return {name: _reach(values) for name, values in found.items()}


def nearest(rdm: pd.DataFrame, names: Sequence[str]) -> dict[str, list[str]]:
    """Return the NEAREST emotions of each emotion. rdm: `emotion_a, emotion_b, distance`."""
    swapped = rdm.rename(columns={"emotion_a": "emotion_b", "emotion_b": "emotion_a"})
    both = pd.concat([rdm, swapped]).sort_values("distance", kind="stable")
    return {name: both.loc[both["emotion_a"] == name, "emotion_b"].head(NEAREST).tolist() for name in names}


def _order(tables: dict[str, pd.DataFrame], name: str) -> list[str]:
    """Return the names in a column of each run's drops, by the first run's at the size of its re-tests."""
    run, first = next(iter(tables.items()))
    k = hypotheses.read_answers(run)("place_among_random")["k"].iloc[0]
    largest_first = first[first["k"] == k].sort_values("drop", ascending=False)[name]
    return list(dict.fromkeys([*largest_first, *(one for table in tables.values() for one in table[name])]))


def drops(runs: Sequence[str]) -> dict[str, Any]:
    """Return the drops of all runs: `packed` for the page's script, and what its template shows.

    Attributes and emotions have one order for all runs: by the first run's drops at the mask size of its
    re-tests.
    """
    by_attribute, by_emotion = (
        {run: read_csv(folder(run) / f"drop_by_{name}.csv") for run in runs}
        for name in ("attribute", "emotion")
    )
    attributes = _order(by_attribute, "attribute")
    measured = [name for run in runs for name in read_csv(folder(run) / "floor.csv")["emotion"]]
    emotions = list(dict.fromkeys([*_order(by_emotion, "emotion"), *measured]))
    found = {run: of_run(run, attributes, emotions) for run in runs}
    people = read_csv(folder(runs[0]) / "mean_rdm.csv")
    content = {
        "attributes": attributes,
        "emotions": emotions,
        "unit": UNIT,
        "scales": _scales(found),
        "runs": found,
        "nearest": nearest(people, emotions) if len(people) else {},
    }
    return {
        "packed": packed(script_json(content).encode()),
        "emotions": sorted(emotions),
        "sizes": {run: [size["k"] for size in of["sizes"]] for run, of in found.items()},
        "main": {run: [size["main"] for size in of["sizes"]].index(True) for run, of in found.items()},
        "random": {
            run: [len(size["random"][ALL_EMOTIONS]) for size in of["sizes"]] for run, of in found.items()
        },
        "attributes": {run: tables["attribute"].nunique() for run, tables in by_attribute.items()},
        "paired": {run: "all" in of["sizes"][0]["baselines"] for run, of in found.items()},
    }
