"""YAML and JSON files, read strictly and in bounded time: whatever is wrong is one error."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from twinbayes.errors import TwinbayesError

#: Lists and mappings within each other; no file of this package comes near.
MAX_DEPTH: Final = 32
MOST_YAML_BYTES: Final = 512 * 1024
"""Size of the largest YAML file that is read."""
_LARGEST: Final = 2**63  # whole numbers from there on are no count of anything
_SHOWN: Final = 40  # characters of a value that a message repeats


#: Line of each part of a file, by the keys and positions that lead to it.
type Lines = Mapping[tuple[str | int, ...], int]


def read_yaml(path: Path, error: type[TwinbayesError], name: str = "") -> Mapping[Any, Any]:
    """Read a YAML file strictly: no tags, no aliases, no repeated keys, keys at the top.

    Parameters
    ----------
    path
        The file.
    error
        What to raise; its message names the file and the rule.
    name
        What to call the file; default: its own name.
    """
    return read_yaml_lines(path, error, name)[0]


def read_yaml_lines(
    path: Path, error: type[TwinbayesError], name: str = ""
) -> tuple[Mapping[Any, Any], Lines]:
    """Read a YAML file as `read_yaml` does, and say in which line each of its parts begins."""
    name = name or path.name
    try:
        loader = _StrictLoader(_text(path, MOST_YAML_BYTES))
        node = loader.get_single_node()
        found = None if node is None else loader.construct_document(node)
    except (OSError, RecursionError, ValueError, yaml.YAMLError) as problem:
        raise error(f"{name}: not valid YAML: {_reason(problem)}") from problem
    if not isinstance(found, Mapping):
        raise error(f"{name}: expected keys and values at the top.")
    _require_plain(found, error, name)
    lines: dict[tuple[str | int, ...], int] = {}
    _note_lines(node, (), 1, lines)
    return found, lines


def _note_lines(
    node: yaml.Node | None,
    place: tuple[str | int, ...],
    line: int,
    lines: dict[tuple[str | int, ...], int],
) -> None:
    """Note the line of a part, and of all its own: that of the key where there is one."""
    lines[place] = line
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            _note_lines(value, (*place, str(key.value)), key.start_mark.line + 1, lines)
    elif isinstance(node, yaml.SequenceNode):
        for k, value in enumerate(node.value):
            _note_lines(value, (*place, k), value.start_mark.line + 1, lines)


def read_json(path: Path | zipfile.Path, error: type[TwinbayesError], name: str = "") -> Any:
    """Read a JSON file; parameters as of `read_yaml`."""
    name = name or path.name
    try:
        found = json.loads(_text(path))
    except (OSError, RecursionError, ValueError) as problem:
        raise error(f"{name}: not valid JSON: {_reason(problem)}") from problem
    _require_plain(found, error, name)
    return found


def _text(path: Path | zipfile.Path, most_bytes: int | None = None) -> str:
    """Text of an ordinary file: a pipe would be waited for."""
    if not path.is_file():
        raise OSError("there is no such file")
    with path.open("rb") as file:
        content = file.read(-1 if most_bytes is None else most_bytes + 1)
    if most_bytes is not None and len(content) > most_bytes:
        raise OSError(f"it is larger than {most_bytes // 1024} KiB: split it, or shorten it")
    return content.decode("utf-8")


def _reason(problem: Exception) -> str:
    if isinstance(problem, RecursionError):
        return f"lists within lists, more than {MAX_DEPTH} deep."
    if isinstance(problem, UnicodeDecodeError):
        return "the file is not UTF-8."
    if isinstance(problem, OSError):
        return f"{problem.strerror or problem}."
    return str(problem)


def _require_plain(found: object, error: type[TwinbayesError], name: str) -> None:
    """Refuse what nests deeper than anything of ours, and text that cannot be written."""
    layer, depth = [found], 0
    while layer:
        if depth > MAX_DEPTH:
            raise error(f"{name}: lists or mappings within each other, more than {MAX_DEPTH} deep.")
        texts = [part for part in layer if isinstance(part, str)]
        if any(not is_writable(text) for text in texts):
            raise error(f"{name}: half of a surrogate pair, which is no text. Write characters.")
        layer = [inner for part in layer for inner in _parts(part)]
        depth += 1


def _parts(value: object) -> list[object]:
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    return list(value) if isinstance(value, list | tuple) else []


def is_writable(text: str) -> bool:
    """Whether text has no lone surrogates, which no encoding can hold."""
    return not any("\ud800" <= c <= "\udfff" for c in text)


class _StrictLoader(yaml.SafeLoader):
    """The safe loader, which moreover refuses what no file of this package needs.

    Scalars are those of YAML 1.2: ``on`` and ``no`` are text, ``1e-3`` is a number, and ``12:30``
    is none.

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
        if self._depth >= MAX_DEPTH:
            raise self._refused(f"keys and lists lie more than {MAX_DEPTH} deep in each other")
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
        if isinstance(value, str) and not (is_writable(value) and "\0" not in value):
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


_BOOL: Final = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT: Final = re.compile(r"[-+]?[0-9]+")
_FLOAT: Final = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


def _construct_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))  # decimal, also where it begins with a 0


_StrictLoader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag.rpartition(":")[2] not in ("bool", "int", "float")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag, _pattern, _first in (
    ("bool", _BOOL, "tTfF"),
    ("int", _INT, "-+0123456789"),
    ("float", _FLOAT, "-+.0123456789"),
):
    _StrictLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern.pattern})$"), list(_first)
    )
_StrictLoader.add_constructor("tag:yaml.org,2002:int", _construct_int)


class _PlainDumper(yaml.SafeDumper):
    """Quotes text that a reader of YAML 1.1, or of 1.2, would take for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_PlainDumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(f"^(?:{_FLOAT.pattern})$"), list("-+.0123456789")
)


def yaml_text(data: Mapping[str, Any]) -> str:
    """Plain data as YAML that `read_yaml` reads back: what has no parts of its own, in a line."""
    text: str = yaml.dump(
        dict(data), Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=100,
        default_flow_style=None,
    )  # fmt: skip
    return text
