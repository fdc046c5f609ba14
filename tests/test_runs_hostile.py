"""A folder from someone else runs no command and replaces no file, and nothing waits for it without end."""

import os
import shutil
from pathlib import Path

import pytest
import repos
from run_folders import edit_card

from model_emotion.base.errors import InputError, UserError
from model_emotion.base.run_folder import faults_of_files
from model_emotion.base.settings import ParamsError
from model_emotion.claims import reproduce
from model_emotion.live import run_card, run_check
from model_emotion.project import checkout, experiments

ROOT = Path(__file__).parents[1]
EVIL = "data/runs/evil"
OUT = "accuracy.csv: {cache: false, persist: true}"
STAGE = f"{{cmd: echo evil > ran, wdir: WDIR, deps: [run.yaml], outs: [{OUT}]}}"
PIPELINE = f"stages: {{evil: {STAGE}}}"
COPY = "{deps: [{path: ../../../secret}], outs: [{path: accuracy.csv}]}"
REPLACE = "{deps: [{path: code.txt}], outs: [{path: ../library/module.py}]}"
AGAIN = "!dvc.yaml\n!*.dvc\n!*/\n!.dvcignore\n"
"""An ignore file that shows everything again."""
FOLDERS = {
    "a pipeline": {f"{EVIL}/dvc.yaml": PIPELINE.replace("WDIR", ".")},
    "and an ignore file": {f"{EVIL}/dvc.yaml": PIPELINE.replace("WDIR", "."), f"{EVIL}/.dvcignore": AGAIN},
    "below a line break": {
        f"{EVIL}/x\ny/dvc.yaml": PIPELINE.replace("WDIR", "../"), f"{EVIL}/x\ny/.dvcignore": AGAIN,
    },
    "below a line break beside it": {"data/runs/a\nb/dvc.yaml": PIPELINE.replace("WDIR", "../evil/")},
    "below a line separator": {f"{EVIL}/x\u2028y/dvc.yaml": PIPELINE.replace("WDIR", "../")},
    "a copy of a file": {f"{EVIL}/accuracy.csv.dvc": COPY, f"{EVIL}/.dvcignore": AGAIN},
    "a copy below a line break": {f"{EVIL}/\n/a.dvc": COPY.replace("../secret", "../../secret")
                                  .replace("path: acc", "path: ../acc")},
    "code in a model's folder": {"my-model/config.dvc": REPLACE, "my-model/code.txt": "evil\n"},
    "code below a line break": {
        "my-model/q\n/config.dvc": REPLACE.replace("../lib", "../../lib"), "my-model/q\n/code.txt": "evil\n",
    },
}  # fmt: skip


@pytest.mark.parametrize("files", FOLDERS.values(), ids=FOLDERS)
def test_dvc_runs_and_copies_nothing_for_a_folder(files, tmp_path):
    """`dvc repro` would do so before the first stage, because that stage depends on what is made."""
    for ignored, wanted in ((ROOT / ".dvcignore").read_text(), False), ("", True):
        project = tmp_path / f"project{int(wanted)}"
        own = {
            f"{EVIL}/run.yaml": "name: evil",
            f"{EVIL}/accuracy.csv": "its own\n",
            "library/module.py": "its own\n",
            "secret": "a secret\n",
            ".dvcignore": ignored,
            "dvc.yaml": f"stages: {{import_run: {{cmd: 'true', deps: [{EVIL}, library]}}}}",
        }
        for name, text in {**own, **files}.items():
            if wanted and name.endswith("/.dvcignore"):
                continue  # the attack needs none where DVC is not told
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).write_text(text)
        repos.dvc("init", "--quiet", "--no-scm", cwd=project).check_returncode()
        (project / ".dvcignore").write_text(ignored)
        done = repos.dvc("repro", "import_run", cwd=project)
        changed = [name for name in own if (project / name).read_text() != own[name]]
        assert bool(changed or list(project.rglob("ran"))) == wanted, done.stderr


def test_no_own_file_of_the_project_is_hidden_from_dvc():
    tracked = repos.git("ls-files", "-z", cwd=ROOT).split("\0")[:-1]
    hidden = repos.dvc("check-ignore", *tracked, cwd=ROOT).stdout.split()
    assert {path for path in hidden if not path.startswith((".dvc", "paper_figures/"))} == set()


@pytest.mark.parametrize("spoil", [
    lambda at: os.mkfifo(at / "prompts/joy.safetensors"),
    lambda at: (at / "README.md").symlink_to("/dev/zero"),
    lambda at: (at / ".gitignore").write_text("*a" * 25 + "*b"),
], ids=["pipe", "endless link", "slow pattern"])  # fmt: skip
def test_a_folder_that_would_hang_dvc_is_refused_before_dvc_starts(spoil, world, monkeypatch):
    folder = Path(EVIL)
    (folder / "prompts").mkdir(parents=True)
    for name in ("run.yaml", "activations.safetensors", "accuracy.csv", "masked_accuracy.csv"):
        (folder / name).write_text("")
    assert list(faults_of_files(folder)) == []
    spoil(folder)
    world("runs", ["published", "live", "evil"], "imported", ["evil"])
    monkeypatch.setattr(checkout, "tell_dvc", None)  # what comes next
    monkeypatch.setattr(experiments, "require_git", str)
    monkeypatch.setattr(experiments, "small", None)
    monkeypatch.setattr("sys.argv", ["reproduce"])
    for command in (reproduce, experiments):
        with pytest.raises(UserError, match=EVIL):
            command.main()
    monkeypatch.setattr("sys.argv", ["reproduce", "--run", "published"])
    with pytest.raises(TypeError):  # that run has nothing to do with it
        reproduce.main()


def test_a_table_of_many_columns_is_refused_at_its_first_line(folder_of_a_run, tmp_path, monkeypatch):
    """pandas takes 45 s for 50,000 columns of one name, and four times as long for twice as many."""
    folder = tmp_path / folder_of_a_run.name
    shutil.copytree(folder_of_a_run, folder)
    for name in ("accuracy.csv", "masked_accuracy.csv"):
        (folder / name).write_text("a," * 500_000 + "a\n")
    monkeypatch.setattr(run_check, "read_csv", None)
    assert [line.partition(": ")[2] for line in run_check.faults(folder)] == [
        "the columns must be emotion,seed,accuracy,majority,n",
        "the columns must be emotion,seed,attribute,kind,draw,k,accuracy,n",
    ]


def test_a_card_can_not_mean_millions_of_masks(folder_of_a_run, tmp_path):
    folder = tmp_path / folder_of_a_run.name
    shutil.copytree(folder_of_a_run, folder)
    masks = run_card.read(folder / "run.yaml").masks.model_dump()
    sizes = [{"k": k, "draws": 10_000, "attributes": True, "permuted": 0} for k in range(1, 51)]
    edit_card(folder, masks=masks | {"sizes": sizes, "baseline": "layer_matched"})
    with pytest.raises(ParamsError, match="7,000,700 masks in all; 20,000 are allowed"):
        run_card.read(folder / "run.yaml")


@pytest.mark.parametrize("value, problem", {
    "!!int ''": "has tags", "!!float ''": "has tags", "!!bool x": "has tags", "!!str x": "has tags",
    "0x" + "f" * 60_000: "a value of more than 1,000 characters",
}.items())  # fmt: skip
def test_a_value_that_yaml_can_not_read_is_one_line(value, problem, tmp_path):
    (tmp_path / "run.yaml").write_text(f"name: {value}\n")
    with pytest.raises(InputError, match=problem):
        run_card.read(tmp_path / "run.yaml")
