"""Start notebooks/one_emotion.ipynb: check the reader's choices, and find the results that it reads.

It needs neither torch nor a model, so it starts in a moment.
"""

import os
from pathlib import Path

from model_emotion.base.errors import UserError
from model_emotion.base.results import folder
from model_emotion.base.settings import Section, check_section
from model_emotion.base.values import Attribute, Count, Emotion
from model_emotion.params import load_params

ATTRIBUTE_RDMS = Path("results/human/attribute_rdms.csv")
PUBLISHED = tuple(
    folder("published") / name
    for name in ("activations.safetensors", "accuracy.csv", "masked_accuracy.csv", "searchlight.parquet")
)


class Choices(Section):
    """The notebook's first cell. neurons: that a mask silences."""

    emotion: Emotion
    attribute: Attribute
    neurons: Count


def begin_published(**choices: object) -> None:
    """Check a reader's choices, and change to the project's root folder.

    Raises UserError for an invalid choice, or if the published measurements or their searchlight are missing.
    """
    enter_root()
    chosen, study = check_section(choices, "your choices", Choices), load_params().study
    for key, value, known in (
        ("emotion", chosen.emotion, study.emotions),
        ("neurons", chosen.neurons, study.top_k),
    ):
        if value not in known:
            raise UserError(f"your choices: {key}: {value!r} is not one of {', '.join(map(str, known))}")
    if missing := [str(path) for path in (ATTRIBUTE_RDMS, *PUBLISHED) if not path.is_file()]:
        raise UserError(
            f"{', '.join(missing)}: not found. Type `make notebook` in a terminal, in this project's folder"
        )


def enter_root() -> None:
    """Change to the project's root folder: the current one, or the nearest above with a params.yaml."""
    here = Path.cwd()  # Jupyter starts in the notebook's folder
    os.chdir(next((place for place in (here, *here.parents) if (place / "params.yaml").is_file()), here))
