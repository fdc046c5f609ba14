"""Describe an archive as an RO-Crate 1.2: inputs with hashes and licences, stages, outputs.

Everything is read from dvc.lock, data/registry and CITATION.cff; the same files give the same bytes. An
output is identified by its file in the archive's DVC remote, which is named by its hash. Outputs that git
holds, code, settings and folders of inputs are identified by `#` and their path in the checkout.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

from model_emotion.base.files import read_yaml
from model_emotion.inputs.download import FILES
from model_emotion.inputs.registry import GOEMOTIONS, GROUPS, RAW, REGISTRY, STUDY

OURS = "https://spdx.org/licenses/MIT"
ISC = "https://spdx.org/licenses/ISC"
CC_BY = "https://creativecommons.org/licenses/by/4.0/"
NONE = "#no-licence-stated"
LICENCES = {GOEMOTIONS: CC_BY, STUDY: NONE}
"""The licence of each repository of inputs at its pinned commit, as data/README.md states it."""
TERMS = {
    OURS: ("MIT", "Our code."),
    ISC: ("ISC", "d3 and Observable Plot, which draw the charts of report.html, in the code."),
    CC_BY: ("CC BY 4.0", "GoEmotions, by Demszky et al. 2020; its texts are Reddit users'."),
    NONE: ("No licence stated", "The study's files: read from their source, not in the archive."),
}
"""Name and description of each licence."""

DERIVED = {"data/goemotions.parquet": CC_BY}
"""Outputs that contain somebody's texts."""

HASHES = {name: f"https://w3id.org/ro/terms/workflow-run#{name}" for name in ("md5", "sha256")}
"""Terms that the RO-Crate context lacks."""

Reference = dict[str, str]
"""{"@id": identifier of an entity}"""


def registered(path: Path | str) -> dict[str, str]:
    """Return {name: SHA-256} of a group's inputs, as a file of data/registry pins them."""
    lines = [line.split() for line in Path(path).read_text(encoding="utf-8").splitlines()]
    return {line[0]: line[1] for line in lines if line and line[0] != "#"}


def stored(md5: str) -> str:
    """Return the path of a file in a DVC remote."""
    return f"files/md5/{md5[:2]}/{md5[2:]}"


def local(path: str) -> str:
    """Return the identifier of a path in the checkout."""
    return f"#{quote(path)}"


def write(
    folder: Path,
    seconds: int,
    lock: Path | str = "dvc.lock",
    registry: Path | str = REGISTRY,
    citation: Path | str = "CITATION.cff",
) -> None:
    """Write ro-crate-metadata.json into `folder`, which already has the DVC remote.

    seconds: time of publication, since 1970.
    """
    stages = read_yaml(lock)["stages"]
    crate = ROCrate(version="1.2")
    crate.metadata.extra_terms.update(HASHES)
    _describe_root(crate, read_yaml(citation), seconds)
    known = _add_inputs(crate, Path(registry))
    outs = [out for stage in stages.values() for out in stage.get("outs", [])]
    known |= {out["path"]: _output(crate, folder, out) for out in outs}
    for name, stage in stages.items():
        _add_stage(crate, name, stage, known)
    text = json.dumps(crate.metadata.generate(), indent=1, sort_keys=True, ensure_ascii=False)
    (folder / "ro-crate-metadata.json").write_text(text + "\n", encoding="utf-8")


def _add(crate: ROCrate, identifier: str, kind: str, **properties: object) -> Reference:
    """Add an entity that is not a file of the archive, unless it exists, and return a reference to it."""
    if not crate.dereference(identifier):
        crate.add(ContextEntity(crate, identifier, properties={"@type": kind, **properties}))
    return {"@id": identifier}


def _describe_root(crate: ROCrate, cff: Mapping, seconds: int) -> None:
    """Describe the archive as a whole: title, date, licences, authors, the study, files beside the remote."""
    for identifier, (name, description) in TERMS.items():
        _add(crate, identifier, "CreativeWork", name=name, description=description)
    root, study = crate.root_dataset, cff["preferred-citation"]
    root["name"], root["description"], root["version"] = cff["title"], cff["abstract"], cff["version"]
    root["datePublished"] = datetime.fromtimestamp(seconds, UTC).isoformat()
    licences = {
        "name": "Licences of the parts",
        "description": " ".join(f"{name}: {description}" for name, description in TERMS.values()),
    }
    root["license"] = _add(crate, "#licences", "CreativeWork", **licences)
    root["author"] = _add(crate, "#authors", "Organization", name=cff["authors"][0]["name"])
    names = [f"{person['given-names']} {person['family-names']}" for person in study["authors"]]
    people = [_add(crate, local(name), "Person", name=name) for name in names]
    root["citation"] = _add(crate, study["url"], "ScholarlyArticle", name=study["title"], author=people)
    beside_remote = {
        "repository.bundle": {"name": "Code and its history, for git clone", "license": {"@id": OURS}},
        "README.md": {"name": "How to restore", "encodingFormat": "text/markdown"},
        "SHA256SUMS": {"name": "SHA-256 of each file", "encodingFormat": "text/plain"},
    }
    for path, about in beside_remote.items():
        crate.add_file(dest_path=path, properties=about)


def _add_inputs(crate: ROCrate, registry: Path) -> dict[str, Reference]:
    """Add the inputs and their groups. Return {path in the checkout: reference}.

    A file that two groups have is one entity.
    """
    found = {}
    for group, repository in GROUPS.items():
        members = registered(registry / f"{group}.txt")
        licence = {"@id": LICENCES[repository]}
        for name, digest in members.items():
            url = f"{FILES}/{quote(name)}"
            if not crate.dereference(url):
                about = {"name": name.rpartition("/")[2], "sha256": digest, "license": licence}
                crate.add_file(url, fetch_remote=False, validate_url=False, properties=about)
            found[f"{RAW}/{group}/{name}"] = {"@id": url}
        path = f"{RAW}/{group}"
        parts = [found[f"{path}/{name}"] for name in members]
        found[path] = _add(crate, local(path), "Collection", name=path, license=licence, hasPart=parts)
    return found


def _output(crate: ROCrate, folder: Path, out: Mapping) -> Reference:
    """Return a reference to an output: a group of inputs, a file of the remote, or a file that git holds."""
    path, md5 = out["path"], out["md5"]
    if crate.dereference(local(path)):
        return {"@id": local(path)}
    about = {"name": path, "md5": md5, "contentSize": str(out["size"])}
    if path in DERIVED:
        about["license"] = {"@id": DERIVED[path]}
    identifier = f"remote/{stored(md5)}"
    if not (folder / identifier).is_file():
        return _add(crate, local(path), "CreativeWork", isPartOf={"@id": "repository.bundle"}, **about)
    if same := crate.dereference(identifier):  # the same bytes under another name
        same["alternateName"] = sorted([*same.get("alternateName", []), path])
    else:
        if md5.endswith(".dir"):
            about["encodingFormat"] = "application/json"
            about["description"] = (
                "A folder: the names of its files, and the MD5 that names each in the remote."
            )
        crate.add_file(dest_path=identifier, properties=about)
    return {"@id": identifier}


def _add_stage(crate: ROCrate, name: str, stage: Mapping, known: Mapping[str, Reference]) -> None:
    """Add a stage as an action: its dependencies and parameters, its script, its outputs."""
    deps = [dep["path"] for dep in stage.get("deps", [])]
    about = {
        "name": name,
        "description": stage["cmd"],
        "object": [*_dependencies(crate, stage, known), *_parameters(crate, stage)],
        "result": [known[out["path"]] for out in stage.get("outs", [])],
    }
    if script := next((path for path in deps if path.startswith("stages/")), None):
        about["instrument"] = {"@id": local(script)}
    crate.root_dataset.append_to("mentions", _add(crate, local(f"stage/{name}"), "CreateAction", **about))


def _dependencies(crate: ROCrate, stage: Mapping, known: Mapping[str, Reference]) -> list[Reference]:
    found = []
    for dep in stage.get("deps", []):
        path = dep["path"]
        about = {"name": path, "md5": dep["md5"], "isPartOf": {"@id": "repository.bundle"}}
        if path.endswith(".py") or dep["md5"].endswith(
            ".dir"
        ):  # only files of the archive may have this type
            about["additionalType"] = "https://schema.org/SoftwareSourceCode"
        found.append(known.get(path) or _add(crate, local(path), "CreativeWork", **about))
    return found


def _parameters(crate: ROCrate, stage: Mapping) -> list[Reference]:
    return [
        _add(
            crate,
            local(f"{file}/{key}"),
            "PropertyValue",
            name=key,
            value=json.dumps(value, ensure_ascii=False),
        )
        for file, settings in stage.get("params", {}).items()
        for key, value in settings.items()
    ]
