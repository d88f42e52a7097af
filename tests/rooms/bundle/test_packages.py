"""Installer packages: every payload a Mac makes is read, and damaged or lying ones are refused."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.apple.bundle import containers
from pipeline.apple.bundle.containers import open_artifact
from pipeline.apple.bundle.faults import Excessive, Malformed, Unsupported
from pipeline.apple.bundle.packages import MOST_MARKS, PackageArtifact
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
        bz2.compress(foundry.odc(FILES)),
        lzma.compress(foundry.odc(FILES)),
    ],
    ids=["odc", "newc", "gzip-odc", "gzip-newc", "pbzx-odc", "bzip2-odc", "xz-odc"],
)
def test_payloads_are_read(tmp_path: Path, payload: bytes) -> None:
    with opened(tmp_path, foundry.pkg(payload)) as artifact:
        assert {path: artifact.read(path) for path in artifact.entries} == {
            path.removeprefix("./"): data for path, data in FILES.items()
        }
        with artifact.open("A.app/Contents/MacOS/A") as file:
            file.seek(100_000)
            assert file.read(5) == FILES["./A.app/Contents/MacOS/A"][100_000:100_005]


CPIO = foundry.odc(FILES)
ENCODED = {
    "x-gzip": zlib.compress(CPIO),
    "x-bzip2": bz2.compress(CPIO),
    "x-lzma": lzma.compress(CPIO, format=lzma.FORMAT_ALONE),
    "x-xz": lzma.compress(CPIO),
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_members_that_xar_packed_are_read(tmp_path: Path, encoding: str) -> None:
    packed = ENCODED[encoding]
    with opened(tmp_path, foundry.pkg(packed, encoding=encoding, size=len(CPIO))) as artifact:
        assert artifact.read("A.app/Contents/Info.plist") == FILES["./A.app/Contents/Info.plist"]
    with pytest.raises(Malformed, match="not as long as declared"):
        opened(tmp_path, foundry.pkg(packed, encoding=encoding, size=len(CPIO) - 1))
    with pytest.raises(Malformed, match=r"cut short|damaged"):
        opened(tmp_path, foundry.pkg(packed[:-2000], encoding=encoding, size=len(CPIO)))


def test_an_unknown_encoding_cannot_be_read_here(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="Payload cannot be read here: it is packed as application/x-lzfse"):
        opened(tmp_path, foundry.pkg(CPIO, encoding="x-lzfse"))


@pytest.mark.parametrize("style", ["sha1", "sha256", "sha512", "md5"])
def test_files_are_what_the_table_says(tmp_path: Path, style: str) -> None:
    told = (style, hashlib.new(style, CPIO).hexdigest())
    opened(tmp_path, foundry.pkg(CPIO, checksum=told)).close()
    data = bytearray(foundry.pkg(CPIO, foundry.authority().installer, checksum=told))
    data[-5000] ^= 1
    with pytest.raises(Malformed, match="Payload changed after the package was made"):
        opened(tmp_path, bytes(data))


@pytest.mark.parametrize("told", [("", ""), ("none", ""), ("sha3", "00")])
def test_a_signature_covers_nothing_without_checksums(tmp_path: Path, told: tuple[str, str]) -> None:
    opened(tmp_path, foundry.pkg(CPIO, checksum=told)).close()
    with pytest.raises(Malformed, match=r"the signature does not cover app\.pkg/Payload"):
        opened(tmp_path, foundry.pkg(CPIO, foundry.authority().installer, checksum=told))


def test_many_files_that_share_bytes_are_not_hashed_for_ever(tmp_path: Path) -> None:
    proof = "<archived-checksum style='sha1'>00</archived-checksum>"
    listed = "".join(
        f"<file><name>{number}</name><data><offset>{number}</offset><length>9000</length><size>9000</size>{proof}</data></file>"
        for number in range(500)
    )
    with pytest.raises(Excessive, match="overlap"):
        opened(tmp_path, toc(listed) + bytes(10_000))


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


class Renumbered(foundry.Identity):
    """A certificate that claims to be of version 67."""

    @property
    def der(self) -> bytes:
        version = b"\xa0\x03\x02\x01"
        assert version + b"\x02" in super().der
        return super().der.replace(version + b"\x02", version + b"\x42", 1)


def test_a_certificate_of_a_version_that_there_is_not_signs_nothing(tmp_path: Path) -> None:
    identity = foundry.authority().installer
    data = foundry.pkg(foundry.odc(FILES), Renumbered(identity.certificate, identity.key))
    with opened(tmp_path, data) as artifact:
        assert artifact.signature
        assert not artifact.signature.holds


@pytest.mark.parametrize(("message", "holds"), [(b"", True), (b"another checksum", False)])
def test_a_second_signature_must_hold_too(tmp_path: Path, message: bytes, holds: bool) -> None:
    data = foundry.pkg(foundry.odc(FILES), foundry.authority().installer, message=message)
    with opened(tmp_path, data) as artifact:
        assert artifact.signature
        assert artifact.signature.holds is holds


@pytest.mark.parametrize(("message", "holds"), [(b"", True), (b"another checksum", False), (None, False)])
def test_the_second_signature_counts_where_the_first_is_of_no_known_kind(
    tmp_path: Path, message: bytes | None, holds: bool
) -> None:
    data = foundry.pkg(foundry.odc(FILES), foundry.authority().installer, message=message, bare="ECDSA")
    with opened(tmp_path, data) as artifact:
        assert artifact.signature
        assert artifact.signature.holds is holds
        assert artifact.signature.signed_at == (None if message is None else foundry.NOW)


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


def nested(depth: int, name: str = "ab") -> bytes:
    return toc(f"<file><name>{name}</name>" * depth + "</file>" * depth)


def test_folders_in_folders_end_where_paths_end(tmp_path: Path) -> None:
    with opened(tmp_path, nested(300)) as artifact:
        assert not artifact.entries
    with pytest.raises(Malformed, match="longer than the 1,024 characters"):
        opened(tmp_path, nested(400))


def test_a_name_in_a_folder_leads_nowhere_else(tmp_path: Path) -> None:
    for name in ("..", "/x", "x//y", "../../x", "a\\b"):
        with pytest.raises(Malformed, match="leads outside"):
            opened(tmp_path, toc(f"<file><name>a</name><file><name>{name}</name></file></file>"))


@pytest.mark.parametrize("unit", ["<a/>", "<a></a>", "<file><name>a</name></file>", "<b a=''/>"])
def test_a_table_of_more_tags_than_any_installer_has_is_not_parsed(tmp_path: Path, unit: str) -> None:
    with pytest.raises(Excessive, match="more tags"):
        opened(tmp_path, toc(unit * MOST_MARKS))


def test_attributes_count_as_tags(tmp_path: Path) -> None:
    attributes = " ".join(f"a{number}=''" for number in range(MOST_MARKS))
    with pytest.raises(Excessive, match="more tags"):
        opened(tmp_path, toc(f"<a {attributes}/>"))


@pytest.mark.parametrize("mode", [0o100644, 0o120755])
def test_paths_and_links_of_a_payload_are_bounded(tmp_path: Path, mode: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "MOST_NAMES", 2_000)
    long = b"./" + b"a" * 700 if mode == 0o100644 else b"./a"
    content = b"" if mode == 0o100644 else b"a" * 700
    payload = b"".join(record(long + b"%d" % number, content, mode) for number in range(3)) + record(b"TRAILER!!!")
    with pytest.raises(Excessive, match="paths and links of more than 2,000 bytes"):
        opened(tmp_path, foundry.pkg(payload))


def record(name: bytes, content: bytes = b"", mode: int = 0) -> bytes:
    """One file of a cpio archive (odc)."""
    fields = (0, 0, mode, 0, 0, 1, 0, 0, len(name) + 1, len(content))
    return b"070707" + b"%06o%06o%06o%06o%06o%06o%06o%011o%06o%011o" % fields + name + b"\0" + content


@pytest.mark.parametrize(("encoding", "reason"), [("utf-8", "entities"), ("utf-16", "UTF-8"), ("cp037", "UTF-8")])
def test_entities_are_refused(tmp_path: Path, encoding: str, reason: str) -> None:
    text = '<!DOCTYPE x [<!ENTITY a "aaaa">]><xar><toc>&a;</toc></xar>'.encode(encoding)
    if encoding == "cp037":
        text = b'<?xml version="1.0" encoding="cp037"?>' + text
    packed = zlib.compress(text)
    data = b"xar!" + struct.pack(">HHQQI", 28, 1, len(packed), len(text), 1) + packed
    with pytest.raises(Malformed, match=reason):
        opened(tmp_path, data)


def folder_of(size: int) -> bytes:
    """A cpio archive with a folder that claims content."""
    name = b"./a\0"
    fields = (0, 0, 0o40755, 0, 0, 1, 0, 0, len(name), size)
    return b"070707" + b"%06o%06o%06o%06o%06o%06o%06o%011o%06o%011o" % fields + name


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"7z\xbc\xaf\x27\x1c rest", "cannot be read here: it is neither gzip, bzip2, xz, pbzx nor plain cpio"),
        (b"YAA1 rest", "cannot be read here: it is an Apple Archive"),
        (bz2.compress(b"no cpio at all"), "no cpio archive"),
        (lzma.compress(foundry.odc(FILES))[:-1000], "cut short"),
        (b"\xfd7zXZ\0 damage", "damaged"),
        (folder_of(2**31), "a folder in the package's payload has content"),
        (gzip.compress(b"no cpio at all", mtime=0), "no cpio archive"),
        (gzip.compress(foundry.odc(FILES), mtime=0)[:-40_000], "cut short"),
        (foundry.odc({"../x": b""}), "leads outside"),
        (foundry.odc({"./a": b"1", "a": b"2"}), "twice"),
        (foundry.odc(FILES).replace(b"070707", b"07070x", 1), "neither"),
        (b"070701" + b"-" * 104, "broken cpio header"),
        (b"pbzx" + struct.pack(">QQQ", 0x01000000, 0, 2**40), "64 MiB"),
        (b"pbzx" + struct.pack(">QQQ", 0x01000000, 0, 12) + b"\xfd7zXZ\0damage", "damaged"),
    ],
    ids=[
        "other",
        "apple",
        "bzip2",
        "xz cut",
        "xz",
        "folder",
        "no cpio",
        "cut",
        "outside",
        "twice",
        "odc magic",
        "newc header",
        "pbzx size",
        "pbzx content",
    ],
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
