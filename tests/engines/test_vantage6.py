"""The vantage6 algorithm: in a network played in one process, and as nodes start it."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from twinbayes.errors import FederationError
from twinbayes.federation import FederatedPosterior, Message
from twinbayes.federation.engines import exchange

pytest.importorskip(
    "vantage6.algorithm.tools",
    reason="vantage6 has an environment of its own: make federation-vantage6",
)


def test_messages_are_the_same_to_the_byte_as_without_vantage6_and_so_are_the_draws(
    federation: ModuleType,
    folders: dict[str, Path],
    direct: tuple[Message, ...],
    posterior: FederatedPosterior,
    tmp_path: Path,
) -> None:
    through, found = federation.through_vantage6(federation.study(folders), folders, tmp_path)
    assert exchange.to_lines(through) == exchange.to_lines(direct)
    assert found.datatree.equals(posterior.datatree)
    assert found.verdict.banner() == posterior.verdict.banner()


def central(client: object, **arguments: Any) -> dict[str, str]:
    """Call the central function as a node would, with a client of one's own."""
    from vantage6.algorithm.mock.util import env_vars

    from twinbayes.federation.engines.vantage6 import collect

    with env_vars(FUNCTION_ACTION="central_compute"):
        result: dict[str, str] = collect(mock_client=client, **arguments)
    return result


def test_where_a_node_gives_no_answer_the_text_names_it_and_the_messages_until_then_come_back(
    federation: ModuleType, folders: dict[str, Path], direct: tuple[Message, ...]
) -> None:
    agreed = federation.study(folders)
    known = {m.answers: m for m in direct if m.is_answer}
    silent = agreed.sites[-1]
    asked: list[Message] = []

    def create(*, arguments: dict[str, str], **_: object) -> dict[str, int]:
        asked.append(Message.from_bytes(base64.b64decode(arguments["question"])))
        return {"id": len(asked) - 1}

    def wait_for_results(task_id: int) -> list[str]:
        if asked[task_id].receiver == silent:
            return []
        answer = known[asked[task_id].digest].to_bytes()
        return [base64.b64encode(answer).decode("ascii")]

    client = SimpleNamespace(task=SimpleNamespace(create=create), wait_for_results=wait_for_results)
    numbers = {site: n for n, site in enumerate(agreed.sites)}
    result = central(client, study=agreed.to_dict(), organizations=numbers)
    assert silent in result["text"]
    kept = exchange.from_lines(base64.b64decode(result["history"]))
    assert kept == direct[: 2 * len(agreed.sites) - 1]
    assert result["posterior"] == ""


def test_a_site_without_an_organization_is_named_before_anything_is_asked(
    federation: ModuleType, folders: dict[str, Path]
) -> None:
    agreed = federation.study(folders)
    first, *others = agreed.sites
    with pytest.raises(FederationError, match=re.escape(first)):
        central(SimpleNamespace(), study=agreed.to_dict(), organizations=dict.fromkeys(others, 1))


def container(root: Path, place: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Start the image's program as a node does: all that it is told stands in its environment."""
    text = (root / "containers" / "vantage6-node.Dockerfile").read_text(encoding="utf-8")
    [line] = re.findall(r"^CMD (.*)$", text, re.MULTILINE)
    package = dict(re.findall(r"^ENV (\w+)=(.*)$", text, re.MULTILINE))
    told = {"INPUT_FILE": str(place / "input"), "OUTPUT_FILE": str(place / "output")} | settings
    # As nodes write them: base32, with another sign for '='.
    coded = {
        name: base64.b32encode(value.encode()).decode().replace("=", "!")
        for name, value in told.items()
    }
    _, *command = json.loads(line)
    return subprocess.run(
        [sys.executable, *command],
        env={**os.environ, **package, **coded},
        cwd=place,
        capture_output=True,
        text=True,
    )


def test_the_program_of_the_image_reads_a_folder_and_answers_as_the_site_itself(
    root: Path,
    federation: ModuleType,
    folders: dict[str, Path],
    direct: tuple[Message, ...],
    tmp_path: Path,
) -> None:
    [answer, question] = [direct[-1], *(m for m in direct if m.digest == direct[-1].answers)]
    (tmp_path / "input").write_text("{}", encoding="utf-8")
    extracted = container(
        root,
        tmp_path,
        FUNCTION_ACTION="data_extraction",
        ALGORITHM_METHOD="tables",
        DATABASE_URI=str(folders[question.receiver]),
        DATABASE_TYPE="other",
    )
    assert extracted.returncode == 0, extracted.stdout + extracted.stderr
    (tmp_path / "output").rename(tmp_path / "cohort.parquet")
    asked = {"question": base64.b64encode(question.to_bytes()).decode("ascii")}
    (tmp_path / "input").write_text(json.dumps(asked), encoding="utf-8")
    answered = container(
        root,
        tmp_path,
        FUNCTION_ACTION="federated_compute",
        ALGORITHM_METHOD="reply",
        SESSION_FOLDER=str(tmp_path),
        TWINBAYES_TERMS=json.dumps(federation.terms(question.receiver)),
        USER_REQUESTED_DATAFRAMES="cohort",
    )
    assert answered.returncode == 0, answered.stdout + answered.stderr
    assert base64.b64decode(json.loads((tmp_path / "output").read_bytes())) == answer.to_bytes()


@pytest.mark.parametrize("written", [None, "no JSON", "[]", '{"minimum": 0}'])
def test_a_node_without_terms_answers_nothing(
    written: str | None, direct: tuple[Message, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    import pandas as pd

    from twinbayes.federation.engines import vantage6

    monkeypatch.setenv("FUNCTION_ACTION", "federated_compute")
    monkeypatch.delenv(vantage6.TERMS, raising=False)
    if written is not None:
        monkeypatch.setenv(vantage6.TERMS, written)
    question = base64.b64encode(direct[0].to_bytes()).decode("ascii")
    files = pd.DataFrame({"file": [], "content": []})
    with pytest.raises(FederationError, match="terms"):
        vantage6.reply(mock_data=[files], question=question)


def test_a_folder_that_breaks_the_contract_is_refused_and_the_log_tells_nothing_of_it(
    root: Path, folders: dict[str, Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in next(iter(folders.values())).iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    patients = (broken / "patients.csv").read_text(encoding="utf-8").splitlines()
    (broken / "patients.csv").write_text("\n".join([*patients, patients[1]]), encoding="utf-8")
    (tmp_path / "input").write_text("{}", encoding="utf-8")
    refused = container(
        root,
        tmp_path,
        FUNCTION_ACTION="data_extraction",
        ALGORITHM_METHOD="tables",
        DATABASE_URI=str(broken),
        DATABASE_TYPE="other",
    )
    said = refused.stdout + refused.stderr
    assert refused.returncode != 0
    assert "CohortError" in said
    assert not (tmp_path / "output").exists()
    assert patients[1].split(",")[0] not in said
    assert "patients" not in said
