"""Installer packages: every payload a Mac makes is read, and damaged or lying ones are refused."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.apple.bundle.containers import open_artifact
from pipeline.apple.bundle.faults import Excessive, Malformed, Unsupported
from pipeline.apple.bundle.packages import PackageArtifact
from tests.rooms.bundle import foundry

FILES = {"./A.app/Contents/Info.plist": b"info" * 30, "./A.app/Contents/MacOS/A": os.urandom(150_001)}


def opened(folder: Path, data: bytes) -> PackageArtifact:
    path = folder / "a.pkg"
    path.write_bytes(data)
    artifact = open_artifact(path)
    assert isinstance(artifact, PackageArtifact)
    return artifact


@pytest.mark.parametrize(
    "payload",
    [
        foundry.odc(FILES),
        foundry.newc(FILES),
        gzip.compress(foundry.odc(FILES)),
        gzip.compress(foundry.newc(FILES)),
        foundry.pbzx(foundry.odc(FILES)),
    ],
    ids=["odc", "newc", "gzip-odc", "gzip-newc", "pbzx-odc"],
)
def test_payloads_are_read(tmp_path: Path, payload: bytes) -> None:
    with opened(tmp_path, foundry.pkg(payload)) as artifact:
        assert {path: artifact.read(path) for path in artifact.entries} == {
            path.removeprefix("./"): data for path, data in FILES.items()
        }
        with artifact.open("A.app/Contents/MacOS/A") as file:
            file.seek(100_000)
            assert file.read(5) == FILES["./A.app/Contents/MacOS/A"][100_000:100_005]


def test_links_are_kept(tmp_path: Path) -> None:
    payload = foundry.odc({"./A/B/x": b"1"}, {"./A/C": "B", "./A/D": "/etc"})
    with opened(tmp_path, foundry.pkg(payload)) as artifact:
        assert artifact.read("A/C/x") == b"1"
        assert artifact.problems == ["A/D links to '/etc', outside the product"]


def test_an_installer_signature_holds(tmp_path: Path) -> None:
    identity = foundry.authority().installer
    with opened(tmp_path, foundry.pkg(foundry.odc(FILES), identity)) as artifact:
        assert artifact.signature
        assert artifact.signature.holds
        assert artifact.signature.certificates == (identity.der, foundry.authority().wwdr.der)


def test_an_installer_signature_over_something_else_does_not_hold(tmp_path: Path) -> None:
    data = foundry.pkg(foundry.odc(FILES), foundry.authority().installer, break_signature=True)
    with opened(tmp_path, data) as artifact:
        assert artifact.signature
        assert not artifact.signature.holds


@pytest.mark.parametrize(("message", "holds"), [(b"", True), (b"another checksum", False)])
def test_a_second_signature_must_hold_too(tmp_path: Path, message: bytes, holds: bool) -> None:
    data = foundry.pkg(foundry.odc(FILES), foundry.authority().installer, message=message)
    with opened(tmp_path, data) as artifact:
        assert artifact.signature
        assert artifact.signature.holds is holds


def test_a_changed_table_of_contents_is_noticed(tmp_path: Path) -> None:
    data = bytearray(foundry.pkg(foundry.odc(FILES)))
    packed = struct.unpack_from(">Q", data, 8)[0]
    data[28 + packed] ^= 1
    with pytest.raises(Malformed, match="checksum differs"):
        opened(tmp_path, bytes(data))


def toc(inner: str, length: int | None = None) -> bytes:
    text = f"<xar><toc><checksum style='sha1'><offset>0</offset><size>20</size></checksum>{inner}</toc></xar>".encode()
    packed = zlib.compress(text)
    size = len(text) if length is None else length
    return b"xar!" + struct.pack(">HHQQI", 28, 1, len(packed), size, 1) + packed + hashlib.sha1(packed).digest()


def member(name: str, offset: int = 0, length: int = 0) -> str:
    data = f"<data><offset>{offset}</offset><length>{length}</length><size>{length}</size></data>"
    return f"<file><name>{name}</name>{data}</file>"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"xar!",
        b"not a package at all, but long enough for a header",
        toc("", 10),
        toc("", 2**40),
        toc(member("../../Payload")),
        toc(member("Payload", 2**40, 5)),
        toc(member("Payload", 0, 2**40)),
        toc(member("Payload", -1, 5)),
        toc("<file><name>x</name><data><offset>9999999999999999999999</offset></data></file>"),
        toc("<signature><offset>0</offset><size>20</size></signature>"),
        toc("<signature><X509Certificate>!!!</X509Certificate></signature>"),
    ],
)
def test_lying_packages_are_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(Malformed):
        opened(tmp_path, data)


def test_entities_are_refused(tmp_path: Path) -> None:
    text = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><xar><toc>&a;</toc></xar>'
    packed = zlib.compress(text)
    data = b"xar!" + struct.pack(">HHQQI", 28, 1, len(packed), len(text), 1) + packed
    with pytest.raises(Malformed, match="entities"):
        opened(tmp_path, data)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"7z\xbc\xaf\x27\x1c rest", "neither gzip, pbzx nor plain cpio"),
        (gzip.compress(b"no cpio at all", mtime=0), "no cpio archive"),
        (gzip.compress(foundry.odc(FILES), mtime=0)[:-40_000], "cut short"),
        (foundry.odc({"../x": b""}), "leads outside"),
        (foundry.odc({"./a": b"1", "a": b"2"}), "twice"),
        (foundry.odc(FILES).replace(b"070707", b"07070x", 1), "neither"),
        (b"070701" + b"-" * 104, "broken cpio header"),
        (b"pbzx" + struct.pack(">QQQ", 0x01000000, 0, 2**40), "64 MiB"),
        (b"pbzx" + struct.pack(">QQQ", 0x01000000, 0, 12) + b"\xfd7zXZ\0damage", "damaged"),
    ],
    ids=["other", "no cpio", "cut", "outside", "twice", "odc magic", "newc header", "pbzx size", "pbzx content"],
)
def test_damaged_payloads_are_told(tmp_path: Path, payload: bytes, expected: str) -> None:
    with pytest.raises(Malformed, match=expected):
        opened(tmp_path, foundry.pkg(payload))


def test_a_payload_that_claims_gigabytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    size = 0o77777777777
    name = b"./a\0"
    head = b"070707" + b"%06o%06o%06o%06o%06o%06o%06o%011o%06o%011o" % (0, 0, 0o100644, 0, 0, 1, 0, 0, len(name), size)
    with pytest.raises(Excessive, match="bomb"):
        opened(tmp_path, foundry.pkg(gzip.compress(head + name)))


def test_an_unknown_checksum_is_unsupported(tmp_path: Path) -> None:
    text = b"<xar><toc><checksum style='crc32'><offset>0</offset><size>4</size></checksum></toc></xar>"
    packed = zlib.compress(text)
    data = b"xar!" + struct.pack(">HHQQI", 28, 1, len(packed), len(text), 1) + packed
    with pytest.raises(Unsupported):
        opened(tmp_path, data)


SMALL = foundry.pkg(
    foundry.pbzx(foundry.newc({"./A.app/Contents/Info.plist": b"x" * 200})), foundry.authority().installer
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), max_size=3), st.integers(0, len(SMALL)))
def test_damage_never_escapes(tmp_path: Path, changes: list[tuple[int, int]], length: int) -> None:
    data = bytearray(SMALL)
    for at, value in changes:
        data[at] = value
    try:
        with opened(tmp_path, bytes(data[:length] if not changes else data)) as artifact:
            for path in artifact.entries:
                artifact.read(path)
    except Malformed:
        return
