"""`make paper`, before it starts: the hours it would take here, or, where there is no GPU, one line on why not here.

`python -m model_emotion.paper NAME` prints the projection for experiments/NAME.yaml and fails without CUDA.
"""

import sys

import pandas as pd
import torch

from model_emotion import cli
from model_emotion.experiment import load
from model_emotion.model.setup import DATA, engine_of
from model_emotion.projection import flops, measured_rates, product_rate, task_sizes, work

DRAWS, EPOCHS = (2, 20, 100), (2, 50)


def changed(params, draws, epochs):
    """Params with other numbers of random draws, of every size, and of epochs."""
    masks = params.masks.model_copy(update={"draws": draws, "other_draws": draws})
    return params.model_copy(update={"masks": masks, "training": params.training.model_copy(update={"epochs": epochs})})


def refusal(params, table):
    """One sentence for a machine without CUDA."""
    asked, rate = work(params, table), product_rate()
    days = flops(params, asked) / rate / 86400
    return (
        f"no CUDA GPU here. {len(params.emotions)} x {len(params.seeds)} prompts take {asked.trained:,} examples of training and "
        f"{asked.evaluated:,} of masked evaluation: {flops(params, asked):.1e} operations, at the {rate / 1e9:.0f} billion a second of "
        f"this CPU's matrix products {days:.0f} days at the very least; run it where `nvidia-smi` shows a GPU"
    )


def hours(params, table, rates):
    """Frame: projected hours for every number of draws and epochs; rates: examples a second of training and of evaluation."""
    rows = []
    for epochs in EPOCHS:
        for draws in DRAWS:
            asked = work(changed(params, draws, epochs), table)
            rows.append((epochs, draws, asked.trained / rates[0] / 3600, (asked.looked + asked.evaluated) / rates[1] / 3600))
    table = pd.DataFrame(rows, columns=["epochs", "random draws", "training (h)", "evaluation (h)"])
    return table.assign(**{"whole (h)": table["training (h)"] + table["evaluation (h)"]})


def main():
    params = load(sys.argv[1]).params()
    if not DATA.exists():
        raise cli.UserError(f"{DATA}: not there; make it with `dvc repro goemotions`")
    table = pd.read_parquet(DATA)
    if not torch.cuda.is_available():
        raise cli.UserError(refusal(params, table))
    texts = task_sizes(params, table, params.protocol.split, params.evaluation.examples)
    rates = measured_rates(engine_of(params.backbone, params.protocol.positions), params, int(texts.mean()))
    print(f"{torch.cuda.get_device_name()}: {rates[0]:,.0f} examples a second in training, {rates[1]:,.0f} in masked evaluation")
    print(hours(params, table, rates).round(2).to_string(index=False), flush=True)


if __name__ == "__main__":
    cli.run(main)
