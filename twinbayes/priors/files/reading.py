"""Prior files as plain data: a strict subset of YAML, in bounded time."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from twinbayes.errors import PriorError

MOST_BYTES: Final = 512 * 1024
"""Size of the largest prior file that is read."""

_DEEPEST: Final = 32  # levels of keys and lists inside each other
_LARGEST: Final = 2**63  # whole numbers from there on are no count of anything
_SHOWN: Final = 40  # characters of a value that a message repeats


def parse(path: Path) -> Mapping[Any, Any]:
    """Read a YAML file strictly: no tags, no aliases, no repeated keys, nothing without bound.

    Raises
    ------
    PriorError
        The file cannot be read, is larger than `MOST_BYTES`, or is no such YAML; the message
        names the line.
    """
    file = shown(path)
    try:
        document = yaml.load(_text(path), Loader=_StrictLoader)  # noqa: S506
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PriorError(f"{file}: not valid YAML: {error}") from error
    if not isinstance(document, Mapping):
        raise PriorError(f"{file}: expected keys and values at the top.")
    return document


def require_file(path: Path) -> None:
    """Refuse a path that is not that of a plain file.

    Raises
    ------
    PriorError
        There is nothing, a folder, or something that can be read without end.
    """
    if os.path.isdir(path):
        raise PriorError(f"{path.name[:_SHOWN]!r} is a folder. Give the path of a prior file.")
    if not os.path.isfile(path):
        raise PriorError(f"There is no prior file {path.name[:_SHOWN]!r} at the path given.")


def shown(path: Path) -> str:
    """Name a file in messages by its folder and itself."""
    return f"{path.parent.name}/{path.name}"


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise PriorError(f"{shown(path)}: cannot be read ({error.strerror}).") from error
    if len(content) > MOST_BYTES:
        raise PriorError(
            f"{shown(path)}: is larger than {MOST_BYTES // 1024} KiB. Split it, or shorten it."
        )
    return content.decode("utf-8")


class _StrictLoader(yaml.SafeLoader):
    """The safe loader, which moreover refuses what no prior file needs.

    An alias can grow a small file without bound, a tag makes something else of a value, deep
    nesting exhausts the stack, and a lone surrogate is text that cannot be written again.
    """

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.events.AliasEvent):
            raise self._refused("aliases are not allowed")
        if getattr(self._next(), "tag", None) is not None:
            raise self._refused("tags are not allowed")
        if self._depth >= _DEEPEST:
            raise self._refused(f"keys and lists lie more than {_DEEPEST} deep in each other")
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep=deep)
        except (ValueError, OverflowError) as error:  # days that are none, digits without end
            raise self._unread(node) from error
        if isinstance(value, int) and abs(value) >= _LARGEST:
            raise self._unread(node)
        if isinstance(value, str) and not _is_writable(value):
            raise self._unread(node)
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(
                    None, None, "a list or a mapping cannot be a key", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {str(key)[:_SHOWN]!r} appears twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)

    def _next(self) -> Any:
        return self.peek_event()  # type: ignore[no-untyped-call]

    def _refused(self, what: str) -> yaml.YAMLError:
        return yaml.composer.ComposerError(None, None, what, self._next().start_mark)

    def _unread(self, node: yaml.Node) -> yaml.YAMLError:
        value = str(node.value)[:_SHOWN].encode("utf-8", "backslashreplace").decode("utf-8")
        return yaml.constructor.ConstructorError(
            None, None, f"the value {value!r} cannot be read", node.start_mark
        )


def _is_writable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)
