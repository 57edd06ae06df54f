"""A manifest is plain JSON that repeats a fit and names no machine."""

from __future__ import annotations

import getpass
import json
import platform
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from twinbayes.inference import Verdict, build_manifest

RUN = {
    "sampler": "nutpie",
    "sampler_version": "0.16.11",
    "options": '{"target_accept": 0.8}',
    "draws": np.int64(1000),
    "tune": 500,
    "chains": 4,
    "seed": 7,
    "cores": 2,
    "compile_seconds": np.float64(1.5),
    "sample_seconds": 2.5,
}


def manifest_of(**changes: object) -> dict[str, object]:
    arguments = {
        "run": RUN,
        "cohort_fingerprint": "c" * 64,
        "spec_hash": "s" * 64,
        "prior_ids": ("aml/v1:baseline_level@1.0.0",),
        "prior_hash": "p" * 64,
    }
    return build_manifest(**{**arguments, **changes})


def test_a_manifest_survives_json_unchanged() -> None:
    manifest = manifest_of()
    assert json.loads(json.dumps(manifest, allow_nan=False)) == manifest
    assert manifest["sampler"] == {
        "name": "nutpie",
        "version": "0.16.11",
        "options": {"target_accept": 0.8},
        "draws": 1000,
        "tune": 500,
        "chains": 4,
        "seed": 7,
        "cores": 2,
    }
    assert manifest["timing"] == {"compile_seconds": 1.5, "sample_seconds": 2.5}
    assert manifest["prior_ids"] == ["aml/v1:baseline_level@1.0.0"]


def test_versions_are_those_installed() -> None:
    versions = manifest_of()["versions"]
    assert versions["numpy"] == np.__version__
    assert {"twinbayes", "pymc", "pytensor", "nutpie", "xarray"} <= set(versions)


def test_a_package_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twinbayes.inference.files.manifest.PACKAGES", ("numpy", "no-such-package"))
    assert set(manifest_of()["versions"]) == {"numpy"}


def test_the_moment_is_in_utc() -> None:
    there = datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert manifest_of(created=there)["created"] == "2026-02-28T23:30:00+00:00"
    now = datetime.fromisoformat(manifest_of()["created"])
    assert abs(datetime.now(UTC) - now) < timedelta(minutes=1)


def test_a_manifest_names_no_host_user_or_path() -> None:
    text = json.dumps(manifest_of())
    assert str(Path.cwd()) not in text
    assert platform.node() not in text or len(platform.node()) < 4
    assert f'"{getpass.getuser()}"' not in text


def test_undefined_diagnostics_become_null() -> None:
    verdict = Verdict(
        usable=False,
        reasons=("there are no draws",),
        table=pd.DataFrame(),
        summary={"max_rhat": float("nan"), "divergences": 0.0},
    )
    assert manifest_of(verdict=verdict)["verdict"] == {
        "usable": False,
        "reasons": ["there are no draws"],
        "summary": {"max_rhat": None, "divergences": 0.0},
    }
