"""The folders of a federation of toys, and people who carry files between them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from federation_toy import Toy, make_answer, make_step
from twinbayes.federation.exchange import server, site
from twinbayes.federation.exchange.folder import PartyFolder

PATIENTS = {"north": [1.0, 2.0, 4.0], "south": [3.0, 5.0]}


@dataclass(frozen=True)
class World:
    """The folders of a study below a path."""

    path: Path
    study: Toy

    def __getitem__(self, party: str) -> PartyFolder:
        return PartyFolder(self.path / party)

    def begin(self) -> World:
        """Start, and have all sites join and be pinned."""
        card = server.start(self.path / "server", self.study)
        pins = {}
        for name in self.study.sites:
            invitation = self.path / "server" / "outbox" / server.INVITATION
            own = site.join(self.path / name, invitation, name, card.fingerprint, Toy.from_dict)
            pins[name] = own.fingerprint
        self.carry_back()
        self.step(pins=pins)
        return self

    def step(self, **options: Any) -> server.Stepped:
        return make_step(self.path / "server", self.study, **options)

    def carry_out(self) -> None:
        """From the server's outbox to the sites' inboxes."""
        for name in self.study.sites:
            for file in (self["server"].outbox / name).glob("*"):
                shutil.copy(file, self[name].inbox)

    def carry_back(self) -> None:
        """From the sites' outboxes to the server's inbox."""
        for name in self.study.sites:
            for file in self[name].outbox.glob("*"):
                shutil.copy(file, self["server"].inbox)

    def answer_and_release(self) -> None:
        for name in self.study.sites:
            make_answer(self.path / name, self.study, PATIENTS[name])
            site.release(self[name], self.study, by="A. Rossi")

    def one_round(self) -> server.Stepped:
        self.carry_out()
        self.answer_and_release()
        self.carry_back()
        return self.step()
