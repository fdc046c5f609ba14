"""fetch: a group of the public inputs -> data/raw/GROUP"""

import argparse
import os

from model_emotion.inputs.download import fetch
from model_emotion.inputs.registry import GROUPS
from model_emotion.params import load_params
from model_emotion.project import stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--group", required=True, choices=GROUPS)
    group = parser.parse_args().group
    load_params()
    fetch(group, mirror=os.environ.get("MODEL_EMOTION_MIRROR"))


if __name__ == "__main__":
    stage.run(main)
