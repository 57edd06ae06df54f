"""A file is whole or not there, is verified before it is parsed, and stays ordinary netCDF."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from twinbayes.errors import StorageError
from twinbayes.inference import read_tree, write_tree
from twinbayes.inference.files import sealed as storage

MANIFEST = {"seed": 1, "prior_ids": ["a/v1:b@1.0.0"], "nested": {"ü": None, "x": 0.1}}


def make_tree(value: float = 0.0) -> xr.DataTree:
    posterior = xr.Dataset(
        {
            "beta": (("chain", "draw", "transition"), np.full((2, 5, 2), value)),
            "flag": (("chain", "draw"), np.zeros((2, 5), dtype=bool)),
            "count": (("chain", "draw"), np.arange(10, dtype=np.int64).reshape(2, 5)),
        },
        coords={
            "chain": [0, 1],
            "draw": range(5),
            "transition": ["remission->relapse", "rémission->death"],
        },
    )
    posterior["beta"][0, 0] = [np.nan, 1e-300]
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs={"seed": 1}), "posterior": posterior})


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tree(tmp_path_factory.mktemp("saved") / "fit.nc", make_tree(), MANIFEST)


def test_what_is_read_is_what_was_written(saved: Path) -> None:
    tree, manifest = read_tree(saved)
    assert manifest == MANIFEST
    assert tree.identical(make_tree())
    assert {k: v.dtype for k, v in tree["posterior"].variables.items()} == {
        k: v.dtype for k, v in make_tree()["posterior"].variables.items()
    }


def test_what_is_read_no_longer_needs_the_file(tmp_path: Path) -> None:
    path = write_tree(tmp_path / "fit.nc", make_tree(2.0), {})
    tree, _ = read_tree(path)
    path.unlink()
    assert float(tree["posterior"]["beta"].max()) == 2.0


def test_writing_leaves_the_tree_as_it_was(tmp_path: Path) -> None:
    tree = make_tree()
    write_tree(tmp_path / "fit.nc", tree, MANIFEST)
    assert tree.identical(make_tree())


def test_other_tools_read_the_file_as_netcdf(saved: Path) -> None:
    with xr.open_datatree(saved, engine="h5netcdf") as tree:
        np.testing.assert_array_equal(tree["posterior"]["beta"], make_tree()["posterior"]["beta"])
    with h5py.File(saved) as file:
        assert file.userblock_size == storage.BLOCK
        assert "posterior" in file


def test_saving_twice_leaves_one_file_with_the_later_content(tmp_path: Path) -> None:
    path = tmp_path / "fit.nc"
    write_tree(path, make_tree(1.0), {"n": 1})
    write_tree(path, make_tree(2.0), {"n": 2})
    assert read_tree(path)[1] == {"n": 2}
    assert os.listdir(tmp_path) == ["fit.nc"]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_fit_is_readable_by_its_owner_alone_whatever_the_umask(
    tmp_path: Path, umask: int
) -> None:
    wide = tmp_path / "fit.nc"
    wide.touch(mode=0o666)  # what is overwritten lends no permissions
    before = os.umask(umask)
    try:
        path = write_tree(wide, make_tree(), {})
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600


@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=200, deadline=None)
def test_a_flipped_bit_anywhere_is_detected(saved: Path, position: float, bit: int) -> None:
    content = bytearray(saved.read_bytes())
    content[int(position * len(content))] ^= 1 << bit
    with pytest.raises(StorageError):
        storage.unseal(memoryview(content), "fit.nc")


@pytest.mark.parametrize("byte", range(0, 64, 3))
def test_a_flipped_bit_in_the_header_is_detected(saved: Path, byte: int) -> None:
    content = bytearray(saved.read_bytes())
    content[byte] ^= 1
    with pytest.raises(StorageError):
        storage.unseal(memoryview(content), "fit.nc")


@given(kept=st.floats(0, 1, exclude_max=True))
@settings(max_examples=50, deadline=None)
def test_a_truncated_file_is_detected(saved: Path, kept: float) -> None:
    content = saved.read_bytes()
    with pytest.raises(StorageError, match="truncated"):
        storage.unseal(memoryview(content)[: int(kept * len(content))], "fit.nc")


def test_nothing_is_parsed_before_it_is_verified(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    altered = bytearray(saved.read_bytes())
    altered[-1] ^= 1
    path = tmp_path / "fit.nc"
    path.write_bytes(altered)
    monkeypatch.setattr(xr, "open_datatree", lambda *_, **__: pytest.fail("parsed"))
    with pytest.raises(StorageError, match=r"fit\.nc: altered since it was written"):
        read_tree(path)


def test_a_longer_file_is_detected(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "fit.nc"
    path.write_bytes(saved.read_bytes() + b"\0")
    with pytest.raises(StorageError, match="truncated or extended"):
        read_tree(path)


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.nc"
    make_tree().to_netcdf(path, engine="h5netcdf")
    with pytest.raises(StorageError, match="not a file written by twinbayes"):
        read_tree(path)


def test_a_newer_format_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(storage, "VERSION", storage.VERSION + 1)
        path = write_tree(tmp_path / "fit.nc", make_tree(), {})
    with pytest.raises(StorageError, match=r"version 3 is newer than 2.*Update twinbayes"):
        read_tree(path)


@pytest.mark.parametrize("name", ["absent.nc", "."])
def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StorageError, match="could not be read"):
        read_tree(tmp_path / name)


def test_a_folder_that_does_not_exist_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="Check that the folder exists"):
        write_tree(tmp_path / "nowhere" / "fit.nc", make_tree(), {})


def test_what_json_cannot_hold_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    for manifest in ({"x": float("nan")}, {"x": {1, 2}}):
        with pytest.raises(StorageError, match="not storable"):
            write_tree(tmp_path / "fit.nc", make_tree(), manifest)
    assert os.listdir(tmp_path) == []


def test_a_tree_that_netcdf_cannot_hold_is_refused(tmp_path: Path) -> None:
    tree = xr.DataTree(xr.Dataset(attrs={"what": object()}))
    with pytest.raises(StorageError, match="not storable"):
        write_tree(tmp_path / "fit.nc", tree, {})


def test_a_full_disk_leaves_the_old_file_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_tree(tmp_path / "fit.nc", make_tree(1.0), {"n": 1})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        write_tree(path, make_tree(2.0), {"n": 2})
    assert os.listdir(tmp_path) == ["fit.nc"]
    assert read_tree(path)[1] == {"n": 1}


SAVING = """
import itertools, sys
import numpy as np, xarray as xr
from twinbayes.inference.files.sealed import write_tree
path = sys.argv[1]
for n in itertools.count():
    posterior = xr.Dataset({"x": (("chain", "draw"), np.full((4, 50_000), float(n)))})
    write_tree(path, xr.DataTree.from_dict({"posterior": posterior}), {"n": n})
    print(n, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 is a matter of POSIX systems")
def test_kill_in_the_middle_of_a_save_leaves_a_whole_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "fit.nc"
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", SAVING, path], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()  # at least one save is complete
            for _ in range(12):
                time.sleep(rng.uniform(0, 0.02))
                os.kill(process.pid, signal.SIGSTOP)  # look at the very moment, then go on
                assert_whole(path)
                os.kill(process.pid, signal.SIGCONT)
            time.sleep(rng.uniform(0, 0.02))
            process.kill()
            reported = process.stdout.read().split()
        last = assert_whole(path)
        # A save that was reported is durable; at most the one under way may be there as well.
        assert int(reported[-1]) <= last <= int(reported[-1]) + 1


def assert_whole(path: Path) -> int:
    tree, manifest = read_tree(path)
    assert np.all(tree["posterior"]["x"].values == manifest["n"])
    return int(manifest["n"])
