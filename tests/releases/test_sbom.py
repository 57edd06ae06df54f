"""The software bill of materials: valid, complete, and the same each time."""

from __future__ import annotations

import hashlib
import json
import re
from importlib.metadata import version
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from typer.testing import CliRunner

from twinbayes.cli import app as cli
from twinbayes.errors import OptionError, ReleaseError
from twinbayes.releases import sbom, write_sbom

LOCK = """one==1.0 ; sys_platform == 'linux' \\
    --hash=sha256:{a} \\
    --hash=sha256:{b}
    # via
    #   twinbayes (pyproject.toml)
    #   Two_Words
two-words==2.0 \\
    --hash=sha256:{a}
    # via twinbayes (pyproject.toml)
""".format(a="a" * 64, b="b" * 64)


def test_the_bill_is_valid_cyclonedx(tmp_path: Path) -> None:
    path = write_sbom(tmp_path / "sbom.json")
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(path.read_text("utf-8"))
    assert fault is None


def test_the_validator_that_is_asked_finds_faults() -> None:
    bill = sbom() | {"serialNumber": "1"}
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)) is not None


@pytest.mark.requirement("R-074")
def test_every_line_of_the_lock_is_in_the_bill_with_all_its_hashes(root: Path) -> None:
    text = (root / "requirements.lock").read_text("utf-8")
    bill = sbom()
    pins = re.findall(r"^([\w.-]+)(?:\[.*?\])?==([^\s;]+)", text, re.MULTILINE)
    found = [(c["name"], c["version"]) for c in bill["components"]]
    assert sorted((re.sub(r"[._-]+", "-", n).lower(), v) for n, v in pins) == sorted(found)
    hashes = [h["content"] for c in bill["components"] for h in c["hashes"]]
    assert sorted(re.findall(r"sha256:([0-9a-f]{64})", text)) == sorted(hashes)
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert digest in [p["value"] for p in bill["metadata"]["properties"]]
    refs = {c["bom-ref"] for c in bill["components"]}
    assert {d["ref"] for d in bill["dependencies"]} == {"twinbayes", *refs}
    assert {on for d in bill["dependencies"] for on in d["dependsOn"]} == refs


def test_licences_are_those_of_installed_packages_of_the_same_version() -> None:
    by_name = {c["name"]: c for c in sbom()["components"]}
    assert by_name["numpy"]["version"] == version("numpy")
    assert "BSD-3-Clause" in by_name["numpy"]["licenses"][0]["expression"]
    assert by_name["jinja2"]["licenses"] == [{"license": {"name": "BSD License"}}]


def test_a_small_lock_written_out_by_hand(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(LOCK)
    bill = sbom(tmp_path / "lock")
    one, two = bill["components"]
    assert one == {
        "type": "library", "bom-ref": "pkg:pypi/one@1.0", "name": "one", "version": "1.0",
        "purl": "pkg:pypi/one@1.0", "properties": [
            {"name": "twinbayes:marker", "value": "sys_platform == 'linux'"}
        ],
        "hashes": [{"alg": "SHA-256", "content": c * 64} for c in "ab"],
    }  # fmt: skip
    assert two["purl"] == "pkg:pypi/two-words@2.0"
    assert bill["dependencies"] == [
        {"ref": "pkg:pypi/one@1.0", "dependsOn": []},
        {"ref": "pkg:pypi/two-words@2.0", "dependsOn": ["pkg:pypi/one@1.0"]},
        {"ref": "twinbayes", "dependsOn": ["pkg:pypi/one@1.0", "pkg:pypi/two-words@2.0"]},
    ]


def test_the_bill_is_the_same_each_time_and_has_a_time_only_where_one_is_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    one, two = (write_sbom(tmp_path / name).read_bytes() for name in "ab")
    assert one == two
    assert b"timestamp" not in one
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert sbom()["metadata"]["timestamp"] == "1970-01-02T00:00:00+00:00"
    for bad in ("", "x", "1.5", "9" * 30):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", bad)
        with pytest.raises(OptionError, match="SOURCE_DATE_EPOCH"):
            sbom()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "pins nothing"), ("one==1.0\n", "has no hash"), ("-r other.txt\n", "line 1"),
        ("one>=1.0\n", "line 1"), ("one==1.0 \\\n    --hash=md5:aa\n", "line 2"),
    ],
)  # fmt: skip
def test_what_is_no_lock_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "lock").write_text(text)
    with pytest.raises(ReleaseError, match=words):
        sbom(tmp_path / "lock")
    for bad in (tmp_path, tmp_path / "none", 3, "a\0"):
        with pytest.raises(ReleaseError):
            sbom(bad)  # type: ignore[arg-type]


def test_the_command_writes_the_bill_and_not_over_the_lock(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli.app, ["sbom", "--out", str(tmp_path / "s.json"), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "s.json").read_text())["bomFormat"] == "CycloneDX"
    lock = tmp_path / "lock"
    lock.write_text(LOCK)
    done = CliRunner().invoke(cli.app, ["sbom", "--out", str(lock), "--lock", str(lock)])
    assert done.exit_code == 2
    assert lock.read_text() == LOCK
