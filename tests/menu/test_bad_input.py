"""Whatever is put in, a person is told what, why and what to do: never a traceback, and nothing is lost."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.configuration.reading import ConfigurationFault, read_settings
from pipeline.engine.leases import Leases
from pipeline.engine.runs import RunFolder, begin, runs_in
from pipeline.model import UsageFault
from pipeline.subject import find_app, known_rules
from pipeline.wishes import Wishes
from tests.menu.shell import SAMPLE, barred, command, environment, refused, run, sample_at, unprivileged
from tests.rehearsals.theatre import Told, menu


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample_at(tmp_path_factory.mktemp("apps") / "app")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder of a person who has nothing yet."""
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


def rehearse(here: Path, *arguments: str) -> Told:
    return menu("release", "--dry-run", "--quiet", *arguments, cwd=here)


def nothing_began(here: Path) -> None:
    assert runs_in(here / ".runs") == []


# The app -------------------------------------------------------------------------------------------------------------


def no_folder(here: Path) -> tuple[str, ...]:
    return ("no folder", "check the path")


def empty_folder(here: Path) -> tuple[str, ...]:
    (here / "App").mkdir()
    return ("App is empty",)


def file(here: Path) -> tuple[str, ...]:
    (here / "App").write_text("x")
    return ("App is not a folder",)


def no_project(here: Path) -> tuple[str, ...]:
    (here / "App").mkdir()
    (here / "App" / "main.swift").write_text("x")
    return ("no Xcode project", ".xcodeproj")


def package(here: Path) -> tuple[str, ...]:
    (here / "App").mkdir()
    (here / "App" / "Package.swift").write_text("x")
    return ("Swift package",)


def loop(here: Path) -> tuple[str, ...]:
    (here / "App").symlink_to(here / "Other")
    (here / "Other").symlink_to(here / "App")
    return ("cannot be read", "symbolic links")


def looping_project(here: Path) -> tuple[str, ...]:
    folder = here / "App" / "A.xcodeproj"
    folder.mkdir(parents=True)
    (folder / "project.pbxproj").symlink_to("project.pbxproj")
    (here / "App" / "again").symlink_to(".")
    return ("A.xcodeproj", "cannot be read")


def project(here: Path, data: bytes) -> None:
    sample_at(here / "App")
    (here / "App" / "Isometry.xcodeproj" / "project.pbxproj").write_bytes(data)


def truncated_project(here: Path) -> tuple[str, ...]:
    project(here, (SAMPLE / "Isometry.xcodeproj" / "project.pbxproj").read_bytes()[:2000])
    return ("project.pbxproj:", "truncated")


def binary_project(here: Path) -> tuple[str, ...]:
    project(here, bytes(range(256)) * 9)
    return ("project.pbxproj", "cannot be read")


def empty_project(here: Path) -> tuple[str, ...]:
    project(here, b"")
    return ("project.pbxproj",)


def nested_project(here: Path) -> tuple[str, ...]:
    project(here, b"// !$*UTF8*$!\n" + b"{a=" * 50_000)
    return ("project.pbxproj",)


def piped_project(here: Path) -> tuple[str, ...]:
    project(here, b"")
    path = here / "App" / "Isometry.xcodeproj" / "project.pbxproj"
    path.unlink()
    os.mkfifo(path)
    return ("project.pbxproj", "cannot be read")


@pytest.mark.parametrize(
    "made",
    [
        no_folder,
        empty_folder,
        file,
        no_project,
        package,
        loop,
        looping_project,
        truncated_project,
        binary_project,
        empty_project,
        nested_project,
        piped_project,
    ],
    ids=lambda made: made.__name__,
)
def test_what_is_no_app(here: Path, made: object) -> None:
    words = made(here)  # type: ignore[operator]
    refused(rehearse(here, "--app", "App"), 2, *words)
    nothing_began(here)


@pytest.mark.parametrize("name", ["a b", "Ümläut", "🚀", "new\nline", "-dash", "q'\"", "$(x)", "%s{}", "\x1b[31mred"])
def test_a_folder_may_have_any_name(here: Path, name: str) -> None:
    sample_at(here / name)
    told = rehearse(here, f"--app={here / name}")
    assert told.code == 0, told.err
    assert "\x1b" not in told.out + told.err


def test_a_folder_whose_name_is_no_text(here: Path) -> None:
    place = sample_at(here / os.fsdecode(b"h\xff\xfe"))
    told = run(command("release", "--dry-run", "--app", bytes(place)), cwd=here)
    assert told.code == 0, told.err
    refused(run(command("init", "--app", bytes(place)), cwd=here), 2, "no text")
    assert not (here / "config" / "pipeline.yaml").exists()


@pytest.mark.parametrize("name", ["y" * 5000, "~nobody-has-this-name/x", "a/" * 3000])
def test_a_path_that_cannot_be(here: Path, name: str) -> None:
    told = rehearse(here, "--app", name)
    refused(told, 2)
    assert len(told.err) < 1000


def test_several_projects_are_told_and_can_be_chosen_from(here: Path) -> None:
    sample_at(here / "App")
    shutil.copytree(here / "App" / "Isometry.xcodeproj", here / "App" / "Other.xcodeproj")
    told = rehearse(here, "--app", "App")
    assert "Traceback" not in told.err
    assert "Other.xcodeproj" in told.out, "what was not chosen is told"
    refused(rehearse(here, "--app", "App", "--project", "Third"), 2, "Isometry.xcodeproj", "Other.xcodeproj")
    rehearse(here, "--app", "App", "--project", "Other.xcodeproj")
    assert {lane["project"] for lane in runs_in(here / ".runs")[0].run().lanes} == {"Other.xcodeproj"}


def test_broken_property_lists_are_findings(here: Path) -> None:
    app = sample_at(here / "App")
    broken = [path for path in app.rglob("*") if path.suffix in (".plist", ".entitlements", ".xcprivacy")]
    for path in broken:
        path.write_text("<plist><dict><key>")
    told = rehearse(here, "--app", "App")
    assert told.code == 1, told.err
    assert "Traceback" not in told.out + told.err
    for path in broken:
        assert path.name in told.out


@pytest.mark.skipif(not barred(), reason="this user can read everything, and setpriv is not here to change that")
@pytest.mark.parametrize("name", ["Isometry.xcodeproj/project.pbxproj", "iOS/Info.plist", "."])
def test_what_may_not_be_read(here: Path, name: str) -> None:
    place = sample_at(here / "App") / name
    mode = place.stat().st_mode
    place.chmod(0)
    try:
        told = run(unprivileged(command("release", "--dry-run", "--quiet", "--app", "App")), cwd=here)
    finally:
        place.chmod(mode)
    assert "Traceback" not in told.out + told.err
    assert "internal error" not in told.err
    assert told.code in (1, 2), told.err
    assert name.rpartition("/")[2].strip(".") in told.out + told.err


# Configuration -------------------------------------------------------------------------------------------------------

BAD_CONFIGURATIONS = {
    "a tab": ("\tapps: {}", ("not YAML", ":1:")),
    "two apps, none chosen": ("apps: {one: {path: .}, two: {path: .}}", ("names 2 apps", "one, two")),
    "a list of apps": ("apps: [1]", ("a mapping is expected", "list")),
    "an app that is a number": ("apps: {a: 3}", ("apps.a", "a mapping is expected")),
    "a mistyped key": ("app: {}", ("unknown key 'app'", "did you mean 'apps'?")),
    "a mistyped key of an app": ("apps:\n  a:\n    pth: x", (":3: apps.a", "did you mean 'path'?")),
    "a mistyped key of a lane": ("apps: {a: {lanes: {ios: {schem: x}}}}", ("did you mean 'scheme'?",)),
    "a mistyped lane": ("apps: {a: {lanes: {mac_os: {scheme: x}}}}", ("did you mean 'macos'?",)),
    "a mistyped platform": ("apps: {a: {platforms: [ios]}}", ("did you mean 'IOS'?",)),
    "a mistyped severity": ("policy: {severity: {PREF003: warn}}", ("did you mean 'WARNING'?",)),
    "a mistyped rule": ("policy: {severity: {PREF03: NOTE}}", ("there is no rule 'PREF03'", "PREF003")),
    "a waiver of no rule": (
        "policy:\n  waivers:\n    - {rule: pref003, reason: a, until: 2026-12-31}",
        (":3:", "there is no rule 'pref003'", "did you mean PREF003"),
    ),
    "a waiver without an end": ("policy: {waivers: [{rule: PREF003, reason: a}]}", ("'until' is missing",)),
    "a waiver until never": ("policy: {waivers: [{rule: A, reason: b, until: never}]}", ("is not a day",)),
    "waivers that are a number": ("policy: {waivers: 3}", ("a list is expected",)),
    "an approval by nobody knows": ("policy: {approval: yes}", ("is not a choice",)),
    "a path that is a list": ("apps: {a: {path: [x]}}", ("a single value is expected",)),
    "containers that are a mapping": ("apps: {a: {containers: {b: c}}}", ("a list is expected",)),
    "a key twice": ("apps: {}\napps: {}", (":2:", "twice")),
    "a key that is a list": ("? [a]\n: b", ("a key must be a plain word",)),
    "an app without a name": ('apps: {"": {path: .}}', ("is no name",)),
    "an app with an invisible name": ('apps: {"a\\nb": {path: .}}', ("is no name",)),
    "a NUL in a path": ('apps: {a: {path: "x\\0y"}}', ("NUL",)),
    "a service that is no address": ("services: {connect: localhost}", ("is not an address",)),
    "a service with half an address": ("services: {connect: 'http://[::1'}", ("is not an address",)),
    "a list": ("- apps", ("a mapping is expected",)),
    "a word": ("apps", ("a mapping is expected",)),
    "two documents": ("apps: {}\n---\napps: {}", ("not YAML",)),
    "an object of Python": ("apps: !!python/object/apply:os.system ['true']", ("a mapping is expected",)),
    "an alias of itself": ("apps: &a {x: *a}", ("not YAML", "unknown key", "is expected")),
    "a folder that is not there": ("apps: {a: {path: nowhere}}", ("no folder", "names it as the path of a")),
    "braces": ("{{{", ("not YAML",)),
}


def configured(here: Path, data: bytes) -> Told:
    (here / "my.yaml").write_bytes(data)
    return rehearse(here, "--config", "my.yaml")


@pytest.mark.parametrize("name", BAD_CONFIGURATIONS)
def test_a_configuration_that_cannot_be_meant(here: Path, name: str) -> None:
    text, words = BAD_CONFIGURATIONS[name]
    told = configured(here, text.encode())
    refused(told, 2, *(words[:1] if name == "an alias of itself" and words[0] in told.err else ()), "my.yaml")
    if name == "an alias of itself":
        assert any(word in told.err for word in words), told.err
    else:
        assert all(word in told.err for word in words), told.err
    nothing_began(here)


def laughs() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"#" * 2_000_000, "larger than"),
        (b"[" * 100_000, "nested too deeply"),
        (b"a: " + b"{a: " * 50_000, "nested too deeply"),
        (laughs().encode(), "unknown key"),
        (b"apps:\n  a:\n    containers: " + laughs().replace("\n", "\n    ").encode(), "my.yaml:"),
        (b"\xff\xfe\x00", "not YAML"),
        (b"\x00\x01\x02", "not YAML"),
        (b"apps: \x80\x81", "not YAML"),
        (bytes(range(256)), "not YAML"),
    ],
    ids=["2 MB", "brackets", "braces", "laughs", "laughing containers", "half UTF-16", "binary", "Latin-1", "bytes"],
)
def test_a_hostile_configuration(here: Path, data: bytes, word: str) -> None:
    refused(configured(here, data), 2, word)


def test_a_configuration_that_is_a_folder_or_missing_or_a_loop(here: Path) -> None:
    (here / "folder").mkdir()
    (here / "loop").symlink_to("loop")
    for name in ("folder", "nowhere.yaml", "loop", "x" * 3000):
        refused(rehearse(here, "--config", name), 2, "cannot be read")


@pytest.mark.parametrize(
    ("option", "name"),
    [("--config", "pipe.yaml"), ("--scenario", "./pipe.yaml"), ("--ipa", "pipe.ipa"), ("--pkg", "pipe.pkg")],
)
def test_a_pipe_that_nobody_writes_to_is_not_waited_for(here: Path, app: Path, option: str, name: str) -> None:
    os.mkfifo(here / name)
    refused(rehearse(here, *(() if option == "--config" else ("--app", str(app))), option, name), 2, "a pipe")


PIPED = (
    "iOS/Info.plist",
    "iOS/Isometry.entitlements",
    "Isometry.xcodeproj/project.xcworkspace/contents.xcworkspacedata",
    "Isometry.xcodeproj/xcshareddata/xcschemes/Isometry.xcscheme",
    "Configurations/Base.xcconfig",
    "Shared/PrivacyInfo.xcprivacy",
    "Shared/Assets.xcassets/AppIcon.appiconset/Contents.json",
    "Schema/isometry.ckdb",
)


@pytest.mark.parametrize("name", PIPED)
def test_a_pipe_in_the_app_is_not_waited_for(here: Path, name: str) -> None:
    path = sample_at(here / "App") / name
    path.unlink()
    os.mkfifo(path)
    told = rehearse(here, "--app", "App")
    assert "Traceback" not in told.out + told.err
    assert told.code in (0, 1), told.err


def test_a_folder_whose_wishes_are_a_pipe_is_no_run(here: Path) -> None:
    os.mkfifo(here / "wishes.json")
    with pytest.raises(UsageFault, match="is not the folder of a run"):
        RunFolder(here).wishes()


def test_the_nearest_app(here: Path) -> None:
    (here / "config").mkdir()
    (here / "config" / "pipeline.yaml").write_text(
        f"apps: {{isometry: {{path: {SAMPLE}}}, another: {{path: {SAMPLE}}}}}"
    )
    refused(rehearse(here, "--app", "isomtry"), 2, "no app 'isomtry'", "did you mean 'isometry'?")
    refused(rehearse(here), 2, "names 2 apps", "isometry, another")
    assert rehearse(here, "--app", "isometry").code == 0


WORDS = st.sampled_from(
    [
        "apps", "policy", "services", "severity", "waivers", "approval", "path", "lanes", "ios", "macos", "scheme",
        "containers", "platforms", "rule", "reason", "until", "PREF003", "always", "2026-12-31", ".", "connect",
    ]
)  # fmt: skip
SCALARS = (
    WORDS
    | st.text(max_size=12)
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
    | st.binary(max_size=8)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=6), inner, max_size=5),
    max_leaves=12,
)


@given(VALUES)
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_yaml_is_read_or_refused(tmp_path: Path, value: object) -> None:
    path = tmp_path / "any.yaml"
    path.write_text(yaml.safe_dump(value, allow_unicode=True), encoding="utf-8", errors="surrogatepass")
    read_or_refused(path)


@given(st.binary(max_size=200) | st.text(alphabet="{}[]:,&*!|>'\"%@`#-?\n\t ax", max_size=60).map(str.encode))
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_read_or_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any.yaml"
    path.write_bytes(data)
    read_or_refused(path)


GOOD = """\
apps:
  a:
    path: .
    bundle_id: com.example.a
    team_id: ABCDE12345
    version: 2.50
    build: 7
    containers: [iCloud.a]
    schema: a.ckdb
    tag: v{version}
    groups: [Internal]
    platforms: [IOS]
    lanes: {ios: {project: A.xcodeproj, target: A, scheme: A, configuration: R, bundle_id: b, version: 1, build: 2}}
policy:
  approval: never
  severity: {PREF003: WARNING}
  waivers: [{rule: PREF003, reason: r, until: 2026-12-31, subject: "*", path: x}]
services: {connect: "http://127.0.0.1:1", cloudkit: "https://example.com"}
"""
PLACES = ["apps", "apps.a", *(f"apps.a.{key}" for key in yaml.safe_load(GOOD)["apps"]["a"]), "apps.a.lanes.ios"]
PLACES += [f"apps.a.lanes.ios.{key}" for key in yaml.safe_load(GOOD)["apps"]["a"]["lanes"]["ios"]]
PLACES += ["policy", "policy.approval", "policy.severity", "policy.severity.PREF003", "policy.waivers", "services"]
PLACES += ["policy.waivers.0", *(f"policy.waivers.0.{key}" for key in ("rule", "reason", "until", "subject", "path"))]
PLACES += ["services.connect", "services.cloudkit"]


@pytest.mark.parametrize("place", PLACES)
def test_a_value_of_a_wrong_kind_at_every_key(tmp_path: Path, place: str) -> None:
    good = tmp_path / "good.yaml"
    good.write_text(GOOD)
    assert read_settings(good, known_rules).apps["a"].version == "2.50", "a number is not rounded"
    for wrong in ({"a": {"b": "c"}}, [["a"]], [{"a": 1}]):
        told = yaml.safe_load(GOOD.replace("2026-12-31", "'2026-12-31'"))
        *path, last = (int(part) if part.isdigit() else part for part in place.split("."))
        inner = told
        for part in path:
            inner = inner[part]
        inner[last] = wrong
        bad = tmp_path / "bad.yaml"
        bad.write_text(yaml.safe_dump(told))
        with pytest.raises(ConfigurationFault) as caught:
            read_settings(bad, known_rules)
        assert str(bad) in caught.value.what
        assert place.partition(".")[0] in caught.value.what
        assert caught.value.remedy


def read_or_refused(path: Path) -> None:
    with contextlib.suppress(UsageFault):
        read_settings(path, known_rules)
    with contextlib.suppress(UsageFault):
        find_app(Wishes(config=str(path)))


# Options -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--lane", "iso"], ("iso", "ios")),
        (["--lane", "tvos"], ("tvos", "ios, macos")),
        (["--configuration", "Relase"], ("Relase",)),
        (["--project", "Nothing"], ("Nothing", "Isometry.xcodeproj")),
        (["--until", "archiv"], ("archiv", "archive")),
        (["--ipa", "none.ipa"], ("none.ipa", "No such file")),
        (["--ipa", "."], ("this is a folder",)),
        (["--pkg", "none.pkg"], ("none.pkg", "No such file")),
        (["--ipa", "x" * 3000], ("cannot be opened",)),
        (["--archive", "none.xcarchive"], ("none.xcarchive",)),
        (["--archive", "watch=."], ("Info.plist",)),
        (["--archive", "text.txt"], ("this is a file",)),
        (["--scenario", "flakey"], ("flakey", "did you mean 'flaky'?")),
        (["--scenario", "./none.yaml"], ("none.yaml",)),
        (["--report", "html"], ("FORMAT=PATH",)),
        (["--report", "htm=x"], ("did you mean 'html'?",)),
        (["--report", "html=."], ("folder",)),
        (["--report", "html=text.txt/x"], ("cannot be written",)),
        (["--runs", "text.txt"], ("cannot be written",)),
        (["--runs", "/proc/none"], ("cannot be written",)),
        (["--dryrun"], ("did you mean '--dry-run'?",)),
        (["--app"], ("--app needs a value",)),
    ],
    ids=lambda each: each[0] + " " + each[-1][:20] if isinstance(each, list) else "",
)
def test_an_option_that_cannot_be_meant(here: Path, arguments: list[str], words: tuple[str, ...]) -> None:
    (here / "text.txt").write_text("text")
    refused(rehearse(here, *arguments), 2, *words)
    nothing_began(here)


def test_an_archive_for_no_lane(here: Path) -> None:
    archive = here / "A.xcarchive"
    archive.mkdir()
    (archive / "Info.plist").write_text("x")
    refused(rehearse(here, "--archive", f"watch={archive}"), 2, "no lane watch", "ios, macos")
    refused(rehearse(here, "--lane", "macos", "--archive", str(archive)), 2, "no lane takes it")
    told = rehearse(here, "--archive", f"ios={archive}")
    assert told.code == 1, "an archive that holds nothing is a finding"
    assert "Traceback" not in told.out + told.err


def test_an_artifact_for_no_lane(here: Path) -> None:
    (here / "a.pkg").write_bytes(b"x")
    refused(rehearse(here, "--lane", "ios", "--pkg", "a.pkg"), 2, "no lane takes it", "--ipa")


@pytest.mark.parametrize("data", [b"", b"no zip", b"PK\x03\x04" + bytes(100)])
def test_an_ipa_that_is_no_zip_is_a_finding(here: Path, data: bytes) -> None:
    (here / "a.ipa").write_bytes(data)
    told = rehearse(here, "--lane", "ios", "--ipa", "a.ipa")
    assert told.code == 1, told.out + told.err
    assert "a.ipa" in told.out
    assert "Traceback" not in told.out + told.err


@pytest.mark.parametrize(
    "text",
    [
        "- a",
        "{",
        "nonsense: 1",
        "machine: 3",
        "machine: {identity: NEVER}",
        "machine: {nonsense: 1}",
        "faults: 3",
        "name: [1]",
        "\t",
        "a: &a [*a]",
        "[" * 5000,
        "{a: " * 3000,
        "é\x00",
    ],
)
def test_a_scenario_that_is_not_understood(here: Path, text: str) -> None:
    (here / "mine.yaml").write_text(text)
    refused(rehearse(here, "--scenario", "mine.yaml"), 2, "mine")
    nothing_began(here)


def test_an_approval_that_is_not_there(here: Path, app: Path) -> None:
    refused(menu("release", "--app", str(app), "--approved", "nonsense", cwd=here), 2, "nonsense")
    assert rehearse(here, "--app", str(app)).code == 0
    refused(menu("release", "--app", str(app), "--approved", runs_in(here / ".runs")[0].id, cwd=here), 3, "approve")


def test_the_sample_is_never_released(here: Path) -> None:
    refused(menu("release", cwd=here), 3, "sample")


@pytest.mark.parametrize(
    ("word", "meant"), [("relase", "release"), ("runs.lst", "runs.list"), ("doktor", "doctor"), ("zzzzzz", "--list")]
)
def test_the_nearest_task(here: Path, word: str, meant: str) -> None:
    refused(menu(word, cwd=here), 2, meant)


def test_plain_invoke_tells_the_same(here: Path) -> None:
    """Its own parser ends with 1 where an option is unknown; everything behind that is ours."""
    told = run([sys.executable, "-m", "invoke", "release", "--dry-run", "--app", str(here), "--runs", str(here / "r")])
    refused(told, 2, "is empty")
    told = run([sys.executable, "-m", "invoke", "--dry", "release"])
    refused(told, 2, "--dry-run")
    told = run([sys.executable, "-m", "invoke", "relase"])
    assert told.code == 1
    assert "Traceback" not in told.err


# Runs ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("played")
    assert rehearse(here).code == 0
    return here / ".runs"


@pytest.fixture
def kept(played: Path, here: Path) -> RunFolder:
    """A finished rehearsal below the current folder."""
    shutil.copytree(played, here / ".runs")
    return runs_in(here / ".runs")[0]


@pytest.mark.parametrize("task", ["runs.show", "status", "resume", "approve"])
def test_there_are_no_runs(here: Path, task: str) -> None:
    refused(menu(task, cwd=here), 2, "no runs", "release --dry-run")
    refused(menu(task, "nothing", cwd=here), 2, "no run 'nothing'")


def test_a_run_that_is_named_by_its_end_and_one_that_is_not(kept: RunFolder, here: Path) -> None:
    shutil.copytree(kept.path, kept.path.with_name(f"{kept.id[:-4]}zzzz"))
    assert menu("status", kept.id[-4:], cwd=here).code == 0
    assert menu("status", "--run", kept.id[-4:], cwd=here).code == 0
    refused(menu("status", kept.id[:8], cwd=here), 2, "more than one")
    refused(menu("status", "../../etc", cwd=here), 2, "no run")


@pytest.mark.parametrize("task", ["runs.show", "status", "resume"])
def test_a_journal_that_was_changed(kept: RunFolder, here: Path, task: str) -> None:
    lines = kept.journal.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b"e", b"E", 1)
    kept.journal.write_bytes(b"".join(lines))
    told = menu(task, cwd=here)
    assert told.code in (2, 5)
    refused(told, told.code, "journal", "start a new run")
    assert kept.journal.read_bytes() == b"".join(lines), "nothing was lost"
    listed = menu("runs.list", cwd=here)
    assert (listed.code, "unreadable" in listed.out) == (0, True)


def test_a_torn_last_line_is_no_fault(kept: RunFolder, here: Path) -> None:
    with kept.journal.open("ab") as journal:
        journal.write(b'{"kind":"half')
    assert menu("status", cwd=here).code == 0
    assert menu("resume", "--quiet", cwd=here).code == 0


@pytest.mark.parametrize("data", [None, b"", b"\xff", b"[]", b"{}\n" * 3])
def test_a_run_without_a_journal(kept: RunFolder, here: Path, data: bytes | None) -> None:
    kept.journal.unlink()
    if data is not None:
        kept.journal.write_bytes(data)
    told = menu("status", cwd=here)
    refused(told, told.code)
    assert told.code in (2, 5)
    assert menu("runs.list", cwd=here).code == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "[]",
        "{}",
        '{"app": 3}',
        '{"lanes": 3}',
        '{"lanes": {"a": 1}}',
        '{"archive": [1]}',
        '{"table": "zzz"}',
        '{"theatre": "zzz"}',
        '{"theatre": ["a"]}',
        '{"theatre": "rehearsal", "until": "zzz"}',
        '{"theatre": "rehearsal", "scenario": ["a"]}',
        '{"theatre": "rehearsal", "app": "a\\u0000b"}',
        '{"theatre": "rehearsal", "app": "\\ud800"}',
        '{"theatre": "rehearsal", "app": "' + "x" * 5000 + '"}',
        '{"theatre": "rehearsal", "ipa": "\\u0000"}',
        '{"theatre": "rehearsal", "config": "\\u0000"}',
        '{"theatre": "rehearsal", "verbose": "yes"}',
    ],
)
def test_wishes_of_nonsense(kept: RunFolder, here: Path, text: str) -> None:
    before = kept.journal.read_bytes()
    (kept.path / "wishes.json").write_text(text)
    refused(menu("resume", cwd=here), 2)
    assert kept.journal.read_bytes() == before


@given(st.dictionaries(st.sampled_from(list(Wishes.__dataclass_fields__)), VALUES))
@settings(max_examples=200, deadline=None)
def test_any_wishes_are_understood_or_refused(told: dict[str, object]) -> None:
    with contextlib.suppress(UsageFault):
        wishes = Wishes.told({"theatre": "rehearsal", **told})
        assert all(isinstance(lane, str) for lane in wishes.lanes)


def test_a_plan_of_nonsense(kept: RunFolder, here: Path) -> None:
    plan = kept.path / "plan.json"
    changed = json.loads(plan.read_text())
    changed["promises"] = changed["promises"][1:]
    for text in ("{", "[]", "3", "{}", json.dumps(changed), '{"plan": 1, "promises": [3]}'):
        plan.write_text(text)
        refused(menu("approve", "--yes", "--by", "Ann", cwd=here), 2, "invoke plan")
    plan.unlink()
    refused(menu("approve", "--yes", "--by", "Ann", cwd=here), 2, "has no plan")
    assert not (kept.path / "approval.json").exists()


def test_nobody_is_here_to_approve(kept: RunFolder, here: Path) -> None:
    refused(menu("approve", "--by", "Ann", cwd=here), 3, "nobody is here", "--yes")
    refused(menu("approve", "--by", " ", "--yes", cwd=here), 2, "needs a name")
    assert not (kept.path / "approval.json").exists()


def test_the_plan_of_a_blocked_run(here: Path, app: Path) -> None:
    assert rehearse(here, "--app", str(app), "--scenario", "schema-behind").code == 1
    refused(menu("approve", "--by", "Ann", cwd=here), 2, "cannot be approved", "invoke status")
    told = menu("status", cwd=here)
    assert told.code == 1
    assert "4 things to mend" in told.out
    assert "next: mend it" in told.out
    assert told.out.index(" 1. ") < told.out.index(" 4. ")


def test_a_run_that_somebody_else_plays(kept: RunFolder, here: Path) -> None:
    before = kept.journal.read_bytes()
    with Leases(kept.path / "leases", "somebody else").hold(f"run {kept.id}"):
        refused(menu("resume", cwd=here), 3, "somebody else", "wait until")
    assert kept.journal.read_bytes() == before
    assert menu("resume", "--quiet", cwd=here).code == 0


def test_two_resumes_at_once(kept: RunFolder, here: Path) -> None:
    line = command("resume", "--quiet", "--run", kept.id)
    both = [
        subprocess.Popen(
            line, cwd=here, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [each.communicate(timeout=60)[1] for each in both]
    assert sorted(each.returncode for each in both) in ([0, 0], [0, 3]), said
    assert "Traceback" not in "".join(said)
    assert kept.run().exit_code == 0, "the journal is whole"


def test_a_second_release_of_the_same_app(here: Path, app: Path) -> None:
    with Leases(here / ".runs" / "leases", "20260101-000000-app-0000").hold("the release of app"):
        refused(menu("release", "--app", str(app), cwd=here), 3, "20260101-000000-app-0000")
    nothing_began(here)


# The machine ---------------------------------------------------------------------------------------------------------


def limited(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("size", [0, 100, 4_000, 20_000, 60_000])
def test_a_file_that_cannot_grow(here: Path, size: int) -> None:
    told = run(command("release", "--dry-run", "--quiet"), cwd=here, preexec_fn=lambda: limited(size))
    assert "Traceback" not in told.out + told.err, told.err
    assert told.code in (1, 2), (told.code, told.err)
    assert "File too large" in told.out + told.err
    if runs_in(here / ".runs"):
        again = menu("resume", "--quiet", cwd=here)
        assert again.code == 0, again.out + again.err


def test_a_full_disk(here: Path) -> None:
    disk = here / "disk"
    disk.mkdir()
    script = f'mount -t tmpfs -o size=64k none {disk} && exec "$@"'
    line = ["unshare", "--mount", "sh", "-c", script, "sh"]
    if not shutil.which("unshare") or subprocess.run([*line, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no small disk can be mounted here")
    told = run([*line, *command("release", "--dry-run", "--quiet", "--runs", str(disk))], cwd=here)
    assert "Traceback" not in told.out + told.err
    assert told.code in (1, 2), (told.code, told.err)
    assert "No space left" in told.out + told.err


@pytest.mark.skipif(not barred(), reason="this user can write everywhere, and setpriv is not here to change that")
def test_a_folder_that_cannot_be_written(here: Path) -> None:
    here.chmod(0o500)
    try:
        refused(run(unprivileged(command("release", "--dry-run")), cwd=here), 2, ".runs cannot be written", "--runs")
        told = run(unprivileged(command("release", "--dry-run", "--report", "html=x.html")), cwd=here)
        refused(told, 2, "cannot be written")
        refused(run(unprivileged(command("init", "--app", str(SAMPLE))), cwd=here), 2, "cannot be written", "--config")
    finally:
        here.chmod(0o700)
    nothing_began(here)


def test_a_folder_that_is_gone(here: Path) -> None:
    script = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'
    told = run(["sh", "-c", script, "sh", *command("release", "--dry-run", "--quiet")], cwd=here)
    refused(told, 2, "folder")


def test_a_report_that_cannot_be_written_after_all_is_not_all(here: Path) -> None:
    told = rehearse(here, "--report", "html=/proc/nothing.html")
    refused(told, 2, "/proc/nothing.html")
    assert "would go through" in told.out, "the report for people was told before"


# Terminals -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blocked", [False, True])
def test_a_reader_that_has_seen_enough(here: Path, blocked: bool) -> None:
    more = ["--scenario", "schema-behind"] if blocked else []
    script = '"$@" | head -c 1 >/dev/null; exit "${PIPESTATUS[0]}"'
    told = run(["bash", "-c", script, "bash", *command("release", "--dry-run", "--quiet", *more)], cwd=here)
    assert told.err == ""
    assert told.code == (1 if blocked else 0), "the exit code is the run's"


@pytest.mark.parametrize(
    "task", [["runs.list"], ["runs.show"], ["simulator", "--list"], ["--list"], ["--help", "plan"]]
)
def test_no_task_complains_of_a_closed_pipe(kept: RunFolder, here: Path, task: list[str]) -> None:
    script = '"$@" | true; exit "${PIPESTATUS[0]}"'
    told = run(["bash", "-c", script, "bash", *command(*task)], cwd=here)
    assert (told.code, told.err) == (0, "")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(here: Path, closed: str) -> None:
    told = run(["bash", "-c", f'"$@" {closed}', "bash", *command("release", "--dry-run")], cwd=here)
    assert told.code == 0, told.err
    assert "Traceback" not in told.err
    told = run(["bash", "-c", f'"$@" {closed}', "bash", *command("approve", "--by", "Ann")], cwd=here)
    assert told.code == 3, told.err


@pytest.mark.parametrize(
    "more",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "latin-1"},
        {"TERM": "dumb"},
        {"NO_COLOR": "1"},
        {"NO_COLOR": "1", "FORCE_COLOR": "1"},
        {"COLUMNS": "40"},
        {"COLUMNS": "nonsense"},
    ],
    ids=lambda more: " ".join(f"{name}={value}" for name, value in more.items()),
)
def test_terminals_of_all_kinds(here: Path, more: dict[str, str]) -> None:
    app = sample_at(here / "Ümläut 🚀")
    told = run(command("release", "--dry-run", "--app", str(app)), cwd=here, env=environment(**more))
    assert told.code == 0, told.err
    assert "\x1b" not in told.out + told.err
    if more.get("PYTHONIOENCODING") == "ascii":
        assert told.out.isascii()
    told = run(command("init", "--app", str(app)), cwd=here, env=environment(**more))
    assert "Traceback" not in told.err
    # Where file names are ASCII, this one is bytes, and no text that a file could hold.
    assert told.code == (2 if "PYTHONUTF8" in more else 0), told.err


def test_colour_where_it_is_wanted(here: Path) -> None:
    told = run(command("release", "--dry-run", "--quiet"), cwd=here, env=environment(FORCE_COLOR="1"))
    assert "\x1b[" in told.out


def test_a_narrow_terminal_gets_narrow_lines(here: Path) -> None:
    told = run(command("release", "--dry-run", "--quiet"), cwd=here, env=environment(COLUMNS="40"))
    wide = [line for line in told.out.splitlines() if len(line) > 40]
    assert all("invoke approve" in line or "/" in line or " on live facts" in line for line in wide), wide


# Signals -------------------------------------------------------------------------------------------------------------

STARTED = """
import os, sys
sys.argv = ["release-pipeline", *sys.argv[1:]]
from pipeline import __main__ as door
opened = door._open_streams
door._open_streams = lambda: (opened(), os.write(1, b"started\\n"))
door.main()
"""


def stopped(here: Path, signal: int, after: float, *arguments: str) -> tuple[int, str]:
    """The exit code and what was said by a process that got a signal so many seconds after its start."""
    line = [sys.executable, "-c", STARTED, *arguments]
    with subprocess.Popen(line, cwd=here, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"started\n"
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(after)
        process.send_signal(signal)
        out, err = process.communicate(timeout=60)
    return process.returncode, (out + err).decode("utf-8", "replace")


AT_THE_FIRST_IMPORT = """
import os, runpy, sys
class Finger:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("pipeline.") and name != "pipeline.__main__":
            os.kill(os.getpid(), int(number))
number = sys.argv.pop(1)
sys.meta_path.insert(0, Finger())
runpy.run_module("pipeline", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("signal", [2, 15], ids=["SIGINT", "SIGTERM"])
def test_a_signal_before_anything_of_ours_is_imported(here: Path, signal: int) -> None:
    told = run([sys.executable, "-c", AT_THE_FIRST_IMPORT, str(signal), "--list"], cwd=here)
    assert (told.code, told.out, told.err) == (130, "", "\ninterrupted\n")


MOMENTS = [0.0, 0.02, 0.05, 0.08, 0.1, 0.13, 0.16, 0.19, 0.22, 0.25, 0.3, 0.35, 0.4, 0.5]


@pytest.mark.parametrize("signal", [2, 15], ids=["SIGINT", "SIGTERM"])
def test_a_signal_at_any_moment(here: Path, signal: int) -> None:
    codes = set()
    for after in MOMENTS:
        code, said = stopped(here, signal, after, "release", "--dry-run", "--quiet")
        assert "Traceback" not in said, (after, said)
        assert "Exception ignored" not in said, (after, said)
        assert code in (0, 130), (after, code, said)
        codes.add(code)
    assert 130 in codes, "no moment was early enough"
    for folder in runs_in(here / ".runs"):
        told = menu("resume", "--quiet", "--run", folder.id, cwd=here)
        assert told.code == 0, told.out + told.err


def test_signals_in_a_row(here: Path) -> None:
    line = [sys.executable, "-c", STARTED, "release", "--dry-run", "--quiet"]
    with subprocess.Popen(line, cwd=here, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        for _ in range(5):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.03)
            process.send_signal(2)
        out, err = process.communicate(timeout=60)
    assert "Traceback" not in (out + err).decode()
    assert process.returncode in (0, 130)


# Other doors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "nonsense"], ("nonsense",)),
        (["--port", "70000"], ("70000",)),
        (["--port", "-1"], ("-1",)),
        (["--scenario", "flakey"], ("flaky",)),
        (["--host", "256.1.1.1", "--port", "0"], ("256.1.1.1",)),
        (["--port", "0", "--state", "text.txt"], ("text.txt",)),
    ],
    ids=lambda each: " ".join(each[:2]) if isinstance(each, list) else "",
)
def test_the_simulator_refuses(here: Path, arguments: list[str], words: tuple[str, ...]) -> None:
    (here / "text.txt").write_text("text")
    refused(menu("simulator", *arguments, cwd=here), 2, *words)


@pytest.fixture
def begun(here: Path) -> RunFolder:
    """A run whose folder was made, and then the machine went down."""
    return begin(here / ".runs", "app", datetime.now(UTC), {"theatre": "rehearsal"})


def test_a_run_that_never_began(begun: RunFolder, here: Path) -> None:
    refused(menu("status", cwd=here), 2, "never began", "resume")
    refused(menu("approve", "--yes", "--by", "Ann", cwd=here), 2, "has no plan")
    assert "never began" in menu("runs.list", cwd=here).out
    assert menu("resume", "--quiet", cwd=here).code == 0


@pytest.mark.parametrize("name", ["release", "plan", "doctor", "certs.check", "schema.check", "build.check"])
def test_json_is_all_that_is_printed(here: Path, name: str) -> None:
    more = [] if name in ("plan", "build.check") else ["--dry-run"]
    told = menu(name, *more, "--json", cwd=here)
    assert told.code == 0
    assert told.err == ""
    assert json.load(io.StringIO(told.out))["run"]
