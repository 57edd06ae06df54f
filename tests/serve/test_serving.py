"""What is refused before anything is served, or any file made."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from twinbayes.errors import OptionError
from twinbayes.inference import Fit
from twinbayes.serve import LocalAccess, Person
from twinbayes.serve.serving import Address, serve


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
