"""Turns a lane's source files and privacy manifests into facts."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.apple.sources.facts import (
    CarriedSources,
    DeclaredReasons,
    EmbeddedSources,
    Reason,
    TargetSources,
    Topic,
    Use,
)
from pipeline.apple.sources.identifiers import identifiers
from pipeline.apple.sources.membership import MANIFEST, Membership, membership
from pipeline.apple.sources.scanning import SWIFT, Module, Scan, imported, lexed
from pipeline.apple.xcode.manifests import BUILT
from pipeline.apple.xcode.observation import Unseen, target_entitlements
from pipeline.apple.xcode.project import FRAMEWORK
from pipeline.model import Location

if TYPE_CHECKING:
    from pipeline.apple.sources.lexing import Lexed
    from pipeline.apple.xcode.plists import Plist
    from pipeline.apple.xcode.sight import Sight
    from pipeline.apple.xcode.workspace import Workspace

FILE_LIMIT = 4 * 1024 * 1024
"""Bytes. People write no longer source files; what generates them uses nothing that is listed."""

_ASKED = re.compile(rb"NS\w+UsageDescription")
_MOST_TOLD = 20


def members_of(sight: Sight) -> Membership:
    """What the lane's target is made of; worked out once."""
    key = (
        "membership",
        sight.project.path,
        sight.target.identifier,
        sight.lane.platform.value,
        sight.lane.configuration,
    )
    return sight.workspace.once(key, lambda: membership(sight))


def target_sources(sight: Sight, besides: frozenset[str] = frozenset()) -> TargetSources:
    """What the sources use; of those in `besides` only what they import is looked at."""
    members = members_of(sight)
    workspace = sight.workspace
    scan = Scan(sight.lane.platform.value)
    unread: list[str] = []
    words: dict[str, frozenset[bytes]] = {}
    for path in dict.fromkeys(path for module in members.modules for path in module.files):
        found = _words(workspace, path, scan)
        if found is None:
            unread.append(path)
        else:
            words[path] = found
    count = len(words) + len(unread)
    _note_imported(members, words)
    for module in members.modules:
        for path in module.files:
            if path in besides:
                continue
            signs = scan.signs(words.pop(path, frozenset()), module)
            if signs:
                scan.search(path, _lexed(workspace, path), signs, module)
    return TargetSources(
        count,
        tuple(_reached(sight, members, scan.uses)),
        members.packages,
        tuple(members.remote),
        tuple(members.absent[:_MOST_TOLD]),
        tuple(unread[:_MOST_TOLD]),
        tuple(sorted(_in_scripts(sight))),
        tuple(sorted(_in_strings(sight))),
        tuple(members.undecided),
        identifiers(workspace) if any(use.topic is Topic.COMPARED for use in scan.uses) else (),
    )


def _reached(sight: Sight, members: Membership, uses: list[Use]) -> list[Use]:
    """The uses, with what is not evident of those that end the app."""
    if not any(use.topic is Topic.OPENED for use in uses) or _is_entitled(sight):
        return uses
    from pipeline.apple.sources.reaching import Reach

    workspace = sight.workspace
    own = sight.file("CODE_SIGN_ENTITLEMENTS")[0].text
    reach = Reach(
        members.modules,
        lambda path: workspace.read(path, FILE_LIMIT),
        lambda path: _lexed(workspace, path),
        entitled=any(
            path.endswith(".entitlements") and path != own and b"CloudKit" in (workspace.read(path, FILE_LIMIT) or b"")
            for path in workspace.tree
        ),
    )
    return [reach.told(use) if use.topic is Topic.OPENED else use for use in uses]


def _is_entitled(sight: Sight) -> bool:
    """Whether the program may open containers: then nothing ends it there."""
    try:
        return target_entitlements(sight).cloudkit
    except Unseen:
        return False


def embedded_sources(sight: Sight) -> EmbeddedSources:
    """What the programs that travel inside the app use.

    What a program shares with the app is told of the app: much of it runs there alone. Watch apps are left out, because
    no lane is theirs.
    """
    own = frozenset(path for module in members_of(sight).modules for path in module.files)
    return EmbeddedSources(
        tuple(
            CarriedSources(each.target.name, target_sources(each, own), declared_reasons(each))
            for each in sight.carried()
            if each.target.product_type != FRAMEWORK and each.sdk == sight.sdk
        )
    )


def _words(workspace: Workspace, path: str, scan: Scan) -> frozenset[bytes] | None:
    """What a file mentions, once for everything that is made of it; None when it cannot be read."""

    def found() -> frozenset[bytes] | None:
        data = workspace.read(path, FILE_LIMIT)
        return None if data is None else scan.words(data)

    return workspace.once(("words", scan.platform, path), found)


def _lexed(workspace: Workspace, path: str) -> Lexed:
    """A file after lexing, once for all lanes."""
    return workspace.once(("lexed", path), lambda: lexed(path, workspace.read(path, FILE_LIMIT) or b""))


def _note_imported(members: Membership, words: dict[str, frozenset[bytes]]) -> None:
    """Tell the modules of packages that the target imports, itself or through others, from those that are only linked.

    Code of the C family comes in by its headers' names, which say nothing of modules: it counts as imported.
    """
    named = {module.name.replace("-", "_"): module for module in members.modules if module.package}
    pending = [module for module in members.modules if not module.package or _is_c(module)]
    reached = {id(module) for module in pending}
    while pending:
        module = pending.pop()
        names = {imported(word) for path in module.files for word in words.get(path, ()) if word.startswith(b"import")}
        for name in names:
            found = named.get(name)
            if found and id(found) not in reached:
                reached.add(id(found))
                pending.append(found)
    for module in members.modules:
        module.imported = id(module) in reached


def _is_c(module: Module) -> bool:
    return not any(path.endswith(SWIFT) for path in module.files)


def _in_scripts(sight: Sight) -> set[str]:
    return {
        found.decode() for script in sight.project.scripts(sight.target) for found in _ASKED.findall(script.encode())
    }


def _in_strings(sight: Sight) -> Iterator[str]:
    for path in sight.members():
        if posixpath.basename(path) in ("InfoPlist.strings", "InfoPlist.xcstrings"):
            data = (sight.workspace.read(path) or b"").replace(b"\0", b"")
            yield from {found.decode() for found in _ASKED.findall(data)}


def declared_reasons(sight: Sight) -> DeclaredReasons:
    """What the privacy manifests declare: the target's own, and those of the local packages."""
    unread: list[str] = []
    own = next(
        (
            path
            for path in sight.members()
            if posixpath.basename(path) == MANIFEST
            and sight.workspace.has(path)
            # A framework's manifest speaks for the framework.
            and not any(part in path for part in BUILT)
        ),
        "",
    )
    places = [(own, "")] if own else []
    places += [(path, module.package) for module in members_of(sight).modules for path in module.manifests]
    reasons: list[Reason] = []
    for path, package in places:
        plist = sight.workspace.plist(path).plist
        if plist is None:
            unread.append(path)
        else:
            reasons += _reasons(plist, path, package)
    return DeclaredReasons(own, tuple(reasons), tuple(unread))


_TYPES = "NSPrivacyAccessedAPITypes"


def _reasons(plist: Plist, path: str, package: str) -> Iterator[Reason]:
    held = plist.value.get(_TYPES) if isinstance(plist.value, dict) else None
    for position, entry in enumerate(held if isinstance(held, list) else ()):
        category = entry.get("NSPrivacyAccessedAPIType") if isinstance(entry, dict) else None
        if isinstance(category, str):
            given = entry.get("NSPrivacyAccessedAPITypeReasons")
            texts = tuple(item for item in given if isinstance(item, str)) if isinstance(given, list) else ()
            line = plist.lines.get((_TYPES, position, "NSPrivacyAccessedAPIType"), plist.lines.get((_TYPES, position)))
            yield Reason(category, texts, Location(path, line), package)
