"""What is kept from one run to the next makes the next one faster, and never another."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.automation import gateway as automation
from pipeline.apple.sources import gateway as sources
from pipeline.apple.xcode import gateway, kept
from pipeline.apple.xcode.discovery import WORKSPACES, discover
from pipeline.apple.xcode.facts import Companions, ProjectProblems, TargetInfo, TargetSettings
from pipeline.apple.xcode.sight import Unseen
from pipeline.engine.wiring import registry_of
from pipeline.model import Declaration, Lane, Location, Platform, Reading, Source
from pipeline.ports.clock import Clock, LiveClock
from pipeline.ports.files import Files, LiveFiles, Stamp, Unreadable
from pipeline.ports.memory import LiveMemory
from tests.rooms.xcode.make import plist, project, write

SETTINGS = {"SDKROOT": "iphoneos", "PRODUCT_BUNDLE_IDENTIFIER": "com.example.app", "INFOPLIST_FILE": "Info.plist"}
ROOMS = registry_of([gateway, sources, automation])
WORKFLOW = "jobs:\n  a:\n    runs-on: macos-15\n    steps:\n      - run: xcodebuild -scheme App archive\n"


class Counting(LiveFiles):
    """Files that remember what was read of them."""

    def __init__(self, root: Path, memory: LiveMemory | None) -> None:
        super().__init__(root, memory)
        self.reads: list[str] = []

    def read(self, path: str | Path, limit: int = 1 << 28) -> bytes:
        self.reads.append(str(path))
        return super().read(path, limit)


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that a test has just written count as old."""
    monkeypatch.setattr(kept, "TICK", -(10**15))


@pytest.fixture
def app(tmp_path: Path) -> Path:
    root = tmp_path / "app"
    project(
        root,
        targets={"App": {"Release": SETTINGS}},
        base={"Release": "A.xcconfig"},
        folders={"Code": ()},
    )
    write(
        root,
        {
            "Info.plist": plist("<key>A</key><string>$(B)</string>"),
            "A.xcconfig": "B = one\n",
            "Code/A.swift": "import Photos\nlet a = UserDefaults.standard\n",
            "ExportOptions.plist": plist("<key>method</key><string>app-store</string>"),
            ".github/workflows/a.yml": WORKFLOW,
        },
    )
    return root


@pytest.fixture
def memory(tmp_path: Path) -> LiveMemory:
    return LiveMemory(tmp_path / "memory")


def observed(files: Files) -> dict[type, Any]:
    """All facts of the three rooms that read an app's files: values, and for what is unknown the reason."""
    (lane,) = discover(files).lanes
    given: dict[Any, Any] = {Files: files, Lane: lane, Declaration: Declaration(), Clock: LiveClock()}
    found: dict[type, Any] = {}
    for fact, probe in ROOMS.probes.items():
        if all(need.wanted in given for need in probe.needs):
            seen = probe.function(**{need.name: given[need.wanted] for need in probe.needs})
            found[fact] = (seen.value, seen.why) if isinstance(seen, Reading) else (seen, "")
            assert not isinstance(seen, Reading) or seen.value is None or seen.source is Source.LIVE
    # The hour is no fact of a file.
    return {fact: told for fact, told in found.items() if fact.__name__ != "Automation"} | {
        Reading: next(vars(value) | {"seen": 0} for fact, (value, _) in found.items() if fact.__name__ == "Automation")
    }


def looked(root: Path, memory: LiveMemory | None) -> tuple[list[str], dict[type, Any]]:
    """What was read for all facts, and the facts; kept for the next time."""
    files = Counting(root, memory)
    found = observed(files)
    WORKSPACES.keep(files)
    return files.reads, found


@pytest.mark.usefixtures("settled")
def test_nothing_is_read_again_while_nothing_has_changed(app: Path, memory: LiveMemory) -> None:
    reads, first = looked(app, memory)
    again, second = looked(app, memory)
    assert {"App.xcodeproj/project.pbxproj", "Info.plist", "Code/A.swift", ".github/workflows/a.yml"} <= set(reads)
    assert again == []
    assert first == second == looked(app, None)[1]
    assert isinstance(second[TargetSettings][0].bundle_id.location, Location)
    assert isinstance(second[Companions][0].targets, tuple)


def test_without_a_memory_nothing_is_kept(app: Path, tmp_path: Path) -> None:
    looked(app, None)
    assert not (tmp_path / "memory").exists()


def same_size(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"one", b"two"))


def same_size_and_date(path: Path) -> None:
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        same_size(path)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replaced(path: Path) -> None:
    before = path.stat()
    other = path.with_name("other")
    other.write_bytes(path.read_bytes().replace(b"one", b"two"))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("edit", [same_size_and_date, replaced])
def test_a_change_that_hides_behind_its_old_date_is_seen(
    app: Path, memory: LiveMemory, edit: Callable[[Path], None]
) -> None:
    looked(app, memory)
    edit(app / "A.xcconfig")
    assert looked(app, memory)[1][TargetInfo][0].values["A"] == "two"


class Coarse(Counting):
    """Files on a disk that counts in two seconds, at a time when all of them bear the same one."""

    def stamp(self, path: str | Path) -> Stamp | None:
        seen = super().stamp(path)
        return seen and (seen[0], 0, seen[2], 10**18, 10**18, seen[5])


def coarsely(root: Path, memory: LiveMemory, now: int, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], Any]:
    monkeypatch.setattr(kept, "edition", lambda: "this")
    monkeypatch.setattr(kept.time, "time_ns", lambda: now)
    files = Coarse(root, memory)
    found = observed(files)
    WORKSPACES.keep(files)
    return files.reads, found[TargetInfo][0].values["A"]


def test_a_file_that_may_have_changed_within_its_stamp_is_read_again(
    app: Path, memory: LiveMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What git calls racily clean: the stamp is the same, and so is the size."""
    young, old = 10**18 + kept.TICK // 2, 10**18 + kept.TICK
    assert coarsely(app, memory, young, monkeypatch)[1] == "one"
    reads, seen = coarsely(app, memory, young, monkeypatch)
    assert (sorted(reads), seen) == (sorted(set(reads)), "one"), "each is read once, to be compared"
    same_size(app / "A.xcconfig")
    assert coarsely(app, memory, young, monkeypatch)[1] == "two"
    assert coarsely(app, memory, old, monkeypatch)[0], "it was young when it was looked at"
    assert coarsely(app, memory, old, monkeypatch) == ([], "two")


@pytest.mark.usefixtures("settled")
def test_what_was_absent_and_is_there_now_is_seen(app: Path, memory: LiveMemory) -> None:
    (app.parent / ".git").mkdir()
    (app / "A.xcconfig").write_text('#include? "../beside.xcconfig"\nB = one\n')
    looked(app, memory)
    assert looked(app, memory)[0] == []
    (app.parent / "beside.xcconfig").write_text("C = 1\n")
    assert "../beside.xcconfig" in looked(app, memory)[0], (
        "it lies outside of the folder, and so in no list of its files"
    )


@pytest.mark.usefixtures("settled")
def test_what_lies_outside_is_neither_stamped_nor_read(app: Path, memory: LiveMemory, tmp_path: Path) -> None:
    """Nor does it matter what becomes of it, until the checkout holds it."""
    secret, linked = tmp_path / "secret.xcconfig", app / "secret.xcconfig"
    secret.write_text("B = SECRET\n")
    linked.symlink_to(secret)
    (app / "A.xcconfig").write_text('B = one\n#include "secret.xcconfig"\n#include "../secret.xcconfig"\n')

    def told(found: dict[type, Any]) -> list[str]:
        return [each.text for each in found[ProjectProblems][0].problems if each.kind == "outside"]

    _, first = looked(app, memory)
    assert told(first) == [
        f"{path} lies outside of the checkout, and is not read" for path in ("secret.xcconfig", "../secret.xcconfig")
    ]
    assert first[TargetInfo][0].values["A"] == "one"
    assert looked(app, memory) == ([], first)
    secret.write_text("B = other\n")
    assert looked(app, memory) == ([], first)
    assert "SECRET" not in str(first)
    assert not any(b"SECRET" in path.read_bytes() for path in (tmp_path / "memory").rglob("*") if path.is_file())
    (app.parent / ".git").mkdir()
    reads, second = looked(app, memory)
    assert "../secret.xcconfig" in reads, "the checkout is another one, and holds it"
    assert (told(second), second[TargetInfo][0].values["A"]) == ([], "other")
    (app.parent / ".git").rmdir()
    linked.unlink()
    linked.symlink_to("B.xcconfig")
    _, third = looked(app, memory)
    assert told(third) == ["../secret.xcconfig lies outside of the checkout, and is not read"], "a link to nothing"


@pytest.mark.usefixtures("settled")
def test_a_new_file_and_a_lost_one_are_seen(app: Path, memory: LiveMemory) -> None:
    looked(app, memory)
    (app / "PrivacyInfo.xcprivacy").write_text(plist(""))
    assert looked(app, memory)[0]
    (app / "Info.plist").unlink()
    assert looked(app, memory)[1][TargetInfo][0] is None


@pytest.mark.usefixtures("settled")
def test_what_cannot_be_seen_is_kept_with_its_reason(app: Path, memory: LiveMemory) -> None:
    (app / "Info.plist").write_text("<plist")
    _, first = looked(app, memory)
    again, second = looked(app, memory)
    assert again == []
    assert first == second
    assert second[TargetInfo][0] is None
    assert "Info.plist" in second[TargetInfo][1]
    assert second[ProjectProblems][0].problems


@pytest.mark.usefixtures("settled")
def test_what_could_not_be_read_may_be_readable_the_next_time(
    app: Path, memory: LiveMemory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who joins a group changes no stamp."""
    real = LiveFiles.read

    def refused(files: LiveFiles, path: str | Path, limit: int = 1 << 28) -> bytes:
        if str(path) == "A.xcconfig":
            raise Unreadable("A.xcconfig cannot be read", why="Permission denied")
        return real(files, path, limit)

    with monkeypatch.context() as patch:
        patch.setattr(LiveFiles, "read", refused)
        looked(app, memory)
    assert not (tmp_path / "memory").exists()
    assert looked(app, memory)[1][TargetInfo][0].values["A"] == "one"


@pytest.mark.usefixtures("settled")
def test_what_is_too_large_is_kept_as_such(app: Path, memory: LiveMemory) -> None:
    with (app / "Code/B.swift").open("wb") as file:
        file.truncate(5_000_000)
    looked(app, memory)
    assert looked(app, memory)[0] == []


@pytest.mark.usefixtures("settled")
def test_what_was_asked_for_otherwise_is_looked_at(app: Path, memory: LiveMemory) -> None:
    looked(app, memory)
    files = Counting(app, memory)
    with pytest.raises(Exception, match="nothing to archive"):
        discover(files, configuration="Debug")
    assert files.reads


@pytest.mark.usefixtures("settled")
def test_what_was_committed_and_should_not_have_been_is_not_kept(app: Path, memory: LiveMemory) -> None:
    """Made-up secrets in a workflow, a lane, a script and a key file: findings name the place alone."""
    secrets = ["qzkv-hwtr-mpyl-xdnb", "Zq8vKw3rTp", "Hx7mBn2cLd", "MIGTAgEAMBMGByqGSM49" * 6]
    write(
        app,
        {
            ".github/workflows/b.yml": (
                "jobs:\n  a:\n    runs-on: macos-15\n    env:\n      MATCH_PASSWORD: "
                f"{secrets[1]}\n    steps:\n      - run: xcrun altool --upload-app -f App.ipa -u me@x.org -p {secrets[0]}\n"
            ),
            "release.sh": f"#!/bin/sh\nsecurity import a.p12 -k login.keychain -P {secrets[2]} -A\nxcodebuild archive\n",
            "fastlane/Fastfile": f'lane :a do\n  ENV["MATCH_PASSWORD"] = "{secrets[1]}"\n  match(type: "appstore")\nend\n',
            "AuthKey_ABC1234567.p8": f"-----BEGIN PRIVATE KEY-----\n{secrets[3]}\n-----END PRIVATE KEY-----\n",
        },
    )
    _, found = looked(app, memory)
    exposed = found[Reading]["exposed"]
    assert {each.location.path for each in exposed} >= {
        ".github/workflows/b.yml",
        "release.sh",
        "AuthKey_ABC1234567.p8",
    }
    record = memory.load(str(app)) or b""
    assert b"release.sh" in record
    assert not [each for each in secrets if each.encode() in record]


@pytest.mark.usefixtures("settled")
def test_another_edition_of_the_program_believes_nothing(
    app: Path, memory: LiveMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked(app, memory)
    monkeypatch.setattr(kept, "edition", lambda: "another")
    assert looked(app, memory)[0]


def test_an_edition_is_every_file_of_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "pipeline" / "apple" / "xcode" / "kept.py"
    write(tmp_path / "pipeline", {"apple/xcode/kept.py": "", "apple/sources/data.json": "{}", "simulator/a.py": ""})
    monkeypatch.setattr(kept, "__file__", str(here))
    assert kept.edition() == "", "it is being changed"
    monkeypatch.setattr(kept, "TICK", -(10**15))
    first = kept.edition()
    same_size_and_date(tmp_path / "pipeline/apple/sources/data.json")
    second = kept.edition()
    (tmp_path / "pipeline/simulator/a.py").write_text("a = 1")
    third = kept.edition()
    assert "" != first != second != ""
    assert second == third, "the simulator makes no facts"
    monkeypatch.setattr(kept, "__file__", "/program.zip/pipeline/apple/xcode/kept.py")
    assert kept.edition() == ""


@pytest.mark.usefixtures("settled")
def test_a_program_that_is_changed_while_it_runs_keeps_nothing(
    app: Path, memory: LiveMemory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editions = iter(("one", "two"))
    monkeypatch.setattr(kept, "edition", lambda: next(editions))
    looked(app, memory)
    monkeypatch.setattr(kept, "edition", lambda: "")
    looked(app, memory)
    assert not (tmp_path / "memory").exists()


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize(
    "change",
    [
        lambda _: [],
        lambda _: {},
        lambda _: 1,
        lambda told: told | {"paths": 1},
        lambda told: told | {"paths": [1, None]},
        lambda told: told | {"paths": ["\0"]},
        lambda told: told | {"stamps": ""},
        lambda told: told | {"tree": ""},
        lambda told: told | {"young": {"Info.plist": ""}},
        lambda told: told | {"young": {"gone": ""}},
        lambda told: told | {"young": [[]]},
        lambda told: told | {"facts": 1},
        lambda told: {key: value for key, value in told.items() if key != "facts"},
    ],
)
def test_a_record_of_another_shape_is_no_record(app: Path, memory: LiveMemory, change: Callable[[Any], Any]) -> None:
    _, first = looked(app, memory)
    told = json.loads(memory.load(str(app)) or b"")
    memory.save(str(app), json.dumps(change(told)).encode())
    reads, second = looked(app, memory)
    assert reads
    assert first == second


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b'{"a":' * 100_000, b"\xff", b"9" * 10_000])
def test_what_is_no_json_is_no_record(app: Path, memory: LiveMemory, body: bytes) -> None:
    memory.save(str(app), body)
    assert looked(app, memory)[0]


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize(
    "told",
    [
        {"os:system": ["true"]},
        {"pipeline.model:Lane": []},
        {"pipeline.model:Lane": ["a"] * 70},
        {"pipeline.model:Platform": "A"},
        {"pipeline.model:Platform": []},
        {"pipeline.nowhere:A": []},
        {"pipeline.ports.memory:LiveMemory": ["/"]},
        {"pipeline.__main__:main": []},
        {"pipeline.apple.xcode.kept:edition": []},
        {"x": 1},
        {"dict": 1},
        {"bytes": "x"},
        {"datetime": "x"},
        {"set": [{"list": []}]},
        {},
        {"a": 1, "b": 2},
    ],
)
def test_nothing_but_our_own_values_is_made_of_a_record(app: Path, memory: LiveMemory, told: object) -> None:
    _, first = looked(app, memory)
    record = json.loads(memory.load(str(app)) or b"")
    record["facts"] = dict.fromkeys(record["facts"], told)
    memory.save(str(app), json.dumps(record).encode())
    reads, second = looked(app, memory)
    assert reads
    assert first == second


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=()))
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


def kinds(value: object) -> object:
    """The classes of a value and of all its parts."""
    if isinstance(value, dict):
        return dict, [(kinds(key), kinds(inner)) for key, inner in value.items()]
    return type(value), [kinds(each) for each in value] if isinstance(value, (list, tuple)) else None


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_every_value_comes_back_as_it_was(value: object) -> None:
    told = json.dumps(kept._plain(value, [10_000]))
    found = kept._restored(json.loads(told))
    assert (found, kinds(found)) == (value, kinds(value))


def test_what_has_no_form_is_not_kept() -> None:
    with pytest.raises(TypeError):
        kept._plain(object(), [10])
    assert kept._restored(json.loads(json.dumps(kept._plain(datetime(2026, 1, 2, tzinfo=UTC), [1])))).year == 2026
    assert str(kept._restored(kept._plain(Unseen("why"), [1]))) == "why"


def test_what_holds_one_part_a_million_times_is_not_kept() -> None:
    value: tuple[Any, ...] = ()
    for _ in range(60):
        value = (value, value)
    with pytest.raises(ValueError, match="too large"):
        kept._plain(value, [kept.VALUES])


def test_a_stamp_tells_what_is_no_file(tmp_path: Path) -> None:
    seen = LiveFiles(tmp_path).stamp(".")
    assert seen is not None
    assert stat.S_ISDIR(seen[kept._MODE])
    assert LiveFiles(tmp_path).stamp("\0") is None
