"""Which files are the target's, and what is said of those that are not here."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.sources.facts import Topic
from pipeline.apple.sources.packages import read_package
from pipeline.model import Platform
from tests.rooms.sources.making import app, reasons, sources

WEB = "let v: UIWebView! = nil\n"


def places(root: Path, platform: Platform = Platform.IOS) -> set[str]:
    return {use.location.path for use in sources(root, platform).of(Topic.WEB_VIEW) if use.location}


def test_members_by_reference(tmp_path: Path) -> None:
    app(
        tmp_path,
        {"A.swift": WEB, "B.swift": WEB, "Phone.swift": WEB, "Mac.swift": WEB},
        members={"A.swift": (), "Phone.swift": ("ios",), "Mac.swift": ("macos",), "Gone.swift": ()},
    )
    assert places(tmp_path) == {"A.swift", "Phone.swift"}
    assert sources(tmp_path).absent == ("Gone.swift",)
    assert sources(tmp_path).files == 2


def test_members_by_folder(tmp_path: Path) -> None:
    files = {"App/A.swift": WEB, "App/In/B.m": WEB, "App/Out.swift": WEB, "Else/C.swift": WEB, "App/x.txt": WEB}
    app(tmp_path, files, folders={"App": ("Out.swift",)})
    assert places(tmp_path) == {"App/A.swift", "App/In/B.m"}


def test_what_a_release_leaves_out(tmp_path: Path) -> None:
    app(
        tmp_path,
        {"App/A.swift": WEB, "App/Preview Content/P.swift": WEB, "App/DebugMenu.swift": WEB, "App/Kept.swift": WEB},
        folders={"App": ()},
        settings={
            "DEVELOPMENT_ASSET_PATHS": '"App/Preview Content"',
            "EXCLUDED_SOURCE_FILE_NAMES": "Debug* Kept.swift",
            "INCLUDED_SOURCE_FILE_NAMES": "Kept.swift",
        },
    )
    assert places(tmp_path) == {"App/A.swift", "App/Kept.swift"}


def test_settings_decide_conditions(tmp_path: Path) -> None:
    text = "#if BETA\n" + WEB + "#endif\n"
    app(tmp_path, {"A.swift": text}, members={"A.swift": ()})
    assert not places(tmp_path)
    app(tmp_path, {}, members={"A.swift": ()}, settings={"OTHER_SWIFT_FLAGS": "-D BETA"})
    assert places(tmp_path) == {"A.swift"}
    app(tmp_path, {}, members={"A.swift": ()}, settings={"SWIFT_ACTIVE_COMPILATION_CONDITIONS": "$(FROM_CI)"})
    (use,) = sources(tmp_path).uses
    assert not use.certain
    assert sources(tmp_path).undecided == ("SWIFT_ACTIVE_COMPILATION_CONDITIONS",)


PACKAGE = """
// swift-tools-version: 5.9
let package = Package(
    name: "Kit",
    products: [.library(name: "Kit", targets: ["Kit"]), .library(name: "Far", type: .dynamic, targets: ["Far"])],
    dependencies: [.package(path: "../Other"), .package(url: "https://example.com/x", from: "1.0.0")],
    targets: [
        .target(name: "Kit", dependencies: ["Inner", .product(name: "Other", package: "Other"), // "Not"
            .product(name: "X", package: "x"), .target(name: "Mac", condition: .when(platforms: [.macOS]))],
            exclude: ["Old"], resources: [.process("PrivacyInfo.xcprivacy")]),
        .target(name: "Inner", path: "Elsewhere", sources: ["Code"]),
        .target(name: "Mac"), .target(name: "Far"), .testTarget(name: "KitTests", dependencies: ["Kit"]),
    ]
)
"""
OTHER = 'let package = Package(name: "Other", products: [.library(name: "Other", targets: ["O"])], targets: [.target(name: "O")])'
FILES = {
    "Kit/Package.swift": PACKAGE,
    "Kit/Sources/Kit/A.swift": WEB,
    "Kit/Sources/Kit/Old/B.swift": WEB,
    "Kit/Sources/Mac/M.swift": WEB,
    "Kit/Sources/Far/F.swift": WEB,
    "Kit/Elsewhere/Code/C.swift": WEB,
    "Kit/Elsewhere/Text/D.swift": WEB,
    "Kit/Tests/KitTests/T.swift": WEB,
    "Other/Package.swift": OTHER,
    "Other/Sources/O/O.swift": WEB,
    "Kit/Sources/Kit/PrivacyInfo.xcprivacy": (
        '<?xml version="1.0"?>\n<plist version="1.0"><dict>\n<key>NSPrivacyAccessedAPITypes</key><array><dict>\n'
        "<key>NSPrivacyAccessedAPIType</key>\n<string>NSPrivacyAccessedAPICategoryDiskSpace</string>\n"
        "<key>NSPrivacyAccessedAPITypeReasons</key><array><string>E174.1</string></array></dict></array></dict></plist>"
    ),
}


def test_local_packages(tmp_path: Path) -> None:
    app(tmp_path, FILES, packages={"Kit": "Kit", "Distant": ""})
    assert places(tmp_path) == {"Kit/Sources/Kit/A.swift", "Kit/Elsewhere/Code/C.swift", "Other/Sources/O/O.swift"}
    assert sources(tmp_path).packages == ("Kit", "Other")
    assert set(sources(tmp_path).remote) == {"X", "Distant"}


def test_what_is_linked_and_never_imported_is_told_apart(tmp_path: Path) -> None:
    app(tmp_path, {**FILES, "A.swift": "import Kit\n"}, members={"A.swift": ()}, packages={"Kit": "Kit"})
    found = {use.location.path: use.imported for use in sources(tmp_path).uses if use.location}
    assert found == {
        "Kit/Sources/Kit/A.swift": True,
        "Kit/Elsewhere/Code/C.swift": False,
        "Other/Sources/O/O.swift": False,
    }


def test_dynamic_products_are_executables_of_their_own(tmp_path: Path) -> None:
    app(tmp_path, FILES, packages={"Far": "Kit"})
    assert [use.linked for use in sources(tmp_path).uses] == [False]


def test_manifests_of_packages(tmp_path: Path) -> None:
    app(tmp_path, FILES, packages={"Kit": "Kit"})
    (reason,) = reasons(tmp_path).reasons
    assert (reason.package, reason.reasons) == ("Kit", ("E174.1",))
    assert reason.location is not None
    assert reason.location.line == 5


def test_static_libraries_are_part_of_the_app(tmp_path: Path) -> None:
    app(tmp_path, {"A.swift": "", "K.swift": WEB}, members={"A.swift": ()}, library={"K.swift": ()})
    assert [use.linked for use in sources(tmp_path).uses] == [True]


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(0, len(PACKAGE)))
def test_manifests_are_read_whatever_is_in_them(seed: int, cut: int) -> None:
    chance = random.Random(seed)
    data = bytearray(PACKAGE.encode())
    for _ in range(chance.randrange(8)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    package = read_package(bytes(data), "Kit")
    assert set(package.targets) == {target.name for target in package.targets.values()}
    read_package(bytes(data)[:cut], "Kit")


def test_isometry_main(shared_data: Path) -> None:
    folder = shared_data / "isometry" / "2026-04"
    if not folder.is_dir():
        pytest.skip("the real app's files are not here")
    from tests.rooms.xcode.look import Look

    (lane, *_) = Look(folder).found.lanes
    from pipeline.apple.sources import gateway
    from pipeline.model import Declaration
    from pipeline.ports.files import LiveFiles

    found = gateway.sources_of_target(LiveFiles(folder), lane, Declaration()).value
    assert found is not None
    assert not found.uses
