"""Masks: sums are exact, single answers tell nothing, and what breaks them is refused."""

from __future__ import annotations

import secrets

import numpy as np
import pytest

from chance import drawn_seed
from twinbayes.errors import FederationError
from twinbayes.federation.masks import masked, public_key, summed


def _three() -> tuple[dict[str, bytes], dict[str, str]]:
    own = {name: secrets.token_bytes(32) for name in ("north", "south", "west")}
    return own, {name: public_key(s) for name, s in own.items()}


@pytest.mark.requirement("R-064")
def test_the_sum_of_masked_numbers_is_that_of_the_numbers():
    own, keys = _three()
    rng = np.random.default_rng(drawn_seed())
    numbers = {name: rng.normal(0.0, 1e4, 50) for name in own}
    sent = [masked(numbers[n], n, own[n], keys, "question") for n in own]
    np.testing.assert_allclose(summed(sent), sum(numbers.values()), atol=3 / 2**24)


@pytest.mark.requirement("R-064")
def test_one_answer_alone_is_uniform_whatever_its_numbers_are():
    own, keys = _three()
    sent = masked(np.zeros(40_000), "south", own["south"], keys, "question")
    share = sent.astype(float) / 2.0**64
    assert abs(share.mean() - 0.5) < 5 * np.sqrt(1 / 12 / 40_000)
    bits = (sent[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 5 * 0.5 / np.sqrt(40_000)


def test_without_one_site_the_sum_is_noise():
    own, keys = _three()
    sent = [masked(np.ones(200), n, own[n], keys, "question") for n in ("north", "south")]
    assert np.abs(summed(sent)).min() > 10.0


def test_two_questions_have_other_masks():
    own, keys = _three()
    one, two = (masked(np.ones(5), "north", own["north"], keys, q) for q in ("a", "b"))
    assert not np.any(one == two)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda keys, own: keys.pop("west"), "hides nobody"),
        (lambda keys, own: keys.update(north=public_key(own["west"])), "stands between"),
        (lambda keys, own: keys.update(south="not hexadecimal"), "no number"),
        (lambda keys, own: keys.update(south="1"), "outside its group"),
    ],
)
def test_keys_that_would_hide_nothing_are_refused(change, match):
    own, keys = _three()
    change(keys, own)
    with pytest.raises(FederationError, match=match):
        masked(np.ones(3), "north", own["north"], keys, "question")


@pytest.mark.parametrize("bad", [np.nan, np.inf, 2.0**39])
def test_numbers_that_cannot_be_summed_are_refused(bad):
    own, keys = _three()
    with pytest.raises(FederationError, match="finite"):
        masked(np.array([bad]), "north", own["north"], keys, "question")
