"""What an archive holds, as an RO-Crate 1.2: the pipeline's inputs with their hashes and licences, its stages, their outputs.

All of it is read from dvc.lock, data/registry and CITATION.cff: the same files give the same bytes. An output is the file that the
archive's DVC remote has of it, under its hash; one that git holds has the path in the checkout, after a `#`, and so have code, settings and
folders of inputs.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate
from ruamel.yaml import YAML

from model_emotion.inputs.download import FILES
from model_emotion.inputs.registry import GOEMOTIONS, GROUPS, RAW, REGISTRY, STUDY

OURS = "https://spdx.org/licenses/MIT"
CC_BY = "https://creativecommons.org/licenses/by/4.0/"
NONE = "#no-licence-stated"
LICENCES = {GOEMOTIONS: CC_BY, STUDY: NONE}
"""Repository of inputs, at its pinned commit -> licence, as data/README.md says."""

DERIVED = {"data/goemotions.parquet": CC_BY}
"""Outputs that still are somebody's texts."""

TERMS = {name: f"https://w3id.org/ro/terms/workflow-run#{name}" for name in ("md5", "sha256")}


def registered(path):
    """{name: sha256} of a group's inputs, as data/registry pins them."""
    lines = [line.split() for line in Path(path).read_text(encoding="utf-8").splitlines()]
    return dict(line for line in lines if line and line[0] != "#")


def stored(md5):
    """Path of a hashed file in a DVC remote."""
    return f"files/md5/{md5[:2]}/{md5[2:]}"


def local(path):
    """Identifier of a path of the checkout."""
    return f"#{quote(path)}"


def write(folder, seconds, lock="dvc.lock", registry=REGISTRY, citation="CITATION.cff"):
    """Describe the archive in `folder`, which has its remote, in ro-crate-metadata.json. seconds: when it was published, since 1970."""
    safe = YAML(typ="safe")
    stages = safe.load(Path(lock).read_text(encoding="utf-8"))["stages"]
    cff = safe.load(Path(citation).read_text(encoding="utf-8"))
    crate = ROCrate(version="1.2")
    crate.metadata.extra_terms.update(TERMS)
    _root(crate, cff, seconds)
    inputs = _inputs(crate, Path(registry))
    made = {
        out["path"]: _output(crate, Path(folder), out)
        for stage in stages.values()
        for out in stage.get("outs", [])
    }
    for name, stage in stages.items():
        _stage(crate, name, stage, inputs | made)
    text = json.dumps(crate.metadata.generate(), indent=1, sort_keys=True, ensure_ascii=False)
    (Path(folder) / "ro-crate-metadata.json").write_text(text + "\n", encoding="utf-8")


def _add(crate, identifier, kind, **properties):
    """An entity that is no file of the archive; the one that is there if there is one. Returns a reference."""
    if not crate.dereference(identifier):
        crate.add(ContextEntity(crate, identifier, properties={"@type": kind, **properties}))
    return {"@id": identifier}


def _root(crate, cff, seconds):
    study = cff["preferred-citation"]
    terms = {
        OURS: ("MIT", "Our code."),
        CC_BY: ("CC BY 4.0", "GoEmotions, by Demszky et al. 2020; its texts are Reddit users'."),
        NONE: ("No licence stated", "The study's files: read from their source, not in the archive."),
    }
    for identifier, (name, description) in terms.items():
        _add(crate, identifier, "CreativeWork", name=name, description=description)
    whole = " ".join(f"{name}: {description}" for name, description in terms.values())
    root = crate.root_dataset
    root["name"], root["description"], root["version"] = cff["title"], cff["abstract"], cff["version"]
    root["datePublished"] = datetime.fromtimestamp(seconds, UTC).isoformat()
    root["license"] = _add(
        crate,
        "#licences",
        "CreativeWork",
        name="Licences of what is here, each part its own",
        description=whole,
    )
    root["author"] = _add(crate, "#authors", "Organization", name=cff["authors"][0]["name"])
    people = [
        _add(crate, local(f"{person['given-names']} {person['family-names']}"), "Person",
             name=f"{person['given-names']} {person['family-names']}") for person in study["authors"]
    ]  # fmt: skip
    root["citation"] = _add(crate, study["url"], "ScholarlyArticle", name=study["title"], author=people)
    crate.add_file(
        dest_path="repository.bundle",
        properties={"name": "Code and its history, for git clone", "license": {"@id": OURS}},
    )
    crate.add_file(
        dest_path="README.md", properties={"name": "How to restore", "encodingFormat": "text/markdown"}
    )
    crate.add_file(
        dest_path="SHA256SUMS", properties={"name": "SHA-256 of each file", "encodingFormat": "text/plain"}
    )


def _inputs(crate, registry):
    """{path in the checkout: reference} of each input and each group; a file that two groups have is one entity."""
    found = {}
    for group, repository in GROUPS.items():
        members = registered(registry / f"{group}.txt")
        for name, sha256 in members.items():
            url = f"{FILES}/{quote(name)}"
            if not crate.dereference(url):
                about = {
                    "name": name.rpartition("/")[2],
                    "sha256": sha256,
                    "license": {"@id": LICENCES[repository]},
                }
                crate.add_file(url, fetch_remote=False, validate_url=False, properties=about)
            found[f"{RAW}/{group}/{name}"] = {"@id": url}
        path = f"{RAW}/{group}"
        parts = [found[f"{path}/{name}"] for name in members]
        found[path] = _add(
            crate, local(path), "Collection", name=path, license={"@id": LICENCES[repository]}, hasPart=parts
        )
    return found


def _output(crate, folder, out):
    """Reference to an output: the remote's file, else git's, else the group of inputs that it is."""
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
                "A folder: its files' names, each with the MD5 under which the remote has it."
            )
        crate.add_file(dest_path=identifier, properties=about)
    return {"@id": identifier}


def _stage(crate, name, stage, known):
    """A stage as an action: what it read and was set to, its script, what it made."""
    read = []
    for dep in stage.get("deps", []):
        path = dep["path"]
        about = {"name": path, "md5": dep["md5"], "isPartOf": {"@id": "repository.bundle"}}
        if path.endswith(".py") or dep["md5"].endswith(
            ".dir"
        ):  # of the type itself only a file of the archive may be
            about["additionalType"] = "https://schema.org/SoftwareSourceCode"
        read.append(known.get(path) or _add(crate, local(path), "CreativeWork", **about))
    for file, settings in stage.get("params", {}).items():
        for key, value in settings.items():
            read.append(
                _add(
                    crate,
                    local(f"{file}/{key}"),
                    "PropertyValue",
                    name=key,
                    value=json.dumps(value, ensure_ascii=False),
                )
            )
    script = next((dep["path"] for dep in stage.get("deps", []) if dep["path"].startswith("stages/")), None)
    about = {
        "name": name,
        "description": stage["cmd"],
        "object": read,
        "result": [known[out["path"]] for out in stage.get("outs", [])],
    }
    if script:
        about["instrument"] = {"@id": local(script)}
    crate.root_dataset.append_to("mentions", _add(crate, local(f"stage/{name}"), "CreateAction", **about))
