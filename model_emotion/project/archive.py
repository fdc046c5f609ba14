"""Pack the project into one file: code with its history and experiments, all outputs, checksums. Restore it.

`python -m model_emotion.project.archive pack TAR` writes the archive. `restore TAR FOLDER` makes a checkout
of it without a network. The archive never contains the study's files, which may not be redistributed. A
restored checkout has everything that was made from them, and `dvc repro --pull` downloads them where they are
available.
"""

import hashlib
import io
import json
import re
import shutil
import sys
import tarfile
import tempfile
from configparser import ConfigParser
from pathlib import Path, PurePosixPath

from dvc.exceptions import DvcException
from dvc.repo import Repo

from model_emotion.base.errors import UserError
from model_emotion.base.files import replacing, sha256
from model_emotion.inputs.registry import REGISTRY
from model_emotion.project import crate
from model_emotion.project.checkout import require_git
from model_emotion.project.commands import output
from model_emotion.project.stage import run

TOP = "model-emotion"
SUMS, BUNDLE = "SHA256SUMS", "repository.bundle"
EXPERIMENT = re.compile(r"refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/.+")  # refs/exps has DVC's own notes too
KEPT = Path(".dvc/archive")
"""Where a restored checkout keeps the unpacked archive, with the DVC remote in it."""

README = """# model-emotion, an archive of commit {commit}

| | |
| --- | --- |
| `repository.bundle` | the code with its history, tags and DVC experiments ({experiments}), for `git clone` |
| `remote/` | a DVC remote with every output that git does not hold, including GoEmotions' texts (CC BY 4.0) |
| `ro-crate-metadata.json` | inputs with hashes and licences, stages and outputs, as an RO-Crate |
| `SHA256SUMS` | checksums of all these files |

The study's own files are not included, because they have no licence that allows it. Their addresses and
hashes are in `data/registry/` and in the crate. Results made from them are included. Of these,
`activations.safetensors`, `accuracy.csv` and `masked_accuracy.csv` of `results/published` are the study's
measurements in another format: ask its authors before you publish an archive.

## Restore without a network
You need git, DVC {dvc} and the packages of `requirements.lock`, which the container image has. In this
folder, run:

    sha256sum --check --quiet SHA256SUMS
    git clone --quiet repository.bundle ../restored
    git -C ../restored fetch --quiet origin 'refs/exps/*:refs/exps/*'
    archive=$PWD && cd ../restored
    dvc remote add --local --default archive "$archive/remote"
    dvc remote modify --local archive verify true
    dvc pull --allow-missing
    dvc repro --pull --allow-missing

In a checkout of the project, `make restore ARCHIVE=model-emotion.tar INTO=../restored` does all of this
except the last line. The last line finds every stage up to date and runs none. `--allow-missing` stands for
the study's files: where they are available, from their source or a mirror (`MODEL_EMOTION_MIRROR`), `dvc
repro --pull` downloads them, and still runs nothing else. To see an experiment, run `dvc exp branch NAME NAME
&& git checkout NAME && dvc pull --allow-missing` (`dvc exp apply` needs the study's files).
"""


def pack(path: Path | str) -> None:
    """Write the archive of the commit that is checked out.

    Raises UserError if a tracked file differs from the commit, a stage is not up to date, an output is
    missing, the clone is shallow, or a file is one of the study's.
    """
    _require_whole_commit()
    commit, seconds = output("git", "log", "-1", "--format=%H %ct").split()
    refs = output("git", "for-each-ref", "--format=%(refname)", "refs/exps").splitlines()
    experiments = [ref for ref in refs if EXPERIMENT.fullmatch(ref)]
    names = ", ".join(sorted(ref.rpartition("/")[2] for ref in experiments)) or "none"
    with tempfile.TemporaryDirectory(dir=Path(path).resolve().parent, prefix=".archive-") as temporary:
        folder = Path(temporary)
        _push(folder / "remote", [output("git", "rev-parse", ref) for ref in experiments])
        _bundle(folder / BUNDLE, experiments)
        text = README.format(commit=commit, experiments=names, dvc=output("dvc", "--version"))
        (folder / "README.md").write_text(text, encoding="utf-8")
        crate.write(folder, int(seconds))
        files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
        sums = {file.relative_to(folder).as_posix(): sha256(file) for file in files}
        _require_no_input(sums)
        _tar(path, folder, sums, int(seconds))
    print(f"{path}: {Path(path).stat().st_size / 1e6:.0f} MB, {len(sums)} files, experiments: {names}")


def _require_whole_commit() -> None:
    """Raise UserError if a tracked file differs from the commit, or if the clone lacks its history."""
    if changed := output("git", "status", "--porcelain", "--untracked-files=no").splitlines():
        raise UserError(
            f"{changed[0].split()[-1]} differs from the commit to be archived: commit or discard the change"
        )
    if output("git", "rev-parse", "--is-shallow-repository") == "true":
        raise UserError("this clone has no history to archive: run `git fetch --unshallow`")


def _bundle(path: Path, experiments: list[str]) -> None:
    """Write HEAD, its branch if there is one, all tags and the experiments as a git bundle."""
    branch = output("git", "branch", "--show-current")
    single = ("git", "-c", "pack.threads=1")  # several threads would pack differently each time
    refs = ["HEAD", *filter(None, [branch]), "--tags", *experiments]
    output(*single, "bundle", "create", "--quiet", path, *refs)


def _require_no_input(sums: dict[str, str]) -> None:
    """Raise UserError if a file, by its SHA-256, is one of the inputs. sums: {name: SHA-256}."""
    groups = Path(REGISTRY).glob("*.txt")
    inputs = {digest for group in groups for digest in crate.registered(group).values()}
    if found := [name for name, digest in sums.items() if digest in inputs]:
        raise UserError(
            f"{found[0]}: a downloaded input, which must not be redistributed; no archive was written"
        )


def _push(remote: Path, experiments: list[str]) -> None:
    """Make a DVC remote with the outputs of the checkout and of experiments (commits) that may be pushed."""
    remote.mkdir()
    archive = {"archive": {"url": str(remote), "verify": True}}
    try:
        with Repo(config={"core": {"remote": "archive"}, "remote": archive}) as repo:
            with repo.lock:
                stale = [stage.addressing for stage in repo.index.stages if stage.changed(allow_missing=True)]
            if stale:
                raise UserError(
                    f"dvc.lock does not fit this commit's code and settings ({', '.join(stale)}): "
                    "run `make repro` and commit the result"
                )
            repo.push(remote="archive", revs=experiments or None)
            for out in repo.index.outs:
                if out.use_cache and out.can_push and not _holds(remote, out.hash_info.value):
                    raise UserError(f"{out.def_path}: not in DVC's cache; run `dvc repro`")
    except DvcException as error:
        raise UserError(f"DVC: {' '.join(str(error).split())}") from None


def _holds(remote: Path, md5: str) -> bool:
    """Return whether a remote has an output, and its files if it is a folder."""
    file = remote / crate.stored(md5)
    if not file.is_file():
        return False
    return not md5.endswith(".dir") or all(
        _holds(remote, member["md5"]) for member in json.loads(file.read_bytes())
    )


def _tar(path: Path | str, folder: Path, sums: dict[str, str], seconds: int) -> None:
    """Write the files of `sums`, with the checksums first so that a reader can check the rest.

    The members have the commit's time, and no user.
    """
    with replacing(path) as part, tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as tar:

        def add(name, size, file):
            member = tarfile.TarInfo(f"{TOP}/{name}")
            member.size, member.mtime = size, seconds
            tar.addfile(member, file)

        lines = "".join(f"{digest}  {name}\n" for name, digest in sums.items()).encode()
        add(SUMS, len(lines), io.BytesIO(lines))
        for name in sums:
            with (folder / name).open("rb") as file:
                add(name, (folder / name).stat().st_size, file)


def restore(path: Path | str, into: Path | str) -> None:
    """Make a checkout with all outputs in the folder `into`, which must be empty or missing.

    Raises UserError, before anything is written, if the folder is not empty or the archive is incomplete or
    altered.
    """
    into = Path(into)
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise UserError(f"{into}: not empty; name a new folder")
    _verify(path)
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into, prefix=".restore-") as part:
        with tarfile.open(path, "r:") as tar:
            # Python 3.11.2 has no extraction filter. `_verify` allows only plain files inside TOP.
            tar.extractall(part)
        kept, clone = Path(part, TOP), Path(part, "clone")
        output("git", "clone", "--quiet", kept / BUNDLE, clone)
        _require_plain(path, clone)
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
        f"{into}: commit {commit} with all outputs, without the study's own files. In this folder, "
        "`dvc repro --pull --allow-missing` shows that every stage is up to date, and `dvc repro --pull` "
        "downloads the study's files where they are available."
    )


def _require_plain(path: Path | str, clone: Path) -> None:
    """Raise UserError if the clone has a link or a setting by which DVC could write outside it."""
    for line in output("git", "ls-tree", "-r", "HEAD", cwd=clone).splitlines():
        about, name = line.split("\t")
        if not about.startswith(("100644", "100755")):
            raise UserError(f"{path}: {name} is a link or a module; nothing was restored")
    settings = ConfigParser()
    settings.read(clone / ".dvc/config")
    for section in settings.sections():
        if section != "core" and not section.startswith("'remote "):
            raise UserError(f"{path}: .dvc/config has a section [{section}]; nothing was restored")


def _verify(path: Path | str) -> None:
    """Read an archive through. Raises UserError if a file is missing, altered, unexpected or outside TOP."""
    name = SUMS
    try:
        with tarfile.open(path, "r:") as tar:
            first = tar.next()
            listed = tar.extractfile(first) if first and first.name == f"{TOP}/{SUMS}" else None
            if not listed:
                raise UserError(f"{path}: not an archive of this project")
            lines = listed.read().decode().splitlines()
            left = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
            for member in iter(tar.next, None):
                name = member.name.removeprefix(f"{TOP}/")
                digest = _digest(tar, member)
                if digest is None or left.pop(name, None) != digest:
                    raise UserError(f"{path}: {name} differs from {SUMS}; nothing was restored")
    except (tarfile.TarError, ValueError) as error:
        raise UserError(f"{path}: truncated or altered at {name} ({error}); nothing was restored") from None
    if left:
        raise UserError(
            f"{path}: truncated: {len(left)} files are missing, such as {min(left)}; nothing was restored"
        )


def _digest(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str | None:
    """Return the SHA-256 of a plain file inside TOP, and None for any other member."""
    parts = PurePosixPath(member.name).parts
    file = tar.extractfile(member) if member.isfile() else None
    if file is None or parts[:1] != (TOP,) or ".." in parts:
        return None
    return hashlib.sha256(file.read()).hexdigest()


def main() -> None:
    match sys.argv[1:]:
        case ["pack", path]:
            require_git("archives")
            pack(path)
        case ["restore", path, into]:
            restore(path, into)
        case _:
            raise UserError("usage: pack TAR, or restore TAR FOLDER")


if __name__ == "__main__":
    run(main)
