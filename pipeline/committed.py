"""Finds the build products that lie among an app's sources, for `build.check` to judge them by themselves."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.apple.xcode.siblings import ELSEWHERE, is_example, maker
from pipeline.model import Lane, Left
from pipeline.regular import opened

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.apple.xcode.workspace import Workspace
    from pipeline.ports.files import Files
    from pipeline.ports.git import Git

MOST = 4
LARGEST = 512 * 1024 * 1024
"""Bytes of all products that are judged, together: about a second's reading, and more than a repository bears."""

_CONSIDERED = 40
_FOLDERS = (".xcarchive", ".app")
_PACKAGES = {".ipa": b"PK\x03\x04", ".pkg": b"xar!"}
_ENDINGS = tuple(_PACKAGES)
_WHOLE = (".framework", ".xcframework", ".bundle", ".plugin", ".appex", ".docset", ".playground", ".xcodeproj")
"""Folders that are one thing: what lies in them was not put there by the app's makers."""
_POINTER = b"version https://git-lfs"


def committed(
    files: Files, workspace: Workspace, git: Git, bundle_ids: Iterable[str]
) -> tuple[tuple[Lane, ...], tuple[Left, ...]]:
    """Products of the app's maker as lanes without a project, each named by its path; and those that are not judged.

    Args:
        files: the app's files.
        workspace: what was read of them.
        git: tells what is tracked. Outside of a repository everything counts as that.
        bundle_ids: identifiers of the repository's own apps.
    """
    found = list(_tracked(git, list(_products(workspace.tree))))
    if not found:
        return (), ()
    makers = {maker(each) for each in bundle_ids} - {""}
    lanes: list[Lane] = []
    left: list[Left] = []
    room = LARGEST
    for path in found:
        if _is_a_resource(workspace, path):
            continue
        size = _size(files, workspace, path)
        why = _against(files, workspace, path, makers) or (
            f"no more than {MOST} are judged in one run" if len(lanes) >= MOST else ""
        )
        if not why and size > room:
            why = f"no more than {LARGEST >> 20} MB are read in one run"
        if why:
            left.append(Left(path, "", why))
        else:
            room -= size
            lanes.append(_lane(files.root / path, path))
    return tuple(lanes), tuple(left)


def _lane(full: Path, path: str) -> Lane:
    from pipeline.apple.bundle.lanes import lane_of

    return replace(lane_of(full), name=path)


def _products(tree: Collection[str]) -> Iterator[str]:
    """Paths of archives, apps and packages that lie in nothing else, no more than are considered."""
    found: dict[str, None] = {}
    for path in tree:
        if path.endswith(_ENDINGS) or ".app/" in path or ".xcarchive/" in path:
            product = _outermost(path)
            if product and product not in found:
                found[product] = None
                if len(found) == _CONSIDERED:
                    break
    held = frozenset(tree)
    for product in found:
        if product.endswith(_FOLDERS) and not {f"{product}/Info.plist", f"{product}/Contents/Info.plist"} & held:
            continue
        yield product


def _outermost(path: str) -> str:
    parts = path.split("/")
    for index, part in enumerate(parts):
        if part.endswith(_WHOLE) or part in ELSEWHERE:
            return ""
        if part.endswith(_FOLDERS) and index + 1 < len(parts):
            return "/".join(parts[: index + 1])
    return path if path.endswith(_ENDINGS) else ""


def _tracked(git: Git, products: list[str]) -> Iterator[str]:
    """What a person put under version control, and did not only build here."""
    if not products:
        return
    done = git.ask("ls-files", "-z", "--", *(f":(literal){path}" for path in products))
    if done.returncode:
        yield from products
        return
    listed = done.stdout.split("\0")
    for product in products:
        if any(path == product or path.startswith(f"{product}/") for path in listed):
            yield product


def _is_a_resource(workspace: Workspace, path: str) -> bool:
    """Whether a project names it: then it is a part of what the project makes."""
    name = posixpath.basename(path).encode()
    return any(name in (workspace.read(f"{one}/project.pbxproj") or b"") for one in workspace.project_paths)


def _size(files: Files, workspace: Workspace, path: str) -> int:
    inside = workspace.below(path) if path.endswith(_FOLDERS) else (path,)
    return sum(stamp[2] for each in inside if (stamp := files.stamp(each)))


def _against(files: Files, workspace: Workspace, path: str, makers: Collection[str]) -> str:
    """Why a product is none of the app's own; "" when nothing says so."""
    if any(map(is_example, path.split("/")[:-1])):
        return "its folder is one of examples or tests"
    if path.endswith(_FOLDERS):
        bundle_id, why = _identifier(workspace, path), ""
    else:
        bundle_id, why = _packed(files.root / path)
    if not why and maker(bundle_id) not in makers:
        why = f"it is {bundle_id}, an app of somebody else" if bundle_id else "it does not say whose it is"
    return why


def _identifier(workspace: Workspace, path: str) -> str:
    """What an archive says of its app, or an app of itself."""
    lists = (f"{path}/Info.plist", f"{path}/Contents/Info.plist")
    loaded = next((workspace.plist(each).plist for each in lists if workspace.has(each)), None)
    told = loaded.value if loaded else None
    if isinstance(told, dict) and path.endswith(".xcarchive"):
        told = told.get("ApplicationProperties")
    found = told.get("CFBundleIdentifier") if isinstance(told, dict) else ""
    return found if isinstance(found, str) else ""


def _packed(full: Path) -> tuple[str, str]:
    """The identifier of a package's app, or why there is none."""
    kind = full.suffix
    try:
        with opened(full, follow=False) as file:
            head = file.read(len(_POINTER))
    except OSError as fault:
        return "", f"it cannot be opened: {fault.strerror or fault}"
    if head == _POINTER:
        return "", "its content is not here, Git LFS keeps it"
    if not head.startswith(_PACKAGES[kind]):
        return "", f"it is no {kind}"
    from pipeline.apple.bundle.facts import Export
    from pipeline.apple.bundle.inspection import on_disk

    seen = on_disk(Export, full, given=True)
    return seen.bundle_id, seen.problem
