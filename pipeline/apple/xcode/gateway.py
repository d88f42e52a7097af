"""The only file of this room that touches ports: observes projects, archives and exports."""

# mypy: disable-error-code="untyped-decorator"

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pipeline.apple.xcode import companions, icons, manifests, observation, surveys
from pipeline.apple.xcode.actions import ArchiveApp, ExportApp
from pipeline.apple.xcode.discovery import WORKSPACES
from pipeline.apple.xcode.facts import (
    AppIcon,
    Companions,
    PrivacyManifest,
    ProjectProblems,
    ProjectSurvey,
    TargetEntitlements,
    TargetInfo,
    TargetSettings,
)
from pipeline.apple.xcode.resolved import ResolvedSettings, SettingsQuery
from pipeline.apple.xcode.resolved import resolved_settings as resolve
from pipeline.apple.xcode.sight import UNREADABLE, Sight
from pipeline.apple.xcode.transcript import complaints
from pipeline.model import AppleFailure, Declaration, Lane, Platform, Reading, performer, probe
from pipeline.ports.files import Files
from pipeline.ports.products import Products
from pipeline.ports.progress import Progress
from pipeline.ports.tools import Completed, Tools

F = TypeVar("F")

_ARCHIVE_TIMEOUT = 3 * 3600.0
_EXPORT_TIMEOUT = 3600.0

_UNFINISHED = "unfinished"
"""The folder in which a product is made; only a whole one is moved out of it, so that none is mistaken for whole."""


def _seen(files: Files, lane: Lane, declared: Declaration, fact: type[F], observe: Callable[[Sight], F]) -> Reading[F]:
    if not lane.project:
        return Reading.unknown(fact, "no project was given")
    try:
        return Reading.of(observe(Sight(WORKSPACES.of(files), lane, declared.team_id)), files.source)
    except UNREADABLE as fault:
        return Reading.unknown(fact, str(fault))


@probe(lasting=True)
def settings_of_target(files: Files, lane: Lane, declared: Declaration) -> Reading[TargetSettings]:
    """The lane's build settings."""
    return _seen(files, lane, declared, TargetSettings, observation.target_settings)


@probe(lasting=True)
def info_of_target(files: Files, lane: Lane, declared: Declaration) -> Reading[TargetInfo]:
    """The lane's Info.plist."""
    return _seen(files, lane, declared, TargetInfo, observation.target_info)


@probe(lasting=True)
def entitlements_of_target(files: Files, lane: Lane, declared: Declaration) -> Reading[TargetEntitlements]:
    """The lane's entitlements."""
    return _seen(files, lane, declared, TargetEntitlements, observation.target_entitlements)


@probe(lasting=True)
def icon_of_app(files: Files, lane: Lane, declared: Declaration) -> Reading[AppIcon]:
    """The lane's app icon."""
    return _seen(files, lane, declared, AppIcon, icons.app_icon)


@probe(lasting=True)
def privacy_manifest_of_target(files: Files, lane: Lane, declared: Declaration) -> Reading[PrivacyManifest]:
    """The lane's privacy manifest."""
    return _seen(files, lane, declared, PrivacyManifest, manifests.privacy_manifest)


@probe(lasting=True)
def companions_of_target(files: Files, lane: Lane, declared: Declaration) -> Reading[Companions]:
    """What travels inside the lane's app."""
    return _seen(files, lane, declared, Companions, companions.companions)


@probe(lasting=True)
def problems_of_project(files: Files, lane: Lane, declared: Declaration) -> Reading[ProjectProblems]:
    """What could not be read."""
    return _seen(files, lane, declared, ProjectProblems, observation.problems)


@probe(lasting=True)
def resolved_settings(
    files: Files, lane: Lane, declared: Declaration, query: SettingsQuery
) -> Reading[ResolvedSettings]:
    """The settings that were asked for, and where each was decided."""
    return _seen(files, lane, declared, ResolvedSettings, lambda sight: resolve(sight, query))


@probe(lasting=True, scope="APP")
def survey_of_projects(files: Files) -> ProjectSurvey:
    """All projects of the app."""
    return WORKSPACES.kept(files, surveys.survey)


_DESTINATIONS = {
    Platform.IOS: "generic/platform=iOS",
    Platform.MAC_OS: "generic/platform=macOS",
    Platform.TV_OS: "generic/platform=tvOS",
    Platform.VISION_OS: "generic/platform=visionOS",
}


@performer
def archive_app(  # noqa: PLR0917  # the engine passes them by name
    action: ArchiveApp, tools: Tools, files: Files, products: Products, declared: Declaration, progress: Progress
) -> Mapping[str, Any]:
    """Run `xcodebuild archive`; the archive takes its name only when it is whole."""
    path = Path(action.path) if action.path else products.path("archive", f"{action.scheme}.xcarchive")
    unfinished = path.parent / _UNFINISHED / path.name
    _clear(unfinished)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    progress.say(f"xcodebuild archive {action.scheme}")
    opened = ("-workspace", action.workspace) if action.workspace else ("-project", action.project)
    argv = [
        *("xcodebuild", "archive", *opened, "-scheme", action.scheme),
        *("-configuration", action.configuration, "-destination", _DESTINATIONS[action.platform]),
        *("-archivePath", str(unfinished)),
    ]
    if team := action.team_id or declared.team_id:
        argv.append(f"DEVELOPMENT_TEAM={team}")
    done = tools.run(argv, cwd=files.root, timeout=_ARCHIVE_TIMEOUT)
    _succeeded(done, "the archive failed")
    missing = _missing(unfinished)
    if missing:
        raise AppleFailure(
            "xcodebuild said that the archive succeeded, and it is not whole",
            why=f"{missing} is missing",
            remedy="check that the scheme archives the app, and that SKIP_INSTALL is NO for it and YES for libraries",
        )
    _finish(unfinished, path)
    return {"path": str(path)}


def _finish(unfinished: Path, path: Path) -> None:
    _clear(path)
    unfinished.rename(path)
    unfinished.parent.rmdir()


def _missing(archive: Path) -> str:
    """What an archive of an app lacks; "" when it is whole. Apple's layout: Info.plist, Products/Applications/*.app."""
    if not archive.is_dir():
        return archive.name
    if not (archive / "Info.plist").is_file():
        return "Info.plist"
    if not any((archive / "Products" / "Applications").glob("*.app")):
        return "Products/Applications/*.app"
    return ""


@performer
def export_app(  # noqa: PLR0917  # the engine passes them by name
    action: ExportApp,
    tools: Tools,
    files: Files,
    products: Products,
    settings: Reading[TargetSettings],
    entitlements: Reading[TargetEntitlements],
    declared: Declaration,
    progress: Progress,
) -> Mapping[str, Any]:
    """Run `xcodebuild -exportArchive`, and find the one package that came of it."""
    destination = Path(action.destination) if action.destination else products.directory / "export"
    unfinished = products.directory / _UNFINISHED / destination.name
    _clear(unfinished)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    options = products.directory / "ExportOptions.plist"
    _write_privately(options, export_options(action, settings.value, entitlements.value, declared.team_id))
    progress.say(f"xcodebuild -exportArchive {action.method}")
    argv = (
        *("xcodebuild", "-exportArchive", "-archivePath", action.archive),
        *("-exportPath", str(unfinished), "-exportOptionsPlist", str(options)),
    )
    done = tools.run(argv, cwd=files.root, timeout=_EXPORT_TIMEOUT)
    _succeeded(done, "the export failed")
    suffix = ".pkg" if action.platform is Platform.MAC_OS else ".ipa"
    packages = sorted(unfinished.glob(f"*{suffix}"))
    if len(packages) != 1:
        raise AppleFailure(
            "xcodebuild said that the export succeeded, and there is not one package",
            why=f"{len(packages)} {suffix} files in what it exported",
            remedy="see the distribution logs that xcodebuild names in its output",
        )
    _finish(unfinished, destination)
    return {"path": str(destination / packages[0].name)}


def export_options(
    action: ExportApp, settings: TargetSettings | None, entitlements: TargetEntitlements | None, team_id: str
) -> bytes:
    """The ExportOptions.plist; keys as `xcodebuild -help` lists them."""
    import plistlib

    style = settings.code_sign_style.text.lower() if settings else ""
    options: dict[str, object] = {
        "method": action.method,
        "destination": "export",
        "signingStyle": "manual" if style == "manual" else "automatic",
        "uploadSymbols": True,
        "manageAppVersionAndBuildNumber": False,
    }
    if team := team_id or (settings.team_id.text if settings else ""):
        options["teamID"] = team
    if settings and style == "manual":
        profiles = {each.bundle_id.text: each.profile_specifier.text for each in settings.extensions}
        profiles[action.bundle_id] = settings.profile_specifier.text
        options["provisioningProfiles"] = {name: profile for name, profile in profiles.items() if name and profile}
    if entitlements and (entitlements.cloudkit or entitlements.containers):
        # The store takes Production only, and with several environments in the profile xcodebuild wants to be told.
        options["iCloudContainerEnvironment"] = "Production"
    return plistlib.dumps(options)


def _write_privately(path: Path, data: bytes) -> None:
    import os

    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _succeeded(done: Completed, what: str) -> None:
    if done.returncode == 127:
        raise AppleFailure(what, why="xcodebuild was not found", remedy="install Xcode and select it with xcode-select")
    if done.returncode:
        from pipeline.apple.rejections.matching import advice

        said = complaints(f"{done.stdout}\n{done.stderr}")
        raise AppleFailure(
            what,
            why="; ".join(said) or f"xcodebuild left with status {done.returncode} and named no error",
            remedy=advice("\n".join(said)) or "mend what xcodebuild names",
            code=str(done.returncode),
        )
