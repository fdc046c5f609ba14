"""The groups of public input files, and where their files are on this machine.

`data/registry/GROUP.txt` lists a group's files as OWNER/REPO/COMMIT/PATH, each with its SHA-256.
`data/raw/GROUP` holds the files under the same paths. `model_emotion.inputs.download` downloads them;
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
"""Group -> OWNER/REPO/COMMIT, the pinned commit that all its files come from."""

RAW = Path("data/raw")
REGISTRY = Path("data/registry")


def raw(group: str, path: str, root: str | Path = RAW) -> Path:
    """Return where a downloaded file is on this machine.

    path: the file's path inside the group's repository. Raises InputError if it has not been downloaded.
    """
    file = Path(root) / group / GROUPS[group] / path
    if not file.is_file():
        raise InputError(
            f"{file}: not found; download it with `dvc repro fetch@{group}` (`make repro` runs everything)"
        )
    return file
