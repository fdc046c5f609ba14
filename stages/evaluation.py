"""Stage evaluation: prompts and masks -> results/live/{accuracy.csv, masked_accuracy.csv} and all answers"""

from model_emotion.base.files import write_csv
from model_emotion.base.results import MEASURED, folder
from model_emotion.live.evaluation import accuracies, evaluate_prompts
from model_emotion.model.checkpoint import resolved
from model_emotion.params import load_params
from model_emotion.project import stage


def main() -> None:
    params, out = resolved(load_params()), folder(MEASURED)
    unmasked, masked = accuracies(params, evaluate_prompts(params))
    write_csv(unmasked, out / "accuracy.csv")
    write_csv(masked, out / "masked_accuracy.csv")


if __name__ == "__main__":
    stage.run(main, kept="finished emotions")
