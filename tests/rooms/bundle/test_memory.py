"""However large a product is, judging it takes no more memory than 150 MB, measured in a process of its own."""

from __future__ import annotations

import gzip
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest

from pipeline.apple.bundle.containers import open_artifact
from pipeline.apple.bundle.faults import Excessive
from tests.rooms.bundle import foundry
from tests.rooms.bundle.foundry import App
from tests.rooms.bundle.test_containers import heads, zip64
from tests.rooms.bundle.test_packages import record

MOST = 150 * 1024 * 1024
JUDGE = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from pipeline.apple.bundle.facts import ExportedApp
from pipeline.apple.bundle.inspection import built_app
from pipeline.apple.signing.trust import Anchors
app = built_app(ExportedApp, Path(sys.argv[1]), Anchors(), datetime.now(UTC))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(peak if sys.platform == "darwin" else peak * 1024)
print(len(app.executables), *app.problems, sep="\\n")
"""
REFUSED = 100 * 1024 * 1024
"""What may be taken where nothing is read: Python itself and a directory or table of 32 MB, once."""
ROOT = Path(__file__).resolve().parents[3]


def judged(path: Path) -> tuple[int, int, list[str]]:
    """Peak memory in bytes, number of executables, and problems."""
    # A shell stands between: a process starts with the peak of the one that it was forked from.
    argv = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", JUDGE, str(path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    told = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()
    return int(told[0]), int(told[1]), told[2:]


def test_large_code_in_many_members(tmp_path: Path) -> None:
    files = App().files()
    code = foundry.sign_macho(None, code=15 * 1024 * 1024)
    huge = foundry.sign_macho(None, code=40 * 1024 * 1024)
    path = tmp_path / "a.ipa"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in files.items():
            archive.writestr(f"Payload/Example.app/{name}", data)
        for number in range(8):
            archive.writestr(f"Payload/Example.app/Frameworks/a{number}.dylib", code, zipfile.ZIP_STORED)
        for number in range(2):
            archive.writestr(f"Payload/Example.app/Frameworks/b{number}.dylib", huge)
    peak, executables, problems = judged(path)
    assert executables == 11
    assert not problems
    assert peak < MOST


def sparse(path: Path, size: int) -> None:
    """A zip with one stored member of so many zeros, which take no room on the disk, and with a wrong checksum."""
    name, full = b"Payload/Example.app/Large", 0xFFFFFFFF
    extra = struct.pack("<2H2Q", 1, 16, size, size)
    told = (0, 0, 0, 0, 7, full, full, len(name), len(extra))
    local = struct.pack("<4sH4H3L2H", b"PK\3\4", 45, *told) + name + extra
    central = struct.pack("<4s2H4H3L2H3H2L", b"PK\1\2", 45, 45, *told, 0, 0, 0, 0, 0) + name + extra
    with path.open("wb") as file:
        file.write(local)
        file.seek(len(local) + size)
        file.write(zip64(central, 1, len(local) + size))


def test_a_large_member_is_read_to_its_end(tmp_path: Path) -> None:
    sparse(tmp_path / "a.ipa", 640 * 1024 * 1024)
    peak, _, problems = judged(tmp_path / "a.ipa")
    assert "Payload/Example.app/Large cannot be unpacked: its checksum differs" in problems
    assert peak < MOST


def test_a_member_of_more_than_four_gigabytes_is_known(tmp_path: Path) -> None:
    size = 2**32 + 5
    sparse(tmp_path / "a.ipa", size)
    with open_artifact(tmp_path / "a.ipa") as artifact:
        assert artifact.size == size
        assert artifact.head("Payload/Example.app/Large", 4) == bytes(4)
        with pytest.raises(Excessive):
            artifact.read("Payload/Example.app/Large")


def test_a_product_that_is_packed_a_hundred_times(tmp_path: Path) -> None:
    """Less than what is refused as a bomb, so that it is read: half a gigabyte of one letter."""
    path = tmp_path / "a.ipa"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("Payload/Example.app/Noise", os.urandom(4 * 1024 * 1024), zipfile.ZIP_STORED)
        with archive.open("Payload/Example.app/Large", "w", force_zip64=True) as member:
            for _ in range(500):
                member.write(b"A" * 1024 * 1024)
    peak, _, problems = judged(path)
    assert not any("unpacked" in problem for problem in problems)
    assert peak < MOST


def test_a_directory_of_more_members_than_it_tells(tmp_path: Path) -> None:
    """700,000 of them in 32 MiB, for which zipfile would take 350 MB."""
    (tmp_path / "a.ipa").write_bytes(zip64(heads(700_000), 1, 0))
    peak, _, problems = judged(tmp_path / "a.ipa")
    assert problems == ["a.ipa holds more than 300,000 files"]
    assert peak < REFUSED


@pytest.mark.parametrize("unit", [b"<a/>", b"<file><name>a</name></file>"])
def test_a_table_of_contents_of_nothing_but_tags(tmp_path: Path, unit: bytes) -> None:
    """A few kilobytes of zeros and ones, of which a parser would make gigabytes."""
    text = b"<xar><toc>" + unit * (31 * 1024 * 1024 // len(unit)) + b"</toc></xar>"
    packed = zlib.compress(text)
    (tmp_path / "a.pkg").write_bytes(b"xar!" + struct.pack(">HHQQI", 28, 1, len(packed), len(text), 1) + packed)
    peak, _, problems = judged(tmp_path / "a.pkg")
    assert problems == ["the package's table of contents has more tags than any installer's"]
    assert peak < REFUSED


def test_a_payload_of_nothing_but_names(tmp_path: Path) -> None:
    """Two megabytes, with 250,000 paths of a kilobyte each in them."""
    payload = b"".join(record(b"./%07d" % number + b"a" * 990) for number in range(250_000)) + record(b"TRAILER!!!")
    (tmp_path / "a.pkg").write_bytes(foundry.pkg(gzip.compress(payload, 1)))
    peak, _, problems = judged(tmp_path / "a.pkg")
    assert problems == ["a.pkg has paths and links of more than 33,554,432 bytes"]
    assert peak < REFUSED
