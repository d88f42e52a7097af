"""Compares what one call of xcodebuild names with what the repository holds."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from pipeline.apple.automation.commands import (
    Invocation,
    Setting,
)
from pipeline.apple.automation.facts import (
    Named,
)
from pipeline.apple.automation.repository import Repository, shortened
from pipeline.apple.automation.shell import ROOT
from pipeline.apple.xcode.project import Project, Target
from pipeline.model import Location


class Names:
    """Compares what one call of xcodebuild names with what the repository holds."""

    def __init__(self, held: Repository, folder: str | None, *, producing: bool, made: frozenset[str]) -> None:
        self._held, self._folder, self._producing, self._made = held, folder, producing, made

    def of(self, call: Invocation) -> Iterator[Named]:
        """Everything that the call names by literal."""
        container: Named | None = None
        for kind in ("project", "workspace"):
            given = call.option(kind)
            if given is None:
                continue
            container = self._container(kind, given)
            if container:
                yield container
        unclear = any((option := call.option(kind)) and option.text is None for kind in ("project", "workspace"))
        # A package, or a project made in this job, has names that are not here.
        known = None if unclear or (container and container.there is not True) else container
        blind = container is not None and container.there is not True
        for kind in ("scheme", "target", "configuration"):
            given = call.option(kind)
            if given is not None and given.text and not blind:
                yield self._inner(kind, given, known, call)
        for kind in ("xcconfig", "exportOptionsPlist"):
            given = call.option(kind)
            if given is not None and given.text:
                yield self._file(given.text, given.line)
        for setting in call.settings:
            if (
                setting.name in ("CODE_SIGN_ENTITLEMENTS", "INFOPLIST_FILE")
                and setting.text
                and "$" not in setting.text
            ):
                # These are relative to the project, so any folder will do.
                lacks = None if self._producing else self._held.lacks(setting.text, None)
                yield Named("file", setting.text, Location("", setting.line), None if lacks is None else not lacks)

    def _container(self, kind: str, given: Setting) -> Named | None:
        if given.text is None:
            return None
        place = Location("", given.line)
        lacks = self._held.lacks(given.text, self._folder)
        there = None if lacks is None else not lacks
        if there is False and (
            self._producing
            or posixpath.basename(given.text).lower() in self._made
            or self._held.generated
            or (kind == "workspace" and self._held.pods)
        ):
            there = None
        suffix = ".xcodeproj" if kind == "project" else ".xcworkspace"
        choices = (
            self._held.workspace.project_paths
            if kind == "project"
            else tuple(one.path for one in self._held.workspace.workspaces)
        )
        full = self._full(given.text)
        if not given.text.rstrip("/").endswith(suffix):
            there = None if there is False else there
        return Named(kind, full.rstrip("/"), place, there, shortened(choices))

    def _full(self, text: str) -> str:
        """A path from the repository's root, as far as that can be told."""
        if text.startswith(ROOT):
            return posixpath.normpath(f"./{text.removeprefix(ROOT).lstrip('/')}")
        return text if self._folder is None else posixpath.normpath(posixpath.join(self._folder, text))

    def _inner(self, kind: str, given: Setting, container: Named | None, call: Invocation) -> Named:
        text, place = given.text or "", Location("", given.line)
        held = self._held
        project = held.project(container.text) if container and container.kind == "project" else None
        unsure = held.generated or self._producing or len(held.projects) != len(held.workspace.project_paths)
        if kind == "configuration":
            return self._configuration(text, place, project, container, unsure=unsure)
        if project is not None and container is not None:
            if kind == "target":
                own = held.targets(project)
                return Named(kind, text, place, text in own, shortened(own), container.text)
            own = held.schemes(project)
            there = True if text in own else None if self._producing else False
            return Named(kind, text, place, there, held.shown_schemes(project), container.text)
        if kind == "target":
            return Named(kind, text, place)
        everywhere = held.all_schemes
        there = True if text in everywhere else None if unsure or held.pods or not held.projects else False
        if call.open and not there:
            there = None
        return Named(kind, text, place, there, held.likely_schemes)

    def _configuration(
        self, text: str, place: Location, project: object, container: Named | None, *, unsure: bool
    ) -> Named:
        held = self._held
        own = next((one for one in held.projects if one is project), None)
        if own is not None and container is not None:
            names = held.configurations(own)
            # Whether xcodebuild tells upper from lower case here is documented nowhere.
            there = text in names or (None if text.lower() in {name.lower() for name in names} else False)
            return Named("configuration", text, place, there, names, container.text)
        names = held.all_configurations
        there = True if text in names else None if unsure or not names else False
        return Named("configuration", text, place, there, names[:12])

    def _file(self, text: str, line: int) -> Named:
        lacks = self._held.lacks(text, self._folder)
        made = self._producing or posixpath.basename(text).lower() in self._made
        return Named("file", text, Location("", line), None if lacks is None or (lacks and made) else not lacks)

    def hindered(self, call: Invocation) -> str:
        """What else than the app a profile on the command line would be applied to; "" where nothing is known."""
        given = call.option("project") or call.option("workspace")
        apps = self._held.apps
        placed = given is not None and (self._folder is not None or (given.text or "").startswith(ROOT))
        if given is not None and given.text and given.name == "project" and placed:
            full = self._full(given.text)
            apps = tuple(one for one in apps if one[0].path.lower() == full.lower())
        scheme = call.text("scheme")
        named = tuple(one for one in apps if one[1].name == scheme)
        found = {self._hindrance(project, target) for project, target in named or apps}
        return found.pop() if len(found) == 1 else ""

    def _hindrance(self, project: Project, target: Target) -> str:
        embedded = [one.name for one in self._held.embedded(project, target)]
        if embedded:
            return f"{embedded[0]}, which {target.name} carries: one profile does not fit both"
        if self._held.references(project).products:
            return "targets of Swift packages: Xcode stops with `does not support provisioning profiles`"
        return ""
