"""What is kept from one run to the next makes the next one faster, and never another."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.xcode import gateway, kept
from pipeline.apple.xcode.discovery import WORKSPACES, discover
from pipeline.apple.xcode.facts import Companions, ProjectSurvey, TargetInfo, TargetSettings
from pipeline.model import Declaration, Location, Platform
from pipeline.ports.files import LiveFiles
from pipeline.ports.memory import LiveMemory
from tests.rooms.xcode.make import plist, project, write

SETTINGS = {"SDKROOT": "iphoneos", "PRODUCT_BUNDLE_IDENTIFIER": "com.example.app", "INFOPLIST_FILE": "Info.plist"}


class Counting(LiveFiles):
    """Files that remember what was read of them."""

    def __init__(self, root: Path, memory: LiveMemory) -> None:
        super().__init__(root, memory)
        self.reads: list[str] = []

    def read(self, path: str | Path, limit: int = 1 << 28) -> bytes:
        self.reads.append(str(path))
        return super().read(path, limit)


@pytest.fixture(autouse=True)
def _old_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that a test has just written count as long settled."""
    monkeypatch.setattr(kept, "FINE", -(10**12))
    monkeypatch.setattr(kept, "COARSE", -(10**12))


@pytest.fixture
def app(tmp_path: Path) -> Path:
    root = tmp_path / "app"
    project(root, targets={"App": {"Release": SETTINGS}}, base={"Release": "A.xcconfig"})
    write(root, {"Info.plist": plist("<key>A</key><string>$(B)</string>"), "A.xcconfig": "B = one\n"})
    return root


@pytest.fixture
def memory(tmp_path: Path) -> LiveMemory:
    return LiveMemory(tmp_path / "memory")


def record(tmp_path: Path) -> Path:
    (found,) = (tmp_path / "memory").iterdir()
    return found


def looked(root: Path, memory: LiveMemory) -> tuple[list[str], dict[type, Any]]:
    """What was read for all facts of the lane, and the facts; kept for the next time."""
    files = Counting(root, memory)
    (lane,) = discover(files).lanes
    judged = (
        gateway.settings_of_target,
        gateway.info_of_target,
        gateway.entitlements_of_target,
        gateway.icon_of_app,
        gateway.privacy_manifest_of_target,
        gateway.companions_of_target,
        gateway.problems_of_project,
    )
    seen = [probe(files, lane, Declaration()) for probe in judged]
    found: dict[type, Any] = {reading.fact: reading.value for reading in seen}
    found[ProjectSurvey] = gateway.survey_of_projects(files)
    WORKSPACES.keep(files)
    return files.reads, found


def test_nothing_is_read_again_while_nothing_has_changed(app: Path, memory: LiveMemory) -> None:
    reads, first = looked(app, memory)
    again, second = looked(app, memory)
    assert len(reads) > 2
    assert again == []
    assert first == second
    assert isinstance(second[TargetSettings].bundle_id.location, Location)
    assert isinstance(second[Companions].targets, tuple)


def test_without_a_memory_nothing_is_kept(app: Path, tmp_path: Path) -> None:
    files = LiveFiles(app)
    discover(files)
    WORKSPACES.keep(files)
    assert not (tmp_path / "memory").exists()


def test_a_change_that_hides_behind_its_old_date_is_seen(app: Path, memory: LiveMemory) -> None:
    looked(app, memory)
    path = app / "A.xcconfig"
    before = path.stat()
    path.write_text("B = two\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert looked(app, memory)[1][TargetInfo].values["A"] == "two"


def test_what_was_absent_and_is_there_now_is_seen(app: Path, memory: LiveMemory) -> None:
    (app / "A.xcconfig").write_text('#include? "../outside.xcconfig"\nB = one\n')
    looked(app, memory)
    assert looked(app, memory)[0] == []
    (app.parent / "outside.xcconfig").write_text("C = 1\n")
    assert "../outside.xcconfig" in looked(app, memory)[0], (
        "it lies outside of the folder, and so in no list of its files"
    )


def test_a_new_file_and_a_lost_one_are_seen(app: Path, memory: LiveMemory) -> None:
    looked(app, memory)
    (app / "PrivacyInfo.xcprivacy").write_text(plist(""))
    assert looked(app, memory)[0]
    (app / "Info.plist").unlink()
    assert looked(app, memory)[1][TargetInfo] is None


def test_another_edition_of_the_program_believes_nothing(
    app: Path, memory: LiveMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked(app, memory)
    monkeypatch.setattr(kept, "edition", lambda: "another")
    assert looked(app, memory)[0]


@pytest.mark.parametrize("settle", ["FINE", "COARSE"])
def test_what_is_too_young_is_not_kept(
    app: Path, memory: LiveMemory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settle: str
) -> None:
    monkeypatch.setattr(kept, settle, 10**18)
    if settle == "COARSE":
        monkeypatch.setattr(kept, "_BILLION", 1)
    looked(app, memory)
    assert not (tmp_path / "memory").exists()


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_damaged_record_is_no_record(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("kept")
    held = LiveMemory(folder / "memory")
    held.save("a", b'{"x": 1}' * 20)
    path = record(folder)
    body = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        del body[data.draw(st.integers(0, len(body) - 1)) :]
    else:
        spot = data.draw(st.integers(0, len(body) - 1))
        body[spot] ^= data.draw(st.integers(1, 255))
    path.write_bytes(body)
    assert held.load("a") is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"tree": 1}',
        b'{"tree": "%s", "edition": "%s", "reads": 1, "facts": {}}',
        b'{"tree": "%s", "edition": "%s", "reads": {"Info.plist": [1]}, "facts": {}}',
        b"[" * 100_000,
    ],
)
def test_a_record_of_another_shape_is_no_record(app: Path, memory: LiveMemory, body: bytes) -> None:
    looked(app, memory)
    data = json.loads(memory.load(str(app)) or b"")
    if b"%s" in body:
        body %= (data["tree"].encode(), data["edition"].encode())
    memory.save(str(app), body)
    assert looked(app, memory)[0]


@pytest.mark.parametrize(
    "told",
    [
        '["value", "os:system", "true"]',
        '["value", "pipeline.model:Lane"]',
        '["enum", "pipeline.model:Lane", "A"]',
        '["x"]',
        "[]",
    ],
)
def test_nothing_but_our_own_values_is_made_of_a_record(app: Path, memory: LiveMemory, told: str) -> None:
    _, first = looked(app, memory)
    data = json.loads(memory.load(str(app)) or b"")
    data["facts"] = dict.fromkeys(data["facts"], told)
    memory.save(str(app), json.dumps(data).encode())
    reads, second = looked(app, memory)
    assert reads
    assert first == second


def test_a_folder_that_others_may_write_to_is_not_believed(app: Path, memory: LiveMemory, tmp_path: Path) -> None:
    looked(app, memory)
    assert record(tmp_path).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "memory").stat().st_mode & 0o777 == 0o700
    (tmp_path / "memory").chmod(0o770)
    assert looked(app, memory)[0]
    (tmp_path / "memory").chmod(0o700)
    record(tmp_path).chmod(0o640)
    assert looked(app, memory)[0]


def test_a_link_in_place_of_a_record_is_not_followed(app: Path, memory: LiveMemory, tmp_path: Path) -> None:
    looked(app, memory)
    path = record(tmp_path)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert memory.load(str(app)) is None


def test_old_records_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.ports.memory.MOST", 3)
    memory = LiveMemory(tmp_path / "memory")
    for number in range(6):
        memory.save(str(number), b"x")
        os.utime(max((tmp_path / "memory").iterdir(), key=lambda path: path.stat().st_mtime), (number, number))
    assert len(list((tmp_path / "memory").iterdir())) <= 4
    assert memory.load("5") == b"x"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.sampled_from(list(Platform))
    | st.builds(Location, st.text(), st.none() | st.integers())
    | st.datetimes(timezones=st.just(UTC)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=4)
        | st.frozensets(st.text(), max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=100, deadline=None)
@given(VALUES)
def test_every_value_comes_back_as_it_was(value: object) -> None:
    told = json.dumps(kept._plain(value))
    found = kept._restored(json.loads(told))
    assert (found, type(found)) == (value, type(value))


def test_what_has_no_form_is_not_kept() -> None:
    with pytest.raises(TypeError):
        kept._plain(object())
    assert kept._restored(json.loads(json.dumps(kept._plain(datetime(2026, 1, 2, tzinfo=UTC))))).year == 2026
