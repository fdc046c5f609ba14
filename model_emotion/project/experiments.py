"""Run named experiments: experiments/NAME.yaml asks a question and sets keys of params.yaml to answer it.

`python -m model_emotion.project.experiments NAME [RUN [WHO]]` runs one as a DVC experiment of that name, and
writes its measurement, by WHO, to data/runs/RUN. Without NAME, it runs all small experiments that this commit
does not have yet. Each starts from the commit that is checked out, and leaves the checkout unchanged.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_yaml
from model_emotion.base.settings import set_key
from model_emotion.params import Params, check, load_params
from model_emotion.project.checkout import require_git, require_plain
from model_emotion.project.commands import output
from model_emotion.project.stage import run

FOLDER = Path("experiments")
SETTINGS = (Path("params.yaml"), Path("dvc.lock"))
RESULTS, RECORDS = ("results", "paper_figures"), "results/live/provenance"


class Setting(BaseModel):
    """A key of params.yaml, its value in the experiment, and where that value comes from."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    key: str
    value: bool | int | float | str | list | None
    source: str = ""

    def override(self) -> str:
        """Return KEY=VALUE, as `dvc exp run --set-param` reads it."""
        return f"{self.key}={json.dumps(self.value, ensure_ascii=False)}"


class Experiment(BaseModel):
    """A question and the settings that answer it.

    base: another experiment, whose settings hold too and with which this one is compared.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    question: str
    base: str | None = None
    settings: Annotated[list[Setting], Field(min_length=1)]

    def params(self, path: Path | str = "params.yaml") -> Params:
        """Return the parameters of a file with the settings applied.

        Raises UserError for an unknown key or value.
        """
        values = read_yaml(path)
        for setting in self.settings:
            set_key(values, setting.key, setting.value, path)
        return check(values, path)


def load(name: str, folder: Path = FOLDER) -> Experiment:
    """Read the experiment of a name, with the settings of its base.

    Raises UserError if it is missing or invalid.
    """
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
        raise UserError(f"{path}: not found; the experiments are {known}")
    try:
        found = Experiment.model_validate(read_yaml(path))
    except ValidationError as error:
        raise UserError(f"{path}: {' '.join(str(error).split())}") from None
    if not found.base:
        return found
    own = {setting.key for setting in found.settings}
    inherited = [setting for setting in load(found.base, folder).settings if setting.key not in own]
    return found.model_copy(update={"settings": inherited + found.settings})


def small(folder: Path = FOLDER) -> list[str]:
    """Return the names of the experiments that a CPU can run, first the base that they are compared with."""
    loaded = {path.stem: load(path.stem, folder) for path in sorted(folder.glob("*.yaml"))}
    bases = dict.fromkeys(experiment.base for experiment in loaded.values() if experiment.base)
    return [*bases, *(name for name, experiment in loaded.items() if experiment.base)]


@contextmanager
def as_committed() -> Iterator[None]:
    """Make sure that the checkout equals the commit, and restore it afterwards, including DVC's files.

    Records of stages in RECORDS may differ from the commit, and are left as they were. Raises UserError if
    another tracked file differs.
    """
    status = output("git", "status", "--porcelain", "--untracked-files=no", "--", ".", f":!{RECORDS}")
    if changed := status.splitlines():
        file = changed[0].split()[-1]
        raise UserError(
            f"{file} differs from the commit that the experiment starts from: commit it, or discard the "
            f"change with `git checkout {file}`"
        )
    before = {path: path.read_bytes() for path in SETTINGS}
    records, untracked = {path: path.read_bytes() for path in Path(RECORDS).glob("*.json")}, _untracked()
    try:
        yield
    finally:
        # git would take a file with the same size and the same second for unchanged.
        for path, content in before.items():
            path.write_bytes(content)
        subprocess.run(["git", "checkout", "--quiet", "HEAD", "--", "."])
        subprocess.run(["dvc", "checkout", "--quiet", "--force", "--allow-missing"], capture_output=True)
        # Files in folders that git keeps, not DVC, such as another seed's learning curve.
        for name in _untracked() - untracked:
            Path(name).unlink()
        for path, content in records.items():
            path.write_bytes(content)


def _untracked() -> set[str]:
    """Return the files among the results that git neither tracks nor ignores."""
    listed = output("git", "ls-files", "-z", "--others", "--exclude-standard", "--", *RESULTS)
    return set(listed.split("\0")) - {""}


def perform(name: str, exported: str = "", by: str = "") -> None:
    """Run an experiment from the commit that is checked out.

    exported: the folder in data/runs to write its measurement to, if any. by: who measures, for its card.
    Raises UserError if the folder exists, if this commit already has an experiment of that name, or if the
    run does not finish.
    """
    experiment = load(name)
    experiment.params()
    if exported and (out := Path("data/runs", exported)).exists():
        raise UserError(f"{out}: exists already; move it away first")
    print(f"{name}: {experiment.question}", flush=True)
    if name in done():
        raise UserError(
            f"this commit already has an experiment {name}: `dvc exp show` shows it, `dvc exp remove {name}` "
            "removes it"
        )
    options = [part for setting in experiment.settings for part in ("--set-param", setting.override())]
    with as_committed(), _interrupts_left_to_dvc():
        if subprocess.run(["dvc", "exp", "run", "--name", name, *options]).returncode:
            raise UserError(
                f"the experiment {name} did not finish; its measurements so far are kept: "
                "run the same command to resume"
            )
        # The checkout has the experiment's results until the block ends.
        command = [sys.executable, "-m", "model_emotion.live.run_export", exported, f"--by={by}"]
        if exported and subprocess.run(command).returncode:
            raise UserError(f"the experiment {name} is finished, but data/runs/{exported} was not written")


@contextmanager
def _interrupts_left_to_dvc() -> Iterator[None]:
    """Ignore Ctrl-C inside. The terminal sends it to DVC too, which stops cleanly."""
    before = signal.signal(signal.SIGINT, lambda *_: None)  # not SIG_IGN, which DVC would inherit
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def done() -> list[str]:
    """Return the names of the experiments that started from the commit that is checked out."""
    return output("dvc", "exp", "list", "--name-only").split()


def main() -> None:
    require_git("experiments")
    require_plain(load_params().imported)
    if len(sys.argv) > 1:
        perform(*sys.argv[1:4])
        return
    for name in small():
        if name not in done():
            perform(name)
    subprocess.run(["dvc", "exp", "show", "--only-changed", "--drop", "Created|State|Executor"])


if __name__ == "__main__":
    run(main)
