"""What notebooks/one_emotion.ipynb begins with: the reader's choices, checked, and the finished run that it builds on."""

import logging
import os
from pathlib import Path
from typing import Annotated

from pydantic import Field

from model_emotion.base.errors import UserError
from model_emotion.base.results import MEASURED, folder, read_activations
from model_emotion.base.study import EMOTIONS
from model_emotion.base.validation import check
from model_emotion.live.session import TEXTS
from model_emotion.params import Attribute, Count, Draws, Emotion, Params, Section, Seeds, Share, load_params

ATTRIBUTE_RDMS = Path("results/human/attribute_rdms.csv")
ACTIVATIONS = folder(MEASURED) / "activations.safetensors"
SEARCHLIGHT = folder(MEASURED) / "searchlight.parquet"


class Choices(Section):
    """The notebook's first cell: `share` of all neurons that a mask silences, `draws` of random masks, the rest in examples and texts."""

    emotion: Emotion
    attribute: Attribute
    share: Share
    draws: Draws
    seeds: Seeds
    examples: Count
    texts: Annotated[int, Field(ge=2)]


def begin(**choices):
    """Params of params.yaml with a reader's choices in place of its own; the working directory becomes the project's root.

    Raises UserError for a choice that can't be, and where there is no finished run of this backbone to take the ranking of neurons from.
    """
    here = Path.cwd()  # Jupyter starts in the notebook's folder
    os.chdir(next((place for place in (here, *here.parents) if (place / "params.yaml").is_file()), here))
    chosen, values = check(choices, "your choices", Choices), load_params().model_dump()
    values |= {"seeds": chosen.seeds, "top_k": [chosen.share]}
    values["masks"]["draws"], values["training"]["examples"] = chosen.draws, chosen.examples
    params = check(values, "your choices and params.yaml", Params)
    if missing := [
        str(path) for path in (TEXTS, ATTRIBUTE_RDMS, ACTIVATIONS, SEARCHLIGHT) if not path.is_file()
    ]:
        needed = "the ranking of neurons needs all emotions, measured once"
        raise UserError(
            f"{', '.join(missing)}: not there yet; {needed}: type `make repro` in a terminal, in the folder of this project"
        )
    measured, backbone = read_activations(ACTIVATIONS), params.backbone
    if (measured.backbone, measured.layers, measured.width) != (
        backbone.name,
        backbone.layers,
        backbone.width,
    ):
        raise UserError(
            f"{ACTIVATIONS}: of {measured.backbone}, but params.yaml names {backbone.name}; type `make repro` in a terminal"
        )
    if params.own.attributes or params.own.texts or set(measured.emotions) != set(EMOTIONS):
        raise UserError("params.yaml: not the study's 27 emotions, attributes and texts, which this notebook is about: "
                        "`git checkout . && dvc checkout` in a terminal takes them back")  # fmt: skip
    logging.getLogger("model_emotion").setLevel(
        logging.ERROR
    )  # how words are read from this backbone stands in the notebook
    return params
