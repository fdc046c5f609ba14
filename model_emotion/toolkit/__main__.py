"""`python -m model_emotion.toolkit`: evaluate masks that are in a file, on a saved prompt."""

from model_emotion.project import stage
from model_emotion.toolkit.masks import main

if __name__ == "__main__":
    stage.run(main)
