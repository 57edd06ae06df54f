"""What users add to the model, by name: the name stands for the object in stored fits.

Reviews and the command line are processes of their own; there, an object is found that an
installed package names in its entry points.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any, Final

from twinbayes.errors import ModelError


class Registered[T]:
    """Objects of one sort that users have registered by name.

    Parameters
    ----------
    sort
        What they are, for messages.
    entry_points
        Group of entry points in which installed packages name theirs.
    """

    def __init__(self, sort: str, entry_points: str) -> None:
        self.sort = sort
        self.entry_points = entry_points
        self._objects: dict[str, T] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._objects)

    def get(self, name: str) -> T | None:
        """Return the object of a name, or None."""
        return self._objects.get(name)

    def require_free(self, name: str, added: T) -> None:
        """Refuse a name that cannot be that of an object.

        Raises
        ------
        ModelError
            It is empty, or taken by an object that is not the same in another run of its file.
        """
        known = self.get(name)
        if not name or (known is not None and not is_same_definition(known, added)):
            raise ModelError(
                f"A {self.sort} of the name {name!r} cannot be registered: the name is empty, or "
                f"another {self.sort} has it. Choose another name."
            )

    def add(self, name: str, added: T) -> None:
        """Register an object under a name that is free for it."""
        self.require_free(name, added)
        self._objects[name] = added

    def installed(self, name: str) -> T | None:
        """Load what an installed package offers under a name; None if none does."""
        for point in entry_points(group=self.entry_points, name=name):
            found: T = point.load()
            return found
        return None


#: Types of descriptions, by the name of the class.
OWN_TYPES: Final = Registered[type[Any]]("description type", "twinbayes.descriptions")


def is_same_definition(one: object, other: object) -> bool:
    """Whether two objects are defined in the same place, be it in two runs of the file."""
    return _place(one) == _place(other)


def _place(defined: object) -> tuple[str, str]:
    module = getattr(defined, "__module__", "")
    return str(module), str(getattr(defined, "__qualname__", defined))
