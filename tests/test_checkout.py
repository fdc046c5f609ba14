"""Any checkout works: without git, with any line ends, as a worktree or submodule, in a path with blanks."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import repos
from repos import commit_all, git

from model_emotion.base.errors import UserError
from model_emotion.project import checkout

ROOT = Path(__file__).parents[1]
COMMAND = 'cp data/own/posts.csv out; echo "{}" > figures.json'
PIPELINE = {
    "a": {
        "cmd": COMMAND,
        "deps": ["data/own"],
        "params": ["x"],
        "outs": ["out", {"figures.json": {"cache": False}}],
    }
}
"""A stage that reads the user's files, with an output that DVC keeps and one that git keeps."""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A git and DVC repository with a user's file, as the current folder."""
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "data/own"
    own.mkdir(parents=True)
    shutil.copy(ROOT / ".dvcignore", tmp_path)
    (own / "README.md").write_text("tracked")
    (own / "posts.csv").write_text("one")
    (tmp_path / "params.yaml").write_text("x: 1\n")
    repos.dvc_repository(tmp_path, PIPELINE, "/data/own/*\n!/data/own/README.md\n/out\n")
    return tmp_path


def dvc(*words):
    """Run a DVC command that starts processes of its own."""
    return subprocess.run([sys.executable, "-m", "dvc", *words], capture_output=True, text=True)


def test_without_git_stages_run_and_experiments_say_that_they_need_it(project):
    shutil.rmtree(".git")
    (project / "data/own/posts.csv").write_text("two")
    assert "is not a git repository" in dvc("repro").stderr
    checkout.tell_dvc()
    done = dvc("repro", "--quiet")
    assert done.returncode == 0, done.stderr
    assert Path("out").read_text() == "two"
    refused = dvc("exp", "run", "-S", "x=2")
    assert refused.returncode and "Only supported for Git repositories" in refused.stderr
    with pytest.raises(UserError, match="^experiments need git, and this folder has no .git: clone"):
        checkout.require_git("experiments")


def test_a_checkout_that_gets_git_can_run_experiments(project):
    shutil.rmtree(".git")
    with repos.dvc_here():
        checkout.tell_dvc()
        git("init", "--quiet")
        checkout.tell_dvc()
    checkout.require_git("experiments")
    commit_all()
    assert repos.dvc("status", "--quiet").returncode == 0
    assert "no_scm" not in Path(".dvc/config.local").read_text()


def test_a_repository_around_an_unpacked_release_is_not_its_own(tmp_path, monkeypatch):
    git("init", "--quiet", cwd=tmp_path)
    (tmp_path / "release").mkdir()
    monkeypatch.chdir(tmp_path / "release")
    assert not checkout.has_git()


def test_line_ends_are_the_same_whatever_git_is_set_to(tmp_path):
    """With core.autocrlf, CR would stop a container's scripts, and DVC would see every file changed."""
    source, clone = tmp_path / "source", tmp_path / "clone"
    source.mkdir()
    files = {"entrypoint.sh": b"#!/bin/sh\ntrue\n", "dvc.lock": b"a:\n  b\n", "a.csv": b"x,y\n1,2\n"}
    files |= {f"a.{kind}": b"text\nwith\r\nboth\n" for kind in ("png", "pdf", "parquet", "safetensors")}
    for name, content in files.items():
        (source / name).write_bytes(content)
    shutil.copy(ROOT / ".gitattributes", source)
    git("init", "--quiet", cwd=source)
    commit_all(source)
    git("clone", "--quiet", "--config", "core.autocrlf=true", source, clone)
    assert {name: (clone / name).read_bytes() for name in files} == files


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """A program in place of Docker that prints its arguments; a function that returns them for `make ...`."""
    fake = tmp_path / "docker"
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    fake.chmod(0o755)

    def make(target, *, folder=ROOT, mirror="", **variables):
        command = ["make", "--silent", target, f"DOCKER={fake}"]
        command += [f"{name}={value}" for name, value in variables.items()]
        environment = os.environ | {"MODEL_EMOTION_MIRROR": str(mirror)}
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        return done.stdout.splitlines() if done.returncode == 0 else done.stderr

    return make


@pytest.fixture
def minimal(tmp_path):
    """A folder with a blank in its path, and with what `make docker-...` needs."""
    folder = tmp_path / "my project"
    (folder / "docker").mkdir(parents=True)
    shutil.copy(ROOT / "docker/run.sh", folder / "docker")
    shutil.copy(ROOT / "Makefile", folder)
    return folder


def test_a_mirror_and_a_checkout_with_blanks_in_their_paths_are_mounted(docker, minimal, tmp_path):
    mirror = tmp_path / "my mirror"
    mirror.mkdir()
    words = docker("docker-repro", folder=minimal, mirror=mirror, GPUS="--gpus all")
    assert words[0] == "run" and words[-3:] == ["model-emotion", "make", "repro"]
    assert f"{minimal}:/model-emotion" in words and f"{mirror}:/mirror:ro" in words
    assert "MODEL_EMOTION_MIRROR=/mirror" in words and words[words.index("--gpus") + 1] == "all"


def test_a_mirror_is_a_url_or_a_folder_that_exists(docker, minimal, tmp_path):
    url = "https://mirror.invalid/inputs"
    words = docker("docker-test", folder=minimal, mirror=url)
    assert f"MODEL_EMOTION_MIRROR={url}" in words and words.count("--volume") == 1
    assert not any("MIRROR" in word for word in docker("docker-test", folder=minimal))
    refused = docker("docker-test", folder=minimal, mirror=tmp_path / "no folder")
    assert f"error: MODEL_EMOTION_MIRROR={tmp_path}/no folder is neither a folder nor" in refused


def test_an_archive_may_have_a_blank_in_its_name():
    command = ["make", "--dry-run", "archive", "restore", "ARCHIVE=my archive.tar", "INTO=my copy"]
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    environment = outside | {"MODEL_EMOTION_IMAGE": "x"}  # so that make does not set up an environment
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    commands = [shlex.split(line) for line in said.stdout.replace("\\\n", "").splitlines()]
    assert [command[3:] for command in commands] == [
        ["pack", "my archive.tar"],
        ["restore", "my archive.tar", "my copy"],
    ]


@pytest.mark.parametrize(
    ("target", "passed"), [("export-run", ["mini", "--by"]), ("paper", ["paper", "roberta-base"])]
)
def test_whoever_measured_a_run_may_have_any_name(target, passed, tmp_path):
    who = 'Zoë "Z" O\'Neill & Söhne `x` \\n'
    for tool in (tmp_path / "bin/python", tmp_path / "bin/dvc"):
        tool.parent.mkdir(exist_ok=True)
        tool.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
        tool.chmod(0o755)
    command = ["make", "--silent", target, "NAME=mini", f"BY={who}", f"VENV={tmp_path}"]
    environment = os.environ | {"MODEL_EMOTION_IMAGE": "x"}  # so that make does not set up an environment
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.splitlines()[-3:] == [*passed, who]


@pytest.mark.parametrize("kind", ["worktree", "submodule"])
def test_a_container_gets_the_history_of_a_worktree_or_submodule(docker, minimal, tmp_path, kind):
    git("init", "--quiet", "--initial-branch", "main", cwd=minimal)
    commit_all(minimal)
    if kind == "worktree":
        folder, history = tmp_path / "my tree", minimal / ".git"
        git("worktree", "add", "--quiet", "-b", "other", folder, cwd=minimal)
    else:
        above = tmp_path / "above"
        folder, history = above / "part", above / ".git/modules/part"
        git("init", "--quiet", "--initial-branch", "main", above)
        git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", minimal, "part", cwd=above)
    words = docker("docker-shell", folder=folder)
    assert {f"{folder}:{folder}", f"{history}:{history}", f"{folder}:/model-emotion"} <= set(words)
    assert words[words.index("--workdir") + 1] == str(folder)
    assert words.count("--volume") == 3
    assert docker("docker-shell", folder=minimal).count("--volume") == 1


def entrypoint(folder, **options):
    """Run the image's entrypoint in a folder."""
    return subprocess.run(
        ["bash", ROOT / "docker/entrypoint.sh", "true"], cwd=folder, capture_output=True, text=True, **options
    )


def test_a_container_without_the_history_of_a_worktree_says_how_to_start_it(tmp_path):
    (tmp_path / ".git").write_text("gitdir: /home/me/project/.git/worktrees/p\n")
    said = entrypoint(tmp_path)
    assert said.returncode == 2 and said.stderr.count("\n") == 1
    assert "the container does not have /home/me/project/.git/worktrees/p, which .git names" in said.stderr
    assert "make docker-shell" in said.stderr
    git("init", "--quiet", tmp_path / "plain")
    assert entrypoint(tmp_path / "plain").returncode == 0


def test_a_container_whose_user_is_not_the_owner_says_what_rootless_engines_need():
    """Rootless podman maps `--user` to another uid than the checkout's owner."""
    folder = Path(tempfile.mkdtemp())  # pytest's own folders are closed to others
    try:
        folder.chmod(0o555)
        said = entrypoint(folder, **({"user": 65534} if os.getuid() == 0 else {}))
    finally:
        folder.rmdir()
    assert said.returncode == 2 and said.stderr.count("\n") == 1
    assert f"can't write to {folder}" in said.stderr and "--userns=keep-id" in said.stderr


def test_locks_of_editors_in_the_users_folder_change_nothing(project):
    (project / "data/own/.#posts.csv").symlink_to("me@host.1234")  # Emacs
    for name in (".~lock.posts.csv#", "~$posts.xlsx", ".posts.csv.swp", ".DS_Store"):
        (project / "data/own" / name).write_text("lock")
    assert repos.dvc("status", "--quiet").returncode == 0
    (project / "data/own/posts.csv").write_text("two")
    done = repos.dvc("repro", "--quiet")
    assert done.returncode == 0 and Path("out").read_text() == "two", done.stderr


def test_a_link_to_nowhere_in_the_users_folder_is_named(project):
    (project / "data/own/ratings.csv").symlink_to("nowhere.csv")
    assert "data/own/ratings.csv" in dvc("repro").stderr


def test_an_experiment_in_a_temporary_folder_gets_the_users_files_one_by_one(project):
    """As docs/own_data.md says it. DVC can't copy the whole folder over the README.md that git tracks."""
    (project / "data/own/posts.csv").write_text("two")

    done = dvc("exp", "run", "--temp", "--name", "mine", "--copy-paths", "data/own/posts.csv", "-S", "x=2")
    assert done.returncode == 0, done.stderr
    assert Path("out").read_text() == "one"
    assert dvc("exp", "apply", "mine").returncode == 0
    assert Path("out").read_text() == "two"
    text = (ROOT / "docs/own_data.md").read_text(encoding="utf-8")
    assert "--copy-paths data/own/" in text and "--copy-paths data/own`" not in text
