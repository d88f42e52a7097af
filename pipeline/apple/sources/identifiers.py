"""Gathers the bundle identifiers of all targets of a repository, for sources that compare their own with one."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.apple.xcode.pbxproj import BrokenList
from pipeline.apple.xcode.workspace import Workspace

_KEY = "PRODUCT_BUNDLE_IDENTIFIER"
_SDKS = ("iphoneos", "macosx")
_MOST = 2_000


def identifiers(workspace: Workspace) -> tuple[str, ...]:
    """The identifiers of all targets in all configurations; nothing where one of them cannot be told."""
    return workspace.once(("identifiers",), lambda: _whole(_told(workspace)))


def _whole(told: Iterator[str | None]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for text in told:
        if text is None or len(found) > _MOST:
            return ()
        if text:
            found[text] = None
    return tuple(found)


def _told(workspace: Workspace) -> Iterator[str | None]:
    for path in workspace.project_paths:
        try:
            project = workspace.project(path)
        except BrokenList:
            yield None
            return
        for target in project.targets:
            for configuration in target.configurations:
                for sdk in _SDKS:
                    settings = workspace.settings(project, target, configuration.name, sdk)
                    value = settings.get(_KEY)
                    yield None if value.undefined or "$" in value.text else value.text
                    name = settings.text("INFOPLIST_FILE")
                    plist = workspace.plist(workspace.relative(name, project.folder)).plist if name else None
                    held = plist.value.get("CFBundleIdentifier") if plist and isinstance(plist.value, dict) else None
                    if isinstance(held, str) and "$" not in held:
                        yield held
