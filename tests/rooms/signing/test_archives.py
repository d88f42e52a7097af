"""Several pieces of signing material in one archive, and archives that are traps."""

from __future__ import annotations

import base64
import gzip
import io
import tarfile
import zipfile

import pytest

from pipeline.apple.signing.material import (
    Fault,
    Unopened,
    open_identities,
    part_of,
)
from tests.rooms.signing.wallet import (
    DISTRIBUTION,
    PACKERS,
    PASSWORD,
    PROFILE,
    Packer,
    faults,
    names,
    packed,
    pair,
    read,
    tar,
    the_fault,
)


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_an_archive_of_several(pack: Packer) -> None:
    files = {
        "README.md": b"# Signing\n",
        "a/certificate.cer": pair().cer,
        "../../../etc/profile.mobileprovision": PROFILE,
        "long/" * 40 + "key.txt": base64.encodebytes(pair().key),
        "__MACOSX/._a.cer": b"\x00\x05\x16\x07" + bytes(60),
        "second.p12": pair(1, "Second").p12(),
    }
    data = pack(files)
    for each in (data, base64.encodebytes(data)):
        found = read(each, PASSWORD)
        assert [(told.origin, told.part, bool(told.profile), told.keyed) for told in found] == [
            ("here#2", 2, False, True),
            ("here#6", 6, False, True),
            ("here#3", 3, True, None),
        ]
        assert len(open_identities(each, [PASSWORD])) == 2
        assert part_of(each, 3) == PROFILE
        assert part_of(each, 4) == pair().key
        for number in (7, -1, 10**9):
            with pytest.raises(Unopened):
                part_of(each, number)


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_an_archive_inside_an_archive_is_not_opened(pack: Packer) -> None:
    told = the_fault(pack({"inner.zip": packed({"a.cer": pair().cer})}))
    assert (told.fault, told.origin) == (Fault.UNREADABLE, "here#1")
    assert "inside an archive" in told.why


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_an_app_is_for_other_rooms(pack: Packer) -> None:
    assert read(pack({"Payload/A.app/embedded.mobileprovision": PROFILE})) == ()


@pytest.mark.parametrize("known_by", ["AndroidManifest.xml", "META-INF/MANIFEST.MF", "[Content_Types].xml"])
def test_packages_of_other_systems_are_none_of_our_business(known_by: str) -> None:
    inner = {"assets/data.zip": packed({"a.txt": b"x"}), "assets/ca.pem": b"no certificate", known_by: b"x"}
    assert read(packed(inner)) == ()


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_archives_that_unfold_into_too_much(pack: Packer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.apple.signing.archives.MEMBER_LIMIT", 100_000)
    monkeypatch.setattr("pipeline.apple.signing.archives.SIZE_LIMIT", 300_000)
    monkeypatch.setattr("pipeline.apple.signing.archives.MOST_MEMBERS", 20)
    found = read(pack({"a.p12": bytes(150_000), "b.cer": pair().cer}))
    assert names(found) == [(DISTRIBUTION, None)]
    assert faults(found) == [Fault.UNREADABLE]
    assert set(faults(read(pack({f"{each}.p12": bytes(90_000) for each in range(8)})))) == {Fault.UNREADABLE}
    assert read(pack({f"{each}.txt": bytes(90_000) for each in range(8)})) == ()
    assert faults(read(pack({f"{each}.cer": b"" for each in range(30)}))) == [Fault.UNREADABLE]
    assert read(pack({f"{each}.txt": b"" for each in range(30)})) == ()


def test_bombs() -> None:
    zeros = gzip.compress(bytes(70 * 1024 * 1024), 1)
    assert read(zeros) == ()
    assert read(gzip.compress(tar({"a.p12": b"x"}, "w:")[:512] + bytes(70 * 1024 * 1024), 1)) == ()
    many = b"PK\x03\x04" + b"PK\x01\x02" * 30_000
    assert read(many) == ()


def test_a_member_without_a_name() -> None:
    data = packed({"x": pair().cer})
    assert names(read(data.replace(b"x", b"\0"))) in ([], [(DISTRIBUTION, False)])
    end = data.index(b"PK\x01\x02")
    shorter = bytearray(data)
    shorter[end + 28] = 0
    read(bytes(shorter[: end + 46] + shorter[end + 47 :]))


def test_links_and_devices_are_not_followed() -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE):
            told = tarfile.TarInfo("a.p12")
            told.type, told.linkname = kind, "/etc/hosts"
            archive.addfile(told)
        told = tarfile.TarInfo("b.cer")
        told.size = len(pair().cer)
        archive.addfile(told, io.BytesIO(pair().cer))
    (found,) = read(made.getvalue())
    assert found.origin == "here#1"


def test_members_that_the_archive_encrypts() -> None:
    data = bytearray(packed({"a.p12": pair().p12(), "b.txt": b"x"}, zipfile.ZIP_STORED))
    for sign_of, place in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        start = 0
        while (start := data.find(sign_of, start)) >= 0:
            data[start + place] |= 1
            start += 4
    assert the_fault(bytes(data)).why == "the archive encrypts it"
