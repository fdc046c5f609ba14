"""Compute how long the study's full size would take on 1, 8 and 64 GPUs, from the rates measured on one.

    python benchmarks/wide.py           # print the table
    python benchmarks/wide.py --write   # write it into docs/cluster.md

The rates are those of benchmarks/gpu.py. GPUs take the emotions in order, and each emotion takes the time of
its examples. roberta-large was not measured: its rates are roberta-base's, divided by its additional
operations. Needs data/goemotions.parquet (`dvc repro goemotions`).
"""

import argparse
import json
from pathlib import Path

import pandas as pd

from model_emotion.base.files import replace_block
from model_emotion.live.cost import Work, flops, makespan, total_work, work_by_emotion
from model_emotion.params import Params
from model_emotion.project.experiments import load

RATES, PAGE = Path("benchmarks/results/nvidia-h100.json"), Path("docs/cluster.md")
BEGIN, END = "<!-- plan: made by `python benchmarks/wide.py --write` -->\n", "<!-- end of plan -->"
GPUS = (1, 8, 64)
LARGE = {"layers": 24, "width": 4096}
"""The size of roberta-large."""


def rates(measured: dict, precision: str) -> tuple[float, float]:
    """Return examples a second: (of training, of masked evaluation at the best batch size)."""
    trained, evaluated = (
        [row for row in measured[of] if row["precision"] == precision] for of in ("training", "evaluation")
    )
    return trained[0]["examples a second"], max(row["examples a second"] for row in evaluated)


def hours(params: Params, table: pd.DataFrame, speed: tuple[float, float], gpus: int) -> float:
    """Return the hours of prompts and then evaluation on a number of GPUs. speed: as `rates` returns it."""
    cells = work_by_emotion(params, table)
    prompts = makespan([cell.trained / speed[0] + cell.validated / speed[1] for cell in cells], gpus)
    return (prompts + makespan([cell.evaluated / speed[1] for cell in cells], gpus)) / 3600


def block(params: Params, table: pd.DataFrame, measured: dict) -> str:
    """Return Markdown: the number of examples, and minutes for each model, precision and number of GPUs."""
    large = params.model_copy(update={"backbone": params.backbone.model_copy(update=LARGE)})
    more = flops(large, Work(0, 0, 1)) / flops(params, Work(0, 0, 1))
    asked, emotions = total_work(params, table), len(work_by_emotion(params, table))
    busy = [f"{n} GPU{'s' * (n > 1)}, {min(n, emotions)} busy" for n in GPUS]
    header = ["minutes for the whole", "precision", "examples a second, training and evaluation", *busy]
    lines = [
        f"{asked.trained:,} examples of training, {asked.validated + asked.evaluated:,} of evaluation; "
        f"roberta-large takes {more:.2f} times the operations.",
        f"Rates: {measured['machine']}.",
        "",
        f"| {' | '.join(header)} |",
        "| --- " * len(header) + "|",
    ]
    for name, times in (
        ("roberta-base, from rates measured", 1),
        ("roberta-large, projected, not measured", more),
    ):
        for precision in ("bf16", "tf32"):
            training, evaluation = rates(measured, precision)
            speed = (training / times, evaluation / times)
            each = " | ".join(f"{60 * hours(params, table, speed, gpus):.0f}" for gpus in GPUS)
            lines.append(f"| {name} | {precision} | {speed[0]:,.0f} and {speed[1]:,.0f} | {each} |")
    return BEGIN + "\n".join(lines) + "\n" + END


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write it into {PAGE}")
    made = block(
        load("paper").params(), pd.read_parquet("data/goemotions.parquet"), json.loads(RATES.read_text())
    )
    if parser.parse_args().write:
        replace_block(PAGE, BEGIN, END, made)
    else:
        print(made)


if __name__ == "__main__":
    main()
