"""A checkout is written by others: whatever it refers to, no file of the machine gets into what is told or kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.simulator.machine.mac import Machine
from tests.menu.shell import command, environment, run, sample_at
from tests.rehearsals.theatre import Told
from tests.rooms.xcode.make import plist, project, write

CANARY = "canary4f1d77b0e2a9"
OF_THE_MACHINE = ("root:x:0:0", "/usr/sbin/nologin", "daemon:")
"""What /etc/passwd says."""
PHONE = {
    "SDKROOT": "iphoneos",
    "PRODUCT_BUNDLE_IDENTIFIER": "com.example.app",
    "DEVELOPMENT_TEAM": "TEAM000000",
    "MARKETING_VERSION": "1.0",
    "CURRENT_PROJECT_VERSION": "1",
}

TABLES = (
    ("build.check",),
    ("release", "--dry-run"),
    ("build.settings", "--key", "*"),
    ("build.settings", "--key", "A_FIRST"),
)
CHECKED = TABLES[:2]


def secret_at(folder: Path) -> Path:
    """Somebody's folder, of every kind of file that a project may refer to, each with the canary."""
    entitlements = "<key>com.apple.security.application-groups</key><array><string>group.{0}</string></array>"
    info = f"<key>CFBundleIdentifier</key><string>{CANARY}</string><key>CFBundleVersion</key><string>{CANARY}</string>"
    write(
        folder,
        {
            "Secret.xcconfig": f"CURRENT_PROJECT_VERSION = {CANARY}\nA_FIRST = {CANARY}\n{CANARY} is no setting\n",
            "Info.plist": plist(info),
            "broken.plist": f"<plist><dict><key>{CANARY}</key>",
            "App.entitlements": plist(entitlements.format(CANARY)),
            "PrivacyInfo.xcprivacy": plist(f"<key>{CANARY}</key><true/>"),
            "Code.swift": f"import Photos\nlet {CANARY} = UserDefaults.standard // {CANARY}\n<<<<<<< {CANARY}\n",
            "Fastfile": f'lane :release do\n  build_app(scheme: "{CANARY}", project: "{CANARY}.xcodeproj")\nend\n',
            "a.yml": f"on: push\njobs:\n  a:\n    runs-on: {CANARY}\n    steps:\n      - uses: {CANARY}/a@main\n",
            "schema.ckdb": f"DEFINE SCHEMA\n  RECORD TYPE {CANARY} (\n    {CANARY} NONSENSE\n  );\n",
            "Contents.json": f'{{"images": [{{"filename": "{CANARY}.png", "idiom": "universal", "size": "1x1"}}]}}',
            "A.xcscheme": f"<Scheme><BuildAction><{CANARY}></Scheme>",
            "contents.xcworkspacedata": f'<Workspace><FileRef location="group:{CANARY}.xcodeproj"/></Workspace>',
            "Package.swift": f'import PackageDescription // {CANARY}\nlet package = Package(name: "{CANARY}")\n',
            "Package.resolved": f'{{"pins": [{{"identity": "{CANARY}"}}], "version": 2}}',
            "ExportOptions.plist": plist(f"<key>method</key><string>{CANARY}</string>"),
            "Products.storekit": f'{{"products": [{{"productID": "{CANARY}"}}]}}',
            "pipeline.yaml": f"apps:\n  {CANARY}: [\n",
            "project.pbxproj": f"// !$*UTF8*$!\n{{ {CANARY} = ; }}\n",
        },
    )
    return folder


def told_of(app: Path, tmp_path: Path, *tables: tuple[str, ...]) -> dict[tuple[str, ...], Told]:
    """What all tables say of an app, with reports of every format; then nothing that they wrote holds a secret."""
    cache, runs = tmp_path / "cache", tmp_path / "runs"
    env = environment(MY_TOKEN=CANARY, A_FIRST=CANARY, XDG_CACHE_HOME=str(cache))
    found: dict[tuple[str, ...], Told] = {}
    for words in tables:
        formats = ("terminal", "markdown", "annotations", "json", "sarif", "junit", "html")
        reports = [f"--report={name}={tmp_path / f'report-{len(found)}.{name}'}" for name in formats]
        extra = reports if words[0] == "build.check" else []
        line = command(*words, "--app", str(app), "--runs", str(runs), *extra)
        found[words] = run(line, env=env, cwd=tmp_path)
    for path in (each for top in (cache, runs, *tmp_path.glob("report-*")) for each in (top, *top.rglob("*"))):
        if path.is_file():
            check(path.read_bytes(), str(path))
    for words, told in found.items():
        check((told.out + told.err).encode(), " ".join(words))
        assert "Traceback" not in told.err
    assert list(runs.rglob("*.jsonl"))
    return found


def check(data: bytes, where: str) -> None:
    for word in (CANARY, *OF_THE_MACHINE):
        assert word.encode() not in data, f"{word} in {where}"


INCLUDES = (
    "/etc/passwd",
    "/etc/shadow",
    "/proc/self/environ",
    "../secret/Secret.xcconfig",
    "linked/Secret.xcconfig",
    "linked.xcconfig",
    "environ.xcconfig",
)


def test_a_configuration_file_includes_nothing_of_the_machine(tmp_path: Path) -> None:
    secret, app = secret_at(tmp_path / "secret"), tmp_path / "app"
    settings = {**PHONE, "INFOPLIST_FILE": "Info.plist"}
    info = plist("<key>CFBundleVersion</key><string>$(A_FIRST)$(MY_TOKEN)</string>")
    project(app, targets={"App": {"Release": settings}}, base={"Release": "A.xcconfig"})
    write(app, {"A.xcconfig": "".join(f'#include "{path}"\n' for path in INCLUDES), "Info.plist": info})
    (app / "linked").symlink_to(secret)
    (app / "linked.xcconfig").symlink_to(secret / "Secret.xcconfig")
    (app / "environ.xcconfig").symlink_to("/proc/self/environ")
    found = told_of(app, tmp_path, *TABLES)[TABLES[0]]
    assert found.out.count("lies outside of the checkout, and is not read") == len(INCLUDES), "once for each file"


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("INFOPLIST_FILE", "/etc/passwd"),
        ("INFOPLIST_FILE", "../secret/broken.plist"),
        ("INFOPLIST_FILE", "linked/Info.plist"),
        ("INFOPLIST_FILE", "/dev/zero"),
        ("CODE_SIGN_ENTITLEMENTS", "/proc/self/environ"),
        ("CODE_SIGN_ENTITLEMENTS", "a.plist"),
    ],
)
def test_a_setting_names_nothing_of_the_machine(tmp_path: Path, key: str, path: str) -> None:
    secret, app = secret_at(tmp_path / "secret"), tmp_path / "app"
    project(app, targets={"App": {"Release": {**PHONE, key: path}}})
    (app / "linked").symlink_to(secret)
    (app / "a.plist").symlink_to("/etc/passwd")
    found = told_of(app, tmp_path, *CHECKED)[TABLES[0]]
    assert "lies outside of the checkout, and is not read" in found.out
    assert "not there" not in found.out, "nobody looked"
    assert "PROJ060" not in found.out
    assert found.code == 1, "what could not be judged is no pass"


def test_a_base_configuration_is_nothing_of_the_machine(tmp_path: Path) -> None:
    app = tmp_path / "app"
    project(app, targets={"App": {"Release": PHONE}}, base={"Release": "/proc/self/environ"})
    write(app, {"Info.plist": plist("")})
    assert "lies outside of the checkout, and is not read" in told_of(app, tmp_path, *CHECKED)[TABLES[0]].out


LINKS = {
    "IsometryiOS/Info.plist": "broken.plist",
    "native/Sources/Code.swift": "Code.swift",
    "fastlane/Fastfile": "Fastfile",
    ".github/workflows/a.yml": "a.yml",
    "schema.ckdb": "schema.ckdb",
    "ExportOptions.plist": "ExportOptions.plist",
    "Package.swift": "Package.swift",
    "Package.resolved": "Package.resolved",
    "PrivacyInfo.xcprivacy": "PrivacyInfo.xcprivacy",
    "Products.storekit": "Products.storekit",
    "A.xcworkspace/contents.xcworkspacedata": "contents.xcworkspacedata",
    "Other.xcodeproj/project.pbxproj": "project.pbxproj",
    ".gitmodules": "Secret.xcconfig",
}


def test_no_link_of_any_kind_leads_out(tmp_path: Path) -> None:
    """All files of the sample that anything reads, each in turn a link to somebody's file of that kind."""
    secret, app = secret_at(tmp_path / "secret"), sample_at(tmp_path / "app")
    kinds = {path.suffix: path for path in secret.iterdir()}
    for path in sorted(path for path in app.rglob("*") if path.is_file()):
        if path.suffix in kinds and path.suffix != ".pbxproj":
            path.unlink()
            path.symlink_to(secret / path.name if (secret / path.name).exists() else kinds[path.suffix])
    for name, target in LINKS.items():
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).unlink(missing_ok=True)
        (app / name).symlink_to(secret / target)
    told_of(app, tmp_path, *TABLES)


def test_a_configuration_that_is_a_link_out_is_not_read(tmp_path: Path) -> None:
    secret, app = secret_at(tmp_path / "secret"), sample_at(tmp_path / "app")
    (app / "config").mkdir()
    (app / "config/pipeline.yaml").symlink_to(secret / "pipeline.yaml")
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    told = run(command("build.check", "--app", str(app)), env=environment(**cache), cwd=tmp_path)
    assert (told.code, CANARY in told.out + told.err) == (2, False)
    assert "outside of the checkout" in told.err
    assert "--config" in told.err
    (app / "config/pipeline.yaml").unlink()
    (app / "config/pipeline.yaml").symlink_to("../own.yaml")
    (app / "own.yaml").write_text("apps: {}\n")
    assert run(command("build.check", "--app", str(app)), env=environment(**cache), cwd=tmp_path).code != 2


def test_a_sibling_of_the_same_repository_is_read(tmp_path: Path) -> None:
    """What an app of a bigger repository shares with others."""
    app = tmp_path / "repository/App"
    project(app, targets={"App": {"Release": {**PHONE, "INFOPLIST_FILE": "../Shared/Info.plist"}}})
    write(app.parent, {"Shared/Info.plist": plist("<key>CFBundleVersion</key><string>shared7</string>")})
    (app.parent / ".git").mkdir()
    env = environment(XDG_CACHE_HOME=str(tmp_path / "cache"))
    line = command("build.check", "--app", str(app), "--runs", str(tmp_path / "runs"))
    told = run(line, env=env, cwd=tmp_path)
    assert "shared7" in told.out
    assert "outside" not in told.out
    (app.parent / ".git").rmdir()
    told = run(line, env=env, cwd=tmp_path)
    assert "shared7" not in told.out
    assert told.out.count("../Shared/Info.plist lies outside of the checkout") == 1
    (app.parent / ".git").mkdir()
    assert "shared7" in run(line, env=env, cwd=tmp_path).out, "what was kept is not of the checkout of before"


def test_a_pipe_does_not_hold_it_up(tmp_path: Path) -> None:
    app = tmp_path / "app"
    project(app, targets={"App": {"Release": {**PHONE, "INFOPLIST_FILE": "pipe"}}}, base={"Release": "pipe.xcconfig"})
    os.mkfifo(app / "pipe")
    os.mkfifo(app / "pipe.xcconfig")
    told = run(command("build.check", "--app", str(app), "--runs", str(tmp_path / "runs")), cwd=tmp_path)
    assert told.code == 1
    assert "it is a pipe, a socket or a device" in told.out


def test_a_simulated_mac_keeps_to_the_checkout_too(tmp_path: Path) -> None:
    """Its Xcode reads projects on its own, and what it builds lies in the run's folder."""
    secret, app = secret_at(tmp_path / "secret"), sample_at(tmp_path / "app")
    with (app / "Configurations/Base.xcconfig").open("a") as file:
        file.write('#include "/proc/self/environ"\n#include "../../secret/Secret.xcconfig"\n')
    info = app / "iOS/Info.plist"
    copyright_ = "<key>NSHumanReadableCopyright</key><string>$(A_FIRST)$(MY_TOKEN)</string>"
    info.write_text(info.read_text().replace("<dict>", f"<dict>{copyright_}", 1))
    picture = app / "Shared/Assets.xcassets/AppIcon.appiconset/icon-16.png"
    picture.unlink()
    picture.symlink_to(secret / "Code.swift")
    manifest = app / "Shared/PrivacyInfo.xcprivacy"
    manifest.unlink()
    manifest.symlink_to(secret / "PrivacyInfo.xcprivacy")
    machine = Machine(tmp_path / "mac", projects=(app / "Isometry.xcodeproj",), root=str(app))
    built = tmp_path / "runs/A.xcarchive"
    code, _, said = machine.run(
        [
            *("xcodebuild", "archive", "-project", "Isometry.xcodeproj", "-scheme", "Isometry"),
            *("-destination", "generic/platform=iOS", "-archivePath", str(built)),
        ],
        cwd=app,
    )
    assert code == 0, said
    assert (built / "Products/Applications").is_dir()
    for path in (each for each in built.rglob("*") if each.is_file()):
        check(path.read_bytes(), str(path))


def test_the_schema_that_a_configuration_names(tmp_path: Path) -> None:
    """One of the checkout names files of the checkout alone, one of a person any."""
    app = sample_at(tmp_path / "checkout")
    write(tmp_path, {"elsewhere.ckdb": (app / "Schema/isometry.ckdb").read_bytes() + b"\nNONSENSE"})
    own = {"app": "../elsewhere.ckdb", "config": str(tmp_path / "elsewhere.ckdb")}
    write(app, {"config/pipeline.yaml": f"apps:\n  A:\n    path: .\n    schema: {own['app']}\n"})
    write(tmp_path, {"config/pipeline.yaml": f"apps:\n  A:\n    path: checkout\n    schema: {own['config']}\n"})
    runs = ("--runs", str(tmp_path / "runs"))
    told = run(command("schema.check", "--dry-run", "--app", str(app), *runs), cwd=tmp_path / "checkout")
    assert "it lies outside of the checkout, and is not read" in told.out
    assert "NONSENSE" not in told.out
    told = run(command("schema.check", "--dry-run", "--app", "A", *runs), cwd=tmp_path)
    assert "outside of the checkout" not in told.out
    assert "NONSENSE" in told.out
