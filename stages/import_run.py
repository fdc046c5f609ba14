"""Stage import_run: a run measured elsewhere, data/runs/RUN -> results/RUN/, checked and copied"""

from model_emotion.live.run_import import import_run
from model_emotion.params import load_params
from model_emotion.project import stage


def main() -> None:
    run = stage.run_option(__doc__)
    load_params()  # a wrong value is reported before anything runs
    import_run(run)


if __name__ == "__main__":
    stage.run(main)
