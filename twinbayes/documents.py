"""YAML and JSON files, read strictly and in bounded time: whatever is wrong is one error."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from twinbayes.errors import TwinbayesError

#: Lists and mappings within each other; no file of this package comes near.
MAX_DEPTH: Final = 50


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
    name = name or path.name
    try:
        found = yaml.load(_text(path), Loader=_StrictLoader)  # noqa: S506 - a safe loader
    except (OSError, RecursionError, ValueError, yaml.YAMLError) as problem:
        # Numbers and dates that are none are ValueErrors, as are bytes that are not UTF-8.
        raise error(f"{name}: not valid YAML: {_reason(problem)}") from problem
    if not isinstance(found, Mapping):
        raise error(f"{name}: expected keys and values at the top.")
    _require_plain(found, error, name)
    return found


def read_json(path: Path, error: type[TwinbayesError], name: str = "") -> Any:
    """Read a JSON file; parameters as of `read_yaml`."""
    name = name or path.name
    try:
        found = json.loads(_text(path))
    except (OSError, RecursionError, ValueError) as problem:
        raise error(f"{name}: not valid JSON: {_reason(problem)}") from problem
    _require_plain(found, error, name)
    return found


def _text(path: Path) -> str:
    """Text of an ordinary file: a pipe would be waited for."""
    if not path.is_file():
        raise OSError("there is no such file")
    return path.read_text(encoding="utf-8")


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
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class _StrictLoader(yaml.SafeLoader):
    """The safe loader, which moreover refuses repeated keys, aliases and merges."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        # An alias can grow a small file without bound, and no file of this package needs one.
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed")
        if self.depth > MAX_DEPTH:
            raise yaml.YAMLError(f"lists or mappings within each other, more than {MAX_DEPTH} deep")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = Counter(str(self.construct_object(key, deep=True)) for key, _ in node.value)
        repeated = sorted(key for key, times in keys.items() if times > 1)
        if repeated:
            raise yaml.YAMLError(f"key {repeated[0]!r} appears twice")
        return super().construct_mapping(node, deep=deep)
