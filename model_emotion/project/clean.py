"""Remove what the pipeline wrote: `make clean` its outputs, `make distclean` everything that it ever wrote.

`python3 model_emotion/project/clean.py [--all]` needs no packages. It removes only the paths that are listed
here or in the .gitignore files of results/. It keeps data/own, files that git tracks, and all others.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

OUTPUTS = ("report.html", "site", "dvc_plots", "results/environment.json", "results/times")
"""What `make clean` removes, besides the outputs that the .gitignore files of results/ name."""
EVERYTHING = (
    "data/raw", "data/goemotions.parquet", "data/texts", "data/tokens", "data/finished", "data/cells",
    "data/models", ".dvc/archive", ".dvc/cache", ".dvc/tmp",
    ".pytest_cache", ".ruff_cache", ".mypy_cache", ".hypothesis", "model_emotion.egg-info",
    "notebooks/.ipynb_checkpoints", ".venv-lock", ".venv",
)  # fmt: skip
"""What `make distclean` removes too. The environment comes last, because its Python may run this."""
CODE = ("benchmarks", "model_emotion", "setup", "stages", "tests")
"""Folders in which Python writes __pycache__."""


def paths_to_remove(root: Path, everything: bool) -> list[Path]:
    """Return the paths that exist and may be removed, relative to the checkout `root`."""
    found = [Path(name) for name in OUTPUTS]
    for ignored in sorted(root.glob("results/**/.gitignore")):
        names = [line[1:] for line in ignored.read_text(encoding="utf-8").split("\n") if line.startswith("/")]
        found += [ignored.parent.relative_to(root) / name for name in names]
    if everything:
        found += sorted(
            path.relative_to(root) for folder in CODE for path in root.glob(f"{folder}/**/__pycache__")
        )
        found += [Path(name) for name in EVERYTHING]
    there = [path for path in found if os.path.lexists(root / path) and _is_inside(root, path)]
    if not (root / "site/.nojekyll").is_file():  # as in site.py: then `make site` did not write the folder
        there = [path for path in there if path != Path("site")]
    kept = _tracked(root, there)
    return [path for path in there if not any(path == one or path in one.parents for one in kept)]


def _is_inside(root: Path, path: Path) -> bool:
    """Return whether a path lies in the checkout, and not behind a link to another folder."""
    parent = (root / path).parent.resolve()
    return ".." not in path.parts and root.resolve() in (parent, *parent.parents)


def _tracked(root: Path, paths: Iterable[Path]) -> set[Path]:
    """Return the files below the paths that git tracks; none without git."""
    if not (root / ".git").exists():
        return set()
    command = ["git", "--literal-pathspecs", "-C", str(root), "ls-files", "-z", "--", *map(str, paths)]
    listed = subprocess.run(command, capture_output=True)
    if listed.returncode:
        sys.exit(f"error: git can't tell which files it tracks: {os.fsdecode(listed.stderr).strip()}")
    return {Path(os.fsdecode(name)) for name in listed.stdout.split(b"\0") if name}


def size(path: Path) -> int:
    """Return the bytes of a file, or of all files of a folder. A link counts as itself."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    return sum(size(Path(entry.path)) for entry in os.scandir(path))


def readable(number: float) -> str:
    """Return a number of bytes as text, such as "1.2 GB"."""
    for unit in ("bytes", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"


def remove(root: Path, paths: Iterable[Path]) -> None:
    """Remove files, folders and links. What a link points to stays."""
    for path in paths:
        full = root / path
        if full.is_dir() and not full.is_symlink():
            shutil.rmtree(full)
        else:
            full.unlink()


def confirmed() -> bool:
    """Ask on a terminal. Elsewhere the variable YES=1 answers, and without it the command stops."""
    if os.environ.get("YES") == "1":
        return True
    if not sys.stdin.isatty():
        sys.exit("error: nothing removed: there is no terminal to ask on; `make distclean YES=1` removes it")
    return input("Remove all of this? [y/N] ").strip().lower() in ("y", "yes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--all", action="store_true", help="everything that the pipeline ever wrote")
    everything, root = parser.parse_args().all, Path()
    if not (root / "dvc.yaml").is_file():
        sys.exit("error: dvc.yaml not found: run this in the root of the checkout")
    paths = paths_to_remove(root, everything)
    sizes: dict[str, int] = {}
    for path in paths:
        name = "__pycache__ of the code" if path.name == "__pycache__" else str(path)
        sizes[name] = sizes.get(name, 0) + size(root / path)
    for name, number in sizes.items():
        print(f"{readable(number):>10}  {name}")
    print(f"{readable(sum(sizes.values())):>10}  in all", flush=True)
    if everything and paths:
        print("Not removed: your files (data/own, outputs) and the output of `make archive`.")
        print("Without .dvc/cache, the results of experiments are lost, and the inputs are downloaded again.")
        if not confirmed():
            sys.exit("nothing removed")
    remove(root, paths)


if __name__ == "__main__":
    main()
