"""Every reader, fed with every beginning of a small sample, and with long files that lead patterns astray."""

from __future__ import annotations

import pytest

from pipeline.apple.sources.conditions import Conditions
from pipeline.apple.sources.facts import Use
from pipeline.apple.sources.lexing import c_family, swift
from pipeline.apple.sources.packages import read_package
from pipeline.apple.sources.scanning import Module, Scan, lexed
from pipeline.model import Platform

SWIFT = '''import CloudKit /* a /* nested */ comment */
#if os(macOS) || (DEBUG && !targetEnvironment(simulator))
let path = "\\(home)/Library/Group Containers/group.com.apple.notes/\\(name(of: "x"))"
#elseif canImport(UIKit)
let raw = #"\\#(a) "quoted" "#, many = """
  CKContainer(identifier: "no")
  """
#endif
let c = CKContainer(identifier: "iCloud.com.example") ; let r = /[a"]+/
var record = CKRecord(recordType: "Note"); record["title"] = "t"
guard let id = Bundle.main.bundleIdentifier, id.contains("com.example.app") else { return }
'''
OBJC = """#import <UIKit/UIKit.h>
#if TARGET_OS_MAC && \\
    TARGET_OS_OSX
NSString *s = @"a \\" b"; char c = '"'; // '
[[NSUserDefaults alloc] initWithSuiteName:@"group.com.example"];
struct stat s; stat(path, &s); R"x(")x" /* end */
#endif
"""
PACKAGE = """// swift-tools-version: 5.9
let package = Package(name: "Kit", products: [.library(name: "Kit", type: .dynamic, targets: ["Kit"])],
  dependencies: [.package(path: "../Other"), .package(url: "https://example.com/a", from: "1.0.0")],
  targets: [.target(name: "Kit", dependencies: ["A", .product(name: "B", package: "b", condition: .when(platforms: [.iOS]))],
    path: "Sources/Kit", exclude: ["x"], sources: ["y"]), .testTarget(name: "T", dependencies: ["Kit"])])
"""


def uses(text: str, path: str) -> list[Use]:
    scan = Scan(Platform.MAC_OS.value)
    data = text.encode()
    module = Module("App", (path,), Conditions(Platform.MAC_OS))
    scan.search(path, lexed(path, data), scan.signs(scan.words(data), module), module)
    return scan.uses


@pytest.mark.parametrize(("text", "path"), [(SWIFT, "A.swift"), (OBJC, "A.m")])
def test_every_beginning_of_a_source(text: str, path: str) -> None:
    lex = swift if path.endswith("swift") else c_family
    whole = {(use.topic, use.name) for use in uses(text, path)}
    assert whole
    for end in range(len(text)):
        found = lex(text[:end])
        assert len(found.code) == end
        for use in uses(text[:end], path):
            assert use.location is not None
            assert 1 <= (use.location.line or 0) <= text.count("\n", 0, end) + 1


def test_every_beginning_of_a_manifest() -> None:
    whole = read_package(PACKAGE.encode(), "Kit")
    assert set(whole.targets) == {"Kit", "T"}
    for end in range(len(PACKAGE)):
        found = read_package(PACKAGE[:end].encode(), "Kit")
        assert set(found.targets) <= set(whole.targets)


LONG = 30_000


@pytest.mark.parametrize(
    "text",
    [
        "CKContainer" * LONG,
        "CKContainer(" + " " * LONG,
        "let x = Bundle.main.bundleIdentifier" + " " * LONG + ", x",
        "Bundle . main" + " " * LONG,
        'CKRecord(recordType: "A")' * 1_000,
        "requestAuthorization(toShare: a" * 2_000,
        "stat(" * LONG,
        '"Group Containers/"' * 5_000 + '"group.com.apple.x"',
        "/" + "a" * LONG,
        "= /" + "[" * LONG,
        "#if " + "(" * LONG,
        "#if " + "a&&" * LONG,
        "var a = CKRecord(recordType: " * 5_000,
        "UserDefaults" + "\n" * LONG,
    ],
)
@pytest.mark.parametrize("path", ["A.swift", "A.m"])
def test_long_files_end(text: str, path: str) -> None:
    assert len(uses(f"import CloudKit\nimport HealthKit\n{text}", path)) <= 2_000
