"""One file that holds the project: code with its history and experiments, every output, checksums; and the way back from it.

`python -m model_emotion.project.archive pack TAR` writes it, `restore TAR FOLDER` makes a checkout of it, without a network. The study's
files, which must not be passed on, are never in it: a restored checkout has all that was made from them, and `dvc repro --pull` fetches
them where they can be had.
"""

import hashlib
import io
import json
import re
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

from dvc.exceptions import DvcException
from dvc.repo import Repo

from model_emotion.base.errors import UserError
from model_emotion.base.files import replacing
from model_emotion.inputs.registry import REGISTRY
from model_emotion.project import crate
from model_emotion.project.commands import output
from model_emotion.project.stage import run

TOP = "model-emotion"
SUMS, BUNDLE = "SHA256SUMS", "repository.bundle"
EXPERIMENT = re.compile(r"refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/.+")  # refs/exps has DVC's own notes too
KEPT = Path(".dvc/archive")
"""Where a restored checkout keeps what it was restored from, the DVC remote in it."""

README = """# model-emotion, an archive of commit {commit}

| | |
| --- | --- |
| `repository.bundle` | the code with its history, tags and DVC experiments ({experiments}), for `git clone` |
| `remote/` | a DVC remote: every output that git does not hold, GoEmotions' tidied texts among them (CC BY 4.0) |
| `ro-crate-metadata.json` | inputs with hashes and licences, stages, outputs, as an RO-Crate |
| `SHA256SUMS` | of all these |

The study's own files are not here: no licence lets them be passed on. Their addresses and hashes are in `data/registry/` and in the crate.
What is made of them is here, and `activations.safetensors`, `accuracy.csv` and `masked_accuracy.csv` of `results/published` have the
study's measurements in another form: ask its authors before you publish an archive.

## Restore, without a network
With git, DVC {dvc} and the packages of `requirements.lock` (the container image has all), in this folder:

    sha256sum --check --quiet SHA256SUMS
    git clone --quiet repository.bundle ../restored
    git -C ../restored fetch --quiet origin 'refs/exps/*:refs/exps/*'
    archive=$PWD && cd ../restored
    dvc remote add --local --default archive "$archive/remote"
    dvc remote modify --local archive verify true
    dvc pull --allow-missing
    dvc repro --pull --allow-missing

Any checkout of the project does the same but for the last line: `make restore ARCHIVE=model-emotion.tar INTO=../restored`.
The last line finds every stage as the commit has it and runs none; `--allow-missing` is for the study's files. Where they can be had,
from their source or a mirror (`MODEL_EMOTION_MIRROR`), `dvc repro --pull` fetches them, and still nothing else runs.
An experiment: `dvc exp branch NAME NAME && git checkout NAME && dvc pull --allow-missing` (`dvc exp apply` wants those files).
"""


def pack(path):
    """Write the archive of the commit that is checked out. Raises UserError where a tracked file or a stage is not as the commit says."""
    if changed := output("git", "status", "--porcelain", "--untracked-files=no").splitlines():
        raise UserError(
            f"{changed[0].split()[-1]} differs from the commit, which an archive is made of: commit it, or take it back"
        )
    if output("git", "rev-parse", "--is-shallow-repository") == "true":
        raise UserError("this clone has no history to archive: `git fetch --unshallow`")
    commit, seconds = output("git", "log", "-1", "--format=%H %ct").split()
    refs = output("git", "for-each-ref", "--format=%(refname)", "refs/exps").splitlines()
    experiments = [ref for ref in refs if EXPERIMENT.fullmatch(ref)]
    with tempfile.TemporaryDirectory(dir=Path(path).resolve().parent, prefix=".archive-") as folder:
        folder = Path(folder)
        _push(folder / "remote", [output("git", "rev-parse", ref) for ref in experiments])
        branch = output("git", "branch", "--show-current")  # none where a commit is checked out by its number
        single = [
            "git",
            "-c",
            "pack.threads=1",
            "bundle",
            "create",
            "--quiet",
            folder / BUNDLE,
        ]  # more would pack as chance has it
        output(*single, "HEAD", *filter(None, [branch]), "--tags", *experiments)
        names = ", ".join(sorted(ref.rpartition("/")[2] for ref in experiments)) or "none"
        text = README.format(commit=commit, experiments=names, dvc=output("dvc", "--version"))
        (folder / "README.md").write_text(text, encoding="utf-8")
        crate.write(folder, int(seconds))
        sums = {
            file.relative_to(folder).as_posix(): _sha256(file.open("rb"))
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        }
        if raw := set(sums.values()) & {
            sha256 for group in Path(REGISTRY).glob("*.txt") for sha256 in crate.registered(group).values()
        }:
            found = next(name for name, sha256 in sums.items() if sha256 in raw)
            raise UserError(
                f"{found}: an input as it was fetched, which must not be passed on; no archive was written"
            )
        _tar(path, folder, sums, int(seconds))
    print(f"{path}: {Path(path).stat().st_size / 1e6:.0f} MB, {len(sums)} files, experiments: {names}")


def _push(remote, experiments):
    """A DVC remote of the checkout's and the experiments' outputs, those that may be pushed."""
    remote.mkdir()
    try:
        with Repo(
            config={
                "core": {"remote": "archive"},
                "remote": {"archive": {"url": str(remote), "verify": True}},
            }
        ) as repo:
            with repo.lock:
                stale = [stage.addressing for stage in repo.index.stages if stage.changed(allow_missing=True)]
            if stale:
                raise UserError(
                    f"dvc.lock is not of this commit's code and settings ({', '.join(stale)}): `make repro`, and commit"
                )
            repo.push(remote="archive", revs=experiments or None)
            for out in repo.index.outs:
                if out.use_cache and out.can_push and not _holds(remote, out.hash_info.value):
                    raise UserError(f"{out.def_path}: not in DVC's cache; `dvc repro` makes it")
    except DvcException as error:
        raise UserError(f"DVC: {' '.join(str(error).split())}") from None


def _holds(remote, md5):
    """Whether a remote has an output, a folder's files too."""
    file = remote / crate.stored(md5)
    if not file.is_file():
        return False
    return not md5.endswith(".dir") or all(
        _holds(remote, member["md5"]) for member in json.loads(file.read_bytes())
    )


def _sha256(file):
    with file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tar(path, folder, sums, seconds):
    """The checksums first, so that a reader has them before the rest; no user, no host, the commit's time."""
    with replacing(path) as part, tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as tar:

        def add(name, size, file):
            member = tarfile.TarInfo(f"{TOP}/{name}")
            member.size, member.mtime = size, seconds
            tar.addfile(member, file)

        lines = "".join(f"{sha256}  {name}\n" for name, sha256 in sums.items()).encode()
        add(SUMS, len(lines), io.BytesIO(lines))
        for name in sums:
            with (folder / name).open("rb") as file:
                add(name, (folder / name).stat().st_size, file)


def restore(path, into):
    """A checkout with all outputs in the folder `into`, empty or not there. Raises UserError for a bad archive, before it writes."""
    into = Path(into)
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise UserError(f"{into}: not empty")
    _verify(path)
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into, prefix=".restore-") as part:
        with tarfile.open(path, "r:") as tar:
            tar.extractall(
                part
            )  # files alone, inside TOP: `_verify` has seen to it, and Python 3.11.2 has no filter
        kept, clone = Path(part, TOP), Path(part, "clone")
        output("git", "clone", "--quiet", kept / BUNDLE, clone)
        output("git", "fetch", "--quiet", "origin", "refs/exps/*:refs/exps/*", cwd=clone)
        output("git", "remote", "remove", "origin", cwd=clone)
        shutil.move(kept, clone / KEPT)
        for name in clone.iterdir():
            shutil.move(name, into)
    output("dvc", "remote", "add", "--quiet", "--local", "--default", "archive", KEPT / "remote", cwd=into)
    output("dvc", "remote", "modify", "--quiet", "--local", "archive", "verify", "true", cwd=into)
    output("dvc", "pull", "--quiet", "--allow-missing", cwd=into)
    commit = output("git", "rev-parse", "--short", "HEAD", cwd=into)
    print(
        f"{into}: commit {commit} with all outputs, without the study's own files. In it, `dvc repro --pull --allow-missing`"
    )
    print(
        "shows that no stage is left to run, and `dvc repro --pull` fetches those files where they can be had."
    )


def _verify(path):
    """Read an archive through. Raises UserError where a file is missing, altered or too many."""
    name = SUMS
    try:
        with tarfile.open(path, "r:") as tar:
            first = tar.next()
            if first is None or first.name != f"{TOP}/{SUMS}" or not first.isfile():
                raise UserError(f"{path}: no archive of this project")
            listed = tar.extractfile(first).read().decode().splitlines()
            left = {name: sha256 for sha256, name in (line.split("  ", 1) for line in listed)}
            for member in iter(tar.next, None):
                name = member.name.removeprefix(f"{TOP}/")
                inside = (
                    PurePosixPath(member.name).parts[:1] == (TOP,)
                    and ".." not in PurePosixPath(member.name).parts
                )
                if not (member.isfile() and inside) or left.pop(name, None) != _sha256(
                    tar.extractfile(member)
                ):
                    raise UserError(f"{path}: {name} is not what {SUMS} says; nothing was restored")
    except (tarfile.TarError, ValueError) as error:
        raise UserError(f"{path}: cut off or altered at {name} ({error}); nothing was restored") from None
    if left:
        raise UserError(
            f"{path}: cut off, {len(left)} files are missing, {min(left)} among them; nothing was restored"
        )


def main():
    match sys.argv[1:]:
        case ["pack", path]:
            pack(path)
        case ["restore", path, into]:
            restore(path, into)
        case _:
            raise UserError("pack TAR, or restore TAR FOLDER")


if __name__ == "__main__":
    run(main)
