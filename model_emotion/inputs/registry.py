"""The groups of public inputs, and where their files are on this machine.

`data/registry/GROUP.txt` lists a group's files as OWNER/REPO/COMMIT/PATH, each with its SHA-256.
`data/raw/GROUP` holds them in the same layout. `model_emotion.inputs.download` downloads them.
`data/README.md` describes them.
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
"""Group -> the repository of all its files, at a pinned commit."""

RAW = Path("data/raw")
REGISTRY = Path("data/registry")


def raw(group: str, path: str, root: Path = RAW) -> Path:
    """Return where a downloaded file is. Raises InputError if it is missing.

    path: inside the repository of the group.
    """
    file = Path(root) / group / GROUPS[group] / path
    if not file.is_file():
        raise InputError(
            f"{file}: not found; download it with `dvc repro fetch@{group}` (`make repro` does everything)"
        )
    return file
