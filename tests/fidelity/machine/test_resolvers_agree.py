"""Two readers of Xcode projects, written apart and on two parsers, have to come to the same app.

One judges projects (`pipeline.apple.xcode`), the other is the simulated xcodebuild. Where they differ, one is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.apple.xcode import entitlements as client_entitlements
from pipeline.apple.xcode import infoplist as client_infoplist
from pipeline.apple.xcode.discovery import WORKSPACES
from pipeline.apple.xcode.workspace import Workspace
from pipeline.ports.files import LiveFiles
from pipeline.simulator.machine import entitlements, infoplist
from pipeline.simulator.machine.project import SDKS, BuildError, Project
from tests.fidelity.machine.conftest import SAMPLE
from tests.rooms.xcode.make import plist, project, write

NAMES = (
    "PRODUCT_BUNDLE_IDENTIFIER",
    "MARKETING_VERSION",
    "CURRENT_PROJECT_VERSION",
    "DEVELOPMENT_TEAM",
    "CODE_SIGN_ENTITLEMENTS",
    "CODE_SIGN_STYLE",
    "PROVISIONING_PROFILE_SPECIFIER",
    "INFOPLIST_FILE",
    "PRODUCT_NAME",
    "EXECUTABLE_NAME",
    "TARGETED_DEVICE_FAMILY",
    "ASSETCATALOG_COMPILER_APPICON_NAME",
)
BUILDERS = frozenset((
    "BuildMachineOSBuild", "CFBundleSupportedPlatforms", "DTCompiler", "DTPlatformBuild", "DTPlatformName",
    "DTPlatformVersion", "DTSDKBuild", "DTSDKName", "DTXcode", "DTXcodeBuild", "LSMinimumSystemVersion",
    "MinimumOSVersion", "UIRequiredDeviceCapabilities",
))  # fmt: skip
"""Keys that the build adds, which say nothing of the project; only the simulated Xcode makes them up."""


LONG = 20_000


class Pair:
    """One target in one configuration for one SDK, as both readers see it."""

    def __init__(self, workspace: Workspace, path: str, target: str, configuration: str, sdk: str) -> None:
        self.label = f"{path} {target} {configuration} {sdk}"
        self.workspace = workspace
        self.mine = workspace.project(path)
        found = self.mine.target(target)
        assert found is not None
        self.client = workspace.settings(self.mine, found, configuration, sdk)
        theirs = Project(Path(workspace.root) / path, workspace.root)
        self.target = next(one for one in theirs.targets if one.name == target)
        self.machine = self.target.settings(SDKS[sdk], configuration, {})

    def differing_settings(self, names: tuple[str, ...] = NAMES) -> dict[str, tuple[str, str]]:
        """Settings of which the readers think differently: (client, machine)."""
        both = {name: (self.client.text(name), self.machine[name]) for name in names}
        # Beyond this length each reader stops where its own limit is.
        return {name: pair for name, pair in both.items() if pair[0] != pair[1] and len(pair[0]) < LONG}

    def information(self) -> tuple[dict[str, Any], dict[str, Any] | str]:
        """The Info.plist of either; of the machine, what it says when it would not build."""
        name = self.client.text("INFOPLIST_FILE")
        path = self.workspace.relative(name, self.mine.folder) if name else ""
        mine = client_infoplist.effective(self.workspace.info(path, self.client).plist, path, self.client).values
        try:
            theirs = infoplist.effective(self.target, self.machine, icon="")
        except BuildError as fault:
            return mine, str(fault)
        return _projects_own(mine), _projects_own(theirs)

    def claims(self) -> tuple[dict[str, Any], dict[str, Any] | str]:
        """The entitlements of either."""
        name = self.client.text("CODE_SIGN_ENTITLEMENTS")
        path = self.workspace.relative(name, self.mine.folder) if name else ""
        source = self.workspace.plist(path).plist if path else None
        mine = client_entitlements.effective(source, path, self.client).values
        try:
            return dict(mine), entitlements.declared(self.target, self.machine)
        except BuildError as fault:
            return dict(mine), str(fault)


def _projects_own(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in BUILDERS}


def pairs(root: Path) -> Iterator[Pair]:
    """All apps of all projects below a folder, in all configurations, for their device SDKs."""
    workspace = WORKSPACES.of(files := LiveFiles(root))
    for path in workspace.project_paths:
        for target in workspace.project(path).applications:
            for configuration in target.configurations:
                general = workspace.settings(workspace.project(path), target, configuration.name, "")
                supported = (general.text("SUPPORTED_PLATFORMS") or general.text("SDKROOT")).split()
                for sdk in SDKS.keys() & set(supported):
                    yield Pair(workspace, path, target.name, configuration.name, sdk)
    assert files.root == root


def agree(root: Path) -> int:
    """Compare everything; the number of pairs."""
    count = 0
    for pair in pairs(root):
        count += 1
        assert pair.differing_settings() == {}, pair.label
        mine, theirs = pair.information()
        if isinstance(theirs, str):
            # The machine refuses what the client tells as PROJ001, PROJ060 or PROJ064.
            assert "CFBundleIdentifier" in theirs or "cannot be found" in theirs or "INFOPLIST_FILE" in theirs, theirs
        else:
            assert mine == theirs, pair.label
        mine, theirs = pair.claims()
        assert theirs == mine or "cannot be found" in theirs, pair.label
    return count


def test_on_the_sample() -> None:
    assert agree(SAMPLE) == 2 * 2


@pytest.mark.parametrize("state", ["2026-02", "2026-04"])
def test_on_a_real_app(shared_data: Path, state: str) -> None:
    assert agree(shared_data / "isometry" / state) >= 4


# Generated projects ----------------------------------------------------------------------------------------------

_POOL = ("A", "B", "C_x", "PRODUCT_BUNDLE_IDENTIFIER", "MARKETING_VERSION", "PRODUCT_NAME")
_name = st.sampled_from(_POOL)
_operator = st.sampled_from(
    ["", "", "", ":lower", ":upper", ":rfc1034identifier", ":c99extidentifier", ":identifier", ":default=d", ":base"]
)
_reference = st.one_of(
    st.builds("$({}{})".format, _name, _operator),
    st.builds("${{{}}}".format, _name),
    st.builds("${}".format, st.sampled_from(("A", "B"))),
    st.sampled_from(["$(inherited)", "$(C_$(A))", "$(NOWHERE)", "$(NOWHERE:default=$(A))", "$(TARGET_NAME)"]),
)
_value = st.lists(
    st.one_of(st.sampled_from(["x", "com.example", "1.2", "-", " ", "a b", "My App"]), _reference), max_size=4
).map("".join)
_condition = st.sampled_from(
    [
        "",
        "",
        "",
        "[sdk=iphoneos*]",
        "[sdk=macosx*]",
        "[config=Release]",
        "[config=Debug]",
        "[sdk=iphoneos*][arch=arm64]",
    ]
)


def _downward(name: str, value: str) -> str:
    """The value with references to names further down the pool only, and to `inherited`.

    What refers to itself in a circle has no value that both readers must agree on: each stops where its own limit is.
    """
    for above in _POOL[: _POOL.index(name) + 1]:
        value = re.sub(rf"\$([({{]){above}(?=[:)}}])", r"$\1TARGET_NAME", value)
        value = re.sub(rf"\${above}(?![A-Za-z0-9_])", "y", value)
    return value.replace("$(C_$(A))", "z") if name != "A" else value.replace("$(C_$(A))", "$(C_x)")


_assigned = st.tuples(_name, _condition, _value).map(lambda a: (a[0], a[1], _downward(a[0], a[2])))
_settings = st.lists(_assigned, max_size=5).map(lambda all_: {f"{name}{where}": value for name, where, value in all_})
_lines = st.lists(st.tuples(_assigned, st.sampled_from(["", " // note", ";"])).map(lambda p: (*p[0], p[1])), max_size=6)


def _xcconfig(lines: list[tuple[str, str, str, str]]) -> str:
    return "".join(f"{name}{condition} = {value}{end}\n" for name, condition, value, end in lines)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shared=_settings, own=_settings, outer=_lines, inner=_lines, included=_lines)
@example(
    shared={"A": "1"},
    own={"A[sdk=iphoneos*]": "2", "A": "$(inherited) 3"},
    outer=[],
    inner=[("B", "", "$(A)", "")],
    included=[],
)
@example(shared={"A": "x", "C_x": "found"}, own={"B": "$(C_$(A))"}, outer=[], inner=[], included=[])
def test_on_generated_projects(  # noqa: PLR0917  # hypothesis hands over one value an argument
    tmp_path: Path,
    shared: dict[str, str],
    own: dict[str, str],
    outer: list[tuple[str, str, str, str]],
    inner: list[tuple[str, str, str, str]],
    included: list[tuple[str, str, str, str]],
) -> None:
    base = {"SDKROOT": "auto", "SUPPORTED_PLATFORMS": "iphoneos macosx"}
    project(
        tmp_path,
        targets={"App": {"Release": {**base, **own}}},
        shared={"Release": shared},
        base={"Release": "Outer.xcconfig"},
    )
    write(
        tmp_path,
        {
            "Outer.xcconfig": _xcconfig(outer) + '#include "Inner.xcconfig"\n#include? "Gone.xcconfig"\n',
            "Inner.xcconfig": '#include "Deep/Included.xcconfig"\n' + _xcconfig(inner),
            "Deep/Included.xcconfig": _xcconfig(included),
        },
    )
    for pair in pairs(tmp_path):
        assert pair.differing_settings((*_POOL, "EXECUTABLE_NAME", "PRODUCT_MODULE_NAME")) == {}, pair.label


_keys = st.sampled_from(
    [
        "INFOPLIST_KEY_CFBundleDisplayName",
        "INFOPLIST_KEY_UISupportedInterfaceOrientations_iPad",
        "INFOPLIST_KEY_UIRequiresFullScreen",
        "INFOPLIST_KEY_UILaunchScreen_Generation",
        "INFOPLIST_KEY_UIApplicationSceneManifest_Generation",
        "INFOPLIST_KEY_NSCameraUsageDescription",
        "INFOPLIST_KEY_ITSAppUsesNonExemptEncryption",
        "INFOPLIST_KEY_Unheard",
        "MARKETING_VERSION",
        "CURRENT_PROJECT_VERSION",
        "TARGETED_DEVICE_FAMILY",
        "PRODUCT_NAME",
    ]
)
_given = st.sampled_from(["YES", "NO", "", "1,2", "A $(TARGET_NAME)", "7", "UIInterfaceOrientationPortrait Other"])
_inside = st.sampled_from(
    [
        "<key>CFBundleDisplayName</key><string>$(PRODUCT_NAME) X</string>",
        "<key>CFBundleVersion</key><string>3</string>",
        "<key>CFBundleVersion</key><string>$(CURRENT_PROJECT_VERSION)</string>",
        "<key>CFBundleIdentifier</key><string>$(PRODUCT_BUNDLE_IDENTIFIER)</string>",
        "<key>UISupportedInterfaceOrientations~ipad</key><array><string>UIInterfaceOrientationPortrait</string></array>",
        "<key>UIApplicationSceneManifest</key><dict><key>Own</key><true/></dict>",
        "<key>UIDeviceFamily</key><array><integer>1</integer></array>",
        "<key>NSAppTransportSecurity</key><dict><key>K</key><string>${NOWHERE}</string></dict>",
    ]
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    own=st.dictionaries(_keys, _given, max_size=6),
    inside=st.lists(_inside, max_size=4, unique_by=lambda text: text.partition("</key>")[0]),
    generated=st.sampled_from(["YES", "NO"]),
    there=st.booleans(),
)
def test_on_generated_information(
    tmp_path: Path, own: dict[str, str], inside: list[str], generated: str, there: bool
) -> None:
    base = {
        "SDKROOT": "auto",
        "SUPPORTED_PLATFORMS": "iphoneos macosx appletvos",
        "PRODUCT_BUNDLE_IDENTIFIER": "com.example.app",
        "GENERATE_INFOPLIST_FILE": generated,
        **({"INFOPLIST_FILE": "Info.plist"} if there or generated == "NO" else {}),
    }
    project(tmp_path, targets={"App": {"Release": {**base, **own}}})
    write(tmp_path, {"Info.plist": plist("\n".join(inside))})
    for pair in pairs(tmp_path):
        mine, theirs = pair.information()
        assert mine == theirs, pair.label
