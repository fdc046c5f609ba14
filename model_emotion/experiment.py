"""Named experiments: experiments/NAME.yaml asks a question and overrides settings of params.yaml to answer it.

`python -m model_emotion.experiment NAME` prints the overrides as options of `dvc exp run`, a line each.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML

from model_emotion.cli import UserError, run
from model_emotion.params import check


class Setting(BaseModel):
    """A key of params.yaml, its value here, and where the value comes from."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    key: str
    value: bool | int | float | str | list | None
    source: str = ""

    def override(self):
        """KEY=VALUE as `dvc exp run --set-param` reads it."""
        return f"{self.key}={json.dumps(self.value)}"


class Experiment(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    question: str
    settings: Annotated[list[Setting], Field(min_length=1)]

    def params(self, path="params.yaml"):
        """Params of a file with the settings in place. Raises UserError where one is no setting, or its value is none."""
        values = YAML(typ="safe").load(Path(path).read_text(encoding="utf-8"))
        for setting in self.settings:
            *sections, leaf = setting.key.split(".")
            place = values
            for section in sections:
                place = place.get(section, {}) if isinstance(place, dict) else {}
            if leaf not in place:
                raise UserError(f"{setting.key}: {path} has no such key")
            place[leaf] = setting.value
        return check(values, path)


def load(name, folder="experiments"):
    """Experiment of that name. Raises UserError that says what there is."""
    path = Path(folder) / f"{name}.yaml"
    if not path.is_file():
        raise UserError(f"{path}: not there; there are {', '.join(sorted(path.stem for path in Path(folder).glob('*.yaml')))}")
    try:
        return Experiment.model_validate(YAML(typ="safe").load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise UserError(f"{path}: {' '.join(str(error).split())}") from None


def main():
    experiment = load(sys.argv[1])
    experiment.params()
    for setting in experiment.settings:
        print("--set-param", setting.override(), sep="\n")


if __name__ == "__main__":
    run(main)
