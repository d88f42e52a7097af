"""Whether it is evident that an app comes to a place that ends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.apple.sources.facts import CONTAINER, MIRROR, STORE, Topic, Use
from tests.rooms.sources import making

OPENS = "CKContainer.default().accountStatus { _, _ in }"
CLASS = f"import CloudKit\nfinal class Sync {{ init() {{ {OPENS} }} }}\n"


def opened(root: Path, files: dict[str, str], settings: dict[str, str] | None = None) -> list[Use]:
    named = {f"{name}.swift": text for name, text in files.items()}
    making.app(root, named, members=dict.fromkeys(named, ()), settings=settings)
    return [use for use in making.sources(root).uses if use.topic is Topic.OPENED]


@pytest.mark.parametrize(
    "files",
    [
        {"A": CLASS, "B": "let sync = Sync()"},
        {"A": f"{CLASS}\nlet sync = Sync()"},
        {"A": f"import CloudKit\n@main struct A: App {{ init() {{ {OPENS} }} }}"},
        {
            "A": f"import CloudKit\nclass C: UIViewController {{ override func viewDidLoad() {{ {OPENS} }} }}",
            "B": "C()",
        },
        {"A": "import CloudKit\nenum E { static let it = CKContainer.default() }", "B": "E.it.use()"},
        {"A": f"import CloudKit\nstruct S {{ func go() {{ {OPENS} }} }}", "B": "S().go()"},
        {"A": f"import CloudKit\n{OPENS}"},
        {
            "A": f"protocol P {{ func other() }}\nclass C {{ var a = 1\n var b: Int {{ 1 }}\n init() {{ {OPENS} }} }}",
            "B": "C()",
        },
        {"A": f"#if DEBUG\nprint(1)\n#endif\nimport CloudKit\n{OPENS}"},
    ],
)
def test_evident(tmp_path: Path, files: dict[str, str]) -> None:
    assert [(use.name, use.certain, use.reached, use.guarded) for use in opened(tmp_path, files)] == [
        (CONTAINER, True, True, False)
    ]


@pytest.mark.parametrize(
    "files",
    [
        {"A": CLASS},
        {"A": CLASS, "B": "// Sync\nlet a = 1"},
        {"A": CLASS, "B": "extension Sync { func b() {} }"},
        {"A": f"import CloudKit\nextension Sync {{ func go() {{ {OPENS} }} }}", "B": "let s = Sync()"},
        {"A": "import CloudKit\nclass S { lazy var c = CKContainer.default() }", "B": "let s = S()"},
        {"A": "import CloudKit\nextension S { var c: CKContainer {\n CKContainer.default()\n} }", "B": "let s = S()"},
        {"A": "import CloudKit\nenum E { static let it = CKContainer.default() }", "B": "E.other()"},
    ],
)
def test_not_evident(tmp_path: Path, files: dict[str, str]) -> None:
    assert [(use.certain, use.reached) for use in opened(tmp_path, files)] == [(True, False)]


def test_sources_that_look_first(tmp_path: Path) -> None:
    found = opened(tmp_path, {"A": CLASS, "B": "if FileManager.default.ubiquityIdentityToken != nil { _ = Sync() }"})
    assert [use.guarded for use in found] == [True]


def test_a_flag_of_the_cloud_that_is_not_set(tmp_path: Path) -> None:
    text = f"{CLASS}\n#if ICLOUD\nlet sync = Sync()\n#endif\nlet other = Sync()"
    assert [use.certain for use in opened(tmp_path, {"A": text})] == [False]
    set_ = {"SWIFT_ACTIVE_COMPILATION_CONDITIONS": "ICLOUD"}
    assert [use.certain for use in opened(tmp_path, {"A": text}, set_)] == [True]


def test_a_package_that_serves_others_who_are_entitled(tmp_path: Path) -> None:
    manifest = (
        "// swift-tools-version:5.9\nimport PackageDescription\n"
        'let package = Package(name: "Kit", products: [.library(name: "Kit", targets: ["Kit"])], '
        'targets: [.target(name: "Kit")])'
    )
    files = {"A.swift": "import Kit\nlet s = Sync()", "Kit/Package.swift": manifest, "Kit/Sources/Kit/S.swift": CLASS}
    making.app(tmp_path, files, members={"A.swift": ()}, packages={"Kit": "Kit"})
    (use,) = making.sources(tmp_path).of(Topic.OPENED)
    assert (use.package, use.imported, use.reached, use.guarded) == ("Kit", True, True, False)
    (tmp_path / "Other.entitlements").write_text(
        "<plist><dict><key>s</key><array><string>CloudKit</string></array></dict></plist>"
    )
    (use,) = making.sources(tmp_path).of(Topic.OPENED)
    assert use.guarded


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('import CloudKit\nlet c = CKContainer(identifier: "iCloud.com.example")', CONTAINER),
        ("import CloudKit\nlet c = CKContainer(identifier: Config.id)", CONTAINER),
        ("import CloudKit\nlet e = CKSyncEngine(configuration)", CONTAINER),
        ("import CoreData\nlet c = NSPersistentCloudKitContainer(name: n)", MIRROR),
        ("import CoreData\nd.o = NSPersistentCloudKitContainerOptions(containerIdentifier: id)", STORE),
        ("import SwiftData\nlet c = ModelConfiguration(cloudKitDatabase: .private(id))", STORE),
    ],
)
def test_ways_to_open(tmp_path: Path, text: str, name: str) -> None:
    assert [use.name for use in opened(tmp_path, {"A": text})] == [name]


@pytest.mark.parametrize(
    "text",
    [
        "import SwiftData\nlet c = ModelConfiguration(cloudKitDatabase: .none)",
        "import SwiftData\nlet c = ModelConfiguration(cloudKitDatabase: .automatic)",
        "import CloudKit\nfunc f(_ c: CKContainer) {}\nlet c = CKSyncEngine.Configuration(database: d)",
    ],
)
def test_ways_that_open_nothing(tmp_path: Path, text: str) -> None:
    assert opened(tmp_path, {"A": text}) == []


@pytest.mark.parametrize(
    ("text", "evident"),
    [
        ("@implementation Sync\n- (void)go { [CKContainer defaultContainer]; }\n@end\n", False),
        (
            "@implementation Sync\n- (void)go { [CKContainer defaultContainer]; }\n@end\nvoid f(void) { [Sync new]; }",
            True,
        ),
    ],
)
def test_objective_c(tmp_path: Path, text: str, evident: bool) -> None:
    making.app(tmp_path, {"A.m": text}, members={"A.m": ()})
    assert [use.reached for use in making.sources(tmp_path).of(Topic.OPENED)] == [evident]
