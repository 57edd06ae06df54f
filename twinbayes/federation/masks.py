"""Masks: numbers of which nobody but all sites together learn the sum.

Every two sites share a secret (Diffie and Hellman's exchange in group 14 of RFC 3526). Of each
question they derive from it one stream of uniform integers, which one of them adds to its numbers
and the other subtracts, modulo 2^64: what a site sends is uniform whatever its numbers are, and the
sum over all sites is that of the numbers (Bonawitz et al. 2017, doi:10.1145/3133956.3133982,
section 4.0.1). A site that does not answer leaves its masks in the sum, which is then noise: the
question has to be asked again without it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinbayes.arrays import Floats
from twinbayes.errors import FederationError
from twinbayes.federation.message import canonical

type Words = NDArray[np.uint64]

FEWEST: Final = 3
"""Sites in a sum, at least: of two, each learns the other's numbers."""

SECRET_BYTES: Final = 32
"""Length of a site's secret."""

_STEPS: Final = 2.0**24  # of a fixed-point number in one unit
_LARGEST: Final = 2.0**38  # of one number, so that sums of 2,000 sites do not run over
_GENERATOR: Final = 2
_MODULUS: Final = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F"
    "83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"
    "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510"
    "15728E5A8AACAA68FFFFFFFFFFFFFFFF",
    16,
)


def public_key(secret: bytes) -> str:
    """What a site tells the others, so that each shares a secret with it; hexadecimal digits."""
    return f"{pow(_GENERATOR, _exponent(secret), _MODULUS):x}"


def fingerprint(keys: Mapping[str, str]) -> str:
    """Say which keys all sites have, in eight groups of four digits.

    Sites get each other's keys from the server. One that gives each site keys of its own making
    in place of the others' can read what they send; then sites have different fingerprints.

    Parameters
    ----------
    keys
        Of every site, `public_key`.

    Examples
    --------
    >>> fingerprint({"north": "a1", "south": "b2"})
    '19ba-75ab-7092-5c11-25d6-9986-2b2d-fde2'
    """
    told = hashlib.sha256(canonical(["twinbayes keys", dict(keys)])).hexdigest()[:32]
    return "-".join(told[k : k + 4] for k in range(0, 32, 4))


def masked(
    numbers: Floats, site: str, secret: bytes, keys: Mapping[str, str], question: str
) -> Words:
    """Hide a site's numbers among those of the others.

    Parameters
    ----------
    numbers
        (number,) finite, below 2^38 in size; kept to a sixteen-millionth.
    site
        Whose they are.
    secret
        Of the site, `SECRET_BYTES` random bytes.
    keys
        Of every site in the sum, `public_key`.
    question
        Digest of what all sites are asked: streams are of one question alone.

    Returns
    -------
    ndarray
        (number,) integers below 2^64.

    Raises
    ------
    FederationError
        Fewer than `FEWEST` sites, another key of this site's than its own, a key that is none, or
        numbers that are too large.
    """
    if len(keys) < FEWEST:
        raise FederationError(
            f"A sum over {len(keys)} sites hides nobody: it takes at least {FEWEST}."
        )
    if keys.get(site) != public_key(secret):
        raise FederationError(
            f"The question has another key of {site!r} than its secret makes: somebody stands "
            "between, or the secret is of another study. Nothing was answered."
        )
    if not np.isfinite(numbers).all() or np.abs(numbers).max(initial=0.0) >= _LARGEST:
        raise FederationError(
            "A number of the answer is not finite or beyond 2^38. Look for extreme values of "
            "covariates and markers in the site's cohort; one counted in the hundred thousands, "
            "such as cells a microlitre, belongs into a larger unit at all sites."
        )
    total = np.round(numbers * _STEPS).astype(np.int64).astype(np.uint64)
    for other in sorted(keys):
        if other != site:
            stream = _stream(secret, keys[other], question, len(numbers))
            total = total + stream if site < other else total - stream
    return total


def summed(each: Sequence[Words]) -> Floats:
    """Sum of the numbers of all sites, from what they sent.

    Raises
    ------
    FederationError
        Answers of different lengths.
    """
    if len({len(one) for one in each}) != 1:
        raise FederationError("Answers to one question have different numbers of numbers.")
    total = np.zeros(len(each[0]), dtype=np.uint64)
    for one in each:
        total = total + one
    return total.astype(np.int64).astype(float) / _STEPS


def _exponent(secret: bytes) -> int:
    if len(secret) != SECRET_BYTES:
        raise FederationError(f"A secret has {SECRET_BYTES} bytes, not {len(secret)}.")
    return int.from_bytes(hashlib.shake_256(b"twinbayes exponent" + secret).digest(64))


def _stream(secret: bytes, key: str, question: str, n: int) -> Words:
    """Uniform integers that two sites have in common for one question."""
    try:
        other = int(key, 16)
    except ValueError as error:
        raise FederationError("A key of another site is no number.") from error
    if not 1 < other < _MODULUS - 1:
        raise FederationError("A key of another site lies outside its group.")
    shared = pow(other, _exponent(secret), _MODULUS)
    seed = shared.to_bytes(256) + question.encode()
    return np.frombuffer(hashlib.shake_256(seed).digest(8 * n), dtype="<u8").astype(np.uint64)
