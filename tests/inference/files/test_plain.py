"""A sealed file that reaches for other files, or for all the memory there is, is refused unread."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

import twinbayes as tb
from sealed_files import changed, resealed
from twinbayes.errors import StorageError
from twinbayes.inference import read_tree, write_tree
from twinbayes.inference.files import sealed

STORED = Path(__file__).resolve().parents[2] / "data" / "registry_fit.nc"
SECRET = 0.123456789


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of this machine that nobody asked to be read: numbers, plain and in HDF5."""
    values = np.full(1920, SECRET)
    values.tofile(tmp_path / "secret.raw")
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = values.reshape(2, 5, 12, 8, 2)[..., 0]
    return tmp_path


def external_link(file: h5py.File, folder: Path) -> None:
    del file["posterior/beta"]
    file["posterior/beta"] = h5py.ExternalLink(str(folder / "secret.h5"), "x")


def external_group(file: h5py.File, folder: Path) -> None:
    file["more"] = h5py.ExternalLink(str(folder / "secret.h5"), "/")


def external_storage(file: h5py.File, folder: Path) -> None:
    del file["posterior/beta"]
    file["posterior"].create_dataset(
        "beta", (2, 5, 12, 8), "<f8", external=[(str(folder / "secret.raw"), 0, 7680)]
    )


def virtual_dataset(file: h5py.File, folder: Path) -> None:
    del file["posterior/beta"]
    layout = h5py.VirtualLayout((2, 5, 12, 8), "<f8")
    layout[:] = h5py.VirtualSource(str(folder / "secret.h5"), "x", (2, 5, 12, 8))
    file["posterior"].create_virtual_dataset("beta", layout)


def soft_link(file: h5py.File, _: Path) -> None:
    file["posterior/again"] = h5py.SoftLink("/posterior/beta")


def soft_loop(file: h5py.File, _: Path) -> None:
    file["posterior/a"] = h5py.SoftLink("/posterior/b")
    file["posterior/b"] = h5py.SoftLink("/posterior/a")


def loop_of_groups(file: h5py.File, _: Path) -> None:
    file["posterior/up"] = file["/"]


def twice(file: h5py.File, _: Path) -> None:
    file["posterior/again"] = file["posterior/beta"]


def compound(file: h5py.File, _: Path) -> None:
    file["posterior/pair"] = np.zeros(3, [("re", "f8"), ("im", "f8")])


def complex_numbers(file: h5py.File, _: Path) -> None:
    file["posterior/pair"] = np.zeros(3, "c16")


def enumeration(file: h5py.File, _: Path) -> None:
    file["posterior/flag"] = np.zeros(3, bool)


def opaque(file: h5py.File, _: Path) -> None:
    file["posterior/pickle"] = np.void(b"cos\nsystem\n(S'true'\ntR.")


def references(file: h5py.File, _: Path) -> None:
    file["posterior/there"] = file["posterior/beta"].ref


def ragged(file: h5py.File, _: Path) -> None:
    file["posterior"].create_dataset("ragged", (3,), h5py.vlen_dtype(np.float64))


def named_type(file: h5py.File, _: Path) -> None:
    file["posterior/type"] = np.dtype("f8")


def no_space(file: h5py.File, _: Path) -> None:
    file["posterior/none"] = h5py.Empty("f8")


def attribute_of_pairs(file: h5py.File, _: Path) -> None:
    file["posterior"].attrs["pair"] = np.zeros(3, [("re", "f8"), ("im", "f8")])


def bomb(file: h5py.File, _: Path) -> None:
    file["posterior"].create_dataset("bomb", (10**15,), "f8", chunks=(10**6,), fillvalue=1.0)


def contiguous_bomb(file: h5py.File, _: Path) -> None:
    file["posterior"].create_dataset("bomb", (10**15,), "f8", fillvalue=1.0)


def deflated(file: h5py.File, _: Path) -> None:
    file["posterior"].create_dataset("zeros", data=np.zeros(10**6), compression="gzip")


def other_filter(file: h5py.File, _: Path) -> None:
    file["posterior"].create_dataset("zeros", data=np.zeros(10**4), compression="lzf")


def filtered_in_part(file: h5py.File, _: Path) -> None:
    file["posterior"].create_dataset("sums", data=np.zeros(10**4), fletcher32=True)


def without_end(file: h5py.File, _: Path) -> None:
    file["posterior"].create_dataset("long", data=np.zeros(10), maxshape=(None,))


HOSTILE: tuple[Callable[[h5py.File, Path], None], ...] = (
    external_link, external_group, external_storage, virtual_dataset, soft_link, soft_loop,
    loop_of_groups, twice, compound, complex_numbers, enumeration, opaque, references, ragged,
    named_type, no_space, attribute_of_pairs, bomb, contiguous_bomb, deflated, other_filter,
    filtered_in_part, without_end,
)  # fmt: skip


@pytest.mark.requirement("R-036")
@pytest.mark.parametrize("attack", HOSTILE, ids=lambda attack: attack.__name__)
def test_what_is_not_a_plain_array_is_refused_before_anything_is_parsed(
    attack: Callable[[h5py.File, Path], None], secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = changed(STORED, secret / "fit.nc", lambda file: attack(file, secret))
    monkeypatch.setattr(xr, "open_datatree", lambda *_, **__: pytest.fail("parsed"))
    with pytest.raises(StorageError, match=r"^fit\.nc: /.* (is|has|declares) .*plain arrays"):
        tb.load_fit(path)


def test_text_that_is_one_and_the_same_a_thousand_times_is_refused(tmp_path: Path) -> None:
    """2,000 names, each the same 100 kB of the file, are 200 MB."""

    def change(file: h5py.File) -> None:
        names = file["posterior"].create_dataset("names", (2000,), h5py.string_dtype())
        names[:] = ["x"] * 2000
        names[0] = "x" * 10**5

    path = changed(STORED, tmp_path / "fit.nc", change)
    payload = bytearray(path.read_bytes()[sealed.BLOCK :])
    with h5py.File(tmp_path / "fit.h5") as file:
        start = file["posterior/names"].id.get_offset()
    payload[start : start + 32000] = payload[start : start + 16] * 2000
    with pytest.raises(StorageError, match="declares more data than the file has bytes"):
        read_tree(resealed(bytes(payload), path))


def test_arrays_that_share_one_place_are_refused(tmp_path: Path) -> None:
    def change(file: h5py.File) -> None:
        for k in range(3):
            file["posterior"].create_dataset(f"x{k}", data=np.full(10**5, float(k)))

    path = changed(STORED, tmp_path / "fit.nc", change)
    payload = path.read_bytes()[sealed.BLOCK :]
    with h5py.File(tmp_path / "fit.h5") as file:
        first, *others = (file[f"posterior/x{k}"].id.get_offset() for k in range(3))
    for other in others:
        payload = payload.replace(other.to_bytes(8, "little"), first.to_bytes(8, "little"))
    cut = payload[: len(payload) - 2 * 8 * 10**5]
    with pytest.raises(StorageError):
        read_tree(resealed(cut, path))


def test_a_bomb_takes_no_memory(tmp_path: Path) -> None:
    path = changed(STORED, tmp_path / "fit.nc", lambda file: bomb(file, tmp_path))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(StorageError, match="not stored in one piece"):
        read_tree(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_compression_that_a_tree_carries_from_another_file_is_not_written(tmp_path: Path) -> None:
    values = xr.Dataset({"x": (("chain", "draw"), np.zeros((2, 1000)))})
    values.to_netcdf(tmp_path / "other.nc", encoding={"x": {"zlib": True}}, engine="h5netcdf")
    with xr.open_dataset(tmp_path / "other.nc", engine="h5netcdf") as other:
        tree = xr.DataTree.from_dict({"posterior": other.load()})
    found, _ = read_tree(write_tree(tmp_path / "fit.nc", tree, {}))
    np.testing.assert_array_equal(found["posterior"]["x"], 0.0)
