"""Every reader of the room, with its file cut off at every place and changed at random: an answer, or a reason."""

from __future__ import annotations

import json
import plistlib
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.xcode import assets, privacy
from pipeline.apple.xcode.entitlements import effective as entitlements_of
from pipeline.apple.xcode.facts import IconImage
from pipeline.apple.xcode.infoplist import effective as info_of
from pipeline.apple.xcode.pbxproj import BrokenList
from pipeline.apple.xcode.pbxproj import parse as parse_project
from pipeline.apple.xcode.plists import BrokenPlist
from pipeline.apple.xcode.plists import parse as parse_plist
from pipeline.apple.xcode.preprocessor import NotPreprocessed, preprocessed
from pipeline.apple.xcode.project import Project
from pipeline.apple.xcode.schemes import BrokenScheme
from pipeline.apple.xcode.schemes import parse as parse_scheme
from pipeline.apple.xcode.settings import Context, Level, Settings
from pipeline.apple.xcode.workspacedata import BrokenWorkspace
from pipeline.apple.xcode.workspacedata import parse as parse_workspace
from pipeline.apple.xcode.xcconfig import load
from pipeline.model import UsageFault
from tests.rooms.xcode.look import Look
from tests.rooms.xcode.make import plist, png, project, scheme, write

PROJECT = b"""// !$*UTF8*$!
{ objects = { /* all */
  P = {isa = PBXProject; targets = (T); buildConfigurationList = L; mainGroup = G; };
  T = {isa = PBXNativeTarget; name = "A \\U00e9"; productType = "com.apple.product-type.application";
    buildConfigurationList = L; buildPhases = (R, C); dependencies = (D); packageProductDependencies = (K); };
  L = {isa = XCConfigurationList; buildConfigurations = (B); defaultConfigurationName = Release; };
  B = {isa = XCBuildConfiguration; name = Release; buildSettings = {"A[sdk=ios*]" = (x, "y z"); }; };
  R = {isa = PBXResourcesBuildPhase; files = (F); }; F = {isa = PBXBuildFile; fileRef = E; platformFilter = ios; };
  E = {isa = PBXFileReference; path = a.png; sourceTree = "<group>"; }; G = {isa = PBXGroup; children = (E); };
  C = {isa = PBXCopyFilesBuildPhase; files = (F); dstSubfolderSpec = 10; }; D = {target = T; };
  K = {isa = XCSwiftPackageProductDependency; productName = GRDB; };
}; rootObject = P; }
"""
XCCONFIG = b'#include? "b.xcconfig"\nA[sdk=iphoneos*][arch=arm64] = $(B:lower) \\\n  $(A_$(C)) // end\nB = "x;";\n'
INFO = plist(
    "<key>CFBundleIdentifier</key><string>$(ID:rfc1034identifier)</string><key>UIBackgroundModes</key>"
    "<array><string>fetch</string></array><!-- c --><key>D</key><data>AAE=</data><key>N</key><real>1.5</real>"
).encode()
CATALOG = json.dumps(
    {"images": [{"idiom": "universal", "size": "1024x1024", "filename": "a.png", "appearances": [{"value": "dark"}]}]},
    indent=1,
).encode()
WORKSPACE = b'<?xml version="1.0"?>\n<Workspace version="1.0"><Group location="group:a"><FileRef location="group:A.xcodeproj"/></Group></Workspace>'
PRIVACY = plist(
    "<key>NSPrivacyTracking</key><false/><key>NSPrivacyAccessedAPITypes</key><array><dict>"
    "<key>NSPrivacyAccessedAPIType</key><string>NSPrivacyAccessedAPICategoryUserDefaults</string>"
    "<key>NSPrivacyAccessedAPITypeReasons</key><array><string>CA92.1</string></array></dict></array>"
).encode()
SETTINGS = Settings([(Level.PROJECT, load("a", {"a": XCCONFIG + b"ID = a b\n"}.get)[0])], Context("macosx"), {})


def read_project(data: bytes) -> None:
    found = Project("A.xcodeproj", parse_project(data))
    assert found.flaws is not None
    for target in found.targets:
        found.placed_resources(target, "iphoneos")
        found.copied(target)
        found.dependencies(target)
        found.synchronized(target)
        found.products(target)
        found.members(target, "PBXSourcesBuildPhase")


def read_xcconfig(data: bytes) -> None:
    assignments, _ = load("a", {"a": data}.get)
    resolved = Settings([(Level.PROJECT, assignments)], Context("iphoneos"), {})
    assert all(resolved.get(assignment.key).text is not None for assignment in assignments)


def read_info(data: bytes) -> None:
    held = parse_plist(data)
    info_of(held, "Info.plist", SETTINGS)
    entitlements_of(held, "A.entitlements", SETTINGS)


def read_privacy(data: bytes) -> None:
    privacy.flaws(parse_plist(data))


def read_scheme(data: bytes) -> None:
    parse_scheme(data, "A.xcscheme")


def read_workspace(data: bytes) -> None:
    parse_workspace(data, "A.xcworkspace", "")


def read_catalog(data: bytes) -> None:
    for image in assets.icon_images(data):
        assert image.pixels >= 0


def read_picture(data: bytes) -> None:
    assert assets.with_png(IconImage("universal", "2x2"), data).exists


def read_preprocessed(data: bytes) -> None:
    preprocessed(data.decode("utf-8", "surrogateescape"), {"A": "1"})


Reader = Callable[[bytes], None]
READERS: dict[str, tuple[Reader, bytes]] = {
    "project": (read_project, PROJECT),
    "xcconfig": (read_xcconfig, XCCONFIG),
    "info": (read_info, INFO),
    "binary info": (read_info, plistlib.dumps({"A": ["$(B)", {"C": b"d"}]}, fmt=plistlib.FMT_BINARY)),
    "privacy": (read_privacy, PRIVACY),
    "scheme": (read_scheme, scheme("App", "A.xcodeproj").encode()),
    "workspace": (read_workspace, WORKSPACE),
    "catalog": (read_catalog, CATALOG),
    "picture": (read_picture, png(2, 2, b"\1\2\3\xff")),
    "preprocessed": (read_preprocessed, b"#define B 2 /* c */\n#if defined(A)\nA B\n#else\n#endif\n// end\n"),
}
REASONS = (BrokenList, BrokenPlist, BrokenScheme, BrokenWorkspace, assets.BrokenCatalog, NotPreprocessed)


def bears(reader: Reader, data: bytes) -> None:
    try:
        reader(data)
    except REASONS as fault:
        assert str(fault)  # noqa: PT017  # whether it is raised depends on the damage


@pytest.mark.parametrize("name", READERS)
def test_whole_files_are_read(name: str) -> None:
    reader, whole = READERS[name]
    reader(whole)


@pytest.mark.parametrize("name", READERS)
def test_cut_off_at_every_place(name: str) -> None:
    reader, whole = READERS[name]
    for end in range(len(whole)):
        bears(reader, whole[:end])


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_bytes_that_changed(name: str, data: st.DataObject) -> None:
    reader, whole = READERS[name]
    raw = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
        raw = raw or bytearray(b" ")
    bears(reader, bytes(raw))


@pytest.mark.parametrize("size", ["infx1", "1e999x1", "nanx1", "-1x1", "1x1x1", "", "\u0663x1"])
def test_sizes_that_are_none(size: str) -> None:
    (image,) = assets.icon_images(json.dumps({"images": [{"size": size, "scale": "1e300x"}]}).encode())
    assert isinstance(image.pixels, int)


KEYS = (
    *("CFBundleIdentifier", "CFBundleShortVersionString", "CFBundleVersion", "CFBundleDocumentTypes", "CFBundleIcons"),
    *("UIBackgroundModes", "BGTaskSchedulerPermittedIdentifiers", "UIDeviceFamily", "UISupportedInterfaceOrientations"),
    *("UILaunchStoryboardName", "LSMinimumSystemVersion", "LSApplicationCategoryType", "ITSAppUsesNonExemptEncryption"),
    *("ITSEncryptionExportComplianceCode", "UTExportedTypeDeclarations", "NSExtension", "CFBundlePackageType"),
    *("UIRequiresFullScreen", "NSCameraUseageDescription", "UIAccessibilityEnabled", "CFBundleAlternateIcons"),
    *("CFBundleIconFiles", "LSItemContentTypes", "UTTypeIdentifier", "LSHandlerRank", "CFBundleTypeName"),
    *("com.apple.developer.icloud-container-identifiers", "com.apple.developer.icloud-services", "aps-environment"),
    *("com.apple.security.app-sandbox", "com.apple.developer.icloud-container-environment"),
    *("NSPrivacyTracking", "NSPrivacyTrackingDomains", "NSPrivacyAccessedAPITypes", "NSPrivacyAccessedAPIType"),
    *("NSPrivacyAccessedAPITypeReasons", "NSPrivacyCollectedDataTypes"),
)
TEXTS = st.sampled_from(
    ("", "1.0", "$(A)", "$(PRODUCT_NAME", "com.example.app.note", "CloudKit", "\u0663", "17", "x/y")
)
VALUES = st.recursive(
    TEXTS | st.booleans() | st.integers(-9, 2**40) | st.binary(max_size=2) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=8,
)
LISTS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=8)


@settings(max_examples=60, deadline=None)
@given(
    info=LISTS,
    asked=LISTS,
    told=LISTS,
    image=st.dictionaries(st.sampled_from(("idiom", "size", "scale", "filename")), TEXTS),
)
def test_values_of_every_kind_at_every_key(
    info: dict[str, object], asked: dict[str, object], told: dict[str, object], image: dict[str, str]
) -> None:
    for platform in ("iphoneos", "macosx"):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            wanted = {
                "SDKROOT": platform,
                "PRODUCT_BUNDLE_IDENTIFIER": "com.example.app",
                "INFOPLIST_FILE": "Info.plist",
                "CODE_SIGN_ENTITLEMENTS": "A.entitlements",
                "ASSETCATALOG_COMPILER_APPICON_NAME": "AppIcon",
                "SUPPORTS_MACCATALYST": "YES",
            }
            project(root, targets={"App": {"Release": wanted}}, resources=("A.xcassets", "PrivacyInfo.xcprivacy"))
            lists = {"Info.plist": info, "A.entitlements": asked, "PrivacyInfo.xcprivacy": told}
            write(root, {path: plistlib.dumps(value) for path, value in lists.items()})
            write(root, {"A.xcassets/AppIcon.appiconset/Contents.json": json.dumps({"images": [image]})})
            assert Look(root).found.lanes


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_project_that_is_damaged_is_judged_or_refused(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        raw = bytearray(PROJECT)
        for _ in range(data.draw(st.integers(0, 3))):
            at = data.draw(st.integers(0, len(raw) - 1))
            raw[at : at + 3] = data.draw(st.binary(max_size=3) | st.sampled_from((b"T", b"P", b"(", b"{", b";")))
        write(root, {"A.xcodeproj/project.pbxproj": bytes(raw[: data.draw(st.integers(0, len(raw)))])})
        try:
            Look(root)
        except UsageFault as fault:
            assert fault.what  # noqa: PT017  # whether it is raised depends on the damage
