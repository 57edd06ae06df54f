"""FHIRPath compiled: simple paths into functions of our own, the rest by fhirpathpy.

What is simple is a matter of speed alone: both ways give the same, which tests hold them to. Simple
are members, ``where``, ``first``, ``last``, ``[n]``, ``ofType`` of elements of several types,
``exists``, ``empty``, ``not``, ``select``, ``join``, ``toString``, ``extension``, the operators
``= != and or | &``, and the two keys of SQL on FHIR.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from twinbayes.cohort.importing.cells.values import Problem
from twinbayes.cohort.importing.readers.clinical_json.fhirpath_syntax import (
    Node,
    NotSimpleError,
    parsed,
)
from twinbayes.cohort.importing.readers.clinical_json.references import References
from twinbayes.errors import CohortError

type Items = list[Any]
type Path = Callable[[Items], Items]
type Constants = Mapping[str, str | float | bool]

#: Elements whose type is part of the name: ``value`` is ``valueQuantity`` or ``valueString`` ...
CHOICES: Final = frozenset((
    "abatement", "age", "asNeeded", "allowed", "born", "deceased", "defaultValue", "dose",
    "effective",
    "identified", "item", "medication", "multipleBirth", "occurrence", "onset", "performed",
    "product", "rate", "reported", "scheduled", "serviced", "timing", "value",
))  # fmt: skip
_BOOLEAN: Final = frozenset(("exists", "empty", "not"))
_END_OF_TEXT: Final = -1  # as a token
_DATED: Final = re.compile(r"T?[0-9]{2}|[0-9]{4}")


class PathError(ValueError):
    """A path that gives nothing sensible of a resource."""


def compiled(
    text: str, constants: Constants, references: References, within: str | None = None
) -> Path:
    """Compile a path to a function of a list of elements.

    Parameters
    ----------
    text
        The path.
    constants
        Value of each ``%name``.
    references
        What references mean.
    within
        Which elements these are, such as ``Observation.component``, where they are no resources.

    Raises
    ------
    PathError
        If it is no FHIRPath.
    CohortError
        If the path is not simple and fhirpathpy is not installed.

    Examples
    --------
    >>> from twinbayes.cohort.importing.readers.clinical_json.references import References
    >>> compiled("name.given.first()", {}, References())([{"name": [{"given": ["A", "B"]}]}])
    ['A']
    """
    try:
        return _Compiler(constants, references).of(parsed(text))
    except NotSimpleError:
        return by_fhirpathpy(text, constants, references, within)


def by_fhirpathpy(
    text: str, constants: Constants, references: References, within: str | None = None
) -> Path:
    """Compile any path with fhirpathpy, as `compiled` does with those that are not simple."""
    try:
        import fhirpathpy
        from fhirpathpy.engine.nodes import ResourceNode
        from fhirpathpy.engine.util import get_data
        from fhirpathpy.models import models
    except ImportError as error:
        raise CohortError(
            f"The path {text[:80]!r} of a view needs fhirpathpy. Install twinbayes[fhir], or write "
            "the path with members, where, first and ofType alone."
        ) from error

    data_of: Any = get_data  # neither has types
    element: Any = ResourceNode.create_node

    def resource_key(given: Items) -> Items:
        return _resource_keys([data_of(item) for item in given])

    def reference_key(given: Items, wanted: Any = None) -> Items:
        data = [data_of(item) for item in given]
        return _reference_keys(data, references, getattr(wanted, "name", wanted))

    own = {
        "getResourceKey": {"fn": resource_key, "arity": {0: []}},
        "getReferenceKey": {"fn": reference_key, "arity": {0: [], 1: ["TypeSpecifier"]}},
    }
    try:
        _require_grammatical(text)
        path: Any = fhirpathpy.compile(text, models["r4"], {"userInvocationTable": own})
    except Exception as error:  # its parser raises whatever it meets
        raise PathError("it is no FHIRPath") from error

    def evaluate(given: Items) -> Items:
        if within is not None:
            given = [element(item, within) for item in given]
        try:
            return list(path(given, dict(constants)))
        except Exception as error:  # as does its engine
            raise PathError("the path cannot be evaluated") from error

    return evaluate


def _require_grammatical(text: str) -> None:
    """Refuse text that fhirpathpy would mend by leaving out what it does not understand."""
    import fhirpathpy.parser

    grammar: Any = fhirpathpy.parser
    lexer = grammar.FHIRPathLexer(grammar.InputStream(text))
    lexer.recover = grammar.recover
    tokens = grammar.CommonTokenStream(lexer)
    parser = grammar.FHIRPathParser(tokens)
    for part in (lexer, parser):
        part.removeErrorListeners()
    parser.expression()
    if parser.getNumberOfSyntaxErrors() or tokens.LA(1) != _END_OF_TEXT:
        raise PathError("it is no FHIRPath")


class _Compiler:
    def __init__(self, constants: Constants, references: References) -> None:
        self._constants, self._references = constants, references

    def of(self, node: Node) -> Path:
        """The function of a tree."""
        if node.kind == "literal" or node.kind == "constant":
            value = [self._literal(node)]
            return lambda items: value
        if node.kind == "this":
            return lambda items: items
        if node.kind == "operator":
            return self._operator(node)
        if node.kind == "call" and node.word == "ofType":
            return self._of_type(node)
        base = (lambda items: items) if node.base is None else self.of(node.base)
        if node.kind == "member":
            if node.base is None and node.word[0].isupper():
                return _root(node.word)
            return _choice(node.word, base) if node.word in CHOICES else _member(node.word, base)
        if node.kind == "index":
            at = int(node.value)
            return lambda items: base(items)[at : at + 1]
        return self._call(node, base)

    def _literal(self, node: Node) -> Any:
        value: Any = node.value
        if node.kind == "constant":
            if node.word not in self._constants:
                raise NotSimpleError
            value = self._constants[node.word]
        # Of text that may be a date the comparison is another.
        if isinstance(value, str) and _DATED.match(value):
            raise NotSimpleError
        return value

    def _truth(self, node: Node) -> Path:
        """A part that can only be true, false or empty."""
        if node.kind == "operator" and node.word in ("=", "!=", "and", "or"):
            return self.of(node)
        if node.kind == "call" and node.word in _BOOLEAN:
            return self.of(node)
        if node.kind == "literal" and isinstance(node.value, bool):
            return self.of(node)
        raise NotSimpleError

    def _operator(self, node: Node) -> Path:
        left, right = node.parts
        if node.word in ("and", "or"):
            return _logic(self._truth(left), self._truth(right), node.word == "or")
        if node.word in ("=", "!="):
            if left.kind in ("literal", "constant"):
                left, right = right, left
            if right.kind not in ("literal", "constant"):
                raise NotSimpleError
            return _equal(self.of(left), self._literal(right), node.word == "=")
        if node.word == "|":
            return _union(self.of(left), self.of(right))
        return _joined(self.of(left), self.of(right))

    def _of_type(self, node: Node) -> Path:
        """``ofType`` of an element of several types, whose name tells which it is."""
        source = node.base
        if source is None or source.kind != "member" or source.word not in CHOICES:
            raise NotSimpleError
        kind = _only_name(node)
        base = (lambda items: items) if source.base is None else self.of(source.base)
        return _member(source.word + kind[0].upper() + kind[1:], base)

    def _call(self, node: Node, base: Path) -> Path:
        word, n = node.word, len(node.parts)
        if word == "where" and n == 1:
            return _where(base, self._truth(node.parts[0]))
        if word == "select" and n == 1:
            part = self.of(node.parts[0])
            return lambda items: [found for item in base(items) for found in part([item])]
        if word == "exists" and n == 1:
            taken = _where(base, self._truth(node.parts[0]))
            return lambda items: [bool(taken(items))]
        if word == "getReferenceKey" and n <= 1:
            wanted = _only_name(node) if n else None
            return lambda items: _reference_keys(base(items), self._references, wanted)
        if word in ("join", "extension") and n == 1:
            given = self._literal(node.parts[0])
            if node.parts[0].kind != "literal" or not isinstance(given, str):
                raise NotSimpleError
            return _with_text(word, base, given)
        if word == "not" and node.base is not None and n == 0:
            return _negated(self._truth(node.base))
        if word in _PLAIN and n == 0:
            return _PLAIN[word](base)
        raise NotSimpleError


def _only_name(node: Node) -> str:
    if len(node.parts) != 1 or node.parts[0].kind != "member" or node.parts[0].base is not None:
        raise NotSimpleError
    return node.parts[0].word


def _member(name: str, base: Path) -> Path:
    def take(items: Items) -> Items:
        out: Items = []
        for item in base(items):
            if isinstance(item, dict):
                found = item.get(name)
                if isinstance(found, list):
                    out += [part for part in found if part is not None]
                elif found is not None:
                    out.append(found)
        return out

    return take


def _choice(name: str, base: Path) -> Path:
    plain, length = _member(name, lambda items: items), len(name)

    def take(items: Items) -> Items:
        out: Items = []
        for item in base(items):
            if isinstance(item, dict):
                if name in item:
                    out += plain([item])
                    continue
                for key in item:
                    if key.startswith(name) and key[length : length + 1].isupper():
                        out += _member(key, lambda items: items)([item])
        return out

    return take


def _root(kind: str) -> Path:
    return lambda items: [
        item for item in items if isinstance(item, dict) and item.get("resourceType") == kind
    ]


def _where(base: Path, truth: Path) -> Path:
    return lambda items: [item for item in base(items) if truth([item]) == [True]]


def _logic(left: Path, right: Path, decides: bool) -> Path:
    """``or`` where True decides, ``and`` where False does; what is empty is not known."""

    def judge(items: Items) -> Items:
        a, b = left(items), right(items)
        if a == [decides] or b == [decides]:
            return [decides]
        return [not decides] if a and b else []

    return judge


def _equal(base: Path, value: Any, same: bool) -> Path:
    def judge(items: Items) -> Items:
        found = base(items)
        if not found:
            return []
        alike = len(found) == 1 and found[0] == value
        return [(alike and isinstance(found[0], bool) == isinstance(value, bool)) is same]

    return judge


def _union(left: Path, right: Path) -> Path:
    def both(items: Items) -> Items:
        out: Items = []
        for item in [*left(items), *right(items)]:
            if item not in out:
                out.append(item)
        return out

    return both


def _joined(left: Path, right: Path) -> Path:
    def text(found: Items) -> str:
        if not found:
            return ""
        if len(found) > 1 or not isinstance(found[0], str):
            raise PathError("'&' joins what is not one text each")
        return found[0]

    return lambda items: [text(left(items)) + text(right(items))]


def _with_text(word: str, base: Path, given: str) -> Path:
    if word == "extension":
        extensions = _member("extension", base)
        return lambda items: [
            e for e in extensions(items) if isinstance(e, dict) and e.get("url") == given
        ]

    def join(items: Items) -> Items:
        found = base(items)
        if any(not isinstance(item, str) for item in found):
            raise PathError("'join' of what is no text")
        return [given.join(found)] if found else []

    return join


def _negated(base: Path) -> Path:
    def judge(items: Items) -> Items:
        found = base(items)
        return [not found[0]] if found else []

    return judge


def _spelt(base: Path) -> Path:
    def text(items: Items) -> Items:
        found = base(items)
        if not found:
            return []
        value = found[0]
        if len(found) > 1 or isinstance(value, bool) or not isinstance(value, str | int | float):
            raise PathError("'toString' of what is no text and no number")
        return [value if isinstance(value, str) else str(Decimal(str(value)))]

    return text


_PLAIN: Final[Mapping[str, Callable[[Path], Path]]] = {
    "first": lambda base: lambda items: base(items)[:1],
    "last": lambda base: lambda items: base(items)[-1:],
    "exists": lambda base: lambda items: [bool(base(items))],
    "empty": lambda base: lambda items: [not base(items)],
    "toString": _spelt,
    "getResourceKey": lambda base: lambda items: _resource_keys(base(items)),
}


def _resource_keys(items: Items) -> Items:
    return [i["id"] for i in items if isinstance(i, dict) and i.get("id") is not None]


def _reference_keys(items: Items, references: References, wanted: str | None) -> Items:
    found: list[str | Problem | None] = [references.key_of(item, wanted) for item in items]
    return [key for key in found if key is not None]
