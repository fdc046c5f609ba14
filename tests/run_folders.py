"""Change the files of an exported run, to spoil it."""

import json

import pandas as pd

from model_emotion.base.files import parse_yaml, read_tensors, write_tensors

NAME = "elsewhere"


def edit_card(folder, **values):
    path = folder / "run.yaml"
    path.write_text(json.dumps(parse_yaml(path.read_text()) | values))


def edit_csv(folder, name, change):
    table = pd.read_csv(folder / name, dtype=str, keep_default_na=False)
    change(table).to_csv(folder / name, index=False)


def edit_tensors(folder, change=lambda values: values, **changed):
    tensors, axes = read_tensors(folder / "activations.safetensors")
    write_tensors(
        {"activations": change(tensors["activations"])}, folder / "activations.safetensors", axes | changed
    )
