"""Saved files, changed behind the package's back and sealed again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py

from twinbayes.inference.files import sealed


def resealed(payload: bytes, path: Path, version: int = sealed.VERSION) -> Path:
    """Write bytes as a file whose checksum is right."""
    content = memoryview(payload)
    path.write_bytes(sealed._seal(content, version) + payload)
    return path


def changed(source: Path, path: Path, change: Callable[[h5py.File], object]) -> Path:
    """Change the HDF5 content of a saved file, and seal it again as the version that it was of."""
    content = source.read_bytes()
    inner = path.with_suffix(".h5")
    inner.write_bytes(content[sealed.BLOCK :])
    with h5py.File(inner, "r+") as file:
        change(file)
    version = int.from_bytes(content[8:12], "little")
    return resealed(inner.read_bytes(), path, version)


def with_manifest(file: h5py.File, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest within a file."""
    manifest = json.loads(file.attrs[sealed.MANIFEST])
    change(manifest)
    file.attrs[sealed.MANIFEST] = json.dumps(manifest)


def replaced(file: h5py.File, name: str, content: bytes) -> None:
    """Put other bytes in the place of a group of bytes, its dimension with it."""
    import numpy as np

    group, leaf = name.split("/")
    scale = file[name].dims[0][0].name
    del file[name], file[scale]
    values = np.frombuffer(content, np.uint8)
    dim = file.create_dataset(scale, data=np.zeros(len(values), ">f4"))
    dim.make_scale(f"This is a netCDF dimension but not a netCDF variable. {len(values):>10}")
    made = file[group].create_dataset(leaf, data=values)
    made.dims[0].attach_scale(dim)
