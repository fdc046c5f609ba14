"""Stage figures: a run's results -> paper_figures/RUN/*.{svg,png} and README.md, a page that shows them"""

from pathlib import Path

from model_emotion.figures.drawing import draw_all
from model_emotion.params import load_params
from model_emotion.project import stage


def main() -> None:
    run = stage.run_option(__doc__)
    draw_all(run, load_params().figures.model_dump(), Path("paper_figures", run))


if __name__ == "__main__":
    stage.run(main)
