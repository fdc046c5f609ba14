"""Stage mask_plan: params.yaml -> results/RUN/mask_plan.json, which masks each run has"""

from model_emotion.masking import mask_plan
from model_emotion.model.checkpoint import resolved
from model_emotion.params import load_params
from model_emotion.project import stage


def main() -> None:
    params = resolved(load_params())
    mask_plan.write(mask_plan.of_published(params.study), "published")
    mask_plan.write(mask_plan.of_live(params.backbone, params.sizes(), params.masks), "live")


if __name__ == "__main__":
    stage.run(main)
