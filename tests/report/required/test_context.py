"""What only the author can say: read strictly, shown where it belongs, missed where it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from twinbayes.errors import OptionError
from twinbayes.report.required.context import FIELDS, context_of


def test_a_file_and_a_mapping_say_the_same(tmp_path: Path) -> None:
    file = tmp_path / "context.yaml"
    file.write_text("question: Who is\n  transplanted?\nnot_for: [a, b]\n", encoding="utf-8")
    said = context_of(file)
    assert said == context_of({"question": "Who is transplanted?", "not_for": ["a", "b"]})
    assert said.text("not_for") == "a; b"
    assert "decision" not in said


@pytest.mark.requirement("R-054")
def test_what_is_said_is_shown_and_the_rest_is_not_provided() -> None:
    shown = context_of({"question": "Who <b>is</b>?"}).section(1)
    assert "Who &lt;b&gt;is&lt;/b&gt;?" in shown.html
    assert "nothing in this report checks it" in shown.html
    assert shown.given
    [gap] = shown.gaps
    for field in ("context_of_use", "intended_user", "decision", "not_for"):
        assert f"`{field}`" in gap
    assert "`question`" not in gap
    whole = context_of({name: "low" for name, (number, _) in FIELDS.items() if number == 2})
    assert whole.section(2).gaps == ()


@pytest.mark.requirement("R-054")
@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"purpose": "x"}, "Unknown field of context 'purpose'. Known: 'intended_status'"),
        ({"question": ""}, "'question' must be text, or a list of texts, none of them empty"),
        ({"not_for": []}, "'not_for' must be text"),
        ({"question": 3}, "'question' must be text"),
        ({"influence": "huge"}, "Unknown influence in context 'huge'. Known: 'low', 'medium'"),
    ],
)
def test_what_cannot_be_a_statement_is_refused(given: dict[str, object], told: str) -> None:
    with pytest.raises(OptionError) as caught:
        context_of(given)
    assert told in str(caught.value)


def test_a_file_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"absent\.yaml: not valid YAML: there is no such file"):
        context_of(tmp_path / "absent.yaml")
