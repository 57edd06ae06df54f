"""What is refused before anything is served, or any file made."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from small_review import small_review
from twinbayes.errors import OptionError, StorageError
from twinbayes.inference import Fit
from twinbayes.inference.files.manifest import manifest_hash
from twinbayes.serve import LocalAccess, Person
from twinbayes.serve.serving import Address, serve
from twinbayes.serve.workbench.workbench import workbench_of


def test_a_taken_port_an_unknown_address_and_language_are_refused_before_files_are_made(
    shown_fit: Fit, person: Person, tmp_path: Path
) -> None:
    places = tmp_path / "audit.jsonl", tmp_path / "secret"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for address, language, said in (
            (Address(port=port), "en", f"port {port}"),
            (Address(port=0), "fr", "no language 'fr'"),
            (Address(host="0.0.0.0"), "en", "not this machine"),  # noqa: S104 - to be refused
        ):
            with pytest.raises(OptionError, match=said):
                serve(
                    shown_fit,
                    shown_fit.cohort,
                    LocalAccess(person),
                    *places,
                    None,
                    address,
                    language,
                )
    assert not list(tmp_path.iterdir())


def test_a_review_of_another_fit_and_broken_signatures_are_refused_before_files_are_made(
    shown_fit: Fit, person: Person, tmp_path: Path
) -> None:
    places = tmp_path / "audit.jsonl", tmp_path / "secret"
    review = small_review(tmp_path / "review.html", "0" * 64)
    signatures = tmp_path / "signatures.jsonl"

    def refused(said: str) -> None:
        with pytest.raises(StorageError, match=said):
            serve(
                shown_fit, shown_fit.cohort, LocalAccess(person), *places, Address(port=0),
                workbench=lambda: workbench_of(shown_fit, review, signatures, None),
            )  # fmt: skip

    refused("another fit")
    assert {p.name for p in tmp_path.iterdir()} == {"review.html"}
    small_review(review, manifest_hash(shown_fit.manifest))
    signatures.write_text("x", encoding="utf-8")
    refused("signatures.jsonl.head: missing")
    assert {p.name for p in tmp_path.iterdir()} == {"review.html", "signatures.jsonl"}
