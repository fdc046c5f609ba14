"""Fixtures of several test modules: the study's files, if they are available, and synthetic projects."""

import hashlib
import json
import logging
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import servers

from model_emotion.base import study
from model_emotion.base.errors import InputError
from model_emotion.base.files import write_parquet
from model_emotion.inputs import registry, released
from model_emotion.inputs.download import UnreachableError, fetch
from model_emotion.inputs.goemotions import SPLITS, read_labels, read_split, tidy

ROOT = Path(__file__).parents[1]
os.environ["DVC_NO_ANALYTICS"] = "1"  # otherwise each DVC command starts a process that reports its use
# Background jobs of a shell, and all processes that they start, ignore SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)
SLOW = (
    "pipeline_published", "live_resume", "report_drops", "live_dask", "figures", "user_data", "toolkit",
    "report_browser", "experiments", "smoke", "live_fingerprint", "user_names",
)  # fmt: skip
"""Modules of tests that take longest, beginning with the slowest."""


def pytest_collection_modifyitems(items):
    """Begin with SLOW, so that no process of `make test` is left alone with one of them at the end."""
    place = {f"test_{name}": number for number, name in enumerate(SLOW)}
    items.sort(key=lambda item: place.get(item.path.stem, len(SLOW)))


@pytest.fixture(autouse=True)
def logged():
    """Let every test see what the library logs: benchmarks and notebooks of earlier tests make it quiet."""
    logging.disable(logging.NOTSET)
    logging.getLogger("model_emotion").setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def raw(tmp_path_factory):
    """A function like `registry.raw`: raw(group, path) -> Path.

    Files come from data/raw, or else from a mirror or the network. A test is skipped if its file is not
    available. A wrong file is an error.
    """
    folder = tmp_path_factory.mktemp("raw")
    mirror, tried = os.environ.get("MODEL_EMOTION_MIRROR"), set()

    def get(group, path):
        try:
            return registry.raw(group, path, root=ROOT / registry.RAW)
        except InputError:
            if group not in tried:
                tried.add(group)
                with suppress(UnreachableError):
                    fetch(group, mirror, root=folder, registry=ROOT / registry.REGISTRY)
        if not (folder / group / registry.GROUPS[group] / path).is_file():
            pytest.skip("the study's files are not in data/raw, a mirror (MODEL_EMOTION_MIRROR) or reachable")
        return registry.raw(group, path, root=folder)

    yield get
    shutil.rmtree(folder)  # pytest would keep people's stories in its temporary folder


@pytest.fixture(scope="session")
def goemotions(raw, tmp_path_factory):
    """Path of GoEmotions' texts."""
    if (made := ROOT / "data/goemotions.parquet").is_file():
        return made
    labels = read_labels(raw("human", "Data/raw_data/subjective_comparison/emotions.txt"))
    path = tmp_path_factory.mktemp("goemotions") / "goemotions.parquet"
    write_parquet(
        tidy(
            {split: read_split(raw("goemotions", f"goemotions/data/{split}.tsv"), labels) for split in SPLITS}
        ),
        path,
    )
    return path


@pytest.fixture(scope="session")
def released_masks(raw):
    """The study's masked accuracies, all sizes."""
    folders = {"attribute": "RSA_tau_14property", "random": "random"}

    def file(kind, emotion, seed):
        return raw(
            "masking", f"Result/masking/RoBERTa/{folders[kind]}/Acc_perSeed_JSON/{emotion}-{seed}.json"
        )

    sizes = {"attribute": study.ATTRIBUTE_TOP_K, "random": study.RANDOM_TOP_K}
    return released.read_masked_accuracy(file, study.EMOTIONS, study.SEEDS, sizes)


@pytest.fixture
def study_masks(released_masks):
    """The study's masked accuracies, N = 4000."""
    return released_masks[released_masks["k"] == 4000].reset_index(drop=True)


@pytest.fixture(scope="session")
def words(raw):
    """The emotions in the order of the surveys' items."""
    import surveys

    return surveys.ratings.word_list(raw("human", surveys.WORDS))


@pytest.fixture(scope="session")
def private(raw):
    """Every id, time and story in the raw files, in memory only."""
    import surveys

    return surveys.private(raw)


@pytest.fixture(scope="module")
def one_thread():
    """Run torch with one thread: more would slow a tiny model down."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiny_project(tmp_path_factory):
    """Folder of a synthetic project that is not measured yet; `worlds.tiny_project` describes it."""
    import worlds  # it imports torch, which most test modules do not need

    folder = tmp_path_factory.mktemp("tiny")
    worlds.tiny_project(folder)
    return folder


@pytest.fixture(scope="session")
def measured_project(tiny_project, tmp_path_factory):
    """Folder of the same project after the run `live` was measured, once per process."""
    import worlds

    folder = tmp_path_factory.mktemp("measured")
    shutil.copytree(tiny_project, folder, dirs_exist_ok=True)
    worlds.measure(folder)
    return folder


@pytest.fixture(scope="session")
def folder_of_a_run(measured_project, tmp_path_factory):
    """The run `live` of that project, exported; not to be changed."""
    import run_folders

    from model_emotion.base import run_folder
    from model_emotion.live import run_export
    from model_emotion.params import load_params

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(measured_project)
        patch.setattr(run_folder, "FOLDER", tmp_path_factory.mktemp("exported"))
        return run_export.export(run_folders.NAME, load_params())


def _copied(project, tmp_path, monkeypatch):
    import worlds

    shutil.copytree(project, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return lambda *pairs: worlds.change(dict(zip(pairs[::2], pairs[1::2], strict=True)))


@pytest.fixture
def world(tiny_project, tmp_path, monkeypatch):
    """A copy of the synthetic project as the current folder, and a function that sets keys of params.yaml.

    world("training.lr", 0.1)
    """
    return _copied(tiny_project, tmp_path, monkeypatch)


@pytest.fixture
def measured(measured_project, tmp_path, monkeypatch):
    """Like `world`, with the run `live` measured."""
    return _copied(measured_project, tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def user_world(tmp_path_factory):
    """A project with a user's own files; not to be changed."""
    import worlds

    folder = tmp_path_factory.mktemp("project")
    worlds.user_project(folder)
    return folder


@pytest.fixture
def here(user_world, tmp_path, monkeypatch):
    """A copy of `user_world`, to change as one likes, which is the current folder."""
    from model_emotion.figures import drawing

    shutil.copytree(user_world, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    # tests/test_figures_stage.py has the stage with processes of its own, which import all anew
    monkeypatch.setattr(drawing, "ProcessPoolExecutor", lambda workers, mp_context: ThreadPoolExecutor(1))
    return tmp_path


@pytest.fixture(scope="session")
def small():
    """Made-up results of a run of a few emotions and attributes."""
    import made_up_figures as made

    return made.made_up(made.SOME, made.FEW)


@pytest.fixture(scope="session")
def full():
    """Made-up results of a run of all emotions, attributes and sizes of masks."""
    import made_up_figures as made

    return made.made_up(study.EMOTIONS, sizes=study.ATTRIBUTE_TOP_K, layers=12, width=20)


@pytest.fixture(scope="session")
def tiny_roberta(tmp_path_factory):
    """Folder of a small random RoBERTa: toys.LAYERS layers of toys.WIDTH neurons."""
    import toys

    folder = tmp_path_factory.mktemp("tiny_roberta")
    return toys.save("roberta", folder, num_hidden_layers=toys.LAYERS, hidden_size=32)


@pytest.fixture
def ready(tiny_roberta, tmp_path, monkeypatch):
    """A trainer of the toolkit with a prompt, in a folder without results."""
    import toys

    monkeypatch.chdir(tmp_path)
    made = toys.make_trainer(tiny_roberta, tmp_path)
    made.train_prompt()
    return made


@pytest.fixture
def committed_verdicts():
    """results/claims.json of this checkout."""
    path = ROOT / "results/claims.json"
    if not path.exists():
        pytest.skip("no verdicts yet: run `make repro` first")
    return json.loads(path.read_text())


@pytest.fixture(scope="session")
def text():
    """report.html of two runs, with an experiment made up."""
    import report_page

    return report_page.made()


@pytest.fixture(scope="module")
def page(text, tmp_path_factory):
    """report.html in a browser."""
    import report_page
    from browser import browser

    folder = tmp_path_factory.mktemp("report")
    with browser(folder / "profile") as tab:
        tab.path = folder / "report.html"
        tab.path.write_text(text, encoding="utf-8")
        report_page.opened(tab)
        yield tab


@pytest.fixture
def no_proxy(monkeypatch):
    """Connect to local servers directly, whatever proxy this machine uses."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def server(no_proxy):
    """A local server of the small group of inputs."""
    with servers.serving(servers.WORLD) as server:
        yield server


@pytest.fixture
def place(tmp_path, no_proxy):
    """Return keyword arguments of `fetch` for the small group: an empty folder, its registry, no network."""
    (tmp_path / "registry").mkdir()
    lines = [f'"{name}" {hashlib.sha256(body).hexdigest()}\n' for name, body in servers.WORLD.items()]
    (tmp_path / "registry/human.txt").write_text("# a comment\n" + "".join(lines))
    return {
        "root": tmp_path / "raw",
        "registry": tmp_path / "registry",
        "files": servers.NOWHERE,
        "archives": servers.NOWHERE,
    }
