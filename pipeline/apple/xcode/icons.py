"""Finds the app icon that a target compiles: an icon set, an Icon Composer file, or the layers of other platforms."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pipeline.apple.xcode import assets
from pipeline.apple.xcode.facts import AppIcon, IconImage, LooseIcon
from pipeline.apple.xcode.sight import Sight, Unseen
from pipeline.apple.xcode.workspace import READ_LIMIT, Workspace
from pipeline.model import Location

_ICON_LIMIT = 64 * 1024 * 1024
_MOST_ALTERNATES = 200
_KINDS = ("appiconset", "solidimagestack", "brandassets")
_OWN_KIND = {"appletvos": "brandassets", "xros": "solidimagestack"}
"""What an app icon is made of where it has layers."""


def app_icon(sight: Sight) -> AppIcon:
    """The icon set, or the Icon Composer file, that the target compiles, and those that the app may change to."""
    return sight.kept(_app_icon)


def _app_icon(sight: Sight) -> AppIcon:
    found = _named(sight, sight.settings.text("ASSETCATALOG_COMPILER_APPICON_NAME"))
    others = sight.settings.text("ASSETCATALOG_COMPILER_ALTERNATE_APPICON_NAMES").split()[:_MOST_ALTERNATES]
    return replace(
        found,
        alternates=tuple(_named(sight, name) for name in dict.fromkeys(others) if name != found.name),
        loose=tuple(_loose(sight)),
    )


def _named(sight: Sight, name: str) -> AppIcon:
    members = sight.members()
    catalogs = tuple(path for path in members if path.endswith(".xcassets"))
    if not name:
        return AppIcon(catalogs=catalogs)
    for path in members:
        if posixpath.basename(path) == f"{name}.icon":
            return AppIcon(name, path, "icon", catalogs=catalogs)
    own = _OWN_KIND.get(sight.sdk, _KINDS[0])
    for kind in (own, *(each for each in _KINDS if each != own)):
        suffix = f"/{name}.{kind}/Contents.json"
        for catalog in catalogs:
            for path in sight.workspace.below(catalog):
                if path.endswith(suffix):
                    return _icon_set(sight.workspace, name, path, kind, catalogs)
    absent = tuple(one for one in catalogs if _is_made_elsewhere(sight, one))
    return AppIcon(name, catalogs=catalogs, absent=absent)


def _is_made_elsewhere(sight: Sight, catalog: str) -> bool:
    """Whether nothing of a catalog is here, or only its outer shell, which a script of any target may fill."""
    held, project = sight.workspace.below(catalog), sight.project
    return not held or (list(held) == [f"{catalog}/Contents.json"] and any(map(project.scripts, project.targets)))


def _icon_set(workspace: Workspace, name: str, path: str, kind: str, catalogs: tuple[str, ...]) -> AppIcon:
    if kind != "appiconset":
        return AppIcon(name, path, kind, catalogs=catalogs)
    try:
        images = assets.icon_images(_seen(workspace, path) or b"")
    except assets.BrokenCatalog as fault:
        return AppIcon(name, path, kind, flaw=fault.reason, catalogs=catalogs)
    folder = posixpath.dirname(path)
    heads: dict[str, bytes | None] = {}
    found = []
    for image in images:
        if image.filename and image.filename not in heads:
            heads[image.filename] = _seen(workspace, f"{folder}/{image.filename}", _ICON_LIMIT)
        found.append(_with_file(image, heads.get(image.filename)))
    return AppIcon(name, path, kind, tuple(found), catalogs=catalogs)


def _seen(workspace: Workspace, path: str, limit: int = READ_LIMIT) -> bytes | None:
    data = workspace.read(path, limit)
    if data is None and workspace.is_outside(path):
        raise Unseen(f"{path} lies outside of the checkout, and is not read")
    return data


def _with_file(image: IconImage, data: bytes | None) -> IconImage:
    return image if data is None else assets.with_png(image, data)


_ICONS = ("CFBundleIcons", "CFBundleIcons~ipad")


def _loose(sight: Sight) -> Iterator[LooseIcon]:
    """The files that the Info.plist's own list of icons names, and whether there are such files anywhere."""
    path, loaded = sight.plist("INFOPLIST_FILE")
    if loaded.plist is None or not isinstance(loaded.plist.value, dict):
        return
    names: set[str] | None = None
    scripted = bool(sight.project.scripts(sight.target))
    for key in _ICONS:
        for place, name in _files(loaded.plist.value.get(key), (key,)):
            if names is None:
                names = {_plain(each) for each in sight.workspace.tree}
            line = loaded.plist.lines.get(place)
            there = scripted or "$" in name or _plain(name) in names
            yield LooseIcon(name, Location(path, line), exists=there)


def _files(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if not isinstance(value, dict) or len(path) > 8:
        return
    for key, inner in value.items():
        if key == "CFBundleIconFiles" and isinstance(inner, list):
            yield from (((*path, key, n), name) for n, name in enumerate(inner) if isinstance(name, str) and name)
        else:
            yield from _files(inner, (*path, key))


def _plain(path: str) -> str:
    """A picture's name as an Info.plist may write it: without folder, ending, scale and device.

    An icon set of that name counts: its pictures are made from it.
    """
    parts = path.rsplit("/", 2)
    name = parts[-2] if parts[-1] == "Contents.json" and len(parts) > 1 else parts[-1]
    return name.partition("~")[0].partition("@")[0].removesuffix(".png").removesuffix(".appiconset")
