"""The public inputs on this machine: which groups there are, where a file of one lies, what a reader says of a bad one.

`data/registry/GROUP.txt` pins a group's files as OWNER/REPO/COMMIT/PATH with their sha256; `data/raw/GROUP` holds them,
laid out the same way. `model_emotion.inputs.download` brings them there; `data/README.md` says what they are.
"""

from pathlib import Path

from model_emotion.base.errors import InputError

STUDY = "thunlp/Model_Emotion/614c978ad0220fcd86e30e990b0e32934876a06c"
GOEMOTIONS = "google-research/google-research/2adf640a14f11025ae5a9d0ec493b78530d276d3"

GROUPS = {
    "goemotions": GOEMOTIONS,
    "human": STUDY,
    "activations": STUDY,
    "masking": STUDY,
    "reference": STUDY,
}
"""Group -> the repository, at its pinned commit, that all its files come from."""

RAW = Path("data/raw")
REGISTRY = Path("data/registry")


def raw(group, path, root=RAW):
    """Path of a fetched file; `path` is its path inside the group's repository. Raises InputError when it is not there."""
    file = Path(root) / group / GROUPS[group] / path
    if not file.is_file():
        raise InputError(
            f"{file}: not there; fetch it with `dvc repro fetch@{group}` (`make repro` does it all)"
        )
    return file
