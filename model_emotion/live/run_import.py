"""Take a run that was measured elsewhere, data/runs/NAME, into the results that every stage reads."""

import shutil
from dataclasses import replace

import numpy as np

from model_emotion.base.files import replacing, write_json
from model_emotion.base.results import CARD, folder, read_activations, write_activations
from model_emotion.base.run_folder import ACTIVATIONS, MASKED, UNMASKED, folder_of
from model_emotion.live import run_check as check
from model_emotion.masking import mask_plan


def import_run(name: str) -> None:
    """Check data/runs/NAME, and write results/NAME: its measurements, the plan of its masks, and its card.

    Activations become float32; every float16 is one. Raises UserError, with a line a fault, for a run that
    cannot be analysed.
    """
    source, out, card = folder_of(name), folder(name), check.checked(name)
    mask_plan.write(card.plan(), name)
    write_json(card.model_dump(), out / CARD)
    copied = [UNMASKED, MASKED]
    activations = read_activations(source / ACTIVATIONS)
    if activations.values.dtype == np.float32:
        copied.append(ACTIVATIONS)
    else:
        widened = replace(activations, values=activations.values.astype(np.float32))
        write_activations(widened, out / ACTIVATIONS)
    for file in copied:
        with replacing(out / file) as part:
            shutil.copyfile(source / file, part)
