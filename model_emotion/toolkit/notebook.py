"""Start notebooks/measure_one_emotion.ipynb: check the choices, and find the run that it builds on."""

import logging
from typing import Annotated

from pydantic import Field

from model_emotion.base.errors import UserError
from model_emotion.base.results import MEASURED, folder, read_activations
from model_emotion.base.settings import Section, check_section
from model_emotion.base.study import EMOTIONS
from model_emotion.base.values import Attribute, Count, Draws, Emotion, Seeds, Share
from model_emotion.live.session import TEXTS
from model_emotion.model.checkpoint import resolved
from model_emotion.params import Params, ParamsError, check, load_params
from model_emotion.project.notebook import ATTRIBUTE_RDMS, enter_root

ACTIVATIONS = folder(MEASURED) / "activations.safetensors"
SEARCHLIGHT = folder(MEASURED) / "searchlight.parquet"


class Choices(Section):
    """The first cell of measure_one_emotion.ipynb.

    share: of all neurons, that a mask silences. draws: number of random masks. examples: to train on. texts:
    to evaluate on.
    """

    emotion: Emotion
    attribute: Attribute
    share: Share
    draws: Draws
    seeds: Seeds
    examples: Count
    texts: Annotated[int, Field(ge=2)]


def begin_measuring(**choices: object) -> Params:
    """Return the parameters of params.yaml with a reader's choices, and change to the project's root folder.

    Raises UserError for an invalid choice, or if there is no finished run of this backbone with the study's
    emotions, attributes and texts, from which the notebook takes the ranking of neurons.
    """
    enter_root()
    chosen, values = check_section(choices, "your choices", Choices), load_params().model_dump()
    values |= {"seeds": chosen.seeds, "top_k": [chosen.share]}
    values["masks"]["draws"], values["training"]["examples"] = chosen.draws, chosen.examples
    params = resolved(check(values, "your choices and params.yaml"))
    try:
        params.sizes()
    except ParamsError as error:
        raise ParamsError(str(error).replace("params.yaml", "your choices", 1)) from None
    _require_run(params)
    # The notebook itself explains how answers are read from this backbone.
    logging.getLogger("model_emotion").setLevel(logging.ERROR)
    return params


def _require_run(params: Params) -> None:
    """Raise UserError unless the run `live` has this backbone and the study's emotions and data."""
    files = (TEXTS, ATTRIBUTE_RDMS, ACTIVATIONS, SEARCHLIGHT)
    if missing := [str(path) for path in files if not path.is_file()]:
        raise UserError(
            f"{', '.join(missing)}: not found. The ranking of neurons needs all emotions, measured once: "
            "type `make repro` in a terminal, in this project's folder"
        )
    measured, backbone = read_activations(ACTIVATIONS), params.backbone
    found = (measured.backbone, measured.layers, measured.width)
    if found != (backbone.name, *backbone.shape):
        raise UserError(
            f"{ACTIVATIONS}: measured with {measured.backbone}, but params.yaml names {backbone.name}; type "
            "`make repro` in a terminal"
        )
    if params.own.attributes or params.own.texts or set(measured.emotions) != set(EMOTIONS):
        raise UserError(
            "params.yaml: this notebook needs the study's 27 emotions, attributes and texts. To restore them "
            "type `git checkout . && dvc checkout` in a terminal"
        )
