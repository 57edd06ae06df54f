"""What a file of ours may hold: plain arrays that lie in the file itself. Checked before reading.

HDF5 can do more than hold arrays: it follows links to other files, reads arrays from other files
(external storage, virtual datasets), undoes compression of any ratio, and makes arrays of any size
out of a fill value. A file with any of it would copy what lies beside it into a posterior, or fill
the memory. We write none of it, so that whatever is not plain was not written by us.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import h5py
import numpy as np

from twinbayes.errors import StorageError

_PLAIN_TYPES: Final = (h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.STRING)
#: What netCDF itself notes at arrays and their dimensions, and the class of type of each.
_NOTES: Final = {b"DIMENSION_LIST": h5py.h5t.VLEN, b"REFERENCE_LIST": h5py.h5t.COMPOUND}
_DIMENSION_ALONE: Final = b"This is a netCDF dimension but not a netCDF variable"
#: How HDF5 stores text of any length: how long it is, and where.
_TEXT: Final = np.dtype([("length", "<u4"), ("place", "<u8"), ("index", "<u4")])


def require_plain(file: h5py.File, content: memoryview) -> None:
    """Refuse an open HDF5 file that holds anything but plain arrays within itself.

    Parameters
    ----------
    file
        The file, open for reading; nothing of its arrays is read.
    content
        Its bytes.

    Raises
    ------
    StorageError
        A link to another place or file, an array that is stored elsewhere, in pieces or
        compressed, a type other than numbers and text, or more data than the file has bytes.
    """
    declared = 0
    for place, found in _objects(file.id):
        _require_plain_attributes(found, place)
        if isinstance(found, h5py.h5d.DatasetID) and not _is_dimension_alone(found):
            declared += _declared_bytes(found, place, content)
            if declared > len(content):
                raise _refusal(place, "declares more data than the file has bytes")


def _objects(root: Any) -> Iterator[tuple[str, Any]]:
    """Every group and array, with its place; each must be there once."""
    seen: set[int] = set()
    waiting = [("/", h5py.h5g.open(root, b"/"))]
    while waiting:
        place, found = waiting.pop()
        address = h5py.h5o.get_info(found).addr
        if address in seen:
            raise _refusal(place, "is the same object as another")
        seen.add(address)
        yield place, found
        if not isinstance(found, h5py.h5g.GroupID):
            continue
        for name in found:
            below = f"{place.rstrip('/')}/{name.decode(errors='replace')}"
            if found.links.get_info(name).type != h5py.h5l.TYPE_HARD:
                raise _refusal(below, "is a link to another place or file")
            one = h5py.h5o.open(found, name)
            if not isinstance(one, h5py.h5g.GroupID | h5py.h5d.DatasetID):
                raise _refusal(below, "is neither a group nor an array")
            waiting.append((below, one))


def _require_plain_attributes(found: Any, place: str) -> None:
    for k in range(h5py.h5a.get_num_attrs(found)):
        attribute = h5py.h5a.open(found, index=k)
        kind = attribute.get_type().get_class()
        if kind not in _PLAIN_TYPES and kind != _NOTES.get(attribute.name):
            name = attribute.name.decode(errors="replace")
            raise _refusal(f"{place}, attribute {name}", "is neither numbers nor text")


def _is_dimension_alone(array: Any) -> bool:
    """Whether an array stands for a dimension without coordinates, and is never read."""
    if not h5py.h5a.exists(array, b"NAME") or not h5py.h5ds.is_scale(array):
        return False
    return bool(h5py.h5ds.get_scale_name(array).startswith(_DIMENSION_ALONE))


def _declared_bytes(array: Any, place: str, content: memoryview) -> int:
    """How many bytes an array says it has, which must be there; text counted at its length."""
    how = array.get_create_plist()
    layout = how.get_layout()
    if layout not in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT) or how.get_external_count():
        raise _refusal(place, "is not stored in one piece in the file itself")
    if how.get_nfilters():
        raise _refusal(place, "is compressed or filtered")
    kind = array.get_type()
    if kind.get_class() not in _PLAIN_TYPES:
        raise _refusal(place, "is neither numbers nor text")
    space = array.get_space()
    if space.get_simple_extent_type() == h5py.h5s.NULL:
        raise _refusal(place, "is not stored at all")
    n = int(space.get_simple_extent_npoints())
    is_text = kind.get_class() == h5py.h5t.STRING and kind.is_variable_str()
    size = n * (_TEXT.itemsize if is_text else int(kind.get_size()))
    if size > array.get_storage_size():
        raise _refusal(place, "declares more data than are stored")
    if not is_text or not n:
        return size
    offset = array.get_offset() if layout == h5py.h5d.CONTIGUOUS else None
    if offset is None or offset + size > len(content):
        raise _refusal(place, "has text that is not stored as netCDF stores it")
    return size + int(np.frombuffer(content, _TEXT, n, offset)["length"].astype(np.int64).sum())


def _refusal(place: str, what: str) -> StorageError:
    return StorageError(
        f"{place} {what}. A saved fit holds plain arrays within the file and nothing else, so this "
        "one was not written by twinbayes as it is. Copy the file again from where it was saved, "
        "or refit."
    )
