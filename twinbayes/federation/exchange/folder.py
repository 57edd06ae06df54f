"""The folder of a party: its key, the cards of others, its ledger, messages, inbox and outbox.

A message is stored first, then recorded, then put into the outbox. Whoever is killed in between
leaves a message without a record, which is no message, or a record without its copy in the
outbox, which the next command puts there. Files of an inbox are read and never removed.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from twinbayes.errors import FederationError
from twinbayes.federation.exchange.envelope import MOST_ENVELOPE, opened, sealed
from twinbayes.federation.exchange.history import History
from twinbayes.federation.exchange.keys import KEY_FILE, Card, KeyPair, require_party
from twinbayes.federation.exchange.ledger import BEGAN, PINNED, SENT, ExchangeLedger, sha256
from twinbayes.federation.exchange.numbers import Source, numbers_in
from twinbayes.federation.exchange.protocol import RecordedStudy
from twinbayes.federation.message import SERVER, Message, parsed
from twinbayes.paths import path_of, require_ordinary
from twinbayes.private_files import FOLDER_MODE, private_opener, write_private

STUDY_FILE: Final = "study.json"
MESSAGE: Final = ".msg"
CARD: Final = ".card"
MOST_CARD: Final = 4096
_FOLDERS: Final = ("cards", "messages", "inbox", "outbox", "drafts", "store")


@dataclass(frozen=True)
class PartyFolder:
    """The folder of one party at a path; `create` makes one."""

    path: Path

    def __init__(self, path: str | os.PathLike[str]) -> None:
        object.__setattr__(self, "path", path_of(path, FederationError, "The folder of a party"))

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        party: str,
        study: str,
        study_file: bytes,
        keys: KeyPair,
        *,
        others: Iterable[Card] = (),
        policy: Mapping[str, int] | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> PartyFolder:
        """Make a folder: whole, or not at all.

        Parameters
        ----------
        path
            Where; nothing is there, or an empty folder.
        party, study, study_file
            Whose, the SHA-256 of the study, and the study as a file.
        keys
            The party's.
        others
            Cards of other parties, which people have compared.
        policy
            What the party has decided for the whole study.
        files
            Further files by their place in the folder.

        Raises
        ------
        FederationError
            Something is there, or the place cannot be written to.
        """
        folder = cls(path)
        temporary = folder.path.with_name(f".twinbayes-{secrets.token_hex(8)}.tmp")
        try:
            folder.path.parent.mkdir(parents=True, exist_ok=True)
            os.mkdir(temporary, FOLDER_MODE)
            try:
                for name in _FOLDERS:
                    os.mkdir(temporary / name, FOLDER_MODE)
                made = cls(temporary)
                keys.write(temporary / KEY_FILE)
                write_private(temporary / STUDY_FILE, study_file)
                ExchangeLedger.begin(made.ledger.path).began(
                    require_party(party), study, study_file, policy or {}
                )
                for card in (keys.card(study, party), *others):
                    made.pin(card)
                for place, content in (files or {}).items():
                    write_private(temporary / place, content)
                os.rename(temporary, folder.path)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
        except OSError as error:
            raise FederationError(
                f"{folder.path.name}: the folder could not be made ({error.strerror or error}). "
                "Name one that is not there yet, where you may write."
            ) from error
        return folder

    @property
    def ledger(self) -> ExchangeLedger:
        """The ledger."""
        return ExchangeLedger(self.path / "ledger.jsonl")

    @property
    def inbox(self) -> Path:
        """Where messages of others are put."""
        return self.path / "inbox"

    @property
    def outbox(self) -> Path:
        """Where messages to others lie."""
        return self.path / "outbox"

    @property
    def store(self) -> Path:
        """Intermediate files of the server."""
        return self.path / "store"

    @property
    def drafts(self) -> Path:
        """Answers of a site that nobody has released."""
        return self.path / "drafts"

    @cached_property
    def keys(self) -> KeyPair:
        """The party's own key."""
        return KeyPair.read(self.path / KEY_FILE)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process out that would change the folder.

        Raises
        ------
        FederationError
            There is no such folder, or another process is at work in it.
        """
        self._require_there()
        with open(self.path / ".lock", "wb", opener=private_opener) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise FederationError(
                    f"{self.path.name}: another process is at work in this folder. Wait until it "
                    "has ended, and begin again: nothing was changed."
                ) from error
            self._clear()
            yield

    def _clear(self) -> None:
        """Remove what a killed process has left half written."""
        for left in self.path.rglob(".twinbayes-*.tmp"):
            if self.inbox not in left.parents:
                left.unlink(missing_ok=True)

    def study_content(self) -> Any:
        """The study as plain data.

        Raises
        ------
        FederationError
            The file is missing, or not what the ledger has recorded.
        """
        first = self._records()[0]
        content = self._recorded(self.path / STUDY_FILE, first["study_file"])
        return parsed(content, STUDY_FILE)

    def study(self) -> RecordedStudy:
        """The study as it is recorded.

        Raises
        ------
        FederationError
            The file is missing, or not what the ledger has recorded, or no study.
        """
        return RecordedStudy(self.study_content())

    def _require_there(self) -> None:
        if not self.ledger.path.is_file():
            raise FederationError(
                f"{self.path.resolve().name}: is no folder of a federation. `twinbayes federation "
                "start` makes that of a server, `twinbayes federation join` that of a site."
            )

    def _records(self) -> tuple[dict[str, Any], ...]:
        self._require_there()
        records = tuple(self.ledger.records())
        if not records or records[0].get("event") != BEGAN:
            raise FederationError(
                f"{self.path.name}: its ledger does not say whose it is. Restore it from a copy."
            )
        return records

    def pin(self, card: Card) -> None:
        """Know a party by its key from now on; its fingerprint has been compared by people."""
        write_private(self.path / "cards" / f"{card.party}{CARD}", card.to_bytes())
        self.ledger.pinned(card)

    def cards(self, records: Iterable[Mapping[str, Any]]) -> tuple[Card, ...]:
        """Cards of the parties that records of the ledger have pinned.

        Raises
        ------
        FederationError
            One is missing, or not that which was recorded.
        """
        found = []
        for record in records:
            if record["event"] == PINNED:
                name = f"{require_party(record['party'])}{CARD}"
                content = self._recorded(self.path / "cards" / name, record["card"])
                found.append(Card.from_bytes(content, name))
        return tuple(found)

    def history(self) -> History:
        """Read and verify everything: the chain, the cards, each message with its signature.

        Raises
        ------
        StorageError
            The ledger is not whole.
        FederationError
            A message, a card or the study is missing, or is not that which was recorded.
        """
        records = self._records()
        first = records[0]
        self._recorded(self.path / STUDY_FILE, first["study_file"])
        cards = self.cards(records)
        messages = {}
        for record in records:
            if "message" in record:
                name = _stored_name(record)
                content = self._recorded(self.path / "messages" / name, record["envelope"])
                messages[record["message"]] = opened(content, name, cards, first["study"])
        return History(records, messages)

    def take_in(self, history: History) -> tuple[History, list[str]]:
        """Record what is new in the inbox; return the history with it, and what was refused."""
        cards, refused = self.cards(history.records), []
        for path in self.arrived(MESSAGE):
            try:
                content = read_arrival(path)
                message = opened(content, path.name, cards, history.study)
                if history.admit(message, path.name):
                    self._store(message, content)
                    history = history.after(self.ledger.received(message, content), message)
            except FederationError as error:
                refused.append(str(error))
        return history, refused

    def read_card(self, path: Path) -> Card:
        """Read a card of the inbox.

        Raises
        ------
        FederationError
            It is none.
        """
        return Card.from_bytes(read_arrival(path, MOST_CARD), path.name)

    def arrived(self, suffix: str) -> list[Path]:
        """Files of the inbox, and of folders or links in it, in the order of their names."""
        return [path for path in self._inside() if path.suffix == suffix]

    def unread(self) -> list[str]:
        """Files of the inbox that are neither messages nor cards: they are left alone."""
        return [p.name for p in self._inside() if p.is_file() and p.suffix not in (MESSAGE, CARD)]

    def _inside(self) -> list[Path]:
        found = (*self.inbox.glob("*"), *self.inbox.glob("*/*"))
        return sorted((p for p in found if not p.name.startswith(".")), key=lambda p: p.name)

    def send(
        self,
        history: History,
        message: Message,
        *,
        source: Source | None = None,
        by: str | None = None,
    ) -> History:
        """Sign a message, record it, put it into the outbox; return the history with it."""
        envelope = sealed(message, self.keys)
        self._store(message, envelope)
        numbers = numbers_in(message.body)
        record = self.ledger.sent(message, envelope, numbers=numbers, source=source, by=by)
        self._put_out(message)
        return history.after(record, message)

    def refill(self, history: History) -> None:
        """Put into the outbox what was recorded and is not there: the latest round alone."""
        sent = [r for r in history.carried if r["event"] == SENT]
        latest = max((r["round"] for r in sent), default=0)
        for record in sent:
            if record["round"] == latest:
                self._put_out(history.messages[record["message"]])

    def _put_out(self, message: Message) -> None:
        to_site = message.receiver != SERVER
        place = self.outbox / message.receiver if to_site else self.outbox
        place.mkdir(mode=FOLDER_MODE, exist_ok=True)
        name = message_name(message)
        if not (place / name).exists():
            write_private(place / name, (self.path / "messages" / name).read_bytes())

    def _store(self, message: Message, envelope: bytes) -> None:
        write_private(self.path / "messages" / message_name(message), envelope)

    def _recorded(self, path: Path, digest: str) -> bytes:
        try:
            content = require_ordinary(path).read_bytes()
        except OSError as error:
            raise FederationError(
                f"{path.name}: is missing or cannot be read ({error.strerror}), and the ledger has "
                "recorded it. Restore it from a copy."
            ) from error
        if sha256(content) != digest:
            raise FederationError(
                f"{path.name}: was altered after the ledger recorded it. Restore it from a copy."
            )
        return content


def message_name(message: Message) -> str:
    """Name of the file of a message."""
    return f"{message.round:03d}-{message.sender}-{message.digest[:16]}{MESSAGE}"


def _stored_name(record: Mapping[str, Any]) -> str:
    return f"{record['round']:03d}-{record['sender']}-{record['message'][:16]}{MESSAGE}"


def read_arrival(path: Path, most: int = MOST_ENVELOPE) -> bytes:
    """Read a file of at most so many bytes that somebody put into the inbox.

    Raises
    ------
    FederationError
        It is too long, or no ordinary file, or unreadable.
    """
    try:
        size = require_ordinary(path).stat().st_size
        if size <= most:
            return path.read_bytes()
    except OSError as error:
        raise FederationError(
            f"{path.name}: cannot be read ({error.strerror}). Put it there again."
        ) from error
    raise FederationError(
        f"{path.name}: has {size} bytes; at most {most} are read. Have it sent again; if it is as "
        "long then, ask for fewer draws."
    )
