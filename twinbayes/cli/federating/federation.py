"""The commands `twinbayes federation`: one fit of several sites, whose data stay where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from twinbayes.cli.answers import (
    EXIT_CODES,
    NOT_FOR_USE,
    USABLE,
    AsJson,
    print_json,
    reports_errors,
)
from twinbayes.cli.commands import (
    Adapter,
    CohortPath,
    IgnoredEvents,
    Out,
    Without,
    code_of,
    cohort_of,
    require_places,
    tell,
    verdict_of,
)
from twinbayes.cli.commands import described as description_of
from twinbayes.cli.federating import exchanges, studies
from twinbayes.cli.known import known_diseases
from twinbayes.errors import OptionError

_EXAMPLE: Final = "Example:  twinbayes federation"

federation = typer.Typer(
    help="One fit of several sites whose data stay where they are: signed files, carried by "
    "people or a shared folder.",
    epilog="The coordinating centre, which messages call the server: start, step. Each site, such "
    "as a hospital: join, answer, release, fit. Both: status, verify. docs/how-to/federation.md "
    f"shows all. {EXIT_CODES}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Folder = Annotated[Path, typer.Argument(help="Folder of the centre, or of a site.")]
CentreFolder = Annotated[Path, typer.Argument(help="Folder of the centre.")]
SiteFolder = Annotated[Path, typer.Argument(help="Folder of the site.")]


@federation.command(
    epilog=f"{_EXAMPLE} start --disease aml --sites north,south,west --out centre",
)
@reports_errors
def start(
    disease: Annotated[str, typer.Option(help=f"{known_diseases()}.")],
    sites: Annotated[str, typer.Option(help="Names of the sites, with commas between them.")],
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    priors: Annotated[
        str | None, typer.Option(help="Prior library name or YAML file; default: the disease's.")
    ] = None,
    without: Without = None,
    ignore_event: IgnoredEvents = None,
    minimum: Annotated[
        int, typer.Option(help="Patients and events behind what tells of one site alone.")
    ] = 5,
    draws: Annotated[int, typer.Option(help="Draws kept, of four chains together.")] = 4000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same draws.")] = 0,
    as_json: AsJson = False,
) -> int:
    """Make the centre's folder, with the invitation for all sites."""
    from twinbayes.federation.exchange import server

    names = tuple(name.strip() for name in sites.split(","))
    spec = description_of(disease, without, ignore_event)
    study = studies.new_study(spec, names, priors, minimum=minimum, draws=draws, seed=seed)
    card = server.start(out, study)
    invitation = out / "outbox" / server.INVITATION
    if as_json:
        print_json({"folder": str(out), "study": study.digest, "key": card.fingerprint,
                    "invitation": str(invitation)})  # fmt: skip
        return USABLE
    typer.echo(f"Study {study.digest[:12]} of {', '.join(names)}: {out}")
    typer.echo(f"Key: {card.fingerprint}")
    typer.echo(f"Send {invitation} to the sites, and tell them the key in another way.")
    return USABLE


@federation.command(
    epilog=f"{_EXAMPLE} join invitation.json --site north "
    "--server-key 1a2b-3c4d-5e6f-7a8b-9c0d-1e2f-3a4b-5c6d --out north",
)
@reports_errors
def join(
    invitation: Annotated[Path, typer.Argument(help="The file that the centre has sent.")],
    site: Annotated[str, typer.Option(help="Name of the site, as agreed on.")],
    server_key: Annotated[
        str, typer.Option(help="The centre's key, as somebody there has told it.")
    ],
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    minimum: Annotated[
        int, typer.Option(help="Studies that let fewer stand behind a number are refused.")
    ] = 5,
    fewest_sites: Annotated[
        int, typer.Option(help="Sites among whose numbers this one's are hidden, at least.")
    ] = 3,
    as_json: AsJson = False,
) -> int:
    """Make a site's folder, which knows the centre by its key."""
    from twinbayes.federation.exchange.folder import CARD
    from twinbayes.federation.exchange.site import join as join_study

    policy = {"minimum": minimum, "fewest_sites": fewest_sites}
    card = join_study(out, invitation, site, server_key, studies.study_of, policy)
    place = out / "outbox" / f"{site}{CARD}"
    if as_json:
        print_json({"folder": str(out), "study": card.study, "key": card.fingerprint,
                    "card": str(place)})  # fmt: skip
        return USABLE
    typer.echo(f"Study {card.study[:12]}: {out}.")
    typer.echo(f"What was agreed on, in words:  twinbayes federation status {out} --study")
    typer.echo(f"Key: {card.fingerprint}")
    typer.echo(f"Send {place} to the centre, and tell it the key in another way.")
    return USABLE


@federation.command(epilog=f"{_EXAMPLE} step centre --pin north=1a2b-3c4d-5e6f-7a8b-9c0d-...")
@reports_errors
def step(
    folder: CentreFolder,
    pin: Annotated[
        list[str] | None,
        typer.Option(help="SITE=KEY, as somebody of the site has told it; may be repeated."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write at the end; default: posterior.nc in it."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Take in what is in the centre's inbox; write the next questions, or the posterior."""
    from twinbayes.federation.exchange import server

    require_places(out)
    opened, study = studies.opened(folder)
    pins = dict(map(exchanges.pinned, pin or ()))
    done = server.step(opened, study, studies.stepping(study), pins=pins, out=out)
    found = done.posterior if done.finished is None else studies.posterior_of(done.finished)
    code = USABLE if found is None else code_of(found)
    if as_json:
        print_json({
            "text": done.text, "asked": done.asked, "waiting": list(done.waiting),
            "refused": list(done.refused), "asking_to_join": dict(done.asking_to_join),
            "finished": found is not None,
            **({} if found is None else verdict_of(found)),
        })  # fmt: skip
    else:
        typer.echo(done.text)
        if done.finished is not None and found is not None:
            typer.echo(found.verdict.banner())
        if found is not None:
            exchanges.tell_end(found, out or folder / server.POSTERIOR)
        for site, key in done.asking_to_join.items():
            typer.echo(f"{site} asks to join with the key {key}: ask there, then --pin {site}=...")
        if done.waiting:
            asked = f"{done.asked} new questions in {folder / 'outbox'}."
            typer.echo(asked if done.asked else "No new question.")
            exchanges.tell_next(opened, study)
        exchanges.tell_refused(opened, done.refused)
    return NOT_FOR_USE if done.refused else code


@federation.command(epilog=f"{_EXAMPLE} answer north my_cohort")
@reports_errors
def answer(
    folder: SiteFolder,
    cohort: CohortPath,
    adapter: Adapter = None,
    site_keys: Annotated[
        str | None,
        typer.Option(
            help="Digits of the keys of all sites, as the others have told them: a question with "
            "other keys is refused."
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Answer what is in a site's inbox: drafts, and in words what would leave. Nothing leaves."""
    from twinbayes.federation.exchange import site
    from twinbayes.federation.exchange.numbers import Source

    require_places(folder=folder, cohort=cohort, adapter=adapter)
    opened, study = studies.opened(folder)
    data = cohort_of(cohort, adapter)
    made = site.answer(opened, study, studies.answering(opened, data, site_keys), Source.of(data))
    if as_json:
        print_json({
            "drafts": [d.name for d in made.drafts], "refused": list(made.refused),
            "summaries": [list(lines) for lines in made.summaries],
        })  # fmt: skip
    else:
        for draft, lines in zip(made.drafts, made.summaries, strict=True):
            typer.echo("\n".join(lines))
            typer.echo(
                f"Nothing has left. To let it go:  twinbayes federation release {folder} "
                f"--draft {draft.name} --by NAME"
            )
        if not made.drafts:
            typer.echo("Nothing is asked that is not answered.")
            exchanges.tell_next(opened, study)
        exchanges.tell_refused(opened, made.refused)
    return NOT_FOR_USE if made.refused else USABLE


@federation.command(epilog=f"{_EXAMPLE} release north --draft 3f9a2c1b77d0 --by 'A. Rossi'")
@reports_errors
def release(
    folder: SiteFolder,
    by: Annotated[str, typer.Option(help="Who takes responsibility; stands in the ledger.")],
    draft: Annotated[
        str | None, typer.Option(help="The draft, as `answer` calls it; default: all.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Sign drafts of a site, and put them into its outbox."""
    from twinbayes.federation.exchange import site

    opened, study = studies.opened(folder)
    released = [d.name for d in site.release(opened, study, by=by, draft=draft)]
    if as_json:
        print_json({"released": released, "outbox": str(opened.outbox)})
    elif released:
        typer.echo(f"Released by {by}: {', '.join(released)}. Carry {opened.outbox} to the centre.")
    else:
        typer.echo("There is no draft to release.")
        exchanges.tell_next(opened, study)
    return USABLE


@federation.command(epilog=f"{_EXAMPLE} status centre")
@reports_errors
def status(
    folder: Folder,
    agreed: Annotated[
        bool, typer.Option("--study", help="Print what was agreed on, in words, and no more.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Say who has answered what, who is waited for, and what to do next."""
    from twinbayes.federation.exchange.status import status_of

    opened, study = studies.opened(folder)
    if agreed:
        text = exchanges.agreed_on(studies.as_recorded(study))
        print_json({"study": study.digest, "text": text}) if as_json else typer.echo(text)
        return USABLE
    found = status_of(opened, study)
    advice = found.next.replace("FOLDER", str(folder))
    if as_json:
        print_json({
            "party": found.party, "study": found.study, "lines": list(found.lines),
            "waiting": list(found.waiting), "next": advice,
        })  # fmt: skip
        return USABLE
    typer.echo(f"{found.party}, study {found.study[:12]}")
    for line in found.lines:
        typer.echo(f"  {line}")
    typer.echo(f"Waiting for: {', '.join(found.waiting) or 'nobody'}")
    typer.echo(f"Next: {advice}")
    return USABLE


@federation.command(epilog=f"{_EXAMPLE} verify north my_cohort")
@reports_errors
def verify(
    folder: Folder,
    cohort: Annotated[
        str | None, typer.Argument(help="A site's cohort, from which answers are made again.")
    ] = None,
    adapter: Adapter = None,
    quick: Annotated[bool, typer.Option(help="Chain and signatures alone.")] = False,
    head: Annotated[
        str | None,
        typer.Option(help="Hash of a record, kept elsewhere: detects an end cut off on purpose."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Check chain and signatures, and make all questions or answers again, byte for byte."""
    from twinbayes.federation.exchange import replay
    from twinbayes.federation.exchange.numbers import Source

    require_places(folder=folder, cohort=cohort, adapter=adapter)
    opened = studies.party_folder(folder)
    problems = replay.faults(opened)
    records = opened.ledger.records(head=head) if not problems else []
    if not problems and not quick:
        history = opened.history()
        if history.is_of_server:
            problems = replay.replay_questions(history, studies.stepping(opened.study()))
        elif cohort is None:
            raise OptionError("verify: give the site's cohort, or --quick for the chain alone.")
        else:
            data = cohort_of(cohort, adapter)
            answering = studies.answering(opened, data)
            problems = replay.replay_answers(history, answering, Source.of(data))
    last = records[-1]["hash"] if records else None
    if as_json:
        print_json({"verified": not problems, "records": len(records), "head": last,
                    "replayed": not quick, "problems": problems})  # fmt: skip
    else:
        for problem in problems:
            typer.echo(problem)
        what = "chain and signatures alone" if quick else "done again byte for byte"
        typer.echo(
            f"NOT verified: {len(problems)} problem{'s' * (len(problems) != 1)}."
            if problems
            else f"{len(records)} records verified, {what}. Head: {last}"
        )
    return NOT_FOR_USE if problems else USABLE


@federation.command(epilog=f"{_EXAMPLE} fit north posterior.nc my_cohort --out north.nc")
@reports_errors
def fit(
    folder: SiteFolder,
    posterior: Annotated[Path, typer.Argument(help="The file that the centre's last step wrote.")],
    cohort: CohortPath,
    out: Out,
    adapter: Adapter = None,
    as_json: AsJson = False,
) -> int:
    """Make a site's fit of its own patients from the joint posterior; for `twinbayes twin`."""
    if folder.is_dir() and studies.opened(folder)[0].history().is_of_server:
        raise OptionError(
            f"{folder.name}: is the folder of the coordinating centre, which has no patients. Give "
            "that of a site."
        )
    require_places(out, folder=folder, posterior=posterior, cohort=cohort, adapter=adapter)

    opened, study = studies.opened(folder)
    history = opened.history()
    joint, data = studies.posterior_of(posterior), cohort_of(cohort, adapter)
    exchanges.require_released(joint, study, history, posterior.name)
    if data.fingerprint != history.data:
        raise OptionError(
            f"{cohort}: is not the cohort that {history.party} has answered from. Give that one: "
            "patients of the posterior are twins by the record that it has seen."
        )
    fitted = joint.at_site(data)
    saved = fitted.save(out)
    return tell(fitted, saved, "fit", as_json)
