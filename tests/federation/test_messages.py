"""Messages: one sequence of bytes each, and nothing else is taken."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinbayes.errors import FederationError
from twinbayes.federation.message import (
    Message,
    packed,
    packed_integers,
    unpacked,
    unpacked_integers,
)

NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**60), 2**60)
PLAIN = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


def _message(body: object = None) -> Message:
    return Message("0" * 64, "facts", 1, "server", "north", {} if body is None else body)


@given(st.dictionaries(st.text(max_size=4), PLAIN, max_size=4))
def test_a_message_comes_back_from_its_bytes(body):
    try:
        data = _message(body).to_bytes()
    except FederationError:  # half of a surrogate pair has no bytes
        return
    assert Message.from_bytes(data).to_bytes() == data


@given(st.binary(max_size=200))
def test_bytes_that_are_no_message_are_refused_in_our_words(data):
    with pytest.raises(FederationError):
        Message.from_bytes(data)


@given(st.data())
def test_a_flipped_bit_is_found_or_makes_another_digest(data):
    whole = _message({"a": [1, 2.5, "x"]})
    raw = bytearray(whole.to_bytes())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= 1 << data.draw(st.integers(0, 7))
    with suppress(FederationError):
        assert Message.from_bytes(bytes(raw)).digest != whole.digest


def test_arrays_come_back_and_other_shapes_are_refused():
    rng = np.random.default_rng(3)
    array = rng.normal(size=(3, 4))
    np.testing.assert_array_equal(unpacked(packed(array), 3, None), array)
    near = unpacked(packed(array, single=True), None, 4)
    np.testing.assert_array_equal(near, array.astype(np.float32).astype(float))
    words = rng.integers(0, 2**63, 7).astype(np.uint64)
    np.testing.assert_array_equal(unpacked_integers(packed_integers(words)), words)
    for bad in ({}, None, {"shape": [2], "f8": "AAAA"}, {"shape": [-1], "f8": ""}, packed(array.T)):
        with pytest.raises(FederationError):
            unpacked(bad, 3, 4)
    with pytest.raises(FederationError, match="finite"):
        packed(np.array([np.nan]))
