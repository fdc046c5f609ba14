"""Named experiments: experiments/NAME.yaml asks a question and overrides settings of params.yaml to answer it.

`python -m model_emotion.project.experiments NAME` runs it as a DVC experiment of that name, `python -m model_emotion.project.experiments` all small ones
that this commit does not have yet. Both start from the commit that is checked out and leave the checkout as it was.
"""

import json
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML

from model_emotion.base.errors import UserError
from model_emotion.base.validation import check
from model_emotion.params import Params
from model_emotion.project.commands import output
from model_emotion.project.stage import run


class Setting(BaseModel):
    """A key of params.yaml, its value here, and where the value comes from."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    key: str
    value: bool | int | float | str | list | None
    source: str = ""

    def override(self):
        """KEY=VALUE as `dvc exp run --set-param` reads it."""
        return f"{self.key}={json.dumps(self.value, ensure_ascii=False)}"


class Experiment(BaseModel):
    """What an experiment asks, and its settings. base: another experiment whose settings hold too, and that this one is compared with."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    question: str
    base: str | None = None
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
        return check(values, path, Params)


def load(name, folder="experiments"):
    """Experiment of that name. Raises UserError that says what there is."""
    path = Path(folder) / f"{name}.yaml"
    if not path.is_file():
        raise UserError(
            f"{path}: not there; there are {', '.join(sorted(path.stem for path in Path(folder).glob('*.yaml')))}"
        )
    try:
        found = Experiment.model_validate(YAML(typ="safe").load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise UserError(f"{path}: {' '.join(str(error).split())}") from None
    own = {setting.key for setting in found.settings}
    inherited = (
        [setting for setting in load(found.base, folder).settings if setting.key not in own]
        if found.base
        else []
    )
    return found.model_copy(update={"settings": inherited + found.settings})


def small(folder="experiments"):
    """Names of the experiments for a CPU, the base that they are compared with first."""
    loaded = {path.stem: load(path.stem, folder) for path in sorted(Path(folder).glob("*.yaml"))}
    bases = dict.fromkeys(experiment.base for experiment in loaded.values() if experiment.base)
    return [*bases, *(name for name, experiment in loaded.items() if experiment.base)]


SETTINGS = ("params.yaml", "dvc.lock")
RESULTS, RECORDS = ("results", "paper_figures"), "results/live/provenance"


@contextmanager
def as_committed():
    """The checkout is the commit inside, or UserError, and is so again afterwards, with DVC's files.

    What a stage's record says of its own run may differ from the commit, and stays as it was.
    """
    if changed := output(
        "git", "status", "--porcelain", "--untracked-files=no", "--", ".", f":!{RECORDS}"
    ).splitlines():
        file = changed[0].split()[-1]
        raise UserError(
            f"{file} differs from the commit, which an experiment starts from: commit it, or `git checkout {file}`"
        )
    before = {path: Path(path).read_bytes() for path in SETTINGS}
    records, there = {path: path.read_bytes() for path in Path(RECORDS).glob("*.json")}, _untracked()
    try:
        yield
    finally:
        for path, content in before.items():  # git takes a file of the same size and second for unchanged
            Path(path).write_bytes(content)
        subprocess.run(["git", "checkout", "--quiet", "HEAD", "--", "."])
        subprocess.run(["dvc", "checkout", "--quiet", "--force", "--allow-missing"], capture_output=True)
        for path in (
            _untracked() - there
        ):  # of folders that git and not DVC keeps: another seed's curve, a figure the commit has not
            Path(path).unlink()
        for path, content in records.items():
            path.write_bytes(content)


def _untracked():
    """Files among the results that git neither has nor ignores."""
    return set(
        output("git", "ls-files", "-z", "--others", "--exclude-standard", "--", *RESULTS).split("\0")
    ) - {""}


def perform(name):
    """Run an experiment from the commit that is checked out. Raises UserError where there is one of that name, or it does not finish."""
    experiment = load(name)
    experiment.params()
    print(f"{name}: {experiment.question}", flush=True)
    if name in done():
        raise UserError(
            f"this commit has an experiment {name}: `dvc exp show` shows it, `dvc exp remove {name}` makes room for another"
        )
    options = [part for setting in experiment.settings for part in ("--set-param", setting.override())]
    with as_committed(), _waiting():
        if subprocess.run(["dvc", "exp", "run", "--name", name, *options]).returncode:
            raise UserError(
                f"the experiment {name} did not finish; what it measured is kept, and the same command goes on with it"
            )


@contextmanager
def _waiting():
    """An interrupt, which the terminal sends to dvc too, is left to dvc: what it began it ends."""
    before = signal.signal(signal.SIGINT, lambda *_: None)  # not SIG_IGN, which dvc would inherit
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def done():
    """Names of the experiments that start from the commit that is checked out."""
    return output("dvc", "exp", "list", "--name-only").split()


def main():
    if len(sys.argv) > 1:
        perform(sys.argv[1])
        return
    for name in small():
        if name not in done():
            perform(name)
    subprocess.run(["dvc", "exp", "show", "--only-changed", "--drop", "Created|State|Executor"])


if __name__ == "__main__":
    run(main)
