"""Metadata of the fields of descriptions: how they are stored."""

from __future__ import annotations

from typing import Final

#: Metadata of a field that is not stored while it has its default: descriptions that do not use
#: it keep the hash they had before it was there.
UNSET_IS_ABSENT: Final = {"unset_is_absent": True}
