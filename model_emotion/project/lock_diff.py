"""List the stages whose entries in dvc.lock differ from the commit.

`python -m model_emotion.project.lock_diff`, or `make lock-diff`.
"""

from collections.abc import Iterator
from pathlib import Path

from model_emotion.base.files import parse_yaml
from model_emotion.project.checkout import require_git
from model_emotion.project.commands import output
from model_emotion.project.stage import run


def difference(committed: str, found: str) -> Iterator[str]:
    """Yield a line for each stage whose entry differs between two texts of dvc.lock."""
    before, after = (parse_yaml(text)["stages"] for text in (committed, found))
    for name in sorted(before.keys() | after.keys()):
        if name not in after or name not in before:
            yield f"{name}: {'removed' if name in before else 'new'}"
        elif before[name] != after[name]:
            outs, *kinds = (
                (kind, _differing(kind, before[name], after[name]))
                for kind in ("outs", "deps", "params", "cmd")
            )
            because = "; ".join(f"{kind} {', '.join(names)}" for kind, names in kinds if names)
            yield f"{name}: {', '.join(outs[1]) or 'the same outputs'}{f' ({because})' if because else ''}"


def _differing(kind: str, before: dict, after: dict) -> list[str]:
    """Return the items of a part of two entries (outs, deps, params or cmd) that differ."""
    old, new = _items(kind, before), _items(kind, after)
    return sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))


def _items(kind: str, entry: dict) -> dict:
    part = entry.get(kind, {})
    if kind == "params":
        return {key: value for file in part.values() for key, value in file.items()}
    return {str(part): True} if kind == "cmd" else {item["path"]: item.get("md5") for item in part}


def main() -> None:
    require_git("comparisons with the commit")
    committed, found = output("git", "show", "HEAD:dvc.lock"), Path("dvc.lock").read_text(encoding="utf-8")
    print("\n".join(difference(committed, found)) or "no stage differs")


if __name__ == "__main__":
    run(main)
