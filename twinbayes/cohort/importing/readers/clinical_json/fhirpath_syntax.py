"""The syntax of simple FHIRPath: text into a tree, or nothing where it is not simple."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<string>'[^'\\]*')|(?P<number>[0-9]+(?:\.[0-9]+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<constant>%[A-Za-z_][A-Za-z0-9_]*)|(?P<this>\$this)|(?P<mark>!=|[.()\[\],=|&]))"
)
_LEVELS: Final = (("or",), ("and",), ("=", "!="), ("|",), ("&",))
_LONGEST: Final = 4_000
_DEEPEST: Final = 40


@dataclass(frozen=True, slots=True)
class Node:
    """Part of an expression.

    Attributes
    ----------
    kind
        ``literal``, ``constant``, ``this``, ``member``, ``call``, ``index`` or ``operator``.
    word
        Name of the member, function, constant or operator.
    value
        Of a literal or an index.
    base
        What it is applied to; None for the context.
    parts
        Arguments, or both sides of an operator.
    """

    kind: str
    word: str = ""
    value: str | float | bool = ""
    base: Node | None = None
    parts: tuple[Node, ...] = ()


class NotSimpleError(ValueError):
    """An expression that is left to fhirpathpy."""


def parsed(text: str) -> Node:
    """The tree of an expression.

    Raises
    ------
    NotSimpleError
        If it has what is not of the simple part of FHIRPath, or is none.

    Examples
    --------
    >>> parsed("name.first()").word
    'first'
    """
    if len(text) > _LONGEST:
        raise NotSimpleError
    tokens: list[tuple[str, str]] = []
    at = 0
    text = text.strip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise NotSimpleError
        tokens.append((found.lastgroup, found[found.lastgroup]))
        at = found.end()
    reader = _Reader(tokens)
    tree = reader.operators(0, 0)
    if reader.at != len(tokens):
        raise NotSimpleError
    return tree


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self.at = 0

    def _next(self, *words: str) -> str | None:
        """Take the next token if it is a mark or a word of these."""
        if self.at < len(self._tokens):
            kind, text = self._tokens[self.at]
            if text in words and kind in ("mark", "name"):
                self.at += 1
                return text
        return None

    def _expect(self, mark: str) -> None:
        if self._next(mark) is None:
            raise NotSimpleError

    def operators(self, level: int, depth: int) -> Node:
        """Operators of a level and those that bind closer, from the left."""
        if depth > _DEEPEST:
            raise NotSimpleError
        if level == len(_LEVELS):
            return self._term(depth)
        left = self.operators(level + 1, depth)
        while (word := self._next(*_LEVELS[level])) is not None:
            right = self.operators(level + 1, depth)
            left = Node("operator", word, parts=(left, right))
        return left

    def _term(self, depth: int) -> Node:
        if self.at >= len(self._tokens):
            raise NotSimpleError
        kind, text = self._tokens[self.at]
        self.at += 1
        node: Node
        if kind == "string":
            node = Node("literal", value=text[1:-1])
        elif kind == "number":
            node = Node("literal", value=float(text) if "." in text else int(text))
        elif kind == "constant":
            node = Node("constant", text[1:])
        elif kind == "this":
            node = Node("this")
        elif kind == "name" and text in ("true", "false"):
            node = Node("literal", value=text == "true")
        elif kind == "name" and text not in ("and", "or"):
            node = self._invoked(text, None, depth)
        elif text == "(":
            node = self.operators(0, depth + 1)
            self._expect(")")
        else:
            raise NotSimpleError
        return self._invocations(node, depth)

    def _invocations(self, node: Node, depth: int) -> Node:
        while True:
            if self._next(".") is not None:
                if self.at >= len(self._tokens) or self._tokens[self.at][0] != "name":
                    raise NotSimpleError
                word = self._tokens[self.at][1]
                self.at += 1
                node = self._invoked(word, node, depth)
            elif self._next("[") is not None:
                kind, text = self._tokens[self.at] if self.at < len(self._tokens) else ("", "")
                if kind != "number" or not text.isdigit():
                    raise NotSimpleError
                self.at += 1
                self._expect("]")
                node = Node("index", value=int(text), base=node)
            else:
                return node

    def _invoked(self, word: str, base: Node | None, depth: int) -> Node:
        if self._next("(") is None:
            return Node("member", word, base=base)
        parts: list[Node] = []
        while self._next(")") is None:
            if parts:
                self._expect(",")
            parts.append(self.operators(0, depth + 1))
        return Node("call", word, base=base, parts=tuple(parts))
