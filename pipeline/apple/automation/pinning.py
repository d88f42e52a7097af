"""Finds what pins the packages of each project that concerns the release."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.apple.automation.facts import PackagePins, PinFile, PinnedProject, Requirement
from pipeline.apple.automation.observation import repository
from pipeline.apple.xcode.discovery import Discovery
from pipeline.apple.xcode.workspace import PROJECT_LIMIT, Workspace
from pipeline.model import Location

if TYPE_CHECKING:
    from pipeline.apple.automation.packages import References
    from pipeline.apple.automation.repository import Repository

PROJECTS = 40
DEPTH = 12
MANIFESTS = 60
_TAIL = "xcshareddata/swiftpm/Package.resolved"


def package_pins(workspace: Workspace, discovery: Discovery) -> PackagePins:
    """The pins of the projects of all lanes, and of those that hold an app of the same maker."""
    concerned = [path for path in sorted(discovery.concerned)[:PROJECTS] if _has_packages(workspace, path)]
    if not concerned:
        return PackagePins()
    held = repository(workspace)
    lanes = {lane.project: lane.workspace for lane in discovery.lanes}
    found = []
    for path in concerned:
        project = held.project(path)
        if project is None:
            continue
        referred = held.references(project)
        if not referred.remote and not referred.local and not referred.strays:
            continue
        wants, whole = _wants(held, project.folder, referred)
        expected = f"{lanes.get(path) or f'{path}/project.xcworkspace'}/{_TAIL}"
        found.append(
            PinnedProject(
                path,
                wants,
                tuple(_files(workspace, path, lanes.get(path, ""))),
                expected,
                referred.strays,
                whole,
                _ignored(workspace, expected),
                path in lanes,
            )
        )
    return PackagePins(tuple(found))


def _has_packages(workspace: Workspace, project: str) -> bool:
    return b"SwiftPackage" in (workspace.read(f"{project}/project.pbxproj", PROJECT_LIMIT) or b"")


def _wants(held: Repository, folder: str, referred: References) -> tuple[tuple[Requirement, ...], bool]:
    """The remote packages that a project and its local packages ask for; whether all of them could be read."""
    wants = {each.identity: each for each in referred.remote}
    pending = [posixpath.normpath(posixpath.join(folder, local)) for local in referred.local]
    seen: set[str] = set()
    whole = True
    while pending and len(seen) < MANIFESTS:
        place = pending.pop()
        if place in seen:
            continue
        seen.add(place)
        path = posixpath.normpath(posixpath.join(place, "Package.swift"))
        if path.startswith("..") or not held.workspace.has(path):
            whole = False
            continue
        manifest = held.manifest(path)
        whole = whole and manifest.whole
        for each in manifest.remote if manifest.whole else ():
            wants.setdefault(each.identity, each)
        pending += [posixpath.normpath(posixpath.join(place, local)) for local in manifest.local]
    return tuple(each for each in wants.values() if each.identity not in held.local_packages), whole


def _files(workspace: Workspace, project: str, built_in: str) -> Iterator[PinFile]:
    """The Package.resolved that serve a project: in it, and in the workspaces that refer to it."""
    from pipeline.apple.automation import packages

    holders = [f"{project}/project.xcworkspace"]
    holders += [one.path for one in workspace.workspaces if project in one.projects]
    if built_in in holders:
        # The one that is built decides; it is told first.
        holders.remove(built_in)
        holders.insert(0, built_in)
    for holder in dict.fromkeys(holders):
        path = f"{holder}/{_TAIL}"
        if workspace.has(path):
            data = workspace.read(path, packages.LIMIT)
            yield packages.read_pins(data, path) if data is not None else PinFile(path, flaw="it cannot be read")


def _ignored(workspace: Workspace, path: str) -> Location | None:
    """Where a .gitignore says that Package.resolved is left out."""
    folder = posixpath.dirname(path)
    while True:
        name = posixpath.join(folder, ".gitignore")
        if workspace.has(name):
            data = workspace.read(name, 256 * 1024) or b""
            for number, line in enumerate(data.split(b"\n"), 1):
                told = line.strip().strip(b"/")
                if told in (b"Package.resolved", b"**/Package.resolved", b"*.resolved", b"xcshareddata", b"swiftpm"):
                    return Location(name, number)
        if not folder:
            return None
        folder = posixpath.dirname(folder)
