"""Programs that travel inside the app: their own files count for them, and what they share with the app for the app."""

from __future__ import annotations

from pathlib import Path

from pipeline.apple.sources import gateway
from pipeline.apple.sources.facts import CarriedSources, EmbeddedSources, Topic
from pipeline.model import Declaration
from pipeline.ports.files import LiveFiles
from tests.rooms.sources.making import lane
from tests.rooms.xcode.make import write

PROJECT = """// !$*UTF8*$!
{objects = {
P = {isa = PBXProject; buildConfigurationList = L; targets = (T,E,W,);};
T = {isa = PBXNativeTarget; name = App; productType = com.apple.product-type.application; buildPhases = (S,K,); buildConfigurationList = L;};
E = {isa = PBXNativeTarget; name = Widget; productType = com.apple.product-type.app-extension; buildPhases = (V,R,); buildConfigurationList = L; productReference = O;};
W = {isa = PBXNativeTarget; name = Watch; productType = com.apple.product-type.application.watchapp2; buildPhases = (V,); buildConfigurationList = L; productReference = Q;};
O = {isa = PBXFileReference; path = Widget.appex; sourceTree = BUILT_PRODUCTS_DIR;};
Q = {isa = PBXFileReference; path = Watch.app; sourceTree = BUILT_PRODUCTS_DIR;};
K = {isa = PBXCopyFilesBuildPhase; dstSubfolderSpec = 13; files = (KB,KQ,);};
KB = {isa = PBXBuildFile; fileRef = O;};
KQ = {isa = PBXBuildFile; fileRef = Q;};
S = {isa = PBXSourcesBuildPhase; files = (B1,B2,);};
V = {isa = PBXSourcesBuildPhase; files = (B3,B4,);};
R = {isa = PBXResourcesBuildPhase; files = (B5,);};
F1 = {isa = PBXFileReference; path = App.swift; sourceTree = SOURCE_ROOT;};
F2 = {isa = PBXFileReference; path = Shared.swift; sourceTree = SOURCE_ROOT;};
F3 = {isa = PBXFileReference; path = Widget.swift; sourceTree = SOURCE_ROOT;};
F5 = {isa = PBXFileReference; path = W/PrivacyInfo.xcprivacy; sourceTree = SOURCE_ROOT;};
B1 = {isa = PBXBuildFile; fileRef = F1;};
B2 = {isa = PBXBuildFile; fileRef = F2;};
B3 = {isa = PBXBuildFile; fileRef = F3;};
B4 = {isa = PBXBuildFile; fileRef = F2;};
B5 = {isa = PBXBuildFile; fileRef = F5;};
L = {isa = XCConfigurationList; buildConfigurations = (C);};
C = {isa = XCBuildConfiguration; name = Release; buildSettings = {PRODUCT_BUNDLE_IDENTIFIER = com.example.app; };};
}; rootObject = P;}
"""
GROUP = 'let d = UserDefaults(suiteName: "group.com.example")\n'
MANIFEST = """<plist version="1.0"><dict><key>NSPrivacyAccessedAPITypes</key><array><dict>
<key>NSPrivacyAccessedAPIType</key><string>NSPrivacyAccessedAPICategoryUserDefaults</string>
<key>NSPrivacyAccessedAPITypeReasons</key><array><string>1C8F.1</string></array></dict></array></dict></plist>"""


def embedded(root: Path) -> EmbeddedSources:
    found = gateway.sources_of_embedded_programs(LiveFiles(root), lane(), Declaration())
    assert found.value is not None, found.why
    return found.value


def test_an_extensions_own_files_are_its_own(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "App.xcodeproj/project.pbxproj": PROJECT,
            "App.swift": "let a = 1\n",
            "Shared.swift": 'let k = [kSecAttrAccessGroup as String: "AB.com.example"]\n',
            "Widget.swift": f"\n{GROUP}",
            "W/PrivacyInfo.xcprivacy": MANIFEST,
        },
    )
    (widget,) = embedded(tmp_path).targets
    assert (widget.target, widget.sources.files) == ("Widget", 2)
    assert {(use.topic, use.location.path, use.location.line) for use in widget.sources.uses if use.location} == {
        (Topic.GROUP_DEFAULTS, "Widget.swift", 2),
        (Topic.REASON, "Widget.swift", 2),
    }
    assert widget.declared.manifest == "W/PrivacyInfo.xcprivacy"
    assert [reason.reasons for reason in widget.declared.reasons] == [("1C8F.1",)]
    assert embedded(tmp_path).of("Other") == CarriedSources("Other")


def test_an_app_that_carries_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"App.xcodeproj/project.pbxproj": PROJECT.replace("(KB,KQ,)", "()"), "App.swift": GROUP})
    assert embedded(tmp_path).targets == ()


def test_a_frameworks_manifest_is_not_the_apps(tmp_path: Path) -> None:
    text = PROJECT.replace(
        "F5 = {isa = PBXFileReference; path = W/", "F5 = {isa = PBXFileReference; path = K.framework/"
    )
    text = text.replace("buildPhases = (S,K,)", "buildPhases = (S,K,R,)")
    write(tmp_path, {"App.xcodeproj/project.pbxproj": text, "K.framework/PrivacyInfo.xcprivacy": MANIFEST})
    found = gateway.reasons_of_target(LiveFiles(tmp_path), lane(), Declaration()).value
    assert found is not None
    assert (found.manifest, found.reasons) == ("", ())
