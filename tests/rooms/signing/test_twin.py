"""The copy in DER inside a profile must be Apple's and say what the property list says."""

from __future__ import annotations

import copy
import functools
import hashlib
import os
import plistlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import parser
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.signing.der import element
from pipeline.apple.signing.faults import SigningFault
from pipeline.apple.signing.profiles import ProvisioningProfile, Seal, read_profile
from pipeline.apple.signing.trust import APPLE_ROOTS, Anchors
from pipeline.apple.signing.twin import SIGNER_MARKER, differences, read_twin
from pipeline.simulator import der, twin
from pipeline.simulator.authority import Identity, signed_message
from tests.rooms.signing.forge import (
    DISTRIBUTION,
    NOW,
    PROFILE_SIGNER,
    ROOT,
    STRANGER,
    TEAM,
    WWDR,
    Forged,
    forge,
    profile_content,
    sign,
)

TRUSTED = Anchors().including("Test Root", ROOT.der)
INTEGRATION = forge("Test System Integration CA", ROOT, authority=True, key=11)
COPIER = forge(twin.SIGNER, INTEGRATION, markers=("12.19",), key=12)
PLAIN_KEYS = ["AppIDName", "ApplicationIdentifierPrefix", "Name", "Platform", "TeamIdentifier", "TeamName", "UUID"]


def identity(who: Forged, *above: Forged) -> Identity:
    """As the simulator's authority has it."""
    return Identity(
        name="",
        certificate=who.der,
        key=who.key,
        chain=tuple(each.der for each in above),
        serial=who.certificate.serial_number,
        issuer_name=who.certificate.issuer.public_bytes(),
    )


SIGNER = identity(COPIER, INTEGRATION, ROOT)


def values(**changes: Any) -> dict[str, Any]:
    told: dict[str, Any] = plistlib.loads(profile_content(**changes))
    return told


def copied(told: Mapping[str, Any], signer: Identity = SIGNER) -> bytes:
    return twin.encoded_profile(told, signer, NOW)


def profile(told: Mapping[str, Any], copy_of_it: Any, signer: Forged = PROFILE_SIGNER) -> ProvisioningProfile:
    """The profile with these values that holds this copy, signed and read again."""
    content = plistlib.dumps({**told, twin.KEY: copy_of_it}, sort_keys=False)
    return read_profile(sign(content, signer), TRUSTED)


def encoded(pairs: Mapping[str, bytes]) -> bytes:
    """A signed copy of values that are encoded already."""
    content = der.set_of(der.sequence(der.utf8(key), value) for key, value in pairs.items())
    return signed_message(SIGNER, content, NOW)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "STORE"),
        ({"ProvisionedDevices": ["a", "b"]}, "ADHOC"),
        ({"ProvisionedDevices": ["a"], "Entitlements": {"get-task-allow": True}}, "LIMITED"),
        ({"Platform": ["OSX"], "ProvisionsAllDevices": True}, "DIRECT"),
        ({"Platform": ["OSX"], "ProvisionedDevices": ["a"]}, "LIMITED"),
        ({"ProvisionsAllDevices": True}, ""),
        ({"Entitlements": {"n": 70_000, "neg": -5, "l": ["b", "a"], "d": {"x": [True, "ü"]}, "e": []}}, "STORE"),
        ({"ExpirationDate": datetime(2050, 1, 1)}, "STORE"),  # noqa: DTZ001
        ({"ExpirationDate": datetime(9999, 12, 31, 23, 59, 59)}, "STORE"),  # noqa: DTZ001
        ({"Name": 'Ünï "quoted" (b) [c] \\ 🎉'}, "STORE"),
        ({"DeveloperCertificates": []}, "STORE"),
    ],
)
def test_a_copy_that_agrees(changes: dict[str, Any], kind: str) -> None:
    told = values(**changes)
    read = profile(told, copied(told))
    assert (read.seal, read.seal_reason, read.problems, read.distribution_type) == (Seal.APPLE, "", (), kind)


def test_older_profiles_have_none() -> None:
    read = read_profile(sign(profile_content()), TRUSTED)
    assert (read.seal, read.problems, read.distribution_type) == (Seal.APPLE, (), "")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[(key, ["other"] if isinstance(values()[key], list) else "other") for key in PLAIN_KEYS],
        ("CreationDate", datetime(2026, 11, 19, 12, 0, 1)),  # noqa: DTZ001
        ("ExpirationDate", datetime(2028, 11, 19, 12)),  # noqa: DTZ001
        ("DeveloperCertificates", [STRANGER.der]),
        ("DeveloperCertificates", [DISTRIBUTION.der, STRANGER.der]),
        ("DeveloperCertificates", [DISTRIBUTION.der, DISTRIBUTION.der]),
        ("ProvisionedDevices", ["device-1"]),
        ("ProvisionedDevices", ["device-1", "device-2", "device-3"]),
        ("TimeToLive", 1),
        ("Version", True),
        ("IsXcodeManaged", True),
        ("Name", ["Example App Store"]),
    ],
)
def test_a_difference_is_named(key: str, value: Any) -> None:
    told = values(ProvisionedDevices=["device-1", "device-2"], TimeToLive=365, IsXcodeManaged=False)
    read = profile({**told, key: value}, copied(told))
    assert (read.seal, read.seal_reason) == (Seal.DOCTORED, f"it differs from Apple's own copy inside it in “{key}”")
    assert read.problems == ()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"get-task-allow": True}, ["get-task-allow"]),
        ({"get-task-allow": 0}, ["get-task-allow"]),
        ({"new": "x"}, ["new"]),
        ({"groups": ["a", "b", "c"]}, ["groups"]),
        ({"nested": {"a": [1]}}, ["nested"]),
        ({"get-task-allow": True, "new": 1}, ["get-task-allow", "new"]),
    ],
)
def test_different_entitlements_are_named(change: dict[str, Any], named: list[str]) -> None:
    granted = {"get-task-allow": False, "groups": ["a", "b"], "nested": {"a": [True]}}
    told = values(Entitlements=granted)
    read = profile({**told, "Entitlements": {**granted, **change}}, copied(told))
    assert read.seal is Seal.DOCTORED
    assert read.seal_reason.endswith(" in " + ", ".join(f"“Entitlements: {each}”" for each in named))


def test_an_entitlement_that_only_the_copy_has() -> None:
    told = values(Entitlements={"a": True, "b": True})
    read = profile({**told, "Entitlements": {"a": True}}, copied(told))
    assert read.seal_reason.endswith("“Entitlements: b”")


def test_order_is_no_difference() -> None:
    told = values(ProvisionedDevices=["1", "2", "3"], Entitlements={"l": ["a", "b"]})
    other = {**told, "ProvisionedDevices": ["3", "1", "2"], "Entitlements": {"l": ["b", "a"]}}
    assert profile(other, copied(told)).seal is Seal.APPLE


def test_keys_that_only_one_of_both_has_are_no_difference() -> None:
    told = values()
    assert differences({**told, "LocalProvision": True}, {"ProfileDistributionType": "STORE"}) == ()
    assert profile({**told, "LocalProvision": True}, copied(told)).seal is Seal.APPLE


def test_a_profile_that_a_stranger_signed_anew_around_apples_copy() -> None:
    told = values()
    read = profile({**told, "Name": "other"}, copied(told), STRANGER)
    assert (read.seal, read.seal_reason) == (
        Seal.DOCTORED,
        "it differs from Apple's own copy inside it in “Name”",
    )
    assert profile(told, copied(told), STRANGER).seal is Seal.FOREIGN


def test_numbers_as_text_as_in_2021() -> None:
    told = values(TimeToLive=365)
    pairs = {"Version": der.tlv(0x12, b"1"), "TimeToLive": der.tlv(0x12, b"365"), "Name": der.utf8(told["Name"])}
    assert profile(told, encoded(pairs)).seal is Seal.APPLE
    assert profile({**told, "TimeToLive": 364}, encoded(pairs)).seal_reason.endswith("“TimeToLive”")


UNMARKED = forge(twin.SIGNER, INTEGRATION, markers=("4.11",), key=13)
EARLIER = forge(twin.SIGNER, INTEGRATION, markers=("12.19",), key=12, ends=NOW - timedelta(days=1))


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (
            lambda told: copied(told, identity(forge("x", markers=("12.19",), key=14))),
            "“x”, which is not a trusted root",
        ),
        (lambda told: copied(told, identity(UNMARKED, INTEGRATION)), "may not sign such copies"),
        (lambda told: copied(told, identity(COPIER)), "“Test System Integration CA” is missing"),
        (lambda told: copied(told, identity(EARLIER, INTEGRATION)), "expired on 2026-11-19"),
        (lambda told: copied(told, replace(SIGNER, key=STRANGER.key)), "not made with the signer's key"),
        (lambda told: copied(told).replace(b"Example App", b"Example Bpp"), "not what was signed"),
        (lambda told: copied(told)[:-20], "not CMS signed data"),
        (lambda _: b"", "not CMS signed data"),
        (lambda _: "text", "not CMS signed data"),
        (lambda _: signed_message(SIGNER, b"", NOW), "ends in the middle"),
        (lambda _: signed_message(SIGNER, der.sequence(), NOW), "not a set of keys and values"),
        (lambda _: signed_message(SIGNER, der.set_of((der.utf8("x"),)), NOW), "ends in the middle"),
        (lambda _: signed_message(SIGNER, der.set_of((der.sequence(der.utf8("x")),)), NOW), "not a key and a value"),
        (lambda _: signed_message(SIGNER, der.set_of([der.sequence(der.utf8("k"), der.NULL)] * 2), NOW), "tag 0x05"),
        (
            lambda _: signed_message(SIGNER, der.set_of([der.sequence(der.utf8("k"), der.utf8("v"))] * 2), NOW),
            "holds a key twice (k)",
        ),
        (lambda _: encoded({"Name": der.tlv(0x0C, b"\xff")}), "not UTF-8"),
        (lambda _: encoded({"Version": der.tlv(0x12, b"one")}), "a number of a form"),
        (lambda _: encoded({"Version": der.tlv(0x02, b"\1" * 2_000)}), "a number of a form"),
        (lambda _: encoded({"ExpirationDate": der.tlv(0x18, b"00000101000000Z")}), "none of the calendar's"),
        (lambda _: encoded({"Entitlements": der.tlv(0x70, der.integer(1))}), "tag 0x70"),
        (
            lambda _: encoded({"Name": functools.reduce(lambda inner, _: der.sequence(inner), range(40), b"")}),
            "too deeply",
        ),
        (lambda _: encoded({"ProvisionedDevices": der.sequence(*[der.utf8("x")] * 5_000)}), "too many values"),
    ],
)
def test_a_copy_that_cannot_be_verified_is_a_problem(made: Callable[[Any], Any], reason: str) -> None:
    told = values()
    read = profile(told, made(told))
    (problem,) = read.problems
    assert problem.startswith("Its DER-Encoded-Profile, which Apple's systems go by, cannot be verified: ")
    assert reason in problem
    assert (read.seal, read.distribution_type) == (Seal.APPLE, "")


def test_the_simulated_copy_has_the_shape_of_apples() -> None:
    """Taken apart by another parser: what a copy of 2026 was seen to be made of, tag by tag."""
    told = values(ProvisionedDevices=["d"], TimeToLive=365, IsXcodeManaged=False)
    data = copied(told)
    content = data[data.index(b"\x31\x82", data.index(b"\x04\x82")) :]
    outer = parser.parse(content[: element(content).end])
    entries = [parser.parse(each) for each in split(outer[4])]
    assert [each[:3] for each in entries] == [(0, 1, 16)] * len(entries)
    raw = split(outer[4])
    assert raw == sorted(raw)
    fields = {parser.parse(key)[4].decode(): parser.parse(value) for key, value in (split(each[4]) for each in entries)}
    assert {key: each[:3] for key, each in fields.items()} == {
        **dict.fromkeys(("AppIDName", "Name", "TeamName", "UUID", "ProfileDistributionType"), (0, 0, 12)),
        **dict.fromkeys(("Version", "TimeToLive"), (0, 0, 2)),
        **dict.fromkeys(("CreationDate", "ExpirationDate"), (0, 0, 23)),
        **dict.fromkeys(("ApplicationIdentifierPrefix", "Platform", "TeamIdentifier"), (0, 1, 16)),
        **dict.fromkeys(("DeveloperCertificates", "ProvisionedDevices"), (0, 1, 16)),
        "IsXcodeManaged": (0, 0, 1),
        "Entitlements": (1, 1, 16),
    }
    assert fields["DeveloperCertificates"][4] == b"\x04\x20" + hashlib.sha256(DISTRIBUTION.der).digest()
    version, inner = split(fields["Entitlements"][4])
    assert version == b"\x02\x01\x01"
    assert parser.parse(inner)[:3] == (2, 1, 16)
    assert [split(parser.parse(each)[4])[0][2:].decode() for each in split(parser.parse(inner)[4])] == [
        "application-identifier",
        "get-task-allow",
    ]


def split(contents: bytes) -> list[bytes]:
    found = []
    while contents:
        size = sum(len(part) for part in parser.parse(contents)[3:])
        found.append(contents[:size])
        contents = contents[size:]
    return found


WHOLE = copied(values(ProvisionedDevices=["a", "b"], TimeToLive=365))
WHOLE_VALUES = read_twin(WHOLE, TRUSTED)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 0.9999), st.integers(1, 255)), min_size=1, max_size=3), st.floats(0.5, 1))
def test_a_damaged_copy_is_not_believed(flips: list[tuple[float, int]], kept: float) -> None:
    changed = bytearray(WHOLE)
    for at, mask in flips:
        changed[int(at * len(WHOLE))] ^= mask
    try:
        read = read_twin(bytes(changed[: int(kept * len(WHOLE)) + 1]), TRUSTED)
    except SigningFault:
        return
    assert read == WHOLE_VALUES


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
def test_any_content_ends(content: bytes) -> None:
    for each in (content, der.tlv(0x31, content), der.set_of([der.sequence(der.utf8("k"), content)])):
        try:
            read_twin(signed_message(SIGNER, each, NOW), TRUSTED)
        except SigningFault:
            continue


ENTITLEMENTS = st.dictionaries(
    st.text(max_size=8),
    st.recursive(
        st.booleans() | st.integers(-(2**40), 2**40) | st.text(alphabet=st.characters(codec="utf-8"), max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=5,
)


@settings(max_examples=100, deadline=None)
@given(ENTITLEMENTS)
def test_whatever_was_encoded_agrees_with_itself(granted: dict[str, Any]) -> None:
    told = {**values(), "Entitlements": granted}
    read = read_twin(copied(told), TRUSTED)
    aware = {key: each.replace(tzinfo=UTC) if isinstance(each, datetime) else each for key, each in told.items()}
    assert differences(copy.deepcopy(aware), read) == ()
    assert read["Entitlements"] == granted


def test_dates_are_aware() -> None:
    assert read_twin(WHOLE, TRUSTED)["CreationDate"] == datetime(2026, 11, 19, 12, tzinfo=UTC)


def test_apples_roots_do_not_know_the_simulator() -> None:
    with pytest.raises(SigningFault, match="not Apple's"):
        read_twin(WHOLE, APPLE_ROOTS)


def test_real_profiles_of_strangers_agree() -> None:
    """Any folder of unchanged provisioning profiles, named by FOREIGN_PROFILES: from 2022 on all have the copy."""
    named = os.environ.get("FOREIGN_PROFILES", "")
    if not named or not Path(named).is_dir():
        pytest.skip("no folder of real profiles here: name one with FOREIGN_PROFILES")
    read = [read_profile(path.read_bytes(), APPLE_ROOTS) for path in Path(named).iterdir()]
    assert read
    for each in read:
        assert (each.seal, each.seal_reason, each.problems) == (Seal.APPLE, "", ())
        assert each.created.year < 2022 or each.distribution_type in {"LIMITED", "ADHOC", "STORE", "DIRECT"}


def test_the_marker_is_the_simulators() -> None:
    assert twin.SIGNER_MARKER == SIGNER_MARKER
    assert TEAM in WHOLE_VALUES["TeamIdentifier"]
    assert WWDR.der not in WHOLE
