"""What describes an archive: the crate, which agrees with dvc.lock and the registries, and the citation."""

import json
import re
import shutil
from pathlib import Path

import pytest
from rocrate.rocrate import ROCrate

from model_emotion.base.files import read_yaml
from model_emotion.project import crate

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    """Folder with the crate of this checkout's dvc.lock. Its remote holds one output of the stage prompts."""
    lock_diff, folder = (
        read_yaml(ROOT / "dvc.lock")["stages"],
        tmp_path_factory.mktemp("described"),
    )
    held = folder / "remote" / crate.stored(lock_diff["prompts"]["outs"][1]["md5"])
    held.parent.mkdir(parents=True)
    held.touch()
    for name in ("repository.bundle", "README.md", "SHA256SUMS"):
        (folder / name).touch()
    crate.write(folder, 1_790_000_000, ROOT / "dvc.lock", ROOT / "data/registry", ROOT / "CITATION.cff")
    return folder


def references(value):
    """Every @id in a value."""
    if isinstance(value, dict):
        return (
            [value["@id"]]
            if set(value) == {"@id"}
            else [each for part in value.values() for each in references(part)]
        )
    return [each for part in value for each in references(part)] if isinstance(value, list) else []


def test_the_crate_follows_the_specification(described):
    """RO-Crate 1.2: a descriptor, a root with name, date and licence, no dangling reference, all files."""
    text = (described / "ro-crate-metadata.json").read_text()
    graph = json.loads(text)["@graph"]
    entities = {entity["@id"]: entity for entity in graph}
    assert len(entities) == len(graph) and str(described) not in text
    descriptor = entities["ro-crate-metadata.json"]
    assert descriptor["@type"] == "CreativeWork" and descriptor["about"] == {"@id": "./"}
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.2"}
    root = entities["./"]
    assert (
        root["@type"] == "Dataset"
        and root["datePublished"] == "2026-09-21T14:13:20+00:00"
        and root["name"]
        and root["description"]
    )
    assert entities[root["license"]["@id"]]["description"]
    for entity in graph:
        assert entity["@type"] and not set(references(entity)) - entities.keys() - {
            "https://w3id.org/ro/crate/1.2"
        }, entity["@id"]
    parts = {part["@id"] for part in root["hasPart"]}
    assert parts == {entity["@id"] for entity in graph if entity["@type"] == "File"}
    assert all(part.startswith("https://") or (described / part).is_file() for part in parts)
    assert {
        entity.id for entity in ROCrate(described).get_entities()
    } == entities.keys()  # it refuses a file that is no part


def test_the_crate_agrees_with_the_lock_and_the_registries(described):
    entities = {
        entity["@id"]: entity
        for entity in json.loads((described / "ro-crate-metadata.json").read_text())["@graph"]
    }
    stages = read_yaml(ROOT / "dvc.lock")["stages"]
    actions = {entity["name"]: entity for entity in entities.values() if entity["@type"] == "CreateAction"}
    assert actions.keys() == stages.keys()
    for name, stage in stages.items():
        made = [entities[each["@id"]] for each in actions[name]["result"]]
        raw = name.startswith("fetch@")
        assert [(each["name"], each.get("md5")) for each in made] == [
            (out["path"], None if raw else out["md5"]) for out in stage["outs"]
        ]
        assert len(actions[name]["object"]) == len(stage["deps"]) + len(
            stage.get("params", {}).get("params.yaml", {})
        )
        assert entities[actions[name]["instrument"]["@id"]]["name"] == f"stages/{name.partition('@')[0]}.py"
    pins = [
        line.split()
        for path in (ROOT / "data/registry").glob("*.txt")
        for line in path.read_text().splitlines()
        if line[0] != "#"
    ]
    licences = dict(
        re.findall(
            r"^\| (goemotions|all others) \|.*\| ([^|]+) \|$",
            (ROOT / "data/README.md").read_text(),
            re.MULTILINE,
        )
    )
    assert {key: value[:9] for key, value in licences.items()} == {
        "goemotions": "CC BY 4.0",
        "all others": "none stat",
    }
    for name, sha256 in pins:
        entity = entities[f"https://raw.githubusercontent.com/{name}"]
        stated = entities[entity["license"]["@id"]]["name"]
        assert entity["sha256"] == sha256 and stated == (
            "CC BY 4.0" if name.startswith("google") else "No licence stated"
        )
    tidied = next(entity for entity in entities.values() if entity.get("name") == "data/goemotions.parquet")
    assert entities[tidied["license"]["@id"]]["name"] == "CC BY 4.0"


def test_the_same_lock_gives_the_same_crate(described, tmp_path_factory):
    other = tmp_path_factory.mktemp("crate")
    shutil.copytree(described / "remote", other / "remote")
    crate.write(other, 1_790_000_000, ROOT / "dvc.lock", ROOT / "data/registry", ROOT / "CITATION.cff")
    assert (other / "ro-crate-metadata.json").read_bytes() == (
        described / "ro-crate-metadata.json"
    ).read_bytes()


def test_the_citation_is_complete_and_names_this_version_and_the_study():
    cff = read_yaml(ROOT / "CITATION.cff")
    assert (
        cff.keys() >= {"cff-version", "message", "title", "authors"}
        and cff["cff-version"] == "1.2.0"
        and cff["type"] == "software"
    )
    project = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{cff["version"]}"' in project and f'license = "{cff["license"]}"' in project
    assert cff["authors"] == [{"name": "model-emotion contributors"}]
    study = cff["preferred-citation"]
    assert study["type"] == "article" and study["title"] and study["journal"] == "iScience"
    assert (study["volume"], study["issue"], study["start"]) == (27, 12, "111401")  # as data/README.md has it
    assert all(person.keys() == {"given-names", "family-names"} for person in study["authors"])
    assert study["authors"][0]["family-names"] == "Li"
    (arxiv,) = study["identifiers"]
    number = re.fullmatch(r"arXiv:(\d{4}\.\d{5})", arxiv["value"]).group(1)
    assert (
        arxiv["type"] == "other"
        and study["url"] == f"https://arxiv.org/abs/{number}"
        and number in (ROOT / "README.md").read_text()
    )
