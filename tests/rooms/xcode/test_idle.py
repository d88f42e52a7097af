"""Settings that a project makes up: which of them nothing reads, and what keeps that from being told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rooms.xcode.look import Look
from tests.rooms.xcode.make import plist, project, scheme, write

PHONE = {"SDKROOT": "iphoneos", "PRODUCT_BUNDLE_IDENTIFIER": "com.example.app"}
MADE_UP = "// of our own\nNOTES_ZONE = Notes\nNOTES_ZONE[sdk=macosx*] = Desk\nSWIFT_STRANGE_FLAG = YES\n"


def told(root: Path, files: dict[str, str | bytes], **settings: str) -> list[tuple[str, str, int | None]]:
    project(root, targets={"App": {"Release": PHONE | settings}}, base={"Release": "A.xcconfig"})
    write(root, {"A.xcconfig": MADE_UP, **files})
    return [
        (finding.summary.partition(":")[0], finding.location.path, finding.location.line)
        for rule, finding in Look(root).findings[""]
        if rule == "PROJ078" and finding.location
    ]


UNREAD = [("nothing reads NOTES_ZONE", "A.xcconfig", 2)]


def test_nothing_refers_to_it(tmp_path: Path) -> None:
    assert told(tmp_path, {"README.md": "set NOTES_ZONE", "a.sh": "echo $NOTES_ZONES"}) == UNREAD


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("App/Info.plist", plist("<key>Zone</key><string>$(NOTES_ZONE)</string>")),
        ("App/App.entitlements", plist("<key>Zone</key><string>${NOTES_ZONE}</string>")),
        ("B.xcconfig", "OTHER_SWIFT_FLAGS = -D$(NOTES_ZONE)\n"),
        ("B.xcconfig", "OTHER_SWIFT_FLAGS = $(NOTES_$(KIND))\n"),
        ("App.xcodeproj/xcshareddata/xcschemes/App.xcscheme", scheme("App", "App.xcodeproj") + "<!-- NOTES_ZONE -->"),
        ("bin/prepare", '#!/bin/sh\necho "$NOTES_ZONE"\n'),
        (".github/workflows/release.yml", "run: xcodebuild NOTES_ZONE=Trial archive\n"),
        ("tools/prepare.swift", 'ProcessInfo.processInfo.environment["NOTES_ZONE"]\n'),
    ],
)
def test_something_refers_to_it(tmp_path: Path, path: str, text: str) -> None:
    assert told(tmp_path, {path: text}) == []


def test_the_project_file_refers_to_it(tmp_path: Path) -> None:
    assert told(tmp_path, {}, PRODUCT_NAME="$(NOTES_ZONE)") == []


@pytest.mark.parametrize("include", ['#include "Gone.xcconfig"', '#include? "Mine.xcconfig"'])
def test_what_is_not_here_may_refer_to_it(tmp_path: Path, include: str) -> None:
    assert told(tmp_path, {"A.xcconfig": f"{include}\n{MADE_UP}"}) == []


def test_what_never_was_a_setting_is_told_all_the_same(tmp_path: Path) -> None:
    text = f'#include? "Mine.xcconfig"\nENABLE_NOTARIZATION = YES\n{MADE_UP}'
    assert told(tmp_path, {"A.xcconfig": text, "a.sh": "echo $ENABLE_NOTARIZATION"}) == [
        ("nothing reads ENABLE_NOTARIZATION", "A.xcconfig", 2)
    ]


def test_a_setting_of_the_project_file(tmp_path: Path) -> None:
    ((summary, path, line),) = told(tmp_path, {"A.xcconfig": ""}, NOTES_HOST="a.example")
    assert (summary, path) == ("nothing reads NOTES_HOST", "App.xcodeproj/project.pbxproj")
    assert line


def test_a_reader_that_cannot_be_read_is_no_reason_to_tell(tmp_path: Path) -> None:
    assert told(tmp_path, {"big.sh": b"#" * (2 * 1024 * 1024 + 1)}) == []
