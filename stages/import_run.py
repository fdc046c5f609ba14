"""Stage import_run: a run measured elsewhere, data/runs/RUN -> results/RUN/, checked and copied"""

import shutil
from dataclasses import replace

import numpy as np

from model_emotion.base.files import replacing
from model_emotion.base.results import folder, read_activations, write_activations
from model_emotion.live import run_check as check
from model_emotion.masking import mask_plan
from model_emotion.params import load_params
from model_emotion.project import stage


def main() -> None:
    run = stage.run_option(__doc__)
    load_params()  # a wrong value is reported before anything runs
    source, out, card = check.place(run), folder(run), check.checked(run)
    mask_plan.write(card.plan(), run)
    copied = [check.UNMASKED, check.MASKED]
    activations = read_activations(source / check.ACTIVATIONS)
    if activations.values.dtype == np.float32:
        copied.append(check.ACTIVATIONS)
    else:  # every float16 is a float32
        widened = replace(activations, values=activations.values.astype(np.float32))
        write_activations(widened, out / check.ACTIVATIONS)
    for name in copied:
        with replacing(out / name) as part:
            shutil.copyfile(source / name, part)


if __name__ == "__main__":
    stage.run(main)
