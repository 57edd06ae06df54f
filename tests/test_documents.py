"""YAML and JSON files: what is malformed, endless or no text is one error, in bounded time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from twinbayes.documents import read_json, read_yaml
from twinbayes.errors import OptionError, PriorError, TwinbayesError
from twinbayes.priors import load_priors
from twinbayes.trials.simulated.study_file import read_study

LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n"
    for a, b in zip("abcdefghi", "bcdefghij", strict=True)
)
ATTACKS: dict[str, bytes] = {
    "aliases that grow without bound": LAUGHS.encode(),
    "an alias of itself": b"a: &a [*a]\n",
    "lists 5,000 deep": b"a: " + b"[" * 5000 + b"]" * 5000,
    "lists 100 deep": b"a: " + b"[" * 100 + b"]" * 100,
    "an integer of 5,000 digits": b"seed: " + b"7" * 5000,
    "half of a surrogate pair": b'name: "\\ud800"\n',
    "half of a surrogate pair as a key": b'"\\udfff": 1\n',
    "a NUL byte": b"name: a\0b\n",
    "another encoding": "name: Köln".encode("latin-1"),
    "two bytes a character": "name: a".encode("utf-16"),
    "a date that is none": b"name: 2020-13-45\n",
    "a Python object": b"name: !!python/object/apply:os.getcwd []\n",
    "no mapping": b"- a\n- b\n",
    "nothing": b"",
}
READERS: dict[str, tuple[Callable[[Path], object], type[TwinbayesError]]] = {
    "documents": (lambda path: read_yaml(path, OptionError), OptionError),
    "study": (read_study, OptionError),
    "priors": (load_priors, PriorError),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_on_yaml_are_refused_within_seconds(
    reader: str, attack: str, tmp_path: Path
) -> None:
    path = tmp_path / "file.yaml"
    path.write_bytes(ATTACKS[attack])
    read, error = READERS[reader]
    begun = time.process_time()
    with pytest.raises(error, match=r"file\.yaml"):
        read(path)
    assert time.process_time() - begun < 5.0


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 5000 + b"]" * 5000,
        b"[" * 100 + b"]" * 100,
        b"7" * 5000,
        b'{"a": "\\ud800"}',
        b'{"\\udc00": 1}',
        b"\xff",
        b"{",
        b"",
        b'{"a": "\0"}',
    ],
)
def test_attacks_on_json_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(OptionError, match=r"file\.json: "):
        read_json(path, OptionError)


def test_pipes_and_folders_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "absent"):
        for read in (read_yaml, read_json):
            with pytest.raises(OptionError, match="there is no such file"):
                read(path, OptionError)


def test_what_is_well_formed_is_read_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "file"
    wanted: dict[str, Any] = {"a": [1, 2.5, "ü", None, True], "b": {"c": [[["d"]]]}}
    path.write_text('a: [1, 2.5, "ü", null, true]\nb: {c: [[[d]]]}\n', encoding="utf-8")
    assert read_yaml(path, OptionError) == wanted
    path.write_text('{"a": [1, 2.5, "ü", null, true], "b": {"c": [[["d"]]]}}', encoding="utf-8")
    assert read_json(path, OptionError) == wanted
