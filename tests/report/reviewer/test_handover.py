"""Checks and effects come back from their files as they were; what is no such file is refused."""

from __future__ import annotations

import copy
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from twinbayes.checks import CheckResult
from twinbayes.effects import Estimand, treatment_effect
from twinbayes.effects.estimand import SUMMARIES
from twinbayes.effects.published import publishable_effect
from twinbayes.errors import OptionError, ReportError, StorageError
from twinbayes.inference import Fit
from twinbayes.report import collect, read_checks, read_effects, write_checks, write_effects
from twinbayes.report.html import fragments as f
from twinbayes.report.reviewer.effects import one_effect

PLAIN = sorted(s for s in SUMMARIES if not s.startswith(("quality", "state")))


@pytest.fixture(scope="module")
def asked(fit: Fit) -> Callable[[str], xr.Dataset]:
    made: dict[str, xr.Dataset] = {}

    def effect(summary: str) -> xr.Dataset:
        if summary not in made:
            estimand = Estimand.starting(
                "allogeneic_transplant", landmark=60.0, times=(365.25, 730.5),
                states=("remission",), summary=summary,
            )  # fmt: skip
            made[summary] = treatment_effect(fit, estimand, draws=40, allow_unsupported=True)
        return made[summary]

    return effect


@pytest.fixture(scope="module")
def checks() -> tuple[CheckResult, ...]:
    table = pd.DataFrame(
        {"subgroup": ["A", "B"], "n": [7, 12], "observed": [3, 9], "value": [0.5, np.nan]}
    )
    return (
        CheckResult("cross-validation", "pass", table, "text", "scores"),
        CheckResult.not_provided("other", "why"),
    )


@pytest.mark.parametrize("summary", PLAIN)
def test_an_effect_comes_back_as_it_was_without_its_patients(
    summary: str, asked: Callable[[str], xr.Dataset], tmp_path: Path
) -> None:
    effect = asked(summary)
    path = write_effects(tmp_path / "effects.json", [effect])
    assert path.stat().st_mode & 0o777 == 0o600
    (back,) = read_effects(path)
    shown = publishable_effect(effect)
    xr.testing.assert_identical(back, shown.reset_coords(drop=True))
    assert one_effect(back).html == one_effect(shown).html


def test_an_effect_of_another_fit_is_refused(fit: Fit, asked: Callable[[str], xr.Dataset]) -> None:
    effect = asked("risk_difference")
    for change in ({"disease": "aml"}, {"verdict": "not for use"}):
        with pytest.raises(ReportError, match="of another fit"):
            collect(fit, effects=[effect.assign_attrs(change)])
    with pytest.raises(ReportError, match="must be"):
        collect(fit, effects=[xr.Dataset()])
    with pytest.raises(OptionError, match="interval"):
        collect(fit, interval=0)


WRITTEN: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "not UTF-8": b'["\xff"]',
    "a byte order mark of UTF-16": b"\xff\xfe[\x00]\x00",
    "no list": b"{}",
    "a number": b"3",
    "not a number": b"[NaN]",
    "infinity": b"[-Infinity]",
    "nested deep": b"[" * 5000 + b"]" * 5000,
    "nested deeper": b"[" * 200_000 + b"]" * 200_000,
    "objects nested deep": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "a huge integer": b"[" + b"9" * 10_000 + b"]",
    "a huge float": b"[1e999]",
    "half a surrogate pair": b'["\\ud800"]',
    "a key twice": b'[{"name": "a", "name": "b"}]',
    "a list of lists": b"[[]]",
    "null": b"null",
}


@pytest.mark.parametrize("read", [read_checks, read_effects])
@pytest.mark.parametrize("kind", list(WRITTEN))
def test_what_was_not_written_by_us_is_refused_with_its_place(
    kind: str, read: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "evidence.json"
    path.write_bytes(WRITTEN[kind])
    with pytest.raises(StorageError, match=r"^evidence\.json: .* must .*\. Give a file"):
        read(path)


@pytest.mark.parametrize("read", [read_checks, read_effects])
def test_what_is_no_ordinary_file_is_refused(read: Callable[[Any], object], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    places = [tmp_path / "pipe", tmp_path, tmp_path / "none.json", Path("/dev/zero"), Path()]
    for place in [*places, tmp_path / ("x" * 300), str(tmp_path / "a\0b")]:
        with pytest.raises(StorageError):
            read(place)
    assert read("") == ()


VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 3, 2**62, 2**70, 1e300, -1e300, 0.5, "", "x", "usable", "risk_ratio",
    "$x^$", "\u202e", "a" * 5000, [], {}, [[]], [1, 2, 3], ["a", "b"], {"float": "nan"},
    {"float": "inf"}, {"float": 3}, {"float": "nan", "x": 1}, [{"float": "-inf"}], "<script>",
)  # fmt: skip


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, inner in inside:
        found.append((*here, key))
        if isinstance(inner, dict | list):
            found += places(inner, (*here, key))
    return found


def damaged(content: Any, luck: random.Random) -> Any:
    """Change, drop, double or rename one or two things somewhere in a file."""
    whole = copy.deepcopy(content)
    for _ in range(luck.choice((1, 1, 2))):
        known = places(whole)
        if not known:
            return whole
        *way, last = luck.choice(known)
        at = whole
        for key in way:
            at = at[key]
        match luck.randrange(4):
            case 0:
                at[last] = copy.deepcopy(luck.choice(VALUES))
            case 1:
                del at[last]
            case 2 if isinstance(at, list):
                at.insert(last, copy.deepcopy(at[last]))
            case 2:
                at[f"{last}_"] = at.pop(last)
            case _:
                other = luck.choice(known)
                inner = whole
                for key in other:
                    try:
                        inner = inner[key]
                    except (KeyError, IndexError, TypeError):
                        break
                at[last] = copy.deepcopy(inner)
    return whole


def accepted[T](read: Callable[[Path], tuple[T, ...]], path: Path) -> tuple[T, ...]:
    """What is read of a file, or nothing if it is refused by name; other errors go through."""
    told = ""
    try:
        return read(path)
    except StorageError as error:
        told = str(error)
    assert told.startswith(f"{path.name}: ")
    return ()


@pytest.mark.parametrize("seed", range(40))
def test_damaged_checks_are_refused_or_shown(
    seed: int, checks: tuple[CheckResult, ...], tmp_path: Path
) -> None:
    path = write_checks(tmp_path / "checks.json", checks)
    luck = random.Random(seed)  # noqa: S311
    content = damaged(json.loads(path.read_text(encoding="utf-8")), luck)
    path.write_text(json.dumps(content), encoding="utf-8")
    for check in accepted(read_checks, path):
        assert "<script" not in f.check(check).html


@pytest.mark.parametrize("seed", range(40))
def test_damaged_effects_are_refused_or_shown(
    seed: int, asked: Callable[[str], xr.Dataset], tmp_path: Path
) -> None:
    luck = random.Random(seed)  # noqa: S311
    effect = asked(luck.choice(("risk_difference", "hazard_ratio")))
    path = write_effects(tmp_path / "effects.json", [effect])
    content = damaged(json.loads(path.read_text(encoding="utf-8")), luck)
    path.write_text(json.dumps(content), encoding="utf-8")
    for one in accepted(read_effects, path):
        assert "<script" not in one_effect(one).html


def counted(n: dict[str, int], events: tuple[int, int]) -> xr.Dataset:
    """An effect of one subgroup with these numbers of patients and events."""
    treated, total = n["n_treated"], sum(n.values())
    share = treated / total
    columns = {
        **n,
        "n_patients": total,
        "events_treated": events[0],
        "events_untreated": events[1],
        "share_treated": share,
        "effective_events": 2 * sum(events) * share * (1 - share),
    }
    data = {name: (("subgroup",), [value]) for name, value in columns.items()}
    warning = f"NEEDS REFIT: 1 of {total} patient(s), see the coordinate 'needs_refit'."
    attrs = {"left_out": "nobody", "patients": total, "warning": warning}
    return xr.Dataset(data, coords={"subgroup": ["a"]}, attrs=attrs)


def test_nothing_of_an_effect_tells_a_count_that_is_hidden() -> None:
    shown = publishable_effect(counted({"n_treated": 10, "n_untreated": 20}, (6, 1)))
    assert np.isnan(shown["events_untreated"]).all()
    assert np.isnan(shown["effective_events"]).all()
    assert shown.attrs["warning"].startswith("NEEDS REFIT: some of 30 patient(s)")
    few = publishable_effect(counted({"n_treated": 1, "n_untreated": 1}, (0, 0)))
    assert np.isnan(few["n_patients"]).all()
    assert few.attrs["patients"] == "<5"
    assert few.attrs["warning"].startswith("NEEDS REFIT: some of <5 patient(s)")
    plain = publishable_effect(counted({"n_treated": 10, "n_untreated": 20}, (6, 9)))
    assert plain.attrs["patients"] == 30
    assert float(plain["effective_events"][0]) == pytest.approx(2 * 15 * (1 / 3) * (2 / 3))
