import pandas as pd
import pytest

from twinbayes.checks import CheckResult
from twinbayes.errors import OptionError


def test_an_unknown_verdict_is_refused_with_the_known_ones() -> None:
    with pytest.raises(OptionError, match="'not_provided'"):
        CheckResult("a", "good", pd.DataFrame(), "")  # type: ignore[arg-type]


def test_an_unknown_topic_is_refused_and_the_default_is_further_evidence() -> None:
    assert CheckResult("a", "pass", pd.DataFrame(), "").topic == "further"
    assert CheckResult.not_provided("a", "why", topic="scores").topic == "scores"
    with pytest.raises(OptionError, match="Unknown topic 'weather'"):
        CheckResult("a", "pass", pd.DataFrame(), "", "weather")  # type: ignore[arg-type]


def test_the_html_shows_the_verdict_in_words_and_escapes_text_and_cells() -> None:
    table = pd.DataFrame({"x": ["<script>"]})
    html = CheckResult("n<1>", "fail", table, "a < b")._repr_html_()
    assert "FAIL" in html
    assert "a &lt; b" in html
    assert "n&lt;1&gt;" in html
    assert "<script>" not in html


def test_a_check_without_evidence_says_so() -> None:
    result = CheckResult.not_provided("calibration", "no forecasts were given.")
    assert str(result) == "calibration: NOT PROVIDED. no forecasts were given."
    assert result.table.empty
