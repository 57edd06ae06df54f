"""The NVFlare job: in its simulator, a process for each site, and its parts alone."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType

import pytest

from twinbayes.errors import StorageError
from twinbayes.federation import FederatedPosterior, Message
from twinbayes.federation.engines import exchange

pytest.importorskip(
    "nvflare.apis.executor",
    reason="NVFlare has an environment of its own: make federation-nvflare",
)


def test_messages_are_the_same_to_the_byte_as_without_nvflare_and_so_are_the_draws(
    federation: ModuleType,
    folders: dict[str, Path],
    direct: tuple[Message, ...],
    posterior: FederatedPosterior,
    tmp_path: Path,
) -> None:
    agreed = federation.study(folders)
    through, found = federation.through_nvflare(agreed, folders, tmp_path / "engine")
    assert exchange.to_lines(through) == exchange.to_lines(direct)
    assert found.datatree.equals(posterior.datatree)
    assert found.verdict.banner() == posterior.verdict.banner()


def test_a_site_whose_tables_are_broken_ends_the_job_and_the_answers_until_then_are_kept(
    federation: ModuleType, folders: dict[str, Path], tmp_path: Path
) -> None:
    *whole, last = folders
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in folders[last].iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    patients = (broken / "patients.csv").read_text(encoding="utf-8").splitlines()
    (broken / "patients.csv").write_text("\n".join([*patients, patients[1]]), encoding="utf-8")
    place = tmp_path / "engine"
    with pytest.raises(SystemExit, match="The simulator ended with"):
        federation.through_nvflare(federation.study(folders), {**folders, last: broken}, place)
    [kept] = place.rglob("messages.jsonl")
    messages = exchange.from_lines(kept.read_bytes())
    assert [m.sender for m in messages if m.is_answer] == whole
    assert [m.receiver for m in messages if not m.is_answer] == [*whole, last]
    logs = "".join(log.read_text(encoding="utf-8") for log in (place / "server").rglob("*.txt"))
    assert f"The site {last} gave no answer" in logs
    assert patients[1].split(",")[0] not in logs


def test_a_job_says_what_is_agreed_on_and_brings_no_code(
    federation: ModuleType, folders: dict[str, Path], tmp_path: Path
) -> None:
    from twinbayes.federation.engines import nvflare

    agreed = federation.study(folders)
    job = nvflare.write_job(agreed, tmp_path)
    said = {
        file.relative_to(job).as_posix(): json.loads(file.read_bytes())
        for file in job.rglob("*")
        if file.is_file()
    }
    server, site, meta = (said[name] for name in sorted(said))
    assert sorted(said) == [
        "app_server/config/config_fed_server.json",
        "app_site/config/config_fed_client.json",
        "meta.json",
    ]
    [asks] = server["workflows"]
    assert asks["path"] == nvflare.CLASSES[0]
    assert asks["args"] == {"study": agreed.to_dict(), "history": ""}
    [answers] = site["executors"]
    assert answers["executor"] == {"path": nvflare.CLASSES[1], "args": {}}
    assert meta["deploy_map"]["app_site"] == meta["mandatory_clients"] == list(agreed.sites)


def test_a_job_is_not_written_over_another(
    federation: ModuleType, folders: dict[str, Path], tmp_path: Path
) -> None:
    from twinbayes.federation.engines import nvflare

    agreed = federation.study(folders)
    nvflare.write_job(agreed, tmp_path)
    with pytest.raises(StorageError, match="another"):
        nvflare.write_job(agreed, tmp_path)
    assert nvflare.write_job(agreed, tmp_path, name="again").name == "again"


def test_a_network_that_does_not_allow_the_classes_reads_no_patient(
    federation: ModuleType,
    folders: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from twinbayes.federation.engines import nvflare

    job = nvflare.write_job(federation.study(folders), tmp_path / "jobs")
    monkeypatch.setattr(nvflare, "write_job", lambda *_: job)
    monkeypatch.setattr(nvflare, "CLASSES", ())
    place = tmp_path / "engine"
    with pytest.raises(SystemExit, match="The simulator ended with"):
        federation.through_nvflare(federation.study(folders), folders, place)
    assert list(place.rglob(nvflare.HISTORY)) == []


def test_the_classes_that_sites_have_to_allow_are_there() -> None:
    from twinbayes.federation.engines import nvflare

    for place in nvflare.CLASSES:
        module, name = place.rsplit(".", 1)
        assert isinstance(getattr(importlib.import_module(module), name), type)


@pytest.mark.parametrize(
    "settings",
    [None, "no JSON", '{"elsewhere": {"cohort": "there"}}', '["north"]', '{"north": {}}'],
)
def test_a_site_that_does_not_say_where_its_patients_lie_answers_nothing(
    settings: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from nvflare.apis.fl_constant import FLContextKey, ReservedKey, ReturnCode
    from nvflare.apis.fl_context import FLContext
    from nvflare.apis.shareable import Shareable
    from nvflare.apis.signal import Signal
    from nvflare.apis.workspace import Workspace

    from twinbayes.federation.engines import nvflare

    for folder in ("local", "startup"):
        (tmp_path / folder).mkdir()
    if settings is not None:
        (tmp_path / "local" / nvflare.SETTINGS).write_text(settings, encoding="utf-8")
    context = FLContext()
    context.put(ReservedKey.IDENTITY_NAME, "north", private=False, sticky=False)
    workspace = Workspace(str(tmp_path), site_name="north")
    context.put(FLContextKey.WORKSPACE_OBJECT, workspace, private=True, sticky=False)
    question = Shareable()
    question["message"] = b"{}"
    answer = nvflare.Site().execute("question", question, context, Signal())
    assert answer.get_return_code() == ReturnCode.EXECUTION_EXCEPTION
    assert "message" not in answer
    assert "north" in caplog.text
    assert f"local/{nvflare.SETTINGS}" in caplog.text
