"""Archives: restored offline and without running a stage, free of the study's files, refused if damaged."""

import hashlib
import io
import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
import repos
from rocrate.rocrate import ROCrate

from model_emotion.base.errors import UserError
from model_emotion.base.files import parse_yaml, read_yaml
from model_emotion.inputs.registry import STUDY
from model_emotion.project import archive, lock_diff

ROOT = Path(__file__).parents[1]
RAW = "somebody's words"
STAGES = {
    "fetch": {
        "cmd": "echo fetch >> $LOG && mkdir -p data/raw/human && cp $SOURCE data/raw/human/words.txt",
        "outs": [{"data/raw/human": {"persist": True, "push": False}}],
    },
    "train": {
        "cmd": "echo train >> $LOG && mkdir -p results/prompts"
        " && wc -c < data/raw/human/words.txt > results/prompts/joy"
        " && cat params.yaml > results/accuracy.csv",
        "params": ["seed"],
        "deps": ["data/raw/human"],
        "outs": ["results/prompts", "results/accuracy.csv"],
    },
    "judge": {
        "cmd": "echo judge >> $LOG && echo '{}' > results/claims.json",
        "deps": ["results/accuracy.csv"],
        "outs": [{"results/claims.json": {"cache": False}}],
    },
}


def sh(command, folder):
    done = subprocess.run(["bash", "-euc", command], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def dvc(*words, cwd):
    """What a DVC command prints. The test fails if the command does."""
    done = repos.dvc(*words, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A committed DVC repository of three stages and an experiment, whose input is gone.

    LOG, beside it, lists what ran.
    """
    top = tmp_path_factory.mktemp("archive")
    folder, log, source = top / "repository", top / "log", top / "source"
    source.write_text(RAW)
    shutil.copytree(ROOT / "data/registry", folder / "data/registry")
    shutil.copy(ROOT / "CITATION.cff", folder)
    with (folder / "data/registry/human.txt").open("a") as registry:
        registry.write(f"{STUDY}/words.txt {hashlib.sha256(RAW.encode()).hexdigest()}\n")
    (folder / "params.yaml").write_text("seed: 1\n")
    with pytest.MonkeyPatch.context() as patch, repos.dvc_here():
        for name, value in {"LOG": log, "SOURCE": source, **repos.WHO}.items():
            patch.setenv(name, str(value))
        repos.dvc_repository(folder, STAGES, "/data/raw/\n/.dvc/archive/\n")
        repos.git("tag", "v1", cwd=folder)
        dvc("exp", "run", "--quiet", "--name", "two", "--set-param", "seed=2", cwd=folder)
        repos.git("checkout", "--quiet", ".", cwd=folder)
        dvc("checkout", "--quiet", cwd=folder)
        source.unlink()
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def packed(repository):
    path = repository.parent / "model-emotion.tar"
    archive.pack(path)
    return path


def digests(folder, *tops):
    files = [file for top in tops for file in sorted((folder / top).rglob("*")) if file.is_file()]
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files
    }


def holds_everything(folder, repository):
    """The results are the same bytes, git sees no change, no stage runs, and the experiment is there."""
    log = (repository.parent / "log").read_text()
    made = digests(folder, "results")
    assert made == digests(repository, "results") and len(made) == 4  # with .gitignore
    dvc("repro", "--pull", "--allow-missing", cwd=folder)  # stages would write to the log
    assert not digests(folder, "data/raw") and (repository.parent / "log").read_text() == log
    assert not sh("git status --porcelain", folder) and sh("git tag", folder) == "v1\n"
    where = "git rev-parse HEAD && git branch --show-current"
    assert sh(where, folder) == sh(where, repository)
    assert dvc("exp", "list", "--name-only", cwd=folder) == "two\n"
    assert dvc("config", "remote.archive.verify", cwd=folder) == "true\n"


def test_a_restored_checkout_has_everything_and_runs_nothing(packed, repository, tmp_path):
    into = tmp_path / "new" / "checkout"
    archive.restore(packed, into)
    holds_everything(into, repository)
    dvc("exp", "branch", "--quiet", "two", "two", cwd=into)
    repos.git("checkout", "--quiet", "two", cwd=into)
    dvc("pull", "--quiet", "--allow-missing", cwd=into)
    assert (into / "results/accuracy.csv").read_text() == "seed: 2\n"


def test_if_the_inputs_are_available_dvc_downloads_them_and_runs_nothing_else(
    packed, repository, tmp_path, monkeypatch
):
    archive.restore(packed, tmp_path)  # an empty folder that is there
    (tmp_path.parent / "words").write_text(RAW)
    log = tmp_path.parent / "log-of-fetch"
    monkeypatch.setenv("SOURCE", str(tmp_path.parent / "words"))
    monkeypatch.setenv("LOG", str(log))
    sh("rm -r results .dvc/cache && git checkout -q results", tmp_path)
    dvc("repro", "--pull", cwd=tmp_path)
    assert log.read_text() == "fetch\n" and digests(tmp_path, "results") == digests(repository, "results")
    assert not repos.git("status", "--porcelain", cwd=tmp_path) and not dvc("status", "--quiet", cwd=tmp_path)


def test_the_commands_of_its_readme_restore_it(packed, repository, tmp_path):
    with tarfile.open(packed) as tar:
        tar.extractall(tmp_path)
    commands = re.findall(r"^    (.+)$", (tmp_path / "model-emotion/README.md").read_text(), re.MULTILINE)
    assert len(commands) == 8
    sh("\n".join(commands), tmp_path / "model-emotion")
    holds_everything(tmp_path / "restored", repository)


def test_it_holds_no_input_and_no_path_and_the_same_commit_gives_the_same_bytes(packed, repository, tmp_path):
    archive.pack(tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == packed.read_bytes()
    assert (
        RAW.encode() not in packed.read_bytes() and str(repository.parent).encode() not in packed.read_bytes()
    )
    time = int(sh("git log -1 --format=%ct", repository))
    with tarfile.open(packed) as tar:
        assert {(member.uid, member.gid, member.uname, member.gname, member.mtime) for member in tar} == {
            (0, 0, "", "", time)
        }
        tar.extractall(tmp_path)
    top = tmp_path / "model-emotion"
    sh("sha256sum --check --strict --quiet SHA256SUMS", top)
    assert len(list((top / "remote").rglob("*"))) > 4 and not list(
        top.rglob(hashlib.md5(RAW.encode()).hexdigest()[2:])
    )
    accuracy = next(out for out in ROCrate(top).get_entities() if out.get("name") == "results/accuracy.csv")
    assert (top / accuracy.id).read_text() == "seed: 1\n" and accuracy["contentSize"] == "8"


@pytest.mark.parametrize("share", [0.001, 0.3, 0.6, 0.99])
def test_a_truncated_archive_is_refused_before_anything_is_written(packed, tmp_path, share):
    cut = tmp_path / "cut.tar"
    cut.write_bytes(packed.read_bytes()[: int(share * packed.stat().st_size)])
    with pytest.raises(UserError, match=r"cut\.tar: (truncated|not an archive)"):
        archive.restore(cut, tmp_path / "into")
    assert not (tmp_path / "into").exists()


def test_an_archive_with_a_file_missing_or_added_is_refused(packed, tmp_path):
    with tarfile.open(packed) as tar:
        last = tar.getmembers()[-1]
    (tmp_path / "cut.tar").write_bytes(packed.read_bytes()[: last.offset])
    with pytest.raises(UserError, match="truncated: 1 files are missing, "):
        archive.restore(tmp_path / "cut.tar", tmp_path / "into")
    shutil.copy(packed, tmp_path / "more.tar")
    with tarfile.open(tmp_path / "more.tar", "a") as tar:
        tar.add(ROOT / "LICENSE", "model-emotion/remote/more")
    with pytest.raises(UserError, match="remote/more differs from SHA256SUMS"):
        archive.restore(tmp_path / "more.tar", tmp_path / "into")
    assert not (tmp_path / "into").exists()


@pytest.mark.parametrize("name", ["model-emotion/../../escaped", "escaped", "/escaped"])
def test_a_file_outside_the_folder_is_refused_even_if_its_checksum_is_right(tmp_path, name):
    sums = f"{hashlib.sha256(b'').hexdigest()}  {name.removeprefix('model-emotion/')}\n".encode()
    with tarfile.open(tmp_path / "bad.tar", "w") as tar:
        for member, content in (("model-emotion/SHA256SUMS", sums), (name, b"")):
            info = tarfile.TarInfo(member)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    with pytest.raises(UserError, match="escaped differs from SHA256SUMS"):
        archive.restore(tmp_path / "bad.tar", tmp_path / "in" / "to")
    assert not (tmp_path / "in").exists()


def bundled(folder, change):
    """An archive, with right checksums, of a repository that `change` has prepared."""
    repository, path = folder / "repository", folder / "bad.tar"
    (repository / ".dvc").mkdir(parents=True)
    (repository / ".dvc/config").write_text("[core]\n    autostage = true\n['remote \"a\"']\n    url = b\n")
    change(repository)
    repos.git("init", "--quiet", cwd=repository)
    repos.commit_all(repository)
    bundle = folder / archive.BUNDLE
    repos.git("bundle", "create", "--quiet", bundle, "HEAD", cwd=repository)
    (folder / archive.SUMS).write_text(f"{archive.sha256(bundle)}  {archive.BUNDLE}\n")
    with tarfile.open(path, "w") as tar:
        for file in (archive.SUMS, archive.BUNDLE):
            tar.add(folder / file, f"{archive.TOP}/{file}")
    return path


@pytest.mark.parametrize("change, problem", [
    (lambda at: (at / "results").symlink_to("/elsewhere"), "results is a link or a module"),
    (lambda at: (at / ".dvc/config").write_text("[cache]\n    dir = /elsewhere\n"), r"a section \[cache\]"),
], ids=["link", "cache"])  # fmt: skip
def test_an_archive_by_which_dvc_would_write_elsewhere_is_refused(tmp_path, change, problem):
    with pytest.raises(UserError, match=rf"bad\.tar: .*{problem}; nothing was restored"):
        archive.restore(bundled(tmp_path, change), tmp_path / "into")
    assert not list((tmp_path / "into").iterdir())


def test_an_archive_with_a_remote_of_its_own_is_restored(tmp_path):
    archive.restore(bundled(tmp_path, lambda at: None), tmp_path / "into")
    assert "url = b" in (tmp_path / "into/.dvc/config").read_text()


def test_a_changed_byte_in_any_file_is_found(packed, tmp_path):
    with tarfile.open(packed) as tar:
        members = [member for member in tar.getmembers() if member.size]
    for member in members:
        content = bytearray(packed.read_bytes())
        content[member.offset_data + member.size // 2] ^= 1
        (tmp_path / "changed.tar").write_bytes(content)
        with pytest.raises(UserError, match=r"changed\.tar: .*nothing was restored"):
            archive.restore(tmp_path / "changed.tar", tmp_path / "into")
    assert len(members) == 8 and not (tmp_path / "into").exists()


def test_another_file_or_a_folder_with_content_is_refused(packed, tmp_path):
    (tmp_path / "text").write_text("text")
    for path in (tmp_path / "text", tmp_path / "other.tar"):
        if path.suffix:
            with tarfile.open(path, "w") as tar:
                tar.add(tmp_path / "text", "text")
        with pytest.raises(UserError, match=f"{path.name}: (truncated or altered|not an archive)"):
            archive.restore(path, tmp_path / "into")
    with pytest.raises(UserError, match="not empty"):
        archive.restore(packed, tmp_path)


def test_only_a_commit_that_is_up_to_date_is_archived(repository, tmp_path):
    clone = tmp_path / "clone"
    sh(f"git clone -q {repository} {clone} && cp -r {repository}/.dvc/cache {clone}/.dvc/cache", tmp_path)

    def refused(pattern):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(UserError, match=pattern):
            patch.chdir(clone)
            archive.pack(tmp_path / "a.tar")
        assert not (tmp_path / "a.tar").exists() and not list(tmp_path.glob(".*"))

    (clone / "params.yaml").write_text("seed: 3\n")
    refused("^params.yaml differs from the commit")
    sh("git commit -qam seed", clone)
    refused(r"dvc.lock does not fit this commit's code and settings \(train\)")
    repos.git("reset", "--quiet", "--hard", "HEAD~1", cwd=clone)
    dvc("checkout", "--quiet", "--allow-missing", cwd=clone)
    cached = hashlib.md5(b"seed: 1\n").hexdigest()
    shutil.move(clone / f".dvc/cache/files/md5/{cached[:2]}/{cached[2:]}", tmp_path / "kept")
    refused("results/accuracy.csv: not in DVC's cache|DVC: ")
    shutil.move(tmp_path / "kept", clone / f".dvc/cache/files/md5/{cached[:2]}/{cached[2:]}")
    text = read_yaml(clone / "dvc.yaml")
    del text["stages"]["fetch"]["outs"][0]["data/raw/human"]["push"]
    (clone / "dvc.yaml").write_text(json.dumps(text))
    sh("git commit -qam pushed", clone)
    refused("a downloaded input, which must not be redistributed")


def test_lock_diff_names_the_stages_whose_entries_differ(repository, capsys):
    lock_diff.main()
    assert capsys.readouterr().out == "no stage differs\n"
    committed = Path("dvc.lock").read_text()
    found = parse_yaml(committed)
    assert not list(lock_diff.difference(committed, json.dumps(found)))  # in another notation
    train = found["stages"]["train"]
    train["outs"][0]["md5"], train["params"]["params.yaml"]["seed"] = "0" * 32, 3
    found["stages"]["judge"]["cmd"] = "true"
    found["stages"]["more"] = found["stages"].pop("fetch")
    assert list(lock_diff.difference(committed, json.dumps(found))) == [
        "fetch: removed",
        f"judge: the same outputs (cmd {STAGES['judge']['cmd']}, true)",
        "more: new",
        f"train: {train['outs'][0]['path']} (params seed)",
    ]
