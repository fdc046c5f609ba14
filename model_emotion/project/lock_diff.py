"""Which stages' entries in dvc.lock differ from the commit's: `python -m model_emotion.project.lock_diff`."""

from pathlib import Path

from ruamel.yaml import YAML

from model_emotion.project.commands import output
from model_emotion.project.stage import run


def difference(committed, found):
    """A line for each stage whose entry differs. committed, found: texts of dvc.lock."""
    before, after = (YAML(typ="safe").load(text)["stages"] for text in (committed, found))
    for name in sorted(before.keys() | after.keys()):
        if name not in after or name not in before:
            yield f"{name}: {'no more' if name in before else 'new'}"
        elif before[name] != after[name]:
            kinds = {
                kind: _differing(kind, before[name], after[name])
                for kind in ("outs", "deps", "params", "cmd")
            }
            outs = kinds.pop("outs")
            because = "; ".join(f"{kind} {', '.join(names)}" for kind, names in kinds.items() if names)
            yield f"{name}: {', '.join(outs) or 'the same outputs'}{f' ({because})' if because else ''}"


def _differing(kind, before, after):
    """Names in a stage's part that are not the same in both entries."""

    def parts(entry):
        part = entry.get(kind, {})
        if kind == "params":
            return {key: value for file in part.values() for key, value in file.items()}
        return {str(part): True} if kind == "cmd" else {item["path"]: item.get("md5") for item in part}

    before, after = parts(before), parts(after)
    return sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))


def main():
    committed, found = output("git", "show", "HEAD:dvc.lock"), Path("dvc.lock").read_text(encoding="utf-8")
    print("\n".join(difference(committed, found)) or "no stage differs")


if __name__ == "__main__":
    run(main)
