"""plan: params.yaml -> results/RUN/plan.json of each run: which masks it has"""

from model_emotion import cli, plan
from model_emotion.params import load_params


def main():
    params = load_params()
    plan.write(plan.of_published(params.study), "published")
    plan.write(plan.of_live(params.backbone, params.sizes(), params.masks), "live")  # params.top_k as counts


if __name__ == "__main__":
    cli.run(main)
