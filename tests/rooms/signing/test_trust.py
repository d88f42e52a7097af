"""Chains end in pinned roots or in a reason."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.apple.signing import trust
from pipeline.apple.signing.authorities import INTERMEDIATES, ROOTS
from pipeline.apple.signing.certificates import read_certificate
from pipeline.apple.signing.der import envelope
from pipeline.apple.signing.faults import SigningFault
from pipeline.apple.signing.trust import APPLE_INTERMEDIATES, APPLE_ROOTS, MOST_LINKS, Anchors, Chain, walk
from tests.rooms.signing.forge import DISTRIBUTION, NOW, ROOT, WWDR, Forged, forge

TRUSTED = Anchors().including("Test Root", ROOT.der)


def certificates(shared_data: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in sorted((shared_data / "signing/certificates").glob("*.cer"))}


def test_authorities_are_those_that_apple_publishes(shared_data: Path) -> None:
    published = (shared_data / "signing/apple_ca_certs.txt").read_text()
    ders = (*APPLE_ROOTS.certificates, *APPLE_INTERMEDIATES)
    for (name, sha256, _), der in zip((*ROOTS, *INTERMEDIATES), ders, strict=True):
        assert re.search(rf"CN={re.escape(name)}[|,].*sha256={sha256}", published)
        read = read_certificate(der)
        assert (read.sha256, read.subject_name) == (sha256, name)
    assert list(APPLE_ROOTS.roots) == [sha256 for _, sha256, _ in ROOTS]


def test_intermediates_are_issued_by_the_roots() -> None:
    for der in APPLE_INTERMEDIATES:
        assert walk(der, (), APPLE_ROOTS, NOW).trusted


def test_a_real_leaf_on_its_own(shared_data: Path) -> None:
    leaf = certificates(shared_data)["apple_developer"]
    assert walk(leaf, APPLE_INTERMEDIATES, APPLE_ROOTS, datetime(2021, 6, 1, tzinfo=UTC)).trusted


@pytest.mark.parametrize(
    ("name", "anchor", "length"),
    [
        ("apple_developer", "Apple Root CA", 3),
        ("ios_provisioning_profile", "Apple Root CA", 3),
        ("sec_AppleSystemIntegrationCA4", "Apple Root CA - G3", 2),
        ("sec_AppleWWDR-G5", "Apple Root CA", 2),
        ("sec_AppleiPhoneCA", "Apple Root CA", 2),
    ],
)
def test_real_chains(shared_data: Path, name: str, anchor: str, length: int) -> None:
    """RSA with SHA-1 (iPhone CA), RSA with SHA-256 (WWDR G3), and ECDSA with SHA-384 (Root CA G3)."""
    samples = certificates(shared_data)
    then = read_certificate(samples[name]).not_before + timedelta(days=1)
    chain = walk(samples[name], samples.values(), APPLE_ROOTS, then)
    assert (chain.trusted, chain.anchor, len(chain.certificates), chain.reason) == (True, anchor, length, "")


@pytest.mark.parametrize("name", ["developer_id", "fastlane-match-dist", "mac_developer", "aps_development"])
def test_a_missing_intermediate_is_named(shared_data: Path, name: str) -> None:
    samples = certificates(shared_data)
    leaf = read_certificate(samples[name])
    chain = walk(samples[name], samples.values(), APPLE_ROOTS, leaf.not_before + timedelta(days=1))
    assert not chain.trusted
    assert chain.missing.startswith(leaf.issuer_name)
    assert leaf.issuer_name in chain.reason


def test_the_generation_of_a_missing_intermediate_is_told(shared_data: Path) -> None:
    leaf = certificates(shared_data)["apple_developer"]
    chain = walk(leaf, (), APPLE_ROOTS, datetime(2021, 6, 1, tzinfo=UTC))
    assert chain.missing == "Apple Worldwide Developer Relations Certification Authority (G3)"


def test_a_chain_to_a_given_root() -> None:
    chain = walk(DISTRIBUTION.der, [WWDR.der], TRUSTED, NOW)
    assert chain.trusted
    assert [each.subject_name for each in chain.certificates][1:] == ["Test Worldwide Relations", "Test Root"]
    assert not walk(DISTRIBUTION.der, [WWDR.der], APPLE_ROOTS, NOW).trusted


def test_a_root_may_come_along_when_only_its_digest_is_pinned() -> None:
    pinned = Anchors({read_certificate(ROOT.der).sha256: "Test Root"})
    assert walk(DISTRIBUTION.der, [WWDR.der, ROOT.der], pinned, NOW).trusted
    assert walk(DISTRIBUTION.der, [WWDR.der], pinned, NOW).missing == "Test Root"


def test_unreadable_and_unrelated_certificates_are_passed_over() -> None:
    others = [b"", b"garbage", DISTRIBUTION.der, WWDR.der, WWDR.der]
    assert walk(DISTRIBUTION.der, others, TRUSTED, NOW).trusted


def test_a_leaf_that_is_no_certificate() -> None:
    with pytest.raises(SigningFault):
        walk(b"", [], TRUSTED, NOW)


def test_another_root() -> None:
    chain = walk(DISTRIBUTION.der, [WWDR.der, ROOT.der], APPLE_ROOTS, NOW)
    assert (chain.trusted, chain.missing) == (False, "")
    assert "Test Root" in chain.reason


@pytest.mark.parametrize(
    ("leaf", "others", "reason"),
    [
        (forge("l", WWDR, ends=NOW - timedelta(days=1)), [WWDR], "“l” expired on 2026-11-19"),
        (forge("l", WWDR, begins=NOW + timedelta(days=1)), [WWDR], "“l” was not valid before 2026-11-21"),
        (
            forge("l", forge("i", ROOT, authority=True, ends=NOW - timedelta(days=1), key=6)),
            [forge("i", ROOT, authority=True, ends=NOW - timedelta(days=1), key=6)],
            "“i” expired on",
        ),
        (forge("l", forge("i", ROOT, key=6)), [forge("i", ROOT, key=6)], "“i” may not issue “l”"),
        (
            forge("l", forge("i", ROOT, authority=True, key=6)),
            [forge("i", ROOT, authority=True, key=7)],
            "“l” was not signed with the key of “i”",
        ),
        (
            forge("l", forge("j", WWDR, authority=True, key=6)),
            [forge("j", WWDR, authority=True, key=6), WWDR],
            "“Test Worldwide Relations” may not issue “j”",
        ),
    ],
)
def test_links_that_do_not_hold(leaf: Forged, others: list[Forged], reason: str) -> None:
    chain = walk(leaf.der, [each.der for each in others], TRUSTED, NOW)
    assert not chain.trusted
    assert reason in chain.reason


def test_of_two_issuers_of_one_name_the_good_one_counts() -> None:
    expired = forge("i", ROOT, authority=True, ends=NOW - timedelta(days=1), key=6)
    renewed = forge("i", ROOT, authority=True, key=6)
    leaf = forge("l", expired)
    for others in ([expired, renewed], [renewed, expired]):
        assert walk(leaf.der, [each.der for each in others], TRUSTED, NOW).trusted


def test_a_web_of_authorities_ends() -> None:
    names = ("a", "b")
    first = {name: forge(name, authority=True, key=8) for name in names}
    web = [forge(name, first[other], authority=True, key=8) for name in names for other in names if name != other] * 3
    web += [forge(name, first[other], authority=True, key=8) for _ in range(8) for name, other in ("ab", "ba")]
    chain = walk(forge("l", first["a"]).der, [each.der for each in web], TRUSTED, NOW)
    assert not chain.trusted
    assert len(chain.certificates) <= MOST_LINKS


def test_a_chain_ends_with_its_weakest_certificate() -> None:
    soon = NOW + timedelta(days=73)
    issuer = forge("Test Developer ID", ROOT, authority=True, ends=soon, key=6)
    chain = walk(forge("l", issuer, ends=NOW + timedelta(days=200)).der, [issuer.der], TRUSTED, NOW)
    assert (chain.expires, chain.weakest.subject_name) == (soon, "Test Developer ID")
    chain = walk(forge("l", issuer, ends=NOW + timedelta(days=5)).der, [issuer.der], TRUSTED, NOW)
    assert (chain.expires, chain.weakest.subject_name) == (NOW + timedelta(days=5), "l")


def test_of_certificates_that_end_together_the_authority_is_the_weakest() -> None:
    soon = NOW + timedelta(days=73)
    issuer = forge("Test Developer ID", ROOT, authority=True, ends=soon, key=6)
    chain = walk(forge("l", issuer, ends=soon).der, [issuer.der], TRUSTED, NOW)
    assert chain.weakest.subject_name == "Test Developer ID"


def test_developer_id_ends_with_its_first_authority(shared_data: Path) -> None:
    leaf = certificates(shared_data)["developer_id"]
    chain = walk(leaf, APPLE_INTERMEDIATES, APPLE_ROOTS, datetime(2013, 1, 1, tzinfo=UTC))
    assert [each.not_after.date().isoformat() for each in chain.certificates] == [
        "2017-04-22",
        "2027-02-01",
        "2035-02-09",
    ]
    assert chain.expires.date().isoformat() == "2017-04-22"


def test_a_chain_without_certificates_has_no_end() -> None:
    with pytest.raises(ValueError):
        Chain().expires  # noqa: B018


def test_each_link_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[bytes] = []
    real = trust.signature_holds
    monkeypatch.setattr(trust, "signature_holds", lambda *told: checked.append(told[3]) or real(*told))
    issuer = forge("Test Once", ROOT, authority=True, key=15)
    leaves = [forge(f"l{number}", issuer).der for number in range(50)]
    for _ in range(20):
        for leaf in leaves:
            assert walk(leaf, [issuer.der], TRUSTED, NOW).trusted
    assert len(checked) == len(set(checked)) == 51


def test_ten_thousand_certificates_cost_one_check_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a keychain that somebody filled: only so many of the others are looked at, whatever their number."""
    checked: list[bytes] = []
    monkeypatch.setattr(trust, "signature_holds", lambda *told: bool(checked.append(told[3])) or True)
    whole, serial = DISTRIBUTION.der, envelope(DISTRIBUTION.der).fields[0]
    ders = [
        whole[: serial.content]
        + b"\x01"
        + number.to_bytes(serial.end - serial.content - 1, "big")
        + whole[serial.end :]
        for number in range(10_000)
    ]
    others = [WWDR.der, *ders]
    for der in ders:
        assert walk(der, others, TRUSTED, NOW).trusted
    assert len(checked) <= len(ders) + 2


def test_a_self_signed_leaf_may_be_an_anchor() -> None:
    assert walk(ROOT.der, [], TRUSTED, NOW).anchor == "Test Root"


def test_a_chain_that_was_found_before_still_minds_the_date() -> None:
    leaf, others = DISTRIBUTION.der, (WWDR.der, ROOT.der)
    trusted = Anchors().including("Test", ROOT.der)
    first = walk(leaf, others, trusted, NOW)
    assert first.trusted
    assert walk(leaf, others, trusted, NOW) == first
    late = walk(leaf, others, trusted, first.expires + timedelta(days=1))
    assert not late.trusted
    assert "expired" in late.reason
    assert not walk(leaf, others, Anchors(), NOW).trusted, "another's anchors know nothing of it"
    assert not walk(leaf, (WWDR.der,), Anchors({"00": "x"}), NOW).trusted
