"""Files are whole or not there."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from model_emotion.base import files
from model_emotion.base.errors import InputError


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.csv"
    files.write_text("before\n", path)
    with pytest.raises(OSError, match="full"), files.replacing(path) as part:
        part.write_text("half of wh")
        raise OSError("the disk is full")
    assert path.read_text() == "before\n" and list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_removed_and_a_living_ones_is_not(tmp_path):
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    (tmp_path / f".a.csv.{killed.pid}.part").write_text("half")
    (tmp_path / f".a.csv.{os.getppid()}.part").write_text("half")
    files.write_text("whole", tmp_path / "a.csv")
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", f".a.csv.{os.getppid()}.part"}


def test_floats_survive_a_csv(tmp_path):
    frame = pd.DataFrame({"x": np.random.default_rng(0).random(20_000) ** 9})
    files.write_csv(frame, tmp_path / "x.csv")
    pd.testing.assert_frame_equal(files.read_csv(tmp_path / "x.csv"), frame, check_exact=True)


def test_nan_is_no_json(tmp_path):
    with pytest.raises(ValueError):
        files.write_json({"x": float("nan")}, tmp_path / "x.json")
    assert not list(tmp_path.iterdir())


def test_equal_content_gives_equal_bytes_that_others_can_read(tmp_path):
    frame = pd.DataFrame({"a": [1.5, 2.5], "b": pd.Categorical(["x", "y"])})
    for name in ("1", "2"):
        files.write_parquet(frame, tmp_path / f"{name}.parquet")
        files.write_tensors(
            {"a": np.arange(3), "b": np.eye(2)},
            tmp_path / f"{name}.safetensors",
            {letter: 1 for letter in "abcdefgh"},
        )
    for kind in ("parquet", "safetensors"):
        assert (tmp_path / f"1.{kind}").read_bytes() == (tmp_path / f"2.{kind}").read_bytes()
        assert (tmp_path / f"1.{kind}").stat().st_mode & 0o044 == 0o044 & ~_umask()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_yaml_is_read_as_version_1_2_without_duplicate_keys(tmp_path):
    (tmp_path / "a.yaml").write_text("lr: 1e-07\nswitch: off\n")
    assert files.read_yaml(tmp_path / "a.yaml") == {"lr": 1e-7, "switch": "off"}
    (tmp_path / "a.yaml").write_text("lr: 1\nlr: 2\n")
    with pytest.raises(InputError, match=r"a\.yaml: not YAML: .*duplicate key"):
        files.read_yaml(tmp_path / "a.yaml")
    with pytest.raises(InputError, match=r"b\.yaml: not found"):
        files.read_yaml(tmp_path / "b.yaml")


def test_sha256_is_that_of_sha256sum(tmp_path):
    (tmp_path / "a").write_bytes(bytes(range(256)) * 5000)
    printed = subprocess.run(["sha256sum", tmp_path / "a"], capture_output=True, text=True, check=True).stdout
    assert files.sha256(tmp_path / "a") == printed.split()[0]


def test_a_parquet_file_is_read_as_pandas_reads_it_wherever_it_lies(tmp_path):
    """A folder named KEY=VALUE adds no column."""
    frame = pd.DataFrame(
        {"text": ["a", None, "喜"], "n": [1, 2, 3], "x": [0.5, np.nan, 2], "at": [[1], [], [2, 3]]}
    )
    frame["kind"] = pd.Categorical(["b", "a", "b"], ["b", "a"])
    path = tmp_path / "year=2020" / "table.parquet"
    files.write_parquet(frame, path)
    pd.testing.assert_frame_equal(files.read_parquet(path), pd.read_parquet(path, partitioning=None))
    assert list(files.read_parquet(path, ["x", "text"])) == ["x", "text"]
