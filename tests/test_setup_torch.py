"""`make setup`: which build of torch is installed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from scripts import command

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "setup"))
import install_torch  # noqa: E402


@pytest.mark.parametrize(
    ("metadata", "is_cpu"),
    [
        ({"version": "2.13.0+cpu", "requires_dist": ["filelock", "sympy>=1.13.3"]}, True),
        ({"version": "2.13.0", "requires_dist": ["filelock", 'optree; extra == "optree"']}, True),
        ({"version": "2.13.0"}, True),
        (
            {
                "version": "2.13.0",
                "requires_dist": ["filelock", f"nvidia-cublas; sys_platform == '{sys.platform}'"],
            },
            False,
        ),
        (
            {
                "version": "2.13.0",
                "requires_dist": ["filelock", f"nvidia-cublas; sys_platform != '{sys.platform}'"],
            },
            True,
        ),
        ({"version": "2.13.0", "requires_dist": ["cuda-toolkit[cublas]==13.0.3"]}, False),
        ({"version": "2.13.0+cu130", "requires_dist": ["filelock"]}, False),
        ({"version": "2.13.0+rocm6.4", "requires_dist": ["filelock"]}, False),
    ],
)
def test_a_cpu_build_is_told_by_its_version_or_requirements(metadata, is_cpu):
    assert install_torch.is_cpu_build(metadata) is is_cpu


@pytest.fixture
def installed(monkeypatch):
    """A function that runs the script with a fake pip, uv and GPU, and returns its commands."""
    commands = []

    def play(build, metadata=None, uv_has_it=True, gpu=False, platform="linux"):
        def run(*words):
            words = list(map(str, words))
            if "--dry-run" not in words:
                commands.append(words)
                return subprocess.CompletedProcess(
                    words, int(words[0] == "uv" and not uv_has_it), "", "no such build"
                )
            if metadata is None:
                return subprocess.CompletedProcess(words, 1, "", "no matching distribution")
            Path(words[words.index("--report") + 1]).write_text(
                json.dumps({"install": [{"metadata": metadata}]})
            )
            return subprocess.CompletedProcess(words, 0, "", "")

        monkeypatch.setattr(install_torch, "run", run)
        monkeypatch.setattr(install_torch, "has_gpu", lambda: gpu)
        monkeypatch.setattr(sys, "platform", platform)
        monkeypatch.setattr(sys, "argv", ["install_torch.py", build])
        install_torch.main()
        return commands

    return play


CPU = {"version": "2.13.0+cpu", "requires_dist": ["filelock"]}
FROM_PYPI = {"version": "2.13.0", "requires_dist": ["nvidia-cublas==13.1.1.3"]}


def test_pips_cpu_build_is_used(installed):
    (command,) = installed("auto", CPU)
    assert command[:2] == ["pip", "install"] and command[-1] == "torch==2.13.0+cpu"


@pytest.mark.parametrize("metadata", [FROM_PYPI, None])
def test_uv_installs_the_cpu_build_if_pip_finds_none(installed, metadata):
    (command,) = installed("auto", metadata)
    assert command[:3] == ["uv", "pip", "install"] and command[-3:] == [
        "--torch-backend",
        "cpu",
        install_torch.pinned(),
    ]


def test_without_a_cpu_build_one_line_says_what_to_do(installed):
    with pytest.raises(SystemExit, match="no CPU build of torch==.*make setup TORCH=cuda"):
        installed("auto", FROM_PYPI, uv_has_it=False)


@pytest.mark.parametrize(("build", "gpu"), [("auto", True), ("cuda", False)])
def test_a_gpu_or_a_request_installs_the_cuda_build_by_hash(installed, build, gpu):
    (command,) = installed(build, CPU, gpu=gpu)
    assert command[0] == "uv" and "--require-hashes" in command and command[-1] == str(install_torch.LOCK)


def test_the_cpu_build_can_be_requested_on_a_machine_with_a_gpu(installed):
    (command,) = installed("cpu", CPU, gpu=True)
    assert command[-1] == "torch==2.13.0+cpu"


def test_cuda_on_macos_is_refused(installed):
    with pytest.raises(SystemExit, match="Linux"):
        installed("cuda", CPU, platform="darwin")


@pytest.mark.parametrize(
    ("script", "there"),
    [
        ("echo 'GPU 0: NVIDIA H100 (UUID: GPU-0)'", True),
        ("echo 'No devices were found'", False),
        ("echo 'GPU 0: NVIDIA H100'; exit 9", False),
        (None, False),
    ],
)
def test_a_gpu_is_what_nvidia_smi_lists(script, there, tmp_path, monkeypatch):
    if script:
        command(tmp_path / "nvidia-smi", script)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin" if script else str(tmp_path))
    assert install_torch.has_gpu() is there


def test_the_pin_of_torch_is_pyprojects():
    assert f'"{install_torch.pinned()}"' in (ROOT / "pyproject.toml").read_text()
