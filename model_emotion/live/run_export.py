"""Write the present measurement of the run `live` as a folder data/runs/NAME, which others can analyse.

`python -m model_emotion.live.run_export NAME [--by WHO]` copies the files byte for byte, writes the card, and
checks the result.
"""

import argparse
import json
import shutil
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_metadata, read_yaml, sha256, temporary_beside, write_text
from model_emotion.base.results import MEASURED, folder
from model_emotion.base.run_folder import ACTIVATIONS, CARD_FILE, MASKED, OPTIONAL, UNMASKED, folder_of
from model_emotion.base.settings import set_key
from model_emotion.live.run_check import faults
from model_emotion.masking import mask_plan
from model_emotion.model.checkpoint import PINS, model_files
from model_emotion.params import Backbone, Params, check
from model_emotion.project import stage

LOCK = Path("dvc.lock")
SECTIONS = ("activation", "protocol", "training", "evaluation")
"""Sections of params.yaml that the card repeats."""


def export(name: str, params: Params, by: str = "", source: Path | None = None) -> Path:
    """Write results/live as data/runs/NAME and return that folder. params: those it was measured with.

    by: who measured. source: another folder of results than results/live. Raises UserError if the run is not
    measured, was measured with the user's own attributes or texts, or if the folder exists already.
    """
    source, out = source or folder(MEASURED), folder_of(name)
    if own := [key for key in ("attributes", "texts") if getattr(params.own, key)]:
        raise UserError(
            f"params.yaml: own.{own[0]}: a run on your own {own[0]} can't be exported, because others "
            "compare its neurons with the study's ratings and texts"
        )
    for needed in (ACTIVATIONS, UNMASKED, MASKED, "mask_plan.json"):
        if not (source / needed).is_file():
            raise UserError(f"{source / needed}: not found; run `make repro` first")
    if out.exists():
        raise UserError(f"{out}: exists already; remove it, or give another NAME")
    part = temporary_beside(out)
    shutil.rmtree(part, ignore_errors=True)
    # Faults name the folder that is checked, and the card's name must be its name.
    made = part / name
    made.mkdir(parents=True)
    try:
        for file in (ACTIVATIONS, UNMASKED, MASKED):
            shutil.copyfile(source / file, made / file)
        for optional, suffix in OPTIONAL.items():
            for path in sorted((source / optional).glob(f"*{suffix}")):
                (made / optional).mkdir(exist_ok=True)
                shutil.copyfile(path, made / optional / path.name)
        write_text(_yaml(describe(name, params, by, source)), made / CARD_FILE)
        if found := faults(made):
            raise UserError("\n".join(line.replace(str(made), str(source)) for line in found))
        made.rename(out)
    finally:
        shutil.rmtree(part)
    return out


def describe(name: str, params: Params, by: str, source: Path) -> dict[str, Any]:
    """Return the card's content: what the files say, and the settings that they were measured with."""
    axes = read_metadata(source / ACTIVATIONS, "activations of a run")
    plan = json.loads((source / mask_plan.path(MEASURED).name).read_text(encoding="utf-8"))
    masks = {key: plan[key] for key in ("ranking", "kind", "baseline", "seed", "ranking_seeds")}
    sizes = [{key: size[key] for key in ("k", "draws", "attributes", "permuted")} for size in plan["sizes"]]
    return {
        "name": name,
        "backbone": {
            "name": axes["backbone"],
            "revision": revision(params.backbone),
            "sha256": weights_sha256(params.backbone.name),
            "precision": params.backbone.precision,
        },
        **{key: axes[key] for key in ("layers", "width", "emotions", "seeds")},
        "masks": masks | {"sizes": sizes},
        **{section: getattr(params, section).model_dump() for section in SECTIONS},
        "measured": {"by": by, "on": machine(source)},
    }


def revision(backbone: Backbone) -> str:
    """Return the commit that a backbone was read at, which is the pinned one where params.yaml names none."""
    pin = PINS.get(backbone.name)
    return backbone.revision or (pin.revision if pin else "")


def weights_sha256(name: str) -> str:
    """Return the SHA-256 of the weights in a model's folder, file after file; '' if there is no folder."""
    files = [path for path in model_files(Path(name).expanduser()) if path.suffix == ".safetensors"]
    return sha256(*files) if files else ""


def machine(source: Path) -> str:
    """Return the processor and GPUs that the record of the evaluation names; '' without a record."""
    path = source / "provenance/evaluation.json"
    if not path.is_file():
        return ""
    record = json.loads(path.read_text(encoding="utf-8"))
    return ", ".join([record["cpu"], *(gpu["name"] for gpu in record["gpus"])])


def _yaml(values: dict[str, Any]) -> str:
    writer, text = YAML(), StringIO()
    writer.default_flow_style, writer.width = None, 110
    writer.dump(values, text)
    return text.getvalue()


def as_measured(values: dict[str, Any], lock: dict[str, Any]) -> dict[str, Any]:
    """Return params.yaml's values with those that dvc.lock recorded for the stages that measured.

    A setting may have changed since, and the card must tell what was measured.
    """
    for name in ("targets@live", "mask_plan", "prompts", "activations", "evaluation"):
        recorded = lock.get("stages", {}).get(name, {}).get("params", {}).get("params.yaml", {})
        for key, value in recorded.items():
            set_key(values, key, value, "params.yaml")
    return values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", help="of the folder to write in data/runs")
    parser.add_argument("--by", default="", help="who measured, for the card")
    options = parser.parse_args()
    lock = read_yaml(LOCK) if LOCK.exists() else {}
    written = export(options.name, check(as_measured(read_yaml("params.yaml"), lock)), options.by)
    size = sum(path.stat().st_size for path in written.rglob("*") if path.is_file())
    print(f"{written}: {size / 1e6:.1f} MB; `make check-run NAME={options.name}` checks it anywhere")


if __name__ == "__main__":
    stage.run(main)
