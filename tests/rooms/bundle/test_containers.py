"""Containers: honest ones are read whole, and lies about sizes, names and links are told instead of believed."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.apple.bundle import containers
from pipeline.apple.bundle.containers import (
    LONGEST_PATH,
    MOST_DIRECTORY_BYTES,
    MOST_FILES,
    checked_path,
    open_artifact,
)
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
    data = os.urandom(1024) * 17 * 1024
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


def heads(count: int, name: bytes = b"a") -> bytes:
    """So many members in a directory, all alike."""
    fields = (45, 20, 0, 0, 0, 0, 0, 0, 0, len(name), 0, 0, 0, 0, 0, 0)
    return (struct.pack("<4s2H4H3L2H3H2L", b"PK\1\2", *fields) + name) * count


@pytest.mark.parametrize("told", [MOST_FILES + 1, 1])
def test_too_many_members_are_refused_before_they_are_read(tmp_path: Path, told: int) -> None:
    """Whatever the end record says of them: it is not believed where the directory has room for more."""
    with pytest.raises(Excessive, match="more than 300,000 files"):
        open_artifact(written(tmp_path, "a.ipa", zip64(heads(MOST_FILES + 1), told, 0)))
    if told > MOST_FILES:
        with pytest.raises(Excessive, match="more than 300,000 files"):
            open_artifact(written(tmp_path, "a.ipa", zip64(heads(1), told, 0)))


def test_long_names_are_not_taken_for_many_members(tmp_path: Path) -> None:
    directory = heads(20_000, b"n" * 700)
    assert len(directory) > MOST_FILES * 46
    with pytest.raises(Malformed, match="overlap"):
        open_artifact(written(tmp_path, "a.ipa", zip64(directory, 20_000, 0)))


def test_a_path_that_no_system_of_apples_takes_is_refused(tmp_path: Path) -> None:
    fits = f"Payload/{'a' * (LONGEST_PATH - 8)}"
    assert checked_path(fits) == fits
    for name, folder in ((f"{fits}b", ""), ("a" * 100, "b/" * 500)):
        with pytest.raises(Malformed, match="longer than the 1,024 characters"):
            checked_path(name, folder)
    with pytest.raises(Malformed, match="longer than"):
        open_artifact(written(tmp_path, "a.ipa", foundry.ipa({"a" * LONGEST_PATH: b""})))


def test_links_take_no_more_room_than_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "MOST_NAMES", 2_000)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            link = zipfile.ZipInfo(f"Payload/A.app/{number}")
            link.external_attr = 0o120755 << 16
            archive.writestr(link, "x" * 900)
    with pytest.raises(Excessive, match="paths and links of more than 2,000 bytes"):
        open_artifact(written(tmp_path, "a.ipa", out.getvalue()))


def test_packings_are_gathered_in_one_look(tmp_path: Path) -> None:
    class Counted(dict[str, str]):
        looks = 0

        def items(self) -> Any:
            Counted.looks += 1
            return super().items()

    with open_artifact(written(tmp_path, "a.ipa", foundry.ipa({"A": b""}))) as artifact:
        artifact.unreadable = Counted({str(number): f"packed with method {number}" for number in range(50)})
        assert len(list(artifact.unreadable_words())) == 50
    assert Counted.looks == 1


@pytest.mark.parametrize(
    ("offset", "value", "expected"),
    [
        (8, struct.pack("<H", 1), "encrypted"),
        (8, struct.pack("<H", 0x40), "encrypted"),
        (10, struct.pack("<H", 99), "packed with LZFSE"),
        (10, struct.pack("<H", 14), "packed with method 14"),
    ],
)
def test_unreadable_packing_is_named_once(tmp_path: Path, offset: int, value: bytes, expected: str) -> None:
    data = patched_central(foundry.ipa({"A": b"abc", "B": b"def"}), offset, value)
    path = "Payload/Example.app/A"
    with open_artifact(written(tmp_path, "a.ipa", data)) as artifact:
        (problem,) = artifact.problems
        assert problem.startswith(f"{path} cannot be read here: {expected}")
        assert list(artifact.unreadable) == [path]
        with pytest.raises(Unsupported, match=f"cannot be read here: {expected}"):
            artifact.read(path)
        assert artifact.read("Payload/Example.app/B") == b"def"


def test_a_whole_app_in_lzfse_is_one_problem(tmp_path: Path) -> None:
    data = foundry.ipa({f"{number}": b"abc" for number in range(20)})
    at = data.find(b"PK\1\2")
    while at >= 0:
        data = data[: at + 10] + struct.pack("<H", 99) + data[at + 12 :]
        at = data.find(b"PK\1\2", at + 1)
    with open_artifact(written(tmp_path, "a.ipa", data)) as artifact:
        (problem,) = artifact.problems
        assert problem.startswith("20 of 20 files cannot be read here: packed with LZFSE")


def zip64(directory: bytes, count: int, start: int, *, length: int | None = None) -> bytes:
    """End records in which only the long one tells sizes and places (APPNOTE 4.3.14 to 4.3.16)."""
    size = len(directory) if length is None else length
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, start + len(directory), 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return directory + record + locator + end


def test_zip64_is_read(tmp_path: Path) -> None:
    data = foundry.ipa({"A": b"abc", "B": b"def"})
    start, end = data.index(b"PK\1\2"), data.rindex(b"PK\5\6")
    whole = data[:start] + zip64(data[start:end], 2, start)
    with open_artifact(written(tmp_path, "a.ipa", whole)) as artifact:
        assert artifact.read("Payload/Example.app/B") == b"def"
    lying = data[:start] + zip64(data[start:end], 2, start, length=2**40)
    with pytest.raises(Excessive, match="a directory of 1,099,511,627,776 bytes"):
        open_artifact(written(tmp_path, "a.ipa", lying))
    for length in range(start, len(whole)):
        with pytest.raises(Malformed):
            open_artifact(written(tmp_path, "a.ipa", whole[:length]))


class Pipe(io.RawIOBase):
    """Where nothing can be sought, zipfile writes sizes and checksums behind the data (APPNOTE 4.3.9)."""

    def __init__(self) -> None:
        self.data = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += bytes(data)
        return len(data)


def test_sizes_behind_the_data_are_read(tmp_path: Path) -> None:
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Payload/Example.app/A", b"abc" * 100)
    assert pipe.data[6] & 0x08
    with open_artifact(written(tmp_path, "a.ipa", pipe.data)) as artifact:
        assert artifact.read("Payload/Example.app/A") == b"abc" * 100


def test_four_gigabytes_without_zip64_cannot_be_read_here(tmp_path: Path) -> None:
    data = foundry.ipa({"A": b"abc"})
    start = data.index(b"PK\1\2")
    path = tmp_path / "a.ipa"
    with path.open("wb") as file:
        file.write(data[:start])
        file.seek(2**32 + start)
        file.write(data[start:])
    with pytest.raises(Unsupported, match="larger than 4 GiB and has no zip64"):
        open_artifact(path)


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../../x", "a\\b", "a//b", "a/..", "", "a\0b"])
def test_paths_that_lead_outside_are_refused(name: str) -> None:
    with pytest.raises(Malformed):
        checked_path(name)


def test_a_traversing_zip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="leads outside"):
        open_artifact(written(tmp_path, "a.ipa", foundry.ipa({"../../x": b""})))


def test_a_member_without_a_name_is_refused(tmp_path: Path) -> None:
    data = patched_central(foundry.ipa({"A": b"abc"}), 46, b"\0")
    with pytest.raises(Malformed, match="or is none"):
        open_artifact(written(tmp_path, "a.ipa", data))


def test_the_same_path_twice_is_refused(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("Payload/A", b"1")
        archive.writestr("./Payload/A", b"2")
    with pytest.raises(Malformed, match="twice"):
        open_artifact(written(tmp_path, "a.ipa", out.getvalue()))


WHOLE = foundry.ipa({"A": b"abc" * 50, "B/C": b"x", "D": b""})


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=4), st.integers(0, len(WHOLE)))
def test_damage_never_escapes(tmp_path: Path, changes: list[tuple[int, int]], length: int) -> None:
    data = bytearray(WHOLE)
    for at, value in changes:
        data[at] = value
    try:
        with open_artifact(written(tmp_path, "a.ipa", bytes(data if changes else data[:length]))) as artifact:
            for path in artifact.entries:
                artifact.head(path, 4)
                artifact.read(path)
    except Malformed:
        return


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
