"""What `security` prints, line by line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.signing.faults import SigningFault
from pipeline.apple.signing.security import REVOKED, ListedIdentity, read_certificates, read_identities
from tests.rooms.signing.forge import DISTRIBUTION, WWDR

A, B, C = "A" * 40, "0123456789ABCDEF" * 2 + "01234567", "C" * 40

BOTH_SECTIONS = f"""
Policy: Code Signing
  Matching identities
  1) {A} "Apple Development: Jörg “Größe” Müller (DD5YMVP48D)"
  2) {B} "iPhone Developer: Dave Lee (3FD7YP60A6)" (CSSMERR_TP_CERT_REVOKED)
  3) {C} "Apple Distribution: "Quoted" [Brackets] (Paren) Ltd. 🎉 (ABCDE12345)" (CSSMERR_TP_NOT_TRUSTED)
     3 identities found

  Valid identities only
  1) {A} "Apple Development: Jörg “Größe” Müller (DD5YMVP48D)"
     1 valid identities found
"""


def test_both_sections() -> None:
    assert read_identities(BOTH_SECTIONS) == (
        ListedIdentity(A.lower(), "Apple Development: Jörg “Größe” Müller (DD5YMVP48D)"),
        ListedIdentity(B.lower(), "iPhone Developer: Dave Lee (3FD7YP60A6)", REVOKED),
        ListedIdentity(
            C.lower(), 'Apple Distribution: "Quoted" [Brackets] (Paren) Ltd. 🎉 (ABCDE12345)', "CSSMERR_TP_NOT_TRUSTED"
        ),
    )


def test_valid_identities_may_be_revoked() -> None:
    text = f'  1) {A} "One"\n  2) {B} "Two" (CSSMERR_TP_CERT_REVOKED)\n     2 valid identities found\n'
    assert [each.problem for each in read_identities(text)] == ["", REVOKED]


def test_the_code_of_either_line_is_kept() -> None:
    text = (
        f'  1) {A} "One"\n     1 identities found\n'
        f'  1) {A} "One" (CSSMERR_TP_CERT_EXPIRED)\n     1 valid identities found\n'
    )
    assert read_identities(text) == (ListedIdentity(A.lower(), "One", "CSSMERR_TP_CERT_EXPIRED"),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "     0 valid identities found\n",
        'Looking for identities matching "X"\n\nPolicy: Code Signing\n',
        '  1) !----- unable to get SHA-1 digest -----! "One"\n     1 identities found\n',
        f'  1) {A[:-1]} "One"\n',
        f"  1) {A} One\n",
        f'  1) {A} "One" (something else)\n',
    ],
)
def test_lines_that_are_no_identities(text: str) -> None:
    assert read_identities(text) == ()


@pytest.mark.parametrize(
    "label",
    ['"', '""', 'a" (CSSMERR_TP_CERT_REVOKED)', '" (', "two\nlines", "<unknown>", "", "1) x", f'2) {B} "x', "é" * 64],
)
@pytest.mark.parametrize("code", ["", "CSSMERR_TP_CERT_EXPIRED"])
def test_labels_may_hold_anything(label: str, code: str) -> None:
    text = f'  1) {A} "{label}"' + (f" ({code})" if code else "") + "\n     1 valid identities found\n"
    assert read_identities(text) == (ListedIdentity(A.lower(), label, code),)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=60), st.booleans()), max_size=5))
def test_any_names_come_back(names: list[tuple[str, bool]]) -> None:
    """Names with line breaks aside: those could imitate the listing itself."""
    names = [("".join(name.split("\n")).replace("\r", ""), revoked) for name, revoked in names]
    lines = [f'  {n}) {n:040X} "{name}"' + f" ({REVOKED})" * bad for n, (name, bad) in enumerate(names, 1)]
    found = read_identities("\n".join([*lines, f"     {len(lines)} identities found"]) + "\n")
    assert [(each.label, each.problem == REVOKED) for each in found] == names


def listing(*labels: str) -> str:
    """As `security` prints it: every matching identity, then the valid ones, each list with its count."""
    lines = "".join(
        f'{n:3}) {sha1} "{label}"\n' for n, (sha1, label) in enumerate(zip((A, C), labels, strict=False), 1)
    )
    return (
        f"\nPolicy: Code Signing\n  Matching identities\n{lines}     {len(labels)} identities found\n"
        f"\n  Valid identities only\n{lines}     {len(labels)} valid identities found\n"
    )


COUNT, LISTS = "\n     2 identities found\n", "\n  Valid identities only\n"


@pytest.mark.parametrize(
    "evil",
    [
        f'x"\n  9) {B} "{{}}',
        f'x"\n  2) {B} "{{}}',
        f'x"\n  2) {B} "{{}}"{COUNT}  1) {A} "x',
        f'x"\n  2) {B} "{{}}"{COUNT}{LISTS}  1) {A} "x',
        f'x"\n     1 identities found\n  1) {B} "{{}}',
    ],
)
@pytest.mark.parametrize("others", [(), ("Apple Distribution: Two",)])
def test_a_name_that_imitates_an_identity_is_told(evil: str, others: tuple[str, ...]) -> None:
    with pytest.raises(SigningFault, match="cannot be told apart"):
        read_identities(listing(evil.format("Apple Distribution: Example"), *others))


def test_lists_that_end_without_a_count_are_not_whole() -> None:
    with pytest.raises(SigningFault, match="cannot be told apart"):
        read_identities(f'  1) {A} "One"\n')


def test_windows_line_ends_do_not_matter() -> None:
    assert read_identities(BOTH_SECTIONS.replace("\n", "\r\n")) == read_identities(BOTH_SECTIONS)


def test_a_listing_without_ends_takes_no_time() -> None:
    assert read_identities(f'  1) {A} "x\n' * 20_000) == ()


def test_certificates() -> None:
    text = "".join(f"SHA-256 hash: X\nSHA-1 hash: Y\n{each.pem}" for each in (DISTRIBUTION, WWDR, DISTRIBUTION))
    found, problems = read_certificates(text)
    assert [each.der for each in found] == [DISTRIBUTION.der, WWDR.der]
    assert problems == ()


def test_certificates_that_cannot_be_read_are_told() -> None:
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    found, problems = read_certificates(broken + DISTRIBUTION.pem)
    assert len(found) == 1
    assert problems[0].startswith("certificate 1 of the keychains cannot be read: ")


def test_an_empty_listing() -> None:
    assert read_certificates("") == ((), ())


def test_a_listing_that_is_too_large() -> None:
    with pytest.raises(SigningFault, match="too large"):
        read_identities(" " * (33 * 1024 * 1024))
