"""The server's folder: a study begun, keys of sites pinned, answers taken in, questions asked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from twinbayes.errors import FederationError
from twinbayes.federation.exchange.folder import CARD, PartyFolder
from twinbayes.federation.exchange.history import History
from twinbayes.federation.exchange.keys import Card, KeyPair, require_party
from twinbayes.federation.exchange.protocol import Agreement, Stepping, require_read_as
from twinbayes.federation.message import SERVER, canonical
from twinbayes.paths import require_ordinary

INVITATION: Final = "invitation.json"
POSTERIOR: Final = "posterior.nc"
INVITATION_FORMAT: Final = "twinbayes.invitation/1"


@dataclass(frozen=True)
class Stepped:
    """What a step of the server did.

    Attributes
    ----------
    text
        Where the study is, in one line.
    asked
        How many questions are new.
    waiting
        Sites that have not answered.
    refused
        Files of the inbox that were refused, each with reason and remedy.
    asking_to_join
        By site, the fingerprint of a key that nobody has confirmed.
    posterior
        The result of a study that this step has finished; None before and after.
    finished
        The file of the result of a study that was finished before: nothing was done.
    """

    text: str
    asked: int
    waiting: tuple[str, ...]
    refused: tuple[str, ...]
    asking_to_join: Mapping[str, str]
    posterior: Any = field(repr=False, default=None)
    finished: Path | None = None


def start(path: str | os.PathLike[str], study: Agreement) -> Card:
    """Make the folder of a server, with the invitation for all sites in its outbox.

    Returns
    -------
    Card
        The server's; people at the sites compare its fingerprint.

    Raises
    ------
    FederationError
        A site has no possible name, or two have the same one, or something is at the place.
    """
    names = [require_party(site) for site in study.sites]
    if len({name.lower() for name in (*names, SERVER)}) <= len(names) or not names:
        raise FederationError(
            f"Sites need names of their own, whatever their case, and none is called {SERVER}; "
            f"found {', '.join(names) or 'none'}."
        )
    keys = KeyPair.new()
    card = keys.card(study.digest, SERVER)
    invitation = canonical(
        {"format": INVITATION_FORMAT, "study": dict(study.to_dict()), "card": card.to_dict()}
    )
    PartyFolder.create(
        path, SERVER, study.digest, canonical(dict(study.to_dict())), keys,
        files={f"outbox/{INVITATION}": invitation},
    )  # fmt: skip
    return card


def step(
    folder: PartyFolder,
    study: Agreement,
    stepping: Stepping,
    *,
    pins: Mapping[str, str] | None = None,
    out: Path | None = None,
) -> Stepped:
    """Take in what is in the inbox, and ask what is to be asked next, or save the posterior.

    May be killed and repeated at any moment. Of a study that is finished, a posterior whose file is
    missing is made again, and nothing else is done.

    Parameters
    ----------
    folder
        The server's.
    study
        What the folder is for.
    stepping
        The statistics.
    pins
        By site, the fingerprint of its key, as somebody of the site has said it.
    out
        Where the posterior is saved; default: ``posterior.nc`` in the folder.

    Raises
    ------
    FederationError
        The folder is not whole, is no server's or of another study; another process is at work in
        it; a fingerprint is that of no card; or the statistics refuse.
    """
    with folder.locked():
        history = require_server(folder.history(), study)
        pinned = [_pin(folder, history, site, digits) for site, digits in (pins or {}).items()]
        if any(pinned):
            history = folder.history()
        folder.refill(history)
        history, refused = folder.take_in(history)
        joining, bad_cards = _asking_to_join(folder, history, study)
        place = out or folder.path / POSTERIOR
        lost = ""
        if history.finished is not None:
            if _is_made(place, history):
                said = f"The study is finished, and {place.name} is there. Nothing was done."
                return Stepped(said, 0, (), (*bad_cards, *refused), joining, finished=place)
            lost = (
                f"The study was finished before, and {place.name} is missing, or is not what was "
                "written: it was made again. "
            )
        progress = stepping(history.in_order, folder.store)
        new = [q for q in progress.questions if q.digest not in history.messages]
        for question in new:
            history = folder.send(history, question)
        if progress.posterior is not None:
            _save(folder, history, progress.posterior, place)
        waiting = tuple(sorted(q.receiver for q in history.open))
        text = lost + progress.text
        return Stepped(text, len(new), waiting, (*bad_cards, *refused), joining, progress.posterior)


def require_server(history: History, study: Agreement) -> History:
    """Return the history of a server of a study.

    Raises
    ------
    FederationError
        It is a site's, or of another study.
    """
    if not history.is_of_server:
        raise FederationError(
            f"This is the folder of the site {history.party}. Steps are made in the server's; a "
            "site answers and releases."
        )
    return require_study(history, study)


def require_study(history: History, study: Agreement) -> History:
    """Return the history of a party of a study.

    Raises
    ------
    FederationError
        It is of another study.
    """
    require_read_as(history.study, study)
    return history


def _pin(folder: PartyFolder, history: History, site: str, digits: str) -> bool:
    """Pin the card of a site whose fingerprint is the one given; whether that is new."""
    wanted = "".join(c for c in digits.lower() if c not in "- ")
    before = history.pinned.get(site)
    if before is not None and before.replace("-", "") == wanted:
        return False
    if before is not None:
        raise FederationError(
            f"{site} is known by the key {before}. A site keeps its key for the whole study; with "
            "another one, all parties begin anew."
        )
    cards = []
    for path in folder.arrived(CARD):
        try:
            cards.append(folder.read_card(path))
        except FederationError:  # told by every step
            continue
    for card in cards:
        fits = card.fingerprint.replace("-", "") == wanted
        if fits and (card.party, card.study) == (site, history.study):
            folder.pin(card)
            return True
    found = ", ".join(c.fingerprint for c in cards if c.party == site) or "none"
    raise FederationError(
        f"No card of {site} in the inbox has the key {digits!r} (found: {found}). Put the card "
        "from the outbox of the site into the inbox, and have its key told once more."
    )


def _asking_to_join(
    folder: PartyFolder, history: History, study: Agreement
) -> tuple[dict[str, str], list[str]]:
    """Keys of cards that nobody has confirmed, and what is wrong with other cards."""
    joining, refused = {}, []
    for path in folder.arrived(CARD):
        try:
            card = folder.read_card(path)
            known = history.pinned.get(card.party)
            if card.study != history.study:
                raise FederationError(
                    f"{path.name} is of another study, {card.study[:12]}; here is "
                    f"{history.study[:12]}. Have the site join from this study's invitation."
                )
            if card.party not in study.sites:
                raise FederationError(
                    f"{path.name} is of {card.party}, which is no site of this study: "
                    f"{', '.join(study.sites)}. Have it join under the agreed name."
                )
            if known not in (None, card.fingerprint):
                raise FederationError(
                    f"{path.name} has the key {card.fingerprint}, but {card.party} is known by "
                    f"{known}. Ask the site which is its own; a site keeps its key."
                )
            if known is None:
                joining[card.party] = card.fingerprint
        except FederationError as error:
            refused.append(str(error))
    return joining, refused


def _is_made(place: Path, history: History) -> bool:
    """Whether a place has a file of the result, as an earlier step wrote it."""
    try:
        return history.has_made(require_ordinary(place).read_bytes())
    except OSError:
        return False


def _save(folder: PartyFolder, history: History, posterior: Any, out: Path) -> None:
    saved = Path(posterior.save(out))
    content = saved.read_bytes()
    if not history.has_made(content):
        folder.ledger.finished(saved.name, content)
