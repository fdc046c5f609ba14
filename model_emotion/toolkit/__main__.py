"""`python -m model_emotion.toolkit`: evaluate saved masks on a saved prompt."""

from model_emotion.project import stage
from model_emotion.toolkit.command import main

if __name__ == "__main__":
    stage.run(main)
