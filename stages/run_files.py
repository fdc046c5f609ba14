"""Stage run_files: results/RUN, paper_figures/RUN -> results/imported/RUN.json, the SHA-256 of each file

The report depends on results/imported, so that it waits for every run that was measured elsewhere.
"""

from pathlib import Path

from model_emotion.base.files import sha256, write_json
from model_emotion.base.results import folder
from model_emotion.params import load_params
from model_emotion.project import stage


def main() -> None:
    run = stage.run_option(__doc__)
    load_params()
    tops = Path("data/runs", run), folder(run), Path("paper_figures", run)
    files = sorted(path for top in tops for path in top.rglob("*"))
    hashes = {path.as_posix(): sha256(path) for path in files if path.is_file() and path.name[0] != "."}
    write_json(hashes, f"results/imported/{run}.json")


if __name__ == "__main__":
    stage.run(main)
