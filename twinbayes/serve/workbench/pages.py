"""Pages of the workbench: the review by sections, what is open, exports, two fits compared."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from twinbayes.errors import StorageError
from twinbayes.serve.access import Right
from twinbayes.serve.guard import POLICY, USUAL_POLICY
from twinbayes.serve.language import Language
from twinbayes.serve.pages.page import Answer, Asked, Page, RefusedError
from twinbayes.serve.workbench.comparison_page import show_comparison
from twinbayes.serve.workbench.exporting import as_csv, as_json
from twinbayes.serve.workbench.review_page import NAMELESS, ReviewPage, ReviewSection
from twinbayes.serve.workbench.signatures import (
    FORM_NAME,
    MEANINGS,
    MOST_WORDS,
    NEEDS_WORDS,
    RepeatedError,
    Signature,
    UnknownLineError,
    UsedFormError,
)
from twinbayes.serve.workbench.standing import EARLIER, UNSIGNED, Line, Standing
from twinbayes.serve.workbench.workbench import Workbench

FILTERS: Final = ("failed", "missing", "open", "unsigned")
_PICTURES: Final = {POLICY: f"{USUAL_POLICY}; img-src data:"}
_SECTION: Final = "/review/sections/{section}"

type _Shown = tuple[str, dict[str, Any]] | Answer


def workbench_pages(bench: Workbench) -> tuple[Page, ...]:
    """The pages of what the workbench has."""
    pages: list[Page] = []

    def page(name: str, path: str, show: Callable[..., _Shown], **options: Any) -> None:
        right = options.pop("right", Right.EVIDENCE)
        pages.append(Page(name, path, right, False, partial(show, bench), **options))

    if bench.review is not None:
        signs = bench.signatures is not None
        page("review", "/review", show_review, listed_as="review.title")
        page("open items", "/review/open", show_open, listed_as="review.open_items")
        page("review file", "/review/page", show_whole)
        page(
            "review section",
            _SECTION,
            show_section,
            takes_forms=signs,
            right_to_send=Right.SIGN,
            stores=signs,
        )
        if signs:
            page("signed", f"{_SECTION}/written", show_written, right=Right.SIGN)
            for name, form in (("csv", as_csv), ("json", as_json)):
                show = partial(_export, write=form)
                page(f"signatures {name}", f"/review/signatures.{name}", show, right=Right.AUDIT)
    if bench.other is not None:
        page("comparison", "/compare", show_comparison, listed_as="compare.title")
    return tuple(pages)


@dataclass(frozen=True)
class _Entered:
    """What a person entered into the form of a section."""

    meaning: str = ""
    text: str = ""
    answers: str = ""
    fault: str = ""
    faulty: str = ""  # name of the field


def show_review(bench: Workbench, asked: Asked) -> _Shown:
    """Every section, or those that a filter leaves, with what it stands at."""
    standings, rest = _standings(bench)
    chosen = asked.field("show")
    if chosen not in ("", *FILTERS):
        raise RefusedError(400)
    kept = [one for one in standings if not chosen or _is(one, chosen)]
    return "workbench/review.html.jinja", {
        "review": bench.review,
        "rows": kept,
        "heading": partial(heading, asked.language),
        "chosen": chosen,
        "counts": {name: sum(_is(one, name) for one in standings) for name in FILTERS},
        "n_all": len(standings),
        "n_approved": sum(one.decision == "approve" for one in standings),
        "signs": bench.signatures is not None,
        "rest": rest,
    }


def show_open(bench: Workbench, asked: Asked) -> _Shown:
    """What keeps sections open, one line a section and reason."""
    standings, _ = _standings(bench)
    return "workbench/open.html.jinja", {
        "items": [(one, kind) for one in standings for kind in one.open],
        "heading": partial(heading, asked.language),
    }


def show_whole(bench: Workbench, _: Asked) -> _Shown:
    """The file as it was written, under a policy that lets it do nothing."""
    review = _review(bench)
    return Answer(review.whole, headers={POLICY: review.policy})


def show_section(bench: Workbench, asked: Asked) -> _Shown:
    """One section with its signatures and a form; or, where that was sent, the line written."""
    section = _of(bench, asked)
    entered = _Entered()
    if asked.sent is not None:
        entered = _written(bench, asked, section)
        if not entered.fault:
            place = asked.url(f"/review/sections/{section.name}/written")
            return Answer(status=303, headers={"location": place})
    standings, _ = _standings(bench)
    k = next(k for k, one in enumerate(standings) if one.section.name == section.name)
    t = asked.language
    return "workbench/section.html.jinja", {
        "standing": standings[k],
        "section": section,
        "heading": partial(heading, t),
        "before": standings[k - 1].section if k else None,
        "after": standings[k + 1].section if k + 1 < len(standings) else None,
        "signs": bench.signatures is not None,
        "entered": entered,
        "meanings": {key: t(f"sign.{key}") for key in MEANINGS},
        "most": MOST_WORDS,
        "form": secrets.token_hex(16),
        "headers": _PICTURES,
        "status": 422 if entered.fault else 200,
    }


def show_written(bench: Workbench, asked: Asked) -> _Shown:
    """The last line that the person has written on a section."""
    section = _of(bench, asked)
    standings, _ = _standings(bench)
    k = next(k for k, one in enumerate(standings) if one.section.name == section.name)
    mine = [x for x in standings[k].lines if x.record["person"] == asked.person.name]
    if not mine:
        raise RefusedError(404)
    return "workbench/written.html.jinja", {
        "line": mine[-1],
        "section": section,
        "heading": partial(heading, asked.language),
        "after": standings[k + 1].section if k + 1 < len(standings) else None,
    }


def heading(t: Language, section: ReviewSection | Line) -> str:
    """What a section is called: as the review has it, in English."""
    if isinstance(section, Line):
        return str(section.record["heading"] or section.record["section"])
    if section.heading or section.name not in NAMELESS:
        return section.heading or section.name
    return t(f"review.{section.name}")


def _is(standing: Standing, name: str) -> bool:
    """Whether a filter keeps a section."""
    if name == "open":
        return bool(standing.open)
    if name == "unsigned":
        return standing.decision in (UNSIGNED, EARLIER)
    return name in standing.open


def _review(bench: Workbench) -> ReviewPage:
    if bench.review is None:
        raise RefusedError(404)
    return bench.review


def _of(bench: Workbench, asked: Asked) -> ReviewSection:
    found = _review(bench).section(asked.place["section"])
    if found is None:
        raise RefusedError(404)
    return found


def _standings(bench: Workbench) -> tuple[tuple[Standing, ...], tuple[Line, ...]]:
    try:
        return bench.standings()
    except StorageError as error:
        raise RefusedError(503, "error.signatures") from error


def _written(bench: Workbench, asked: Asked, section: ReviewSection) -> _Entered:
    """Write a line of what was sent; or what is wrong with it."""
    sent, t = asked.sent or {}, asked.language
    text = sent.get("text", "").replace("\r\n", "\n").strip()
    entered = partial(_Entered, sent.get("meaning", ""), text, sent.get("answers", ""))
    meaning, answers, form = (sent.get(key, "") for key in ("meaning", "answers", "form"))
    if not FORM_NAME.fullmatch(form) or (answers and not _is_number(answers)):
        raise RefusedError(400)
    if sent.get("content", "") != section.content:
        return entered(t("sign.changed"), "content")
    if meaning not in MEANINGS:
        return entered(t("sign.choose"), "meaning")
    if len(text) > MOST_WORDS or not text.replace("\n", "").isprintable():
        return entered(t("sign.unfit", most=MOST_WORDS), "text")
    if meaning in NEEDS_WORDS and not text:
        return entered(t("sign.needs_words"), "text")
    if answers and meaning != "comment":
        return entered(t("sign.answer_is_comment"), "answers")
    signature = Signature(
        section=section.name,
        heading=heading(t, section),
        meaning=meaning,
        sentence=t(f"sign.{meaning}"),
        language=t.code,
        text=text,
        answers=int(answers) if answers else None,
        content=section.content,
        fit=asked.explorer.fit_hash,
        form=form,
    )
    if bench.signatures is None:
        raise RefusedError(405)
    try:
        bench.signatures.add(asked.person, signature)
    except RepeatedError as error:
        return _Entered() if error.is_same_form else entered(t("sign.repeated"), "meaning")
    except UsedFormError:
        return entered(t("sign.used"), "meaning")
    except UnknownLineError:
        return entered(t("sign.unknown_line"), "answers")
    except StorageError as error:
        raise RefusedError(503, "error.signatures") from error
    return _Entered()


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9


def _export(bench: Workbench, asked: Asked, *, write: Callable[..., Answer]) -> Answer:
    """Every line of the file, its chain verified."""
    try:
        records = bench.records()
    except StorageError as error:
        raise RefusedError(503, "error.signatures") from error
    return write(_review(bench), records, asked.explorer.fit_hash)
