"""`python -m model_emotion.smoke`: the full pipeline on synthetic data with a known answer."""

from model_emotion.project import stage
from model_emotion.smoke.chain import main

if __name__ == "__main__":
    stage.run(main)
