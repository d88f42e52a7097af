"""Code signatures: whole ones hold, and every kind of change is noticed."""

from __future__ import annotations

import hashlib
import io
import os
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.bundle import codesignature
from pipeline.apple.bundle.entitlements import read_der
from pipeline.apple.bundle.faults import Malformed
from pipeline.apple.bundle.macho import Slice, read_macho
from pipeline.apple.signing.trust import APPLE_ROOTS, Anchors
from tests.rooms.bundle import foundry


def signature_of(data: bytes) -> tuple[codesignature.CodeSignature, Slice]:
    (part,) = read_macho(io.BytesIO(data), len(data))
    assert part.signature
    return codesignature.read_from(io.BytesIO(data), *part.signature), part


ANCHORS = Anchors().including("Test Root CA", foundry.authority().root.der)


def directory(raw: bytes, kind: int = 2) -> codesignature.CodeDirectory:
    """A code directory of which only the bytes matter."""
    algorithm = {1: "sha1", 2: "sha256"}[kind]
    return codesignature.CodeDirectory("x", "", 0, 0x20400, kind, algorithm, 32, 4096, 0, {}, b"", raw)


def flaws_of(blob: bytes, *contents: bytes) -> tuple[str, ...]:
    """What does not hold of a CMS blob over directories with these contents, the first by SHA-256 and the next by SHA-1."""
    told = [directory(content, kind) for content, kind in zip(contents, (2, 1), strict=False)]
    return codesignature.verify(blob, told, ANCHORS).flaws


def page_flaws(data: bytes) -> tuple[str, ...]:
    signature, part = signature_of(data)
    assert part.signature
    return codesignature.page_flaws(signature.primary, io.BytesIO(data), 0, part.signature[0])


SIGNED = foundry.sign_macho(
    foundry.authority().distribution,
    entitlements=foundry.ENTITLEMENTS,
    info=b"info",
    resources=b"seal",
    both_hashes=True,
)


def test_a_whole_signature() -> None:
    signature, _ = signature_of(SIGNED)
    assert signature.primary.identifier == foundry.BUNDLE_ID
    assert signature.primary.team_id == foundry.TEAM
    assert [directory.algorithm for directory in signature.directories] == ["sha1", "sha256"]
    assert signature.strongest.algorithm == "sha256"
    assert signature.entitlements == foundry.ENTITLEMENTS
    assert signature.flaws == ()
    assert page_flaws(SIGNED) == ()
    around = {codesignature.INFO_PLIST: b"info", codesignature.CODE_RESOURCES: b"seal"}
    assert codesignature.slot_flaws(signature, around) == ()
    signer = codesignature.verify(signature.cms, signature.directories, ANCHORS)
    assert signer.flaws == ()
    assert signer.timestamp is None
    assert signer.certificate == foundry.authority().distribution.der
    assert signer.others == (foundry.authority().wwdr.der,)
    assert signer.signed_at == foundry.NOW


@pytest.mark.parametrize(("at", "page"), [(500, 0), (4096, 1), (8999, 2)])
def test_one_changed_byte_names_its_page(at: int, page: int) -> None:
    data = bytearray(SIGNED)
    data[at] ^= 1
    assert page_flaws(bytes(data)) == (f"1 page of code changed after signing (page {page})",)


def test_changes_around_the_code_are_named() -> None:
    signature, _ = signature_of(SIGNED)
    around = {codesignature.INFO_PLIST: b"other", codesignature.CODE_RESOURCES: None}
    assert codesignature.slot_flaws(signature, around) == (
        "Info.plist changed after signing",
        "_CodeSignature/CodeResources was signed and is missing",
    )


def test_a_seal_that_is_not_signed_is_named() -> None:
    signature, _ = signature_of(foundry.sign_macho(None, info=b"info"))
    flaws = codesignature.slot_flaws(signature, {codesignature.CODE_RESOURCES: b"seal"})
    assert flaws == ("the signature does not cover _CodeSignature/CodeResources",)


def test_changed_entitlements_do_not_fit_their_slot() -> None:
    position = SIGNED.index(b"beta-reports-active", SIGNED.index(b"<?xml"))
    signature, _ = signature_of(SIGNED[:position] + b"B" + SIGNED[position + 1 :])
    assert "the entitlements changed after signing" in codesignature.slot_flaws(signature, {})
    assert signature.flaws == ("the XML entitlements and the DER entitlements differ",)


def test_der_entitlements_that_say_more_are_noticed() -> None:
    more = {**foundry.ENTITLEMENTS, "get-task-allow": True}
    data = foundry.sign_macho(foundry.authority().distribution, entitlements=foundry.ENTITLEMENTS, der_twin=more)
    signature, _ = signature_of(data)
    assert signature.flaws == ("the XML entitlements and the DER entitlements differ",)


OTHERS = "the CMS signature names other code directories (cdhashes differ)"
ALONE = "the CMS signature covers only the first of 2 code directories"


def test_another_directory_than_the_signed_one_is_noticed() -> None:
    signature, _ = signature_of(SIGNED)
    first, second = signature.directories
    flaws = codesignature.verify(signature.cms, (second, first), ANCHORS).flaws
    assert flaws == ("the CMS signature does not hold: its content is not what was signed",)
    assert codesignature.verify(signature.cms, (first,), ANCHORS).flaws == (OTHERS,)


NAMED = {
    names: foundry.sign_macho(
        foundry.authority().distribution,
        entitlements=foundry.ENTITLEMENTS,
        info=b"info",
        both_hashes=True,
        names=names,
    )
    for names in ("list", "digests", "list and digests", "", "bare")
}


@pytest.mark.parametrize(
    ("names", "flaws"),
    [("list", ()), ("digests", ()), ("list and digests", ()), ("", (ALONE,)), ("bare", (ALONE,))],
)
def test_every_directory_must_be_named(names: str, flaws: tuple[str, ...]) -> None:
    signature, _ = signature_of(NAMED[names])
    assert codesignature.verify(signature.cms, signature.directories, ANCHORS).flaws == flaws


@pytest.mark.parametrize("names", ["list", "digests", "list and digests"])
def test_a_directory_that_went_or_came_is_noticed(names: str) -> None:
    signature, _ = signature_of(NAMED[names])
    first, second = signature.directories
    assert codesignature.verify(signature.cms, (first,), ANCHORS).flaws == (OTHERS,)
    third = directory(second.raw, kind=2)
    for directories in ((first, second, third), (first, directory(b"another"))):
        assert codesignature.verify(signature.cms, directories, ANCHORS).flaws == (OTHERS,)


def test_one_directory_needs_no_name() -> None:
    for names in ("", "bare"):
        data = foundry.sign_macho(foundry.authority().distribution, names=names)
        signature, _ = signature_of(data)
        assert codesignature.verify(signature.cms, signature.directories, ANCHORS).flaws == ()


def test_digests_are_compared_whole_and_by_their_algorithm() -> None:
    sha1, sha256 = foundry.HASHES[1][1], foundry.HASHES[2][1]
    whole = hashlib.sha256(b"content").digest()
    by = foundry.authority().distribution
    wrong = [
        [(sha256, whole[:20])],
        [(sha256, whole[:-1] + b"x")],
        [(sha1, whole)],
        [("1.2.3", whole)],
        [(sha256, whole), (sha1, hashlib.sha1(b"content").digest())],
        [(sha256, whole), (sha256, whole)],
        [(sha256, b"x" * 32), (sha256, whole)],
        [],
    ]
    assert flaws_of(foundry.signed_data(by, b"content", digests=[(sha256, whole)]), b"content") == ()
    for digests in wrong:
        assert flaws_of(foundry.signed_data(by, b"content", digests=digests), b"content") == (OTHERS,)


def directories_in(data: bytes) -> list[tuple[int, int]]:
    """Where the code directories of a signed file begin and end."""
    found, at = [], data.find(b"\xfa\xde\x0c\x02")
    while at >= 0:
        found.append((at, at + int.from_bytes(data[at + 4 : at + 8], "big")))
        at = data.find(b"\xfa\xde\x0c\x02", found[-1][1])
    return found


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["list", "digests", "list and digests"]), st.integers(0, 1), st.data())
def test_no_bit_of_any_directory_changes_unnoticed(names: str, which: int, chosen: st.DataObject) -> None:
    """Identifier, flags, team, hashes of slots and pages: all of it."""
    data = bytearray(NAMED[names])
    start, end = directories_in(NAMED[names])[which]
    at = chosen.draw(st.integers(start, end - 1))
    data[at] ^= 1 << chosen.draw(st.integers(0, 7))
    try:
        signature, _ = signature_of(bytes(data))
        signer = codesignature.verify(signature.cms, signature.directories, ANCHORS)
    except Malformed:
        return
    assert signer.flaws


@pytest.mark.parametrize("field", [b"com.example.app\0", foundry.TEAM.encode() + b"\0"])
@pytest.mark.parametrize("names", ["list", "digests", "list and digests"])
@pytest.mark.parametrize("which", [0, 1])
def test_a_name_in_any_directory_is_covered(names: str, which: int, field: bytes) -> None:
    data = NAMED[names]
    at = data.index(field, directories_in(data)[which][0])
    changed = data[:at] + field.swapcase() + data[at + len(field) :]
    signature, _ = signature_of(changed)
    assert codesignature.verify(signature.cms, signature.directories, ANCHORS).flaws


def test_two_directories_with_one_hash_are_a_flaw() -> None:
    raw = foundry.code_directory(b"code", {}, "x", flags=2)
    signature = codesignature.read_signature(foundry.superblob({0: raw, 0x1000: raw}))
    assert signature.flaws == ("two code directories of the signature use the same hash",)


def test_a_signature_that_lost_its_signer_is_not_ad_hoc() -> None:
    raw = foundry.code_directory(b"code", {}, "x")
    signature = codesignature.read_signature(foundry.superblob({0: raw}))
    assert signature.flaws == ("the signature is not marked as ad hoc, and names no signer",)
    assert signature_of(foundry.sign_macho(None))[0].flaws == ()


def test_entitlements_with_a_key_twice_say_nothing() -> None:
    key = b"<key>get-task-allow</key>"
    text = b"<plist><dict>" + key + b"<false/>" + key + b"<true/></dict></plist>"
    raw = foundry.code_directory(b"code", {}, "x", flags=2)
    blobs = {0: raw, 5: foundry.blob(0xFADE7171, text)}
    signature = codesignature.read_signature(foundry.superblob(blobs))
    assert signature.flaws == ("the signed entitlements: the key “get-task-allow” is given twice",)
    assert signature.entitlements == {}


def test_a_signature_by_another_key_is_noticed() -> None:
    blob = bytearray(foundry.signed_data(foundry.authority().distribution, b"content"))
    blob[-1] ^= 1
    flaws = flaws_of(bytes(blob), b"content")
    assert flaws == ("the CMS signature does not hold: the signature was not made with the signer's key",)


def test_rsa_signers_are_verified_too() -> None:
    blob = foundry.signed_data(foundry.authority().installer, b"content")
    assert flaws_of(blob, b"content") == ()
    assert flaws_of(blob, b"other") != ()


def test_code_after_the_last_hashed_byte_is_noticed() -> None:
    signature, part = signature_of(SIGNED)
    assert part.signature
    end = part.signature[0]
    assert codesignature.page_flaws(signature.primary, io.BytesIO(SIGNED), 0, end + 4096) == (
        "4,096 bytes before the signature are not signed",
    )
    assert "but the code ends" in codesignature.page_flaws(signature.primary, io.BytesIO(SIGNED), 0, end - 1)[0]


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        struct.pack(">3I", 0xFADE0CC0, 12, 0),
        struct.pack(">3I", 0xFADE0CC0, 0xFFFFFFFF, 1),
        struct.pack(">3I", 0xFADE0CC0, 20, 0xFFFFFFFF),
        struct.pack(">5I", 0xFADE0CC0, 20, 1, 0, 0xFFFFFFF0),
        struct.pack(">7I", 0xFADE0CC0, 28, 1, 0, 20, 0xFADE0C02, 8),
        struct.pack(">7I", 0xFADE0CC0, 28, 1, 0, 20, 0xFADE0C02, 0xFFFF),
    ],
)
def test_lying_superblobs_are_refused(blob: bytes) -> None:
    with pytest.raises(Malformed):
        codesignature.read_signature(blob)


def test_a_directory_with_too_few_hashes_is_refused() -> None:
    raw = bytearray(foundry.code_directory(bytes(10_000), {}, "x"))
    raw[28:32] = struct.pack(">I", 0x7FFFFFFF)
    with pytest.raises(Malformed, match="more hashes than it holds"):
        codesignature.read_signature(foundry.superblob({0: bytes(raw)}))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=5), st.floats(0.2, 1))
def test_damage_never_escapes(changes: list[tuple[float, int]], kept: float) -> None:
    data = bytearray(SIGNED[9008 : 9008 + 6000])
    for at, value in changes:
        data[int(at * len(data))] = value
    try:
        signature = codesignature.read_signature(bytes(data[: int(kept * len(data))]))
        codesignature.slot_flaws(signature, {codesignature.INFO_PLIST: b"info"})
        codesignature.page_flaws(signature.primary, io.BytesIO(SIGNED), 0, 9008)
        codesignature.verify(signature.cms, signature.directories, ANCHORS)
    except Malformed:
        return


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=4))
def test_damaged_cms_is_refused_or_flawed_or_unsigned_part(changes: list[tuple[float, int]]) -> None:
    blob = bytearray(foundry.signed_data(foundry.authority().distribution, b"content", [b"x" * 20]))
    for at, value in changes:
        blob[int(at * len(blob))] = value
    try:
        flaws_of(bytes(blob), b"content")
    except Malformed:
        return


VALUES = st.recursive(
    st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text(max_size=12), VALUES, max_size=6))
def test_der_entitlements_come_back_as_they_were(entitlements: dict[str, object]) -> None:
    assert read_der(foundry.der_entitlements(entitlements)) == entitlements


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda tail: b"\x70\x82\x00\x80\x02\x01\x01" + tail))
def test_any_der_ends(data: bytes) -> None:
    try:
        read_der(data)
    except Malformed:
        return


def test_der_entitlements_of_older_xcodes_are_read() -> None:
    assert read_der(foundry.old_der_entitlements(foundry.ENTITLEMENTS)) == foundry.ENTITLEMENTS
    with pytest.raises(Malformed):
        read_der(foundry.old_der_entitlements(foundry.ENTITLEMENTS) + b"0")


def test_deep_der_is_refused() -> None:
    value = foundry.der_value(True)
    for _ in range(40):
        value = foundry.der(0x30, value)
    with pytest.raises(Malformed, match="deeper"):
        read_der(
            foundry.der(
                0x70, foundry.der(0x02, b"\1") + foundry.der(0xB0, foundry.der(0x30, foundry.der_value("k") + value))
            )
        )


def test_a_foreign_binary_holds_in_all_parts() -> None:
    """Any Mach-O signed by a stranger with a Developer ID; named by FOREIGN_MACHO."""
    named = os.environ.get("FOREIGN_MACHO", "")
    if not named or not Path(named).is_file():
        pytest.skip("no foreign signed binary here: name one with FOREIGN_MACHO")
    size = Path(named).stat().st_size
    with Path(named).open("rb") as file:
        for part in read_macho(file, size):
            assert part.signature
            signature = codesignature.read_from(file, part.offset + part.signature[0], part.signature[1])
            assert signature.flaws == codesignature.slot_flaws(signature, {}) == ()
            for directory in signature.directories:
                assert codesignature.page_flaws(directory, file, part.offset, part.signature[0]) == ()
            signer = codesignature.verify(signature.cms, signature.directories, APPLE_ROOTS)
            assert signer.flaws == ()
            assert signer.timestamp
            assert signer.timestamp.at
            cut = replace(signature.primary, raw=signature.primary.raw[:-1])
            assert codesignature.verify(signature.cms, [cut], APPLE_ROOTS).flaws != ()


@pytest.mark.parametrize("told", ["text", 2**40, [b"x"], True])
def test_cdhash_lists_of_other_shapes_name_nothing(told: Any) -> None:
    blob = foundry.signed_data(foundry.authority().distribution, b"content", [told])
    assert flaws_of(blob, b"content") == (OTHERS,)
