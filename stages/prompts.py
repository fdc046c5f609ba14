"""Stage prompts: texts -> results/live/prompts/EMOTION.safetensors, results/live/learning_curves/SEED.csv"""

from model_emotion.live.prompts import train_prompts, write_learning_curves
from model_emotion.model.checkpoint import resolved
from model_emotion.params import load_params
from model_emotion.project import stage


def main() -> None:
    params = resolved(load_params())
    write_learning_curves(params, train_prompts(params))


if __name__ == "__main__":
    stage.run(main, kept="finished emotions")
