"""Finds build products among the sources, and what they say otherwise than the project."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from pipeline.apple.automation.facts import Committed, CommittedProducts
from pipeline.apple.automation.observation import repository
from pipeline.apple.xcode.workspace import Workspace

PRODUCTS = 20
_PLIST = 1024 * 1024


def committed_products(workspace: Workspace) -> CommittedProducts:
    """Archives and packages that lie in the repository."""
    found: dict[str, None] = {}
    for path in workspace.tree:
        archive, mark, _ = path.partition(".xcarchive/")
        if mark:
            found[f"{archive}.xcarchive"] = None
        elif path.endswith(".ipa") and not _is_a_resource(workspace, path):
            found[path] = None
        if len(found) >= PRODUCTS:
            break
    if not found:
        return CommittedProducts()
    return CommittedProducts(tuple(_told(workspace, path) for path in found))


def _is_a_resource(workspace: Workspace, path: str) -> bool:
    """Whether a project names the file: then it is part of what the project makes."""
    name = posixpath.basename(path).encode()
    return any(name in (workspace.read(f"{one}/project.pbxproj") or b"") for one in workspace.project_paths)


def _told(workspace: Workspace, path: str) -> Committed:
    if not path.endswith(".xcarchive"):
        return Committed(path)
    loaded = workspace.plist(f"{path}/Info.plist").plist
    value = loaded.value if loaded else None
    told = value.get("ApplicationProperties") if isinstance(value, dict) else None
    properties = told if isinstance(told, dict) else {}
    bundle_id, version, team = (
        found if isinstance(found := properties.get(key), str) else ""
        for key in ("CFBundleIdentifier", "CFBundleShortVersionString", "Team")
    )
    return Committed(path, bundle_id, version, tuple(_differences(workspace, path, bundle_id, team)))


def _differences(workspace: Workspace, path: str, bundle_id: str, team: str) -> Iterator[str]:
    identities = repository(workspace).identities
    for word, own, known in (
        ("bundle identifier", bundle_id, identities.known("bundle id")),
        ("team", team, identities.known("team")),
    ):
        if own and known and own not in known:
            yield f"its {word} is {own}, the projects say {', '.join(known[:4])}"
    name = posixpath.basename(path).removesuffix(".xcarchive")
    apps = {
        one.partition(".app/")[0].rpartition("/")[2]
        for one in workspace.below(path)
        if "/Products/Applications/" in one and ".app/" in one
    }
    targets = {
        target.product_name.removesuffix(".app") for one in repository(workspace).projects for target in one.targets
    }
    for app in sorted(apps):
        if targets and app not in targets and name:
            yield f"it holds {app}.app, which no target makes"
