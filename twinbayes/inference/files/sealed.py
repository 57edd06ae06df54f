"""One file a fit: written whole or not at all, verified before it is parsed.

Layout: a 512-byte HDF5 user block, then an ordinary netCDF-4 file. HDF5 readers skip the user
user block, so xarray, h5py and the netCDF library open the file as it is. The block holds, little
endian: 8 bytes magic, uint32 format version, 4 bytes zero, uint64 payload length, 32 bytes
SHA-256, 32 bytes HMAC, zeros. The digest covers the block (with the bytes of digest and HMAC zero),
the payload and the HMAC, so that no byte of the file is outside it. The HMAC is of the digest of
block and payload; it is zero, and not counted, where there was no key, and in version 1.

The digest tells damage, and nothing else: whoever changes a file can compute it anew. The HMAC
tells changes by anybody who does not have the key. Neither hides what the file holds.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import h5py
import xarray as xr

from twinbayes.errors import ModelError, OptionError, StorageError, TwinbayesError
from twinbayes.inference.files.plain import require_plain
from twinbayes.paths import path_of, require_ordinary
from twinbayes.private_files import write_private

MAGIC: Final = b"TWINBAY\n"
VERSION: Final = 2
BLOCK: Final = 512  # the smallest user block HDF5 allows
MANIFEST: Final = "twinbayes_manifest"
SHORTEST_KEY: Final = 16  # bytes
_HEADER: Final = struct.Struct("<8sI4xQ32s32s")
_NOTHING: Final = bytes(32)
_ENGINE: Final = "h5netcdf"


def write_tree(
    path: str | os.PathLike[str],
    datatree: xr.DataTree,
    manifest: Mapping[str, Any],
    *,
    key: bytes | None = None,
) -> Path:
    """Write a tree and its manifest as one file, atomically and durably.

    The file appears under its name only when it is complete and on disk; until then, and after a
    crash at any moment, an earlier file of that name is untouched. A crash may leave a temporary
    file `.twinbayes-*.tmp` beside it, which is safe to delete. Its owner alone can read it.

    Draws are stored uncompressed: level 1 with byte shuffling saves 7 % of random float64 digits
    and takes four times as long. Whatever encoding the tree's variables carry from other files is
    dropped: `read_tree` accepts plain arrays alone.

    Parameters
    ----------
    path
        Where to write; its folder must exist.
    datatree
        Any tree whose attributes are text, numbers or arrays.
    manifest
        JSON-able; NaN and infinity are not JSON.
    key
        A secret of at least 16 bytes: only who has it can then change the file unseen.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    StorageError
        The manifest or the tree cannot be written in this format, or the disk refuses.
    OptionError
        The key is too short, or no bytes.

    Examples
    --------
    >>> path = write_tree("draws.nc", fit.datatree, {"of": "an example"})
    >>> read_tree(path)[1]["of"]
    'an example'
    """
    target = path_of(path, StorageError, "save")
    _require_key(key)
    try:
        text = json.dumps(manifest, sort_keys=True, allow_nan=False)
        root = datatree.map_over_datasets(lambda data: data.drop_encoding())
        root.attrs = {**datatree.attrs, MANIFEST: text}
        payload = root.to_netcdf(engine=_ENGINE)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise StorageError(f"{target.name}: not storable: {error}") from error
    return write_private(target, _seal(payload, VERSION, key), payload)


def read_tree(
    path: str | os.PathLike[str], *, key: bytes | None = None
) -> tuple[xr.DataTree, dict[str, Any]]:
    """Read a tree and its manifest, verifying length and digest before anything is parsed.

    Before an array is read, the file is looked through for what we never write: links, arrays that
    are stored elsewhere or compressed, types other than numbers and text.

    Parameters
    ----------
    path
        A file written by `write_tree`.
    key
        The secret that it was written with. Without it, a file that was written with one is read
        like any other.

    Returns
    -------
    tuple of DataTree and dict
        The tree, in memory, and the manifest.

    Raises
    ------
    StorageError
        There is no ordinary file at the path; it is not one of ours, of a newer format,
        truncated, or altered; it holds more than plain arrays; or a key was given that it was not
        written with.
    OptionError
        The key is too short, or no bytes.

    Examples
    --------
    >>> path = write_tree("draws.nc", fit.datatree, {"of": "an example"})  # doctest: +SKIP
    >>> tree, manifest = read_tree(path)  # doctest: +SKIP
    >>> manifest["of"], "posterior" in tree  # doctest: +SKIP
    ('an example', True)
    """
    _require_key(key)
    source = path_of(path, StorageError, "load_fit")
    try:
        content = memoryview(require_ordinary(source).read_bytes())
    except OSError as error:
        raise StorageError(
            f"{source.name or source}: could not be read ({error.strerror}). Give the path of "
            "a file that `Fit.save` wrote."
        ) from error
    payload = unseal(content, source.name, key)
    with malformed_is_refused(source.name):
        stream = io.BytesIO(payload)
        with h5py.File(stream, "r") as file:
            require_plain(file, payload)
        tree = xr.open_datatree(stream, engine=_ENGINE).load()
        tree.close()
        manifest = json.loads(tree.attrs.pop(MANIFEST))
        if not isinstance(manifest, dict):
            raise TypeError("A manifest is a mapping.")
    return tree, manifest


@contextmanager
def malformed_is_refused(name: str) -> Iterator[None]:
    """Turn whatever goes wrong with the content of a file into a `StorageError` that names it.

    A `ModelError` stays: the model is whole, and says which of its types is not known here.
    """
    try:
        yield
    except ModelError:
        raise
    except StorageError as error:
        message = str(error)
        raise StorageError(message if message.startswith(name) else f"{name}: {message}") from error
    except Exception as error:  # nobody can list what parsers of damaged files raise
        why = f"{error} " if isinstance(error, TwinbayesError) else ""
        raise StorageError(
            f"{name}: whole, but not what twinbayes writes ({type(error).__name__}). {why}Copy the "
            "file again from where it was saved, or refit."
        ) from error


def _require_key(key: bytes | None) -> None:
    if key is not None and (not isinstance(key, bytes) or len(key) < SHORTEST_KEY):
        raise OptionError(
            f"key: give at least {SHORTEST_KEY} bytes that nobody can guess, such as "
            "secrets.token_bytes(32), and keep them apart from the file."
        )


def _seal(
    payload: memoryview, version: int, key: bytes | None = None, mac: bytes = _NOTHING
) -> bytes:
    """The block of a payload; with an HMAC made by a key, or as given."""

    def block(digest: bytes, mac: bytes) -> bytes:
        return _HEADER.pack(MAGIC, version, len(payload), digest, mac).ljust(BLOCK, b"\0")

    content = hashlib.sha256(block(_NOTHING, _NOTHING))
    content.update(payload)
    if key is not None:
        mac = hmac.digest(key, content.digest(), "sha256")
    if mac != _NOTHING:
        content.update(mac)
    return block(content.digest(), mac)


def unseal(content: memoryview, name: str, key: bytes | None = None) -> memoryview:
    """Return the payload of a file's bytes if they are whole and unaltered; parse nothing.

    Raises
    ------
    StorageError
        Wrong magic, newer format, wrong length, wrong digest, or another key.
    """
    if len(content) < BLOCK:
        raise StorageError(f"{name}: truncated: {len(content)} bytes are less than a header.")
    magic, version, length, _, mac = _HEADER.unpack_from(content)
    if magic != MAGIC:
        raise StorageError(f"{name}: not a file written by twinbayes.")
    if version > VERSION:
        raise StorageError(
            f"{name}: format version {version} is newer than {VERSION}, the newest this package "
            "reads. Update twinbayes."
        )
    payload = content[BLOCK:]
    if len(payload) != length:
        raise StorageError(
            f"{name}: truncated or extended: {len(payload)} bytes of data instead of {length}. "
            "Copy the file again or refit."
        )
    if bytes(content[:BLOCK]) != _seal(payload, version, mac=mac):
        raise StorageError(
            f"{name}: altered since it was written: the checksum does not match. "
            "Copy the file again or refit."
        )
    if key is not None:
        _require_written_with(key, payload, version, mac, name)
    return payload


def _require_written_with(
    key: bytes, payload: memoryview, version: int, mac: bytes, name: str
) -> None:
    """Refuse a whole file whose HMAC was not made with the key."""
    if mac == _NOTHING:
        raise StorageError(
            f"{name}: was saved without a key, so that no key can tell whether it was altered. "
            "Load it without one if you trust where it comes from, or ask for a copy that was "
            "saved with the key."
        )
    _, _, _, _, wanted = _HEADER.unpack_from(_seal(payload, version, key))
    if not hmac.compare_digest(mac, wanted):
        raise StorageError(
            f"{name}: was saved with another key, or altered by somebody who does not have this "
            "one. Ask who saved it for the key, or for another copy."
        )
