"""What Apple says of an upload once it has looked into it: accepted, or refused with a code of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pipeline.simulator.connect.assets import Asset
    from pipeline.simulator.connect.routes import Call
    from pipeline.simulator.state import Record

_TEXTS = {
    "90189": (
        "Redundant Binary Upload. You've already uploaded a build with build number '{build}' for version number "
        "'{version}'. Make sure you increment the build string before you upload your app to App Store Connect. "
        "Learn more in Xcode Help (http://help.apple.com/xcode/mac/current/#/devba7f53ad4)."
    ),
    "90062": (
        "This bundle is invalid. The value for key CFBundleShortVersionString [{version}] in the Info.plist file must "
        "contain a higher version than that of the previously approved version [{other}]. Please find more information "
        "about CFBundleShortVersionString at https://developer.apple.com/documentation/bundleresources/"
        "information_property_list/cfbundleshortversionstring"
    ),
    "90055": "This bundle is invalid. The bundle identifier cannot be changed from the current value, '{other}'.",
    "90345": (
        "Metadata/Info.plist Mismatch - The value for {other} in the metadata does not match the value for {key} in "
        "the app."
    ),
    "90034": "Missing or invalid signature. The bundle is not signed using an Apple submission certificate.",
    "90683": (
        "Missing purpose string in Info.plist. Your app's code references one or more APIs that access sensitive user "
        "data, but its Info.plist file has no purpose string for them."
    ),
    "90382": (
        "Upload limit reached. The upload limit for your application has been reached. Please wait 1 day and try again."
    ),
    "UNREADABLE": "The uploaded file is not an app archive: {other}.",
}
"""Texts as quoted in public threads (fastlane 18154, 15473, 5623; simonnilsson/ios-uploader 5; openci 1632); the one
without a number is ours, for what no public answer was found."""

_APPROVED = frozenset({"READY_FOR_DISTRIBUTION", "PENDING_DEVELOPER_RELEASE", "REPLACED_WITH_NEW_VERSION"})


class Verdict(NamedTuple):
    """`outcome` is FAILED for the upload, or the build's final processing state."""

    outcome: str
    code: str = ""
    detail: str = ""


def judge(call: Call, upload: Record, asset: Asset) -> Verdict:
    """The end of an upload: what the scenario wants, or else what the asset and the account's builds ask for."""
    version, build = upload.attributes["cfBundleShortVersionString"], upload.attributes["cfBundleVersion"]
    wanted = call.scenario.processing
    if wanted.outcome != "valid":
        code = wanted.code or "90683"
        detail = wanted.detail or text(code, version=version, build=build)
        return Verdict("FAILED" if wanted.outcome == "failed" else "INVALID", code, detail)
    for code, other, key in _objections(call, upload, asset):
        return Verdict("FAILED", code, text(code, version=version, build=build, other=other, key=key))
    return Verdict("VALID")


def text(code: str, **values: str) -> str:
    """Apple's sentence for a code, or the code itself where it is not known here."""
    filled = {"version": "", "build": "", "other": "", "key": "", **values}
    return _TEXTS.get(code, code).format(**filled)


def _objections(call: Call, upload: Record, asset: Asset) -> list[tuple[str, str, str]]:
    given = upload.attributes
    if asset.problem:
        return [("UNREADABLE", asset.problem, "")]
    found = []
    app = call.state.table("apps")[upload.links["app"]]
    if asset.bundle_id is not None and asset.bundle_id != app.attributes["bundleId"]:
        found.append(("90055", app.attributes["bundleId"], ""))
    if asset.version is not None and asset.version != given["cfBundleShortVersionString"]:
        found.append(("90345", "cfBundleShortVersionString", "CFBundleShortVersionString"))
    if asset.build is not None and asset.build != given["cfBundleVersion"]:
        found.append(("90345", "cfBundleVersion", "CFBundleVersion"))
    if _is_redundant(call, upload):
        found.append(("90189", "", ""))
    approved = _approved_version(call, upload)
    if approved is not None:
        found.append(("90062", approved, ""))
    return found


def _is_redundant(call: Call, upload: Record) -> bool:
    given = upload.attributes
    trains = call.state.table("preReleaseVersions")
    wanted = train_key(given["cfBundleShortVersionString"], given["platform"])
    for build in call.state.table("builds").values():
        train = trains.get(build.links.get("preReleaseVersion", ""))
        if train is None or build.links.get("app") != upload.links["app"]:
            continue
        same_train = train_key(train.attributes["version"], train.attributes["platform"]) == wanted
        if same_train and build.attributes["version"] == spelled(given["cfBundleVersion"]):
            return True
    return False


def _approved_version(call: Call, upload: Record) -> str | None:
    given = upload.attributes
    wanted = train_key(given["cfBundleShortVersionString"], "")[0]
    for version in call.state.table("appStoreVersions").values():
        known = version.attributes
        mine = version.links.get("app") == upload.links["app"] and known["platform"] == given["platform"]
        if mine and known["appVersionState"] in _APPROVED and train_key(known["versionString"], "")[0] >= wanted:
            return str(known["versionString"])
    return None


def spelled(version: str) -> str:
    """A version as Apple writes it: leading zeros of its parts are dropped (fastlane's build_watcher)."""
    return ".".join(str(int(part)) if part.isascii() and part.isdigit() else part for part in version.split("."))


def train_key(version: str, platform: str) -> tuple[tuple[tuple[int, str], ...], str]:
    """What makes two spellings one version: X.Y and X.Y.0 are the same (fastlane's build_watcher)."""
    parts = [(int(p), "") if p.isascii() and p.isdigit() else (0, p) for p in version.split(".")]
    while len(parts) > 1 and parts[-1] == (0, ""):
        parts.pop()
    return tuple(parts), platform
