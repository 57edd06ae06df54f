"""Prior files that are wrong in every way: refused by name, with the rule, in bounded time."""

from __future__ import annotations

import copy
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from twinbayes.documents import MOST_YAML_BYTES as MOST_BYTES
from twinbayes.errors import PriorError
from twinbayes.priors import PriorEntry, PriorSet, check_priors, library_names, load_priors
from twinbayes.priors.files.library import library_files

SECONDS = 5.0
GOOD = """\
schema: twinbayes/prior/v1
name: mine
version: 1
description: one entry
entries:
  effect_mean:
    distribution: Normal
    arguments: {mu: 0.0, sigma: 2.0}
    parameter: mean of the effects
    scale: log odds
    unit: "1"
    population: adults
    rationale: wide
    evidence: []
    version: 1.0.0
    status: default
"""
MORE = "status: default\n    "
BOMB = "a: &a [1, 1]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefg", "bcdefgh"))  # noqa: B905


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


MALFORMED = {
    "a mean that is no number": (changed("mu: 0.0", "mu: .nan"), "'mu' is not finite"),
    "an infinite sd": (changed("sigma: 2.0", "sigma: .inf"), "'sigma' is not finite"),
    "a negative sd": (changed("sigma: 2.0", "sigma: -2"), "'sigma' is -2, but must be above 0"),
    "text as a number": (changed("mu: 0.0", "mu: low"), "'mu' is not a number"),
    "a truth value as a number": (changed("mu: 0.0", "mu: yes"), "'mu' is not a number"),
    "a list as a distribution": (changed(": Normal", ": [Normal]"), "'distribution' must be text"),
    "arguments as a list": (changed("{mu: 0.0, sigma: 2.0}", "[0, 2]"), "must map argument names"),
    "no arguments": (changed("{mu: 0.0, sigma: 2.0}", "~"), "must map argument names"),
    "an integer of 5,000 digits": (changed("mu: 0.0", "mu: " + "9" * 5000), "line 8"),
    "an integer beyond floats": (changed("mu: 0.0", "mu: " + "9" * 400), "cannot be read"),
    "a version of 5,000 digits": (changed("version: 1\n", f"version: {'9' * 5000}\n"), "line 3"),
    "an entry version of 5,000 digits": (changed(": 1.0.0", f": {'9' * 5000}.0.0"), "major.minor"),
    "a hexadecimal number without end": (changed("mu: 0.0", "mu: 0x" + "f" * 900), "not a number"),
    "5,000 lists in each other": (changed("one entry", "[" * 5000 + "]" * 5000), "32 deep"),
    "5,000 mappings in each other": (
        changed("mu: 0.0", "mu: " + "{a: " * 5000 + "1" + "}" * 5000), "32 deep",
    ),
    "a lone surrogate": (changed("wide", '"\\ud800"'), "line 13"),
    "a lone surrogate in a name": (changed("effect_mean", '"effect\\udc00"'), "line 6"),
    "a null character": (changed("wide", '"a\\0b"'), "line 13"),
    "a repeated key": (changed("    unit:", '    unit: "2"\n    unit:'), "'unit' appears twice"),
    "a repeated entry": (GOOD + GOOD.split("entries:\n")[1], "'effect_mean' appears twice"),
    "a list as a key": (changed("    unit:", "    [a]: 1\n    unit:"), "cannot be a key"),
    "an alias": (changed("one entry", "&a x").replace("adults", "*a"), "aliases are not allowed"),
    "a bomb of aliases": (BOMB, "aliases are not allowed"),
    "a merge": (changed("    scale: log odds", "    <<: {scale: x}"), "not valid YAML"),
    "a tag that runs code": (
        changed("mu: 0.0", 'mu: !!python/object/apply:os.system ["true"]'), "tags are not allowed",
    ),
    "a tag of a number": (changed("mu: 0.0", "mu: !!float abc"), "tags are not allowed"),
    "a tag of a day": (changed("wide", "!!timestamp xx"), "tags are not allowed"),
    "a day that is none": (changed("wide", "2020-13-45"), "'2020-13-45' cannot be read"),
    "an hour that is none": (changed("wide", "2020-01-01 99:99:99"), "cannot be read"),
    "two documents": (GOOD + "---\n" + GOOD, "single document"),
    "a list at the top": ("- 1\n", "expected keys and values at the top"),
    "nothing": ("", "expected keys and values at the top"),
    "entries as a list": (GOOD.split("entries:")[0] + "entries: [1]\n", "must map prior names"),
    "an entry that is empty": (GOOD.split("  effect")[0] + "  a:\n", "prior 'a': expected keys"),
    "an entry without a name": (changed("effect_mean:", "~:"), "'name' must be text"),
    "a numbered entry": (changed("effect_mean:", "3:"), "'name' must be text"),
    "evidence as text": (changed("[]", "none"), "'evidence' must be a list"),
    "evidence from too many": (
        changed("[]", f"[{{kind: data, statement: x, source: y, n: {'9' * 5000}}}]"), "line 14",
    ),
    "derived as a list": (changed("status: default", MORE + "derived: [1]"), "expected keys"),
    "a method as a list": (
        changed("status: default", MORE + "elicitation: {protocol: x, method: [a], experts: 3}"),
        "'experts' must be a list",
    ),
    "5,000 unknown keys": (
        GOOD + "".join(f"    k{i}: 1\n" for i in range(5_000)), "And 4980 more",
    ),
    "more than half a mebibyte": (changed("wide", "x" * MOST_BYTES), "larger than 512 KiB"),
}  # fmt: skip


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "mine.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return path


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_file_is_refused_with_its_name_and_rule(case: str, tmp_path: Path) -> None:
    text, said = MALFORMED[case]
    path = written(tmp_path, text)
    before = time.process_time()
    with pytest.raises(PriorError) as refused:
        load_priors(path)
    found = check_priors(path)
    assert time.process_time() - before < SECONDS
    assert said in str(refused.value)
    assert f"{tmp_path.name}/mine.yaml" in str(refused.value)
    assert len(str(refused.value)) < 20_000
    assert not found.passed
    str(refused.value).encode("utf-8", "strict")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    for content in (b"\x89PNG\r\n\x1a\n\x00\x00", b"\xff\xfe" + GOOD.encode("utf-16-le"), b"\xc3("):
        with pytest.raises(PriorError, match=r"mine\.yaml: not valid YAML"):
            load_priors(written(tmp_path, content))


def test_what_is_no_plain_file_is_refused_without_reading_it(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    for name, said in (
        ("folder.yaml", "is a folder"),
        ("pipe.yaml", "There is no prior file 'pipe.yaml'"),
        ("loop.yaml", "There is no prior file"),
        ("absent.yaml", "There is no prior file"),
        ("a" * 5000 + ".yaml", "There is no prior file"),
    ):
        for reader in (load_priors, check_priors):
            with pytest.raises(PriorError, match=said):
                reader(tmp_path / name)


@pytest.mark.parametrize("path", [".", "fifo", "a" * 5000, "absent"])
def test_an_artefact_that_is_no_plain_file_is_a_fault(path: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    artefact = f"prior_predictive: {{statement: x, path: {path}, sha256: {'a' * 64}}}"
    found = check_priors(written(tmp_path, changed("status: default", MORE + artefact)))
    assert any("there is no file" in fault for fault in found.faults)


@pytest.mark.parametrize("number", [10**400, -(10**400)])
def test_whole_numbers_beyond_floats_are_refused_in_python_too(number: int) -> None:
    record = {"name": "effect_mean", **yaml.safe_load(GOOD)["entries"]["effect_mean"]}
    with pytest.raises(PriorError, match="'mu' is too large"):
        PriorEntry.from_dict({**record, "arguments": {"mu": number, "sigma": 1}})
    with pytest.raises(PriorError, match="'mean' is too large"):
        PriorEntry.from_dict({**record, "derived": {"mean": number}})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scale": 3}, "key 'scale' must be text"),
        ({"distribution": ["Normal"]}, "key 'distribution' must be text"),
        ({"version": 1.0, "unit": None}, "key 'unit' must be text. key 'version' must be text"),
        ({"derivation": {}}, "key 'derivation' must be text"),
    ],
)
def test_an_entry_made_in_python_is_held_to_the_types_of_files(
    change: dict[str, Any], said: str
) -> None:
    record = {"name": "effect_mean", **yaml.safe_load(GOOD)["entries"]["effect_mean"], **change}
    with pytest.raises(PriorError, match=said):
        PriorEntry(**record)
    with pytest.raises(PriorError, match=said.partition(". ")[0]):
        PriorEntry.from_dict(record)


def test_what_is_no_entry_is_refused() -> None:
    with pytest.raises(PriorError, match="a mapping of keys to values"):
        PriorEntry.from_dict([1])  # type: ignore[arg-type]
    with pytest.raises(PriorError, match="'a' is no PriorEntry"):
        PriorSet("mine", 1, {"a": {"distribution": "Normal"}})  # type: ignore[dict-item]


# Mutants of the library's own files: whatever comes, a set or a reason.
NASTY: tuple[Any, ...] = (
    None, True, 0, -1, 10**300, 1e308, -1e308, 5e-324, float("nan"), float("inf"), "", " ", "x",
    "1e-3", "1.0", "\ud800", "\x00", "Normal", "Beta", [], {}, [1], {"a": 1}, [[]], [None], "a.b",
    {"mu": 0.0}, {1: 2}, "9" * 5000, "2020-13-45", "q05", "approved", "deprecated",
)  # fmt: skip
SCRAPS = ("&a ", "*a", "!!int ", "!x ", "<<: ", "- ", "? ", ": ", "{", "[", "}", '"', "\t", "---\n",
          "%YAML 9.9\n", "#", "|", ">", "\\ud800", "\x00", "9" * 5000, "[" * 200)  # fmt: skip
MUTANTS = 18  # of each file and each way


def excerpt(document: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """Two entries of a file: as many kinds of content, and a fraction of the time."""
    kept = dice.sample(sorted(document["entries"]), 2)
    return {
        **document,
        "entries": {name: copy.deepcopy(document["entries"][name]) for name in kept},
    }


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in plain data with each of its keys or positions."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(items):
        yield value, key
        if isinstance(item, dict | list):
            yield from places(item)


def mutated_data(document: dict[str, Any], dice: random.Random) -> str:
    for _ in range(dice.randint(1, 3)):
        container, key = dice.choice(list(places(document)))
        way = dice.randrange(4)
        if way == 0:
            del container[key]
        elif way == 1 and isinstance(container, dict):
            container[dice.choice(["mixture", "derived", "weight", "zz", 3, None, key])] = (
                dice.choice(NASTY)
            )
        elif way == 2 and isinstance(container, list):
            container.append(copy.deepcopy(container[key]))
        else:
            container[key] = dice.choice(NASTY)
        if not document:
            break
    return yaml.safe_dump(document, sort_keys=False)


def mutated_text(text: str, dice: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(lines))
        way = dice.randrange(5)
        column = dice.randrange(len(lines[at]) + 1)
        if way == 0:
            lines.insert(at, lines[dice.randrange(len(lines))])
        elif way == 1:
            lines[at] = lines[at][:column] + dice.choice(SCRAPS) + lines[at][column:]
        elif way == 2:
            lines[at] = lines[at][:column]
        elif way == 3:
            lines[at] = " " * dice.randint(1, 3) + lines[at]
        else:
            lines[at] = lines[at][:column] + chr(dice.randrange(1, 0x2FF)) + lines[at][column + 1 :]
    return "".join(lines)


@pytest.mark.parametrize("name", library_names())
def test_a_mutant_of_a_library_file_is_a_set_of_priors_or_refused_for_a_reason(
    name: str, tmp_path: Path
) -> None:
    dice = random.Random(f"mutants of {name}")  # noqa: S311 - mutants are no secrets
    document = yaml.safe_load(library_files(name)[1].read_text(encoding="utf-8"))
    outcomes = set()
    for number in range(2 * MUTANTS):
        part = excerpt(document, dice)
        text = (
            mutated_data(part, dice)
            if number % 2
            else mutated_text(yaml.safe_dump(part, sort_keys=False), dice)
        )
        path = written(tmp_path, text)
        before = time.process_time()
        try:
            priors = load_priors(path)
        except PriorError as error:
            outcomes.add(f"{tmp_path.name}/mine.yaml" in str(error))
        else:
            outcomes.add("read")
            again = {e.name: PriorEntry.from_dict(e.to_dict()) for e in priors.values()}
            assert PriorSet(priors.name, priors.version, again) == priors
            repr(priors).encode()
        check_priors(path)
        assert time.process_time() - before < SECONDS, text
    assert outcomes == {"read", True}
