"""How long the study's full size would take on 1, 8 and 64 GPUs, from the rates that benchmarks/gpu.py measured on one.

    python benchmarks/wide.py           # prints the table
    python benchmarks/wide.py --write   # puts it into docs/cluster.md

A cell is an emotion: each takes what its examples take at the measured rates, and GPUs take the cells in order. roberta-large was not
measured: its rates are roberta-base's over the operations that it needs more. Needs data/goemotions.parquet (`dvc repro goemotions`).
"""

import argparse
import json
from pathlib import Path

import pandas as pd

from model_emotion.base.files import replace_block
from model_emotion.live.cost import Work, flops, makespan, total_work, work_by_emotion
from model_emotion.project.experiments import load

RATES, PAGE = Path("benchmarks/results/nvidia-h100.json"), Path("docs/cluster.md")
BEGIN, END = "<!-- plan: made by `python benchmarks/wide.py --write` -->\n", "<!-- end of plan -->"
GPUS = (1, 8, 64)
LARGE = {"layers": 24, "width": 4096}
"""roberta-large, as its configuration has it."""


def rates(measured, precision):
    """(examples a second of training, of masked evaluation at the best number of rows)."""
    trained, evaluated = (
        [row for row in measured[of] if row["precision"] == precision] for of in ("training", "evaluation")
    )
    return trained[0]["examples a second"], max(row["examples a second"] for row in evaluated)


def hours(params, table, speed, gpus):
    """Hours of prompts and of evaluation, one after the other, on so many GPUs. speed: as `rates` gives it."""
    cells = work_by_emotion(params, table)
    prompts = makespan([cell.trained / speed[0] + cell.validated / speed[1] for cell in cells], gpus)
    return (prompts + makespan([cell.evaluated / speed[1] for cell in cells], gpus)) / 3600


def block(params, table, measured):
    """Markdown: the examples that are asked for, and minutes for each model, precision and number of GPUs."""
    large = params.model_copy(update={"backbone": params.backbone.model_copy(update=LARGE)})
    more, asked, cells = (
        flops(large, Work(0, 0, 1)) / flops(params, Work(0, 0, 1)),
        total_work(params, table),
        work_by_emotion(params, table),
    )
    lines = [
        f"{asked.trained:,} examples of training, {asked.validated + asked.evaluated:,} of evaluation; roberta-large takes {more:.2f} times "
        f"the operations. Rates: {measured['machine']}.",
        "",
        "| minutes for the whole | precision | examples a second, training and evaluation | "
        + " | ".join(f"{n} GPU{'s' * (n > 1)}, {min(n, len(cells))} busy" for n in GPUS) + " |",
        "| --- " * (3 + len(GPUS)) + "|",
    ]  # fmt: skip
    for name, times in (
        ("roberta-base, from rates measured", 1),
        ("roberta-large, projected, not measured", more),
    ):
        for precision in ("bf16", "tf32"):
            speed = [rate / times for rate in rates(measured, precision)]
            each = " | ".join(f"{60 * hours(params, table, speed, gpus):.0f}" for gpus in GPUS)
            lines.append(f"| {name} | {precision} | {speed[0]:,.0f} and {speed[1]:,.0f} | {each} |")
    return BEGIN + "\n".join(lines) + "\n" + END


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"put it into {PAGE}")
    made = block(
        load("paper").params(), pd.read_parquet("data/goemotions.parquet"), json.loads(RATES.read_text())
    )
    if parser.parse_args().write:
        replace_block(PAGE, BEGIN, END, made)
    else:
        print(made)


if __name__ == "__main__":
    main()
