"""Damaged and hostile bytes: a typed fault or a value, and never a signature that holds over changed content."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.apple.signing.certificates import read_certificate
from pipeline.apple.signing.cms import read_signed
from pipeline.apple.signing.faults import SigningFault
from pipeline.apple.signing.profiles import Seal, read_profile
from pipeline.apple.signing.trust import APPLE_ROOTS, Anchors, walk
from tests.rooms.signing.forge import DISTRIBUTION, NOW, ROOT, WWDR, profile_content, sign

QUICK = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TRUSTED = Anchors().including("Test Root", ROOT.der)
PROFILE = sign(profile_content())

CERTIFICATES = ["apple_developer", "aps_development", "fastlane-match-dist", "sec_AppleSystemIntegrationCA4"]
PROFILES = [
    "fastlane-match-appstore.mobileprovision",
    "fastlane-match.provisionprofile",
    "fastlane-test.mobileprovision",
]

damage = st.tuples(
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 255)), min_size=1, max_size=4), st.booleans()
)


def damaged(data: bytes, how: tuple[list[tuple[int, int]], bool]) -> bytes:
    flips, cut = how
    changed = bytearray(data)
    for place, mask in flips:
        changed[place % len(data)] ^= mask
    return bytes(changed[: flips[0][0] % len(data)] if cut else changed)


@pytest.mark.parametrize("name", CERTIFICATES)
@QUICK
@given(how=damage)
def test_damaged_certificates(shared_data: Path, name: str, how: tuple[list[tuple[int, int]], bool]) -> None:
    data = damaged((shared_data / f"signing/certificates/{name}.cer").read_bytes(), how)
    try:
        read_certificate(data)
    except SigningFault:
        return
    assert not walk(data, [WWDR.der], TRUSTED, NOW).trusted


@QUICK
@given(how=damage)
def test_a_damaged_leaf_is_not_trusted(how: tuple[list[tuple[int, int]], bool]) -> None:
    data = damaged(DISTRIBUTION.der, how)
    try:
        chain = walk(data, [WWDR.der], TRUSTED, NOW)
    except SigningFault:
        return
    assert not chain.trusted or chain.certificates[0].der == DISTRIBUTION.der


@QUICK
@given(how=damage)
def test_a_damaged_issuer_is_not_followed(how: tuple[list[tuple[int, int]], bool]) -> None:
    data = damaged(WWDR.der, how)
    chain = walk(DISTRIBUTION.der, [data], TRUSTED, NOW)
    assert not chain.trusted or chain.certificates[1].der == WWDR.der


@pytest.mark.parametrize("name", PROFILES)
@QUICK
@given(how=damage)
def test_damaged_profiles(shared_data: Path, name: str, how: tuple[list[tuple[int, int]], bool]) -> None:
    whole = (shared_data / "signing/profiles" / name).read_bytes()
    told = read_profile(whole, APPLE_ROOTS)
    believed_only_unchanged(whole, damaged(whole, how), APPLE_ROOTS, whole_holds=told.seal is Seal.APPLE)


@QUICK
@given(how=damage)
def test_damaged_profiles_of_a_trusted_authority(how: tuple[list[tuple[int, int]], bool]) -> None:
    believed_only_unchanged(PROFILE, damaged(PROFILE, how), TRUSTED, whole_holds=True)


def believed_only_unchanged(whole: bytes, changed: bytes, anchors: Anchors, *, whole_holds: bool) -> None:
    try:
        read = read_profile(changed, anchors)
    except SigningFault:
        return
    if read.seal is Seal.APPLE:
        assert whole_holds
        assert read_signed(changed).content == read_signed(whole).content
        assert read == read_profile(whole, anchors)


def test_every_byte_of_the_content_counts(shared_data: Path) -> None:
    whole = (shared_data / "signing/profiles/fastlane-test.mobileprovision").read_bytes()
    content = read_signed(whole).content
    start = whole.index(content)
    for place in range(start, start + len(content), 7):
        changed = bytearray(whole)
        changed[place] ^= 0x01
        try:
            assert read_profile(bytes(changed), APPLE_ROOTS).seal is Seal.DOCTORED
        except SigningFault:
            continue


@pytest.mark.parametrize("name", PROFILES)
def test_every_bit_of_one_byte_in_forty_counts(shared_data: Path, name: str) -> None:
    """Wherever it is: in the content, the certificates, the attributes or the signature."""
    whole = (shared_data / "signing/profiles" / name).read_bytes()
    holds = read_profile(whole, APPLE_ROOTS).seal is Seal.APPLE
    for place in range(0, len(whole), 40):
        changed = bytearray(whole)
        changed[place] ^= 1 << (place // 40) % 8
        believed_only_unchanged(whole, bytes(changed), APPLE_ROOTS, whole_holds=holds)


@QUICK
@given(st.binary(max_size=2_000))
def test_random_bytes(data: bytes) -> None:
    for read in (read_certificate, lambda each: read_profile(each, APPLE_ROOTS), read_signed):
        with pytest.raises(SigningFault):
            read(data)


@QUICK
@given(st.binary(max_size=60))
def test_random_content(content: bytes) -> None:
    with pytest.raises(SigningFault):
        read_profile(sign(b"<plist><dict>" + content), TRUSTED)
