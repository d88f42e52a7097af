"""Containers: honest ones are read whole, and lies about sizes, names and links are told instead of believed."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from pathlib import Path

import pytest

from pipeline.apple.bundle.containers import MOST_DIRECTORY_BYTES, checked_path, open_artifact
from pipeline.apple.bundle.faults import Excessive, Malformed, Unsupported
from tests.rooms.bundle import foundry


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def patched_central(data: bytes, offset: int, packed: bytes) -> bytes:
    """The zip with bytes of its first central header replaced; offsets as in APPNOTE 4.3.12."""
    at = data.index(b"PK\1\2") + offset
    return data[:at] + packed + data[at + len(packed) :]


def test_zip_members_are_read_and_hashed(tmp_path: Path) -> None:
    with open_artifact(written(tmp_path, "a.ipa", foundry.ipa({"A": b"abc" * 10}))) as artifact:
        assert artifact.kind == "ipa"
        assert artifact.read("Payload/Example.app/A") == b"abc" * 10
        assert artifact.head("Payload/Example.app/A", 2) == b"ab"
        assert artifact.size == 30


def test_large_members_are_copied_to_disk_and_can_be_sought(tmp_path: Path) -> None:
    data = os.urandom(1024) * 10 * 1024
    with open_artifact(written(tmp_path, "a.ipa", foundry.ipa({"A": data}))) as artifact:
        with artifact.open("Payload/Example.app/A") as file:
            assert not isinstance(file, io.BytesIO)
            file.seek(5_000_000)
            assert file.read(10) == data[5_000_000:5_000_010]
        with pytest.raises(Excessive):
            artifact.read("Payload/Example.app/A", 1000)


def test_a_member_that_declares_four_gigabytes_is_not_believed(tmp_path: Path) -> None:
    data = patched_central(foundry.ipa({"A": b"abc"}), 24, struct.pack("<I", 0xFFFFFFF0))
    with pytest.raises(Malformed, match=r"declares 4,294,967,280 bytes"):
        open_artifact(written(tmp_path, "a.ipa", data))


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("Payload/A", "w") as member,
    ):
        for _ in range(600):
            member.write(bytes(1024 * 1024))
    with pytest.raises(Excessive, match="zip bomb"):
        open_artifact(written(tmp_path, "a.ipa", out.getvalue()))


def test_members_that_share_bytes_are_refused(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("Payload/A", b"x" * 5000)
        archive.writestr("Payload/B", b"x" * 5000)
        archive.filelist[1].header_offset = archive.filelist[0].header_offset
    with pytest.raises(Malformed, match="overlap"):
        open_artifact(written(tmp_path, "a.ipa", out.getvalue()))


def test_a_stored_member_with_two_sizes_lies(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("Payload/A", b"x" * 50)
    with pytest.raises(Malformed, match="lies about its size"):
        open_artifact(written(tmp_path, "a.ipa", patched_central(out.getvalue(), 24, struct.pack("<I", 40))))


def test_an_oversized_directory_is_refused(tmp_path: Path) -> None:
    data = foundry.ipa({"A": b"abc"})
    at = data.rindex(b"PK\5\6") + 12
    broken = data[:at] + struct.pack("<I", MOST_DIRECTORY_BYTES + 1) + data[at + 4 :]
    with pytest.raises(Excessive, match="directory"):
        open_artifact(written(tmp_path, "a.ipa", broken))


@pytest.mark.parametrize(
    ("offset", "value", "expected"),
    [
        (8, struct.pack("<H", 1), "encrypted"),
        (10, struct.pack("<H", 99), "LZFSE"),
        (10, struct.pack("<H", 14), "method 14"),
    ],
)
def test_unreadable_packing_is_named(tmp_path: Path, offset: int, value: bytes, expected: str) -> None:
    data = patched_central(foundry.ipa({"A": b"abc"}), offset, value)
    with open_artifact(written(tmp_path, "a.ipa", data)) as artifact, pytest.raises(Unsupported, match=expected):
        artifact.read("Payload/Example.app/A")


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../../x", "a\\b", "a//b", "a/..", "", "a\0b"])
def test_paths_that_lead_outside_are_refused(name: str) -> None:
    with pytest.raises(Malformed):
        checked_path(name)


def test_a_traversing_zip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="leads outside"):
        open_artifact(written(tmp_path, "a.ipa", foundry.ipa({"../../x": b""})))


def test_the_same_path_twice_is_refused(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("Payload/A", b"1")
        archive.writestr("./Payload/A", b"2")
    with pytest.raises(Malformed, match="twice"):
        open_artifact(written(tmp_path, "a.ipa", out.getvalue()))


def test_damaged_data_is_told(tmp_path: Path) -> None:
    data = bytearray(foundry.ipa({"A": os.urandom(5000)}))
    data[2000] ^= 0xFF
    with (
        open_artifact(written(tmp_path, "a.ipa", bytes(data))) as artifact,
        pytest.raises(Malformed, match="cannot be unpacked"),
    ):
        artifact.read("Payload/Example.app/A")


def test_links_in_a_zip_are_followed_inside_and_reported_outside(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("Payload/A.framework/Versions/A/Info.plist", b"here")
        for name, target in (
            ("Versions/Current", "A"),
            ("Info.plist", "Versions/Current/Info.plist"),
            ("Out", "../../../x"),
        ):
            link = zipfile.ZipInfo(f"Payload/A.framework/{name}")
            link.external_attr = 0o120755 << 16
            archive.writestr(link, target)
    with open_artifact(written(tmp_path, "a.ipa", out.getvalue())) as artifact:
        assert artifact.read("Payload/A.framework/Info.plist") == b"here"
        assert artifact.entry("Payload/A.framework/Out") is None
        assert any("outside" in problem for problem in artifact.problems)


def test_links_that_lead_to_themselves_end(tmp_path: Path) -> None:
    folder = tmp_path / "A.app"
    folder.mkdir()
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")
    with open_artifact(folder) as artifact:
        assert artifact.entry("A.app/a") is None


def test_a_folder_never_leads_outside(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "A.xcarchive"
    folder.mkdir()
    (folder / "out").symlink_to(tmp_path / "secret")
    (folder / "up").symlink_to("../secret")
    os.mkfifo(folder / "pipe")
    with open_artifact(folder) as artifact:
        assert len(artifact.problems) == 3
        for path in ("out", "up", "pipe"):
            with pytest.raises(Malformed):
                artifact.read(path)


@pytest.mark.parametrize("name", ["a.zip", "a", "a.dmg"])
def test_other_names_are_unsupported(tmp_path: Path, name: str) -> None:
    with pytest.raises(Unsupported):
        open_artifact(written(tmp_path, name, b"x"))


def test_what_is_absent_or_a_plain_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="not there"):
        open_artifact(tmp_path / "none.ipa")
    with pytest.raises(Unsupported):
        open_artifact(tmp_path)
