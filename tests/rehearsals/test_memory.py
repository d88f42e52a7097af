"""What `build.check` keeps between runs: a release knows nothing of it, and no finding is another because of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.apple.xcode import kept
from pipeline.apple.xcode.discovery import WORKSPACES
from pipeline.model import UsageFault
from pipeline.ports.files import LiveFiles, Stamp
from tests.architecture.test_start import loaded
from tests.menu.shell import sample_at
from tests.rehearsals.test_nothing_leaks import WATCHED, listing
from tests.rehearsals.theatre import ROOT, play
from tests.rooms.xcode.make import plist, project, write


def watched(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> list[str]:
    """Run a verb under watch: the paths that it wrote to, outside of the runs. `folder` holds home and runs."""
    log = folder / "seen.json"
    told = {"PATH": os.environ["PATH"], "HOME": str(folder / "home"), "PYTHONPATH": str(ROOT), **(env or {})}
    subprocess.run(
        [sys.executable, "-c", WATCHED, str(log), *arguments, "--runs", str(folder / "runs")],
        cwd=folder / "here",
        env={**told, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        timeout=120,
        check=True,
    )
    seen = [Path(each) for kind, each in json.loads(log.read_text()) if kind == "write"]
    return [str(each) for each in seen if not each.is_relative_to(folder / "runs") and str(each) != os.devnull]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("home", "here", "runs"):
        (tmp_path / name).mkdir()
    sample_at(tmp_path / "app")
    return tmp_path


def test_only_the_table_that_judges_sources_keeps_anything(place: Path) -> None:
    app, home = str(place / "app"), place / "home"
    before = listing(place / "app")
    for verb in (["release", "--dry-run"], ["plan"], ["doctor", "--dry-run"]):
        assert watched(place, *verb, "--app", app) == []
    assert watched(place, "build.check", "--app", app, env={"PIPELINE_CACHE": "off"}) == []
    assert listing(home) == {}
    # What is written through the open folder is seen by its name alone.
    written = {Path(each) for each in watched(place, "build.check", "--app", app)}
    folder = home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "pipeline" / "facts"
    assert {each for each in written if each.suffix not in (".part", ".kept")} == {*folder.parents[:3], folder} - {home}
    (record,) = (Path(each) for each in listing(home))
    assert record.parent == folder
    assert listing(place / "here") == {}
    held = listing(home)
    assert watched(place, "release", "--dry-run", "--app", app) == []
    assert watched(place, "build.check", "--app", app, env={"PIPELINE_CACHE": "off"}) == []
    assert listing(home) == held
    assert listing(place / "app") == before


def test_a_release_imports_nothing_of_it(tmp_path: Path) -> None:
    modules = loaded("release", "--dry-run", "--quiet", "--runs", str(tmp_path))
    assert modules & {"pipeline.ports.memory", "pipeline.apple.xcode.kept"} == set()


def told(report: Any) -> Any:
    """What a report says, without the times; steps side by side end in any order."""
    seen = {(each["fact"], each["why"], each["shown"]) for kind in report["facts"].values() for each in kind}
    return report["exit_code"], sorted(map(str, report["findings"])), sorted(seen)


PARSED = (".swift", ".plist", ".entitlements", ".xcconfig", ".xcscheme", ".xcprivacy", ".json", ".yml", ".sh")
"""What is read again is no source, but for the lines that a finding quotes: a project is searched for the name of a
product that lies beside it, as it is."""


@pytest.mark.parametrize("where", ["", "isometry/2026-02", "isometry/2026-04"])
def test_a_second_look_reads_no_source_and_says_the_same(
    where: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    app = tmp_path / "app"
    if where:
        shutil.copytree(request.getfixturevalue("shared_data") / where, app)
    else:
        sample_at(app)
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    # Old enough to be told by their dates.
    settle = f"import pipeline.apple.xcode.kept as kept; kept.TICK = -{10**15}\n"
    program = settle + (
        "import sys, runpy; from pipeline.ports.files import LiveFiles as F; real = F.read; seen = []\n"
        "F.read = lambda self, path, *more: seen.append(str(path)) or real(self, path, *more)\n"
        "try: runpy.run_module('pipeline', run_name='__main__', alter_sys=True)\n"
        "finally: print('\\n' + '\\n'.join(seen), file=sys.stderr)"
    )
    argv = ["build.check", "--app", str(app), "--json", "--runs", str(tmp_path / "runs")]
    seen = []
    for switch in ("on", "on", "off"):
        done = subprocess.run(
            [sys.executable, "-c", program, *argv],
            cwd=ROOT,
            env={**os.environ, **env, "PIPELINE_CACHE": switch, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        report = json.loads(done.stdout)
        quoted = {finding["path"] for finding in report["findings"]}
        sources = {path for path in done.stderr.splitlines() if path.endswith(PARSED) and ".xcarchive/" not in path}
        seen.append((told(report), sources, quoted))
    (first, reads, _), (second, again, quoted), (alone, _, _) = seen
    assert len(reads) > 3
    assert again <= quoted
    assert first == second == alone


# Edits -----------------------------------------------------------------------------------------------------------

SETTINGS = {
    "SDKROOT": "iphoneos",
    "PRODUCT_BUNDLE_IDENTIFIER": "com.example.app",
    "INFOPLIST_FILE": "Info.plist",
    "CODE_SIGN_ENTITLEMENTS": "App.entitlements",
    "MARKETING_VERSION": "1.0",
}
PATHS = [
    "Info.plist",
    "App.entitlements",
    "A.xcconfig",
    "Code/A.swift",
    ".github/workflows/a.yml",
    "App.xcodeproj/project.pbxproj",
]
NEW = ["Code/B.swift", "PrivacyInfo.xcprivacy", "Other.entitlements"]
TEXTS = [
    "",
    "PRODUCT_NAME = $(UNKNOWN)\n",
    "import AVFoundation\nfunc a() { AVCaptureDevice.requestAccess(for: .video) { _ in } }\n",
    "import AVFoundation\nfunc a() { AVCaptureDevice.requestAccess(for: .audio) { _ in } }\n",
    'import CloudKit\nlet a = CKContainer(identifier: "iCloud.com.example.one")\n',
    'import CloudKit\nlet a = CKContainer(identifier: "iCloud.com.example.two")\n',
    "jobs:\n  a:\n    runs-on: macos-11\n    steps:\n      - run: xcodebuild -scheme App archive\n",
    "jobs:\n  a:\n    runs-on: macos-15\n    steps:\n      - run: xcodebuild -scheme Bad archive\n",
    plist("<key>CFBundleVersion</key><string>1</string>"),
    plist("<key>CFBundleVersion</key><string>x</string>"),
    plist(
        "<key>com.apple.developer.icloud-container-identifiers</key><array><string>iCloud.com.example.one</string></array>"
    ),
]
EDITS = st.tuples(
    st.sampled_from(["change", "touch", "replace", "rename", "delete", "swap", "same"]),
    st.sampled_from([*PATHS, *NEW]),
    st.sampled_from(TEXTS),
    st.sampled_from([*PATHS, *NEW]),
)


def edit(root: Path, kind: str, path: Path, text: str, other: Path) -> None:
    """One thing that a person, an editor or git does to a checkout."""
    if kind == "change":
        path.write_text(text)
    elif kind == "touch" and path.exists():
        path.touch()
    elif kind == "replace":
        (root / "new").write_text(text)
        (root / "new").replace(path)
    elif kind == "rename" and path.exists():
        path.replace(other)
    elif kind == "delete":
        path.unlink(missing_ok=True)
    elif kind == "swap" and path != other and path.exists() and other.exists():
        path.replace(root / "new")
        other.replace(path)
        (root / "new").replace(other)
    elif kind == "same" and path.exists():
        # As long as before, and with the old date.
        before = path.stat()
        data = path.read_bytes()
        path.write_bytes(data.replace(b"one", b"two") if b"one" in data else data[::-1])
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def coarse(seen: Stamp | None) -> Stamp | None:
    """As a disk tells it that counts in two seconds, has no inodes, and knows when a file was made, not changed."""
    return seen and (seen[0], 0, seen[2], seen[3] // (2 * 10**9), 0, seen[5])


def judged(root: Path) -> Any:
    """What `build.check` says of an app, and what it keeps for the next time."""
    try:
        run, world = play(root.parent / "runs", app=str(root), table="build")
    except UsageFault as fault:
        return str(fault)
    WORKSPACES.keep(world.subject.files)
    return run.exit_code, sorted(map(str, run.findings))


@pytest.mark.parametrize("disk", [lambda seen: seen, coarse], ids=["fine", "coarse"])
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=st.lists(st.lists(EDITS, min_size=1, max_size=2), min_size=1, max_size=4), aged=st.booleans())
def test_whatever_is_done_to_an_app_the_findings_are_those_of_a_first_look(
    disk: Callable[[Stamp | None], Stamp | None],
    tmp_path_factory: pytest.TempPathFactory,
    edits: list[list[tuple[str, str, str, str]]],
    *,
    aged: bool,
) -> None:
    base = tmp_path_factory.mktemp("edited")
    root = base / "app"
    project(root, targets={"App": {"Release": SETTINGS}}, base={"Release": "A.xcconfig"}, folders={"Code": ()})
    write(root, {"Info.plist": TEXTS[-3], "App.entitlements": TEXTS[-1], "A.xcconfig": "A = one\n"})
    write(root, {"Code/A.swift": TEXTS[4], ".github/workflows/a.yml": TEXTS[6]})
    real = LiveFiles.stamp
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(base / "cache"))
        patch.setattr(LiveFiles, "stamp", lambda files, path: disk(real(files, path)))
        if disk is coarse:
            # Its dates are counted in its own unit, and so is what is young.
            patch.setattr(kept, "_is_young", lambda _stamp, _now: True)
        elif aged:
            # As if each look were an hour after the last edit; the inode and the date of change still tell.
            patch.setattr(kept, "_is_young", lambda _stamp, _now: False)
        for several in [[], *edits]:
            for kind, path, text, other in several:
                before = {each: each.stat().st_ctime_ns for each in (root / path, root / other) if each.exists()}
                edit(root, kind, root / path, text, root / other)
                if disk is not coarse and aged:
                    _moved_on(before)
            warm = judged(root)
            patch.setenv("PIPELINE_CACHE", "off")
            cold = judged(root)
            patch.delenv("PIPELINE_CACHE")
            assert warm == cold
            assert judged(root) == cold, "once more, with nothing changed"


def _moved_on(before: dict[Path, int]) -> None:
    """Wait out the tick of the file system's clock in which an edit was made: a person is slower."""
    for path, moment in before.items():
        while path.exists() and path.stat().st_ctime_ns == moment:
            path.chmod(path.stat().st_mode & 0o777)
