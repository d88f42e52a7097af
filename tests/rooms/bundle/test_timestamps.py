"""Timestamps: an honest one proves its time, and whatever is wrong with another is told instead of believed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.bundle.timestamps import Timestamp, read_timestamp, signature_octets
from pipeline.apple.signing.faults import SigningFault
from pipeline.apple.signing.trust import APPLE_ROOTS, Anchors
from tests.rooms.bundle import foundry

ANCHORS = Anchors().including("Test Root CA", foundry.authority().root.der)
SIGNATURE = b"the octets of a signature"
TOKEN = foundry.timestamp(SIGNATURE)


def test_an_honest_timestamp_proves_its_time() -> None:
    at = datetime(2026, 10, 1, 12, 30, 5, tzinfo=UTC)
    assert read_timestamp(foundry.timestamp(SIGNATURE, at), SIGNATURE, ANCHORS) == Timestamp(at)
    assert read_timestamp(foundry.timestamp(SIGNATURE, digest="sha1"), SIGNATURE, ANCHORS) == Timestamp(foundry.NOW)


STRANGER = foundry.issue("Stranger", None, (), foundry.TIME_STAMPING)
DISTRIBUTION = foundry.authority().distribution


@pytest.mark.parametrize(
    ("token", "flaw"),
    [
        (foundry.timestamp(b"another"), "it was given for another signature"),
        (foundry.timestamp(SIGNATURE, digest="sha512"), "a digest that macOS does not take"),
        (foundry.timestamp(SIGNATURE, stamper=DISTRIBUTION), "may not stamp times"),
        (foundry.timestamp(SIGNATURE, stamper=STRANGER), "which is not a trusted root"),
        (foundry.timestamp(SIGNATURE, foundry.NOW - timedelta(days=101)), "was not valid before"),
        (foundry.timestamp(SIGNATURE, foundry.NOW + timedelta(days=201)), "expired on"),
        (foundry.timestamp(SIGNATURE, kind="1.2.3.4"), "Its content is no timestamp"),
        (foundry.timestamp(SIGNATURE, foundry.NOW + timedelta(milliseconds=5)), "not of the form"),
        (foundry.signed_data(foundry.authority().stamper, SIGNATURE), "holds no content"),
        (TOKEN.replace(b"20261120", b"20261019"), "its content is not what was signed"),
        (TOKEN[:-1] + bytes([TOKEN[-1] ^ 1]), "the signature was not made with the signer's key"),
        (TOKEN[:40], "longer than the data"),
        (b"", "ends in the middle"),
    ],
    ids=lambda told: told if isinstance(told, str) else "",
)
def test_a_wrong_one_proves_nothing(token: bytes, flaw: str) -> None:
    judged = read_timestamp(token, SIGNATURE, ANCHORS)
    assert flaw in judged.flaw
    assert (judged.at, judged.doubt) == (None, "")


def test_what_cannot_be_followed_is_only_doubted() -> None:
    alone = foundry.timestamp(SIGNATURE, others=False)
    judged = read_timestamp(alone, SIGNATURE, ANCHORS)
    assert (judged.at, judged.flaw) == (None, "")
    assert judged.doubt == "the certificate of the issuer “Test WWDR (A1B2C3D4E5)” is missing"


def test_another_anchor_is_not_enough() -> None:
    judged = read_timestamp(TOKEN, SIGNATURE, APPLE_ROOTS)
    assert judged.at is None
    assert judged.flaw or judged.doubt


@pytest.mark.parametrize("bare", [True, False])
def test_the_octets_are_those_that_were_stamped(bare: bool) -> None:
    stamped: list[bytes] = []

    def stamp(signature: bytes) -> bytes:
        stamped.append(signature)
        return foundry.timestamp(signature)

    message = foundry.signed_data(DISTRIBUTION, b"content", bare=bare, stamp=stamp)
    assert [signature_octets(message)] == stamped
    assert signature_octets(message + bytes(100)) == stamped[0]


@pytest.mark.parametrize("data", [b"", b"\x30\x00", b"\x30\x80\x00\x00", TOKEN[:30], TOKEN[50:]], ids=range(5))
def test_octets_of_something_else_are_refused(data: bytes) -> None:
    with pytest.raises(SigningFault):
        signature_octets(data)


@settings(max_examples=400, deadline=None)
@given(st.integers(0, len(TOKEN) - 1), st.integers(0, 7))
def test_no_changed_bit_proves_another_time(at: int, bit: int) -> None:
    data = bytearray(TOKEN)
    data[at] ^= 1 << bit
    judged = read_timestamp(bytes(data), SIGNATURE, ANCHORS)
    assert judged.at in (None, foundry.NOW)
    assert bool(judged.at) != bool(judged.flaw or judged.doubt)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(TOKEN)), st.binary(max_size=6))
def test_damage_never_escapes(length: int, more: bytes) -> None:
    judged = read_timestamp(TOKEN[:length] + more, SIGNATURE, ANCHORS)
    assert judged.at in (None, foundry.NOW)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(TOKEN) - 1), st.integers(0, 255)), min_size=2, max_size=5))
def test_octets_of_damaged_messages_end_well(changes: list[tuple[int, int]]) -> None:
    data = bytearray(TOKEN)
    for at, value in changes:
        data[at] = value
    try:
        signature_octets(bytes(data))
    except SigningFault:
        return
