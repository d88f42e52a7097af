"""Certificates inside signed code that was named with --file: read from every kind of product, believed from none."""

from __future__ import annotations

import gzip
import io
import os
import plistlib
import random
import struct
import zipfile
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.bundle import gateway
from pipeline.apple.bundle.facts import GivenSignature, GivenSignatures
from pipeline.apple.signing.certificates import CertificateKind
from pipeline.apple.signing.trust import APPLE_ROOTS, Anchors
from pipeline.ports.clock import LiveClock
from pipeline.ports.files import Unreadable
from pipeline.ports.given import GivenFiles
from tests.rooms.bundle import foundry

ANCHORS = Anchors().including("Test Root CA", foundry.authority().root.der)
DISTRIBUTION = f"Apple Distribution: Example ({foundry.TEAM})"
CHAIN = [DISTRIBUTION, "Test WWDR", "Test Root CA"]


class StoppedClock(LiveClock):
    hour = foundry.NOW

    def now(self) -> datetime:
        return self.hour


class YearsLater(StoppedClock):
    hour = foundry.NOW + timedelta(days=2000)


def told(*named: Path, clock: LiveClock | None = None, anchors: Anchors = ANCHORS) -> tuple[GivenSignature, ...]:
    given_files = GivenFiles([str(each) for each in named])
    fact: GivenSignatures = gateway.given_signatures(given_files, clock or StoppedClock(), anchors)
    return fact.items


def only(path: Path, data: bytes, **settings: object) -> GivenSignature:
    path.write_bytes(data)
    (item,) = told(path, **settings)  # type: ignore[arg-type]
    return item


def names(item: GivenSignature) -> list[str]:
    return [certificate.subject_name for certificate in item.certificates]


def folder(top: Path, files: Mapping[str, bytes]) -> Path:
    for path, data in files.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_bytes(data)
    return top


SIGNED = foundry.sign_macho(foundry.authority().distribution, entitlements=foundry.ENTITLEMENTS, both_hashes=True)
ADHOC = foundry.sign_macho(None)
LIBRARY = foundry.sign_macho(foundry.authority().distribution, identifier="lib", file_type=6)


def test_the_chain_of_a_thin_executable(tmp_path: Path) -> None:
    item = only(tmp_path / "tool", SIGNED)
    assert names(item) == CHAIN
    assert item.leaf
    assert item.leaf.kind is CertificateKind.APPLE_DISTRIBUTION
    assert (item.origin, item.identifier, item.team_id) == (str(tmp_path / "tool"), foundry.BUNDLE_ID, foundry.TEAM)
    assert (item.trusted, item.reason, item.fault) == (True, "", "")
    assert (item.signed_at, item.platform_words) == (foundry.NOW, "iOS, arm64")


def test_the_chain_is_judged_when_the_signature_was_made(tmp_path: Path) -> None:
    item = only(tmp_path / "tool", SIGNED, clock=YearsLater())
    assert item.leaf
    assert item.leaf.not_after < YearsLater.hour
    assert item.trusted


def test_a_signing_time_that_is_yet_to_come_is_not_believed(tmp_path: Path) -> None:
    class YearsAgo(StoppedClock):
        hour = foundry.NOW - timedelta(days=2000)

    item = only(tmp_path / "tool", SIGNED, clock=YearsAgo())
    assert not item.trusted
    assert "was not valid before" in item.reason


def test_a_strangers_root_is_not_trusted(tmp_path: Path) -> None:
    item = only(tmp_path / "tool", SIGNED, anchors=APPLE_ROOTS)
    assert names(item)[0] == DISTRIBUTION
    assert not item.trusted
    assert item.reason
    assert item.fault == ""


def test_two_architectures_that_agree_are_one_item(tmp_path: Path) -> None:
    intel = foundry.sign_macho(foundry.authority().distribution, cpu=foundry.X86_64)
    item = only(tmp_path / "tool", foundry.fat(intel, SIGNED))
    assert (item.platform_words, item.others, names(item)) == ("iOS, x86_64 and arm64", 0, CHAIN)


def test_two_architectures_that_differ_are_two(tmp_path: Path) -> None:
    (tmp_path / "tool").write_bytes(foundry.fat(foundry.sign_macho(None, cpu=foundry.X86_64), SIGNED))
    items = {item.platform_words: item for item in told(tmp_path / "tool")}
    assert items["iOS, x86_64"].adhoc
    assert items["iOS, arm64"].trusted


@pytest.mark.parametrize(
    ("data", "said", "reason"),
    [(ADHOC, "signed ad hoc", "names no signer"), (foundry.macho(), "not signed", "is not signed")],
)
def test_what_names_no_signer_is_told_as_such(tmp_path: Path, data: bytes, said: str, reason: str) -> None:
    item = only(tmp_path / "tool", data)
    assert (str(item), item.trusted, item.certificates, item.fault) == (said, False, (), "")
    assert reason in item.reason
    assert (item.adhoc, item.unsigned) == (said == "signed ad hoc", said == "not signed")


def changed(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (changed(SIGNED, 5000, b"\xff\xee"), "changed after signing"),
        (SIGNED + b"more", "4 bytes follow the signature"),
        (SIGNED.replace(foundry.TEAM.encode() + b"\0", b"ZZZZZZZZZZ\0"), "is not what was signed"),
        (SIGNED.replace(b"\xfa\xde\x0c\x02", b"\xfa\xde\x0c\x03"), "does not begin as one"),
        (SIGNED.replace(b"\xfa\xde\x0c\xc0", b"\xfa\xde\x0c\xc1"), "does not begin as one"),
        (SIGNED[:-6000], "outside the file"),
        (SIGNED[:40], "cut short"),
    ],
)
def test_what_was_changed_is_trusted_by_nobody(tmp_path: Path, data: bytes, fault: str) -> None:
    assert data != SIGNED
    item = only(tmp_path / "tool", data)
    assert not item.trusted
    assert fault in item.fault
    assert item.reason


def signed(code: bytes, room: int, team: str = foundry.TEAM) -> bytes:
    """Code whose LC_CODE_SIGNATURE leaves `room` bytes, with a signature that has nothing but what it must have."""
    directory = foundry.code_directory(code, {}, "large", team=team)
    message = foundry.signed_data(foundry.authority().distribution, directory)
    parts = {0: directory, 0x10000: foundry.blob(0xFADE0B01, message)}
    return code + foundry.superblob(parts).ljust(room, b"\0")


def test_another_team_in_the_code_than_in_the_certificate(tmp_path: Path) -> None:
    item = only(tmp_path / "tool", signed(foundry.macho(signature=24_000), 24_000, "ZZZZZZZZZZ"))
    assert (item.trusted, names(item)) == (False, CHAIN)
    assert item.fault == f"the code names team ZZZZZZZZZZ, its certificate belongs to {foundry.TEAM}"


APP = foundry.App(nested={"Frameworks/lib.dylib": LIBRARY}).files() | {
    "Frameworks/lib.dylib": LIBRARY,
    "Frameworks/odd.dylib": ADHOC,
}


def judged(items: tuple[GivenSignature, ...], product: Path) -> None:
    app, odd = items
    assert (app.origin, app.identifier, app.others, app.trusted) == (str(product), foundry.BUNDLE_ID, 1, True)
    assert names(app) == CHAIN
    assert odd.origin.startswith(f"{product}: ")
    assert odd.origin.endswith("Frameworks/odd.dylib")
    assert odd.adhoc


def test_an_ipa(tmp_path: Path) -> None:
    path = tmp_path / "My.ipa"
    path.write_bytes(foundry.ipa(APP))
    judged(told(path), path)


def test_a_zip_with_an_app_in_it(tmp_path: Path) -> None:
    path = tmp_path / "artifact"
    path.write_bytes(foundry.ipa(APP, folder="Build/Example.app/"))
    judged(told(path), path)


@pytest.mark.parametrize("place", ["Example.app", "Example.xcarchive/Products/Applications/Example.app"])
def test_a_folder(tmp_path: Path, place: str) -> None:
    folder(tmp_path / place, APP)
    product = tmp_path / place.partition("/")[0]
    judged(told(tmp_path), product)
    judged(told(product), product)


def test_a_file_inside_an_app_stands_for_itself(tmp_path: Path) -> None:
    (item,) = told(folder(tmp_path / "Example.app", APP) / "Frameworks/lib.dylib")
    assert item.origin == str(tmp_path / "Example.app/Frameworks/lib.dylib")


def test_what_is_there_twice_is_read_once(tmp_path: Path) -> None:
    framework = tmp_path / "F.framework"
    folder(framework, {"Versions/A/F": SIGNED})
    (framework / "Versions/Current").symlink_to("A")
    (framework / "F").symlink_to("Versions/Current/F")
    assert len(told(tmp_path, tmp_path, framework / "F")) == 1


def test_a_package_and_the_app_in_it(tmp_path: Path) -> None:
    path = tmp_path / "My.pkg"
    path.write_bytes(foundry.mac_pkg(foundry.App(deep=True).files(), foundry.authority().installer))
    installer, app = told(path)
    assert (installer.origin, installer.platform_words, installer.trusted) == (str(path), "installer package", True)
    assert installer.leaf
    assert installer.leaf.kind is CertificateKind.MAC_INSTALLER_DISTRIBUTION
    assert (app.origin, names(app)) == (f"{path}: Example.app/Contents/MacOS/Example", CHAIN)


def test_a_package_whose_signature_was_changed(tmp_path: Path) -> None:
    data = foundry.pkg(b"no payload", foundry.authority().installer, break_signature=True)
    (tmp_path / "My.pkg").write_bytes(data)
    installer, payload = told(tmp_path / "My.pkg")
    assert not installer.trusted
    assert "does not fit" in installer.fault
    assert payload.fault == ""
    assert payload.unread.startswith("the package's payload cannot be read here")


def test_a_package_whose_files_were_changed(tmp_path: Path) -> None:
    data = foundry.mac_pkg(foundry.App(deep=True).files(), foundry.authority().installer)
    (tmp_path / "My.pkg").write_bytes(changed(data, len(data) - 900, b"\xff\xee\xdd"))
    (installer,) = told(tmp_path / "My.pkg")
    assert not installer.trusted
    assert installer.fault == "app.pkg/Payload changed after the package was made (checksum differs)"


def test_what_is_packed_strangely_is_unread_and_all_else_is_read(tmp_path: Path) -> None:
    data = foundry.ipa(
        foundry.App(nested={"Frameworks/lib.dylib": LIBRARY}).files() | {"Frameworks/lib.dylib": LIBRARY}
    )
    at = data.index(b"Payload/Example.app/Example", data.index(b"PK\1\2")) - 46
    assert data[at : at + 4] == b"PK\1\2"
    (tmp_path / "My.ipa").write_bytes(changed(data, at + 10, b"\x63\x00"))
    unread, library = told(tmp_path / "My.ipa")
    assert unread.unread.startswith("Payload/Example.app/Example cannot be read here: packed with LZFSE")
    assert (unread.fault, unread.trusted, str(unread)) == ("", False, unread.unread)
    assert library.trusted


def test_a_timestamp_is_the_time_that_counts(tmp_path: Path) -> None:
    signer = foundry.authority().distribution
    item = only(tmp_path / "tool", foundry.sign_macho(signer, stamp=foundry.timestamp))
    assert (item.timestamp, item.signed_at, item.trusted, item.fault) == (foundry.NOW, foundry.NOW, True, "")
    early = foundry.NOW - timedelta(days=50)
    item = only(tmp_path / "tool", foundry.sign_macho(signer, stamp=lambda octets: foundry.timestamp(octets, early)))
    assert (item.timestamp, item.signed_at, item.trusted) == (early, foundry.NOW, True)


def test_who_claims_an_earlier_day_than_the_timestamp_is_not_believed(tmp_path: Path) -> None:
    short = foundry.issue("Short", foundry.authority().wwdr, ("6.1.7", "6.1.4"), foundry.CODE_SIGNING, days=10)
    late = foundry.NOW + timedelta(days=20)
    data = foundry.sign_macho(short, stamp=lambda octets: foundry.timestamp(octets, late))
    item = only(tmp_path / "tool", data, clock=YearsLater())
    assert (item.signed_at, item.timestamp, item.trusted) == (foundry.NOW, late, False)
    assert "“Short” expired on 2026-11-30" in item.reason
    assert only(tmp_path / "tool", foundry.sign_macho(short), clock=YearsLater()).trusted


@pytest.mark.parametrize(
    ("stamp", "at", "fault"),
    [
        (foundry.timestamp, foundry.NOW, ""),
        (lambda _: foundry.timestamp(b"x"), None, "the timestamp of the signature is wrong: it was given for another"),
    ],
)
def test_packages_have_timestamps_too(tmp_path: Path, stamp: Any, at: datetime | None, fault: str) -> None:
    payload = gzip.compress(foundry.odc({"./A/tool": SIGNED}))
    data = foundry.pkg(payload, foundry.authority().installer, message=b"", stamp=stamp)
    (tmp_path / "My.pkg").write_bytes(data)
    installer, _ = told(tmp_path / "My.pkg", clock=YearsLater())
    assert (installer.timestamp, installer.signed_at, installer.trusted) == (at, foundry.NOW, not fault)
    assert installer.fault.startswith(fault)


def test_a_locked_zip_of_other_things_is_passed_over(tmp_path: Path) -> None:
    data = foundry.ipa({"notes.txt": b"x"}, folder="")
    at = data.index(b"PK\1\2")
    (tmp_path / "notes.zip").write_bytes(changed(data, at + 8, b"\1"))
    assert told(tmp_path / "notes.zip") == ()
    data = foundry.ipa({"A": b"x"}, folder="Example.app/")
    at = data.index(b"PK\1\2")
    assert "encrypted" in only(tmp_path / "app.zip", changed(data, at + 8, b"\1")).unread


def test_a_timestamp_for_another_signature_breaks_it(tmp_path: Path) -> None:
    data = foundry.sign_macho(foundry.authority().distribution, stamp=lambda _: foundry.timestamp(b"another"))
    item = only(tmp_path / "tool", data)
    assert (item.timestamp, item.trusted, names(item)) == (None, False, CHAIN)
    assert item.fault == "the timestamp of the signature is wrong: it was given for another signature"


def test_a_timestamp_that_cannot_be_followed_is_said_and_not_used(tmp_path: Path) -> None:
    data = foundry.sign_macho(
        foundry.authority().distribution, stamp=lambda octets: foundry.timestamp(octets, others=False)
    )
    item = only(tmp_path / "tool", data)
    assert (item.timestamp, item.trusted, item.fault) == (None, True, "")
    assert "is missing" in item.timestamp_doubt


def test_a_package_that_nobody_signed(tmp_path: Path) -> None:
    (tmp_path / "My.pkg").write_bytes(foundry.mac_pkg(foundry.App(deep=True).files()))
    installer, app = told(tmp_path / "My.pkg")
    assert (installer.unsigned, installer.trusted, app.trusted) == (True, False, True)


def test_all_else_is_passed_over(tmp_path: Path) -> None:
    notes = io.BytesIO()
    with zipfile.ZipFile(notes, "w") as archive:
        archive.writestr("notes.txt", b"no code")
    java = b"\xca\xfe\xba\xbe\0\0\0\x41" + bytes(100)
    others = {
        "dist.cer": foundry.authority().distribution.der,
        "a.plist": plistlib.dumps({}),
        "notes.zip": notes.getvalue(),
        "broken.zip": b"PK\3\4" + bytes(50),
        "A.class": java,
        "a.o": foundry.macho(file_type=1),
        "A.app.dSYM/A": foundry.macho(file_type=10),
        "empty": b"",
    }
    top = folder(tmp_path / "mixed", others)
    os.mkfifo(top / "pipe")
    (top / "dangling").symlink_to("nowhere")
    assert told(top) == ()


@pytest.mark.parametrize(
    ("name", "data", "fault"),
    [
        ("My.ipa", b"text", "My.ipa is no zip archive"),
        ("My.ipa", foundry.ipa({"Info.plist": b""}), "My.ipa holds no code"),
        ("My.pkg", b"text", "the package is no xar archive"),
    ],
)
def test_what_is_not_what_its_name_says_is_told(tmp_path: Path, name: str, data: bytes, fault: str) -> None:
    item = only(tmp_path / name, data)
    assert (item.fault, item.trusted, str(item)) == (fault, False, fault)


def test_a_large_executable_is_never_held_in_memory(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "large"
    path.write_bytes(signed(foundry.macho(signature=1_000_000, code=100_000_000), 1_000_000))
    tracemalloc.start()
    (item,) = told(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert item.trusted
    assert peak < 20_000_000


def test_a_size_that_no_code_has_is_not_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.apple.bundle.signers.MOST_HASHED", 100)
    item = only(tmp_path / "tool", SIGNED)
    assert (item.trusted, names(item)) == (False, CHAIN)
    assert (item.fault, item.reason) == ("", item.unread)
    assert item.unread.endswith("bytes of code were not hashed")


@pytest.mark.parametrize("lie", [0, 1, 0x7FFFFFFF, 0xFFFFFFFF])
def test_load_commands_that_lie(tmp_path: Path, lie: int) -> None:
    path = tmp_path / "tool"
    lies = {changed(SIGNED, at, struct.pack("<I", lie)) for at in range(16, 200, 4)} - {SIGNED}
    assert len(lies) > 30
    for data in lies:
        path.write_bytes(data)
        assert all(item.fault for item in told(path) if not item.unsigned)


def mutations() -> Iterator[bytes]:
    chance = random.Random(3)
    whole = [SIGNED, foundry.fat(SIGNED, ADHOC), foundry.ipa(foundry.App().files())]
    whole.append(foundry.mac_pkg(foundry.App(deep=True).files(), foundry.authority().installer))
    for data in whole:
        yield from (data[: chance.randrange(len(data))] for _ in range(15))
        for _ in range(40):
            at = chance.randrange(len(data))
            yield changed(data, at, bytes([data[at] ^ (1 << chance.randrange(8))]))


def test_any_change_ends_well(tmp_path: Path) -> None:
    for number, data in enumerate(mutations()):
        for suffix in ("", ".ipa", ".pkg"):
            path = tmp_path / f"{number}{suffix}"
            path.write_bytes(data)
    for item in told(tmp_path):
        assert item.trusted == (item.leaf is not None and not item.reason)


CODE = int.from_bytes(SIGNED[SIGNED.index(struct.pack("<2I", 0x1D, 16)) + 8 :][:4], "little")
PARTS = CODE + 12 + 8 * int.from_bytes(SIGNED[CODE + 8 : CODE + 12], "big")
"""The list of parts is not signed: only the code before it and the parts behind it are."""
LAST = SIGNED.rindex(b"\xfa\xde\x0b\x01") - 1
"""The last byte of the last code directory; the signature itself follows."""


@settings(max_examples=200, deadline=None)
@given(st.integers(0, CODE - 1) | st.integers(PARTS, LAST), st.integers(0, 7))
def test_no_bit_that_was_signed_changes_unnoticed(tmp_path_factory: pytest.TempPathFactory, at: int, bit: int) -> None:
    path = tmp_path_factory.mktemp("bit") / "tool"
    path.write_bytes(changed(SIGNED, at, bytes([SIGNED[at] ^ (1 << bit)])))
    assert not any(item.trusted for item in told(path))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 0x60), st.binary(min_size=1, max_size=24))
def test_any_header_ends_well(tmp_path_factory: pytest.TempPathFactory, at: int, new: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "tool"
    path.write_bytes(changed(SIGNED, at, new))
    for item in told(path):
        assert item.origin == str(path)


def test_a_given_file_is_opened_or_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    files = GivenFiles([str(tmp_path)])
    with files.opened(tmp_path / "a") as file:
        file.seek(8)
        assert file.read() == b"89"
    assert files.read(tmp_path / "a") == b"0123456789"
    for absent in (tmp_path, tmp_path / "b"):
        with pytest.raises(Unreadable, match="cannot be read"):
            files.opened(absent)
    with pytest.raises(Unreadable, match="larger than 9 bytes"):
        files.read(tmp_path / "a", limit=9)


@pytest.fixture
def foreign() -> Path:
    """A Mach-O that a stranger signed with a Developer ID; named by FOREIGN_MACHO, see docs/signing.md."""
    named = os.environ.get("FOREIGN_MACHO", "")
    if not named or not Path(named).is_file():
        pytest.skip("no foreign signed binary here: name one with FOREIGN_MACHO")
    return Path(named)


def test_a_foreign_binary_chains_to_apples_root(foreign: Path, tmp_path: Path) -> None:
    (item,) = told(foreign, clock=LiveClock(), anchors=APPLE_ROOTS)
    assert (item.trusted, item.reason, item.fault) == (True, "", "")
    assert item.leaf
    assert item.leaf.kind is CertificateKind.DEVELOPER_ID_APPLICATION
    assert item.leaf.team_id == item.team_id != ""
    assert names(item)[1:] == ["Developer ID Certification Authority", "Apple Root CA"]
    assert item.signed_at
    assert item.timestamp
    assert item.leaf.valid_at(item.timestamp)
    assert item.timestamp_doubt == ""
    data = bytearray(foreign.read_bytes())
    data[len(data) // 3] ^= 1
    (tmp_path / "changed").write_bytes(data)
    told_of_it = told(tmp_path / "changed", clock=LiveClock(), anchors=APPLE_ROOTS)
    # Another architecture of a universal binary is still whole.
    assert any("changed after signing" in item.fault for item in told_of_it)
    assert not any(item.trusted for item in told_of_it if item.fault)
