"""Finds the privacy manifest of a target, and those nearby that are members of none."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from pipeline.apple.xcode import privacy
from pipeline.apple.xcode.facts import PrivacyFlaw, PrivacyManifest
from pipeline.apple.xcode.sight import Sight, Unseen
from pipeline.apple.xcode.workspace import Workspace

BUILT = (".xcarchive/", ".app/", ".framework/", ".xcframework/", ".bundle/")
"""Folders that hold what was built once, and not what will be."""
_PACKAGE_LIMIT = 4 * 1024 * 1024


def privacy_manifest(sight: Sight) -> PrivacyManifest:
    """The privacy manifest that is a member of the target, judged; and those nearby that are not."""
    return sight.kept(_privacy_manifest)


def _privacy_manifest(sight: Sight) -> PrivacyManifest:
    return own_manifest(sight) or PrivacyManifest(strays=tuple(_stray_manifests(sight)))


def own_manifest(sight: Sight) -> PrivacyManifest | None:
    """The privacy manifest that is a member of the target, judged; None where there is none."""
    members = [
        path
        for path in sight.members()
        if posixpath.basename(path) == privacy.FILE and not any(built in path for built in BUILT)
    ]
    for path in members:
        if not sight.workspace.has(path):
            continue
        loaded = sight.workspace.plist(path)
        if loaded.plist is not None:
            return PrivacyManifest(path, privacy.flaws(loaded.plist))
        if loaded.problem is not None and loaded.problem.kind == "outside":
            raise Unseen(f"{path} {loaded.problem.text}")
        if loaded.problem is not None:
            line = loaded.problem.location.line if loaded.problem.location else None
            return PrivacyManifest(path, (PrivacyFlaw(loaded.problem.text, "ITMS-91056", line),))
    return None


_OF_OTHERS = frozenset(("Pods", "Carthage", "SourcePackages", "node_modules", "vendor", "thirdparty", "external"))
"""Folders, in lower case but for the first three, of what others made: its manifest goes where it goes."""


def _stray_manifests(sight: Sight) -> Iterable[str]:
    """Manifests below the project that are members of no target at all."""
    workspace, project = sight.workspace, sight.project
    inside = f"{project.folder}/" if project.folder != "." else ""
    others = [
        f"{posixpath.dirname(path)}/"
        for path in workspace.project_paths
        if path != project.path and posixpath.dirname(path).startswith(inside) and "/" in path
    ]
    found = [
        path
        for path in workspace.below(project.folder)
        if path.endswith(privacy.FILE)
        and posixpath.basename(path) == privacy.FILE
        and not path.startswith(tuple(others))
        and not any(built in path for built in BUILT)
        and not _OF_OTHERS & {*path.split("/"), *path.lower().split("/")}
        and not _is_of_package(workspace, path)
    ]
    return [path for path in found if not any(project.holds(target, path) for target in project.targets)]


def _is_of_package(workspace: Workspace, path: str) -> bool:
    """Whether a file lies in a target of a Swift package: it goes into the package's own bundle then.

    A package beside the app's project may share its folder with the app, so there the target has to be named.
    """
    folder, _, inner = f"/{path}".rpartition("/Sources/")
    if not inner:
        return False
    package = f"{folder}/Package.swift".lstrip("/")
    if folder:
        return workspace.has(package)
    return f'"{inner.split("/")[0]}"'.encode() in (workspace.read(package, _PACKAGE_LIMIT) or b"")
