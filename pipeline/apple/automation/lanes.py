"""Compares what fastlane's files name with what the repository holds."""

from __future__ import annotations

import posixpath
from dataclasses import replace

from pipeline.apple.automation import fastlane
from pipeline.apple.automation.commands import (
    Invocation,
    Setting,
)
from pipeline.apple.automation.facts import (
    Named,
)
from pipeline.apple.automation.gathered import SHAPES, Findings
from pipeline.apple.automation.names import Names
from pipeline.apple.automation.repository import Repository
from pipeline.model import Location


class RubyReader:
    """Compares what fastlane's files name with what the repository holds."""

    def __init__(self, found: Findings, held: Repository, path: str, folder: str) -> None:
        self._found, self._held, self._path, self._folder = found, held, path, folder

    def read(self, script: fastlane.Script) -> None:
        """All calls of a file."""
        name = posixpath.basename(self._path)
        if name in ("Gymfile", "Scanfile", "Snapfile"):
            told = {call.name: call for call in script.calls if call.first}
            self._build(tuple(fastlane.Argument(key, call.first, call.line) for key, call in told.items()), 1)
        for call in script.calls:
            if call.name in fastlane.BUILDS | fastlane.TESTS:
                self._build(call.arguments, call.line, release=call.name in fastlane.BUILDS)
            elif call.name in ("app_identifier", "team_id") and name in ("Appfile", "Matchfile", "Deliverfile"):
                self._identity("bundle id" if call.name == "app_identifier" else "team", call.first, call.line)
            for argument in call.arguments:
                if argument.name == "app_identifier":
                    self._identity("bundle id", argument.text, argument.line)
                elif argument.name == "team_id" and call.name != "itc_team_id":
                    self._identity("team", argument.text, argument.line)

    def _identity(self, kind: str, text: str, line: int) -> None:
        if SHAPES[kind].fullmatch(text):
            self._found.named.append(Named(kind, text, Location(self._path, line)))

    def _build(self, arguments: tuple[fastlane.Argument, ...], line: int, *, release: bool = False) -> None:
        settings = tuple(
            Setting(one.name, one.text, one.line)
            for one in arguments
            if one.name in ("project", "workspace", "scheme", "configuration", "xcconfig")
        )
        call = Invocation(line, settings, actions=frozenset({"archive"} if release else ()))
        # Whatever a lane does before may make what is named here.
        names = Names(self._held, self._folder, producing=False, made=frozenset())
        for named in names.of(call):
            place = Location(self._path, named.location.line)
            self._found.named.append(replace(named, location=place))
