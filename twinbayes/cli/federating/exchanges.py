"""What the commands of federations say beside their result: what was agreed on, what comes next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from twinbayes.errors import OptionError
from twinbayes.names import FEDERATION

if TYPE_CHECKING:
    from twinbayes.federation.exchange.folder import PartyFolder
    from twinbayes.federation.exchange.history import History
    from twinbayes.federation.exchange.protocol import Agreement


def agreed_on(study: Any) -> str:
    """Return what a study agrees on, in words."""
    ignored = ", ".join(study.spec.graph.ignored_events) or "none"
    return (
        f"Study {study.digest}\n"
        f"Sites: {', '.join(study.sites)}\n"
        f"Patients and events behind what tells of one site alone: {study.minimum} at least\n"
        f"Draws: {study.draws}, seed {study.seed}\n"
        f"Priors: {study.prior_set.name}, with all entries in study.json\n"
        f"Events that move nobody: {ignored}\n\n"
        f"{study.spec.describe()}"
    )


def tell_next(folder: PartyFolder, study: Agreement) -> None:
    """Say who is waited for, and what is to be done next."""
    from twinbayes.federation.exchange.status import status_of

    found = status_of(folder, study)
    if found.waiting:
        typer.echo(f"Waiting for: {', '.join(found.waiting)}")
    typer.echo(f"Next: {found.next.replace('FOLDER', str(folder.path))}")


def tell_end(posterior: Any, place: Path) -> None:
    """Say where the posterior is, what its certificate says, and what sites do with it."""
    told = posterior.manifest[FEDERATION]
    said, held = told["certificate"], told.get("held_back", ())
    shape = "infinite" if said["pareto_k"] is None else f"{said['pareto_k']:.2f}"
    typer.echo(
        f"Certificate: Pareto k {shape} (below 0.5 is good, above 0.7 is refused); "
        f"{said['ess']:.0f} effective draws (400 at least)."
    )
    if held:
        typer.echo(
            f"Held back: {len(held)} effect(s) that fewer than {told['minimum']} patients of all "
            f"sites have, {', '.join(held[:3])}{', …' if len(held) > 3 else ''}. They are the "
            "prior's; the review of a fit lists them."
        )
    typer.echo(f"Posterior: {place}. It holds no patient.")
    there = f"twinbayes federation fit SITE {place.name} COHORT --out FIT.nc"
    typer.echo(f"Next: Send it to the sites; there: {there}")


def require_released(joint: Any, study: Agreement, history: History, name: str) -> None:
    """Refuse a posterior that was not made from what a site has released.

    Raises
    ------
    OptionError
        It is of another study, or of other answers.
    """
    released = {question: given.digest for question, given in history.answers.items()}
    used = {
        one["questions"].get(history.party): one["answers"].get(history.party)
        for one in joint.manifest[FEDERATION]["rounds"]
    }
    if joint.study.digest != study.digest or used != released:
        raise OptionError(
            f"{name}: was not made from what {history.party} has released. Ask the centre for the "
            "posterior of this study."
        )


def tell_refused(folder: PartyFolder, refused: tuple[str, ...]) -> None:
    """Say which files of the inbox were refused, and which were left alone."""
    for text in refused:
        typer.echo(f"REFUSED: {text}")
    for name in folder.unread():
        typer.echo(f"Left alone, as it is neither a message nor a card: {name}")


def pinned(text: str) -> tuple[str, str]:
    """Return the site and the key of an option `--pin`."""
    site, sign, key = text.partition("=")
    if not sign or not site or not key:
        raise OptionError(f"--pin {text[:60]!r}: write SITE=KEY.")
    return site.strip(), key.strip()
