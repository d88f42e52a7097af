"""Turns workflows, scripts and lanes into facts."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from pipeline.apple.automation.facts import Automation, Call, Identities
from pipeline.apple.automation.gathered import IDENTITIES, Findings
from pipeline.apple.xcode.facts import Problem
from pipeline.apple.xcode.workspace import Workspace
from pipeline.model import Location

if TYPE_CHECKING:
    from pipeline.apple.automation.fastlane import Script
    from pipeline.apple.automation.repository import Repository
    from pipeline.apple.automation.workflows import JobText

# The readers are imported where there is something to read: most of an app's rehearsals have no automation to look at.

FILE_LIMIT = 512 * 1024
FILES = 400
NAMES = 4_000

_SERVICES = (
    (re.compile(r"(?:^|/)\.github/workflows/[^/]+\.ya?ml$"), "github"),
    (re.compile(r"(?:^|/)\.github/actions/(?:[^/]+/)+action\.ya?ml$"), "action"),
    (re.compile(r"^action\.ya?ml$"), "action"),
    (re.compile(r"(?:^|/)codemagic\.ya?ml$"), "codemagic"),
    (re.compile(r"(?:^|/)bitrise\.ya?ml$"), "bitrise"),
    (re.compile(r"(?:^|/)\.gitlab-ci\.ya?ml$"), "gitlab"),
    (re.compile(r"(?:^|/)azure-pipelines[^/]*\.ya?ml$"), "azure"),
)
_SCRIPT = re.compile(
    r"(?:\.(?:sh|bash|zsh|command)|(?:^|/)(?:GNUm|M|m)akefile|\.mk|(?:^|/)[jJ]ustfile|(?:^|/)package\.json)$"
)
_APPLE = re.compile(
    rb"xcodebuild|altool|notarytool|agvtool|codesign|fastlane|xcresulttool|instruments|PackageApplication|cktool"
    rb"|exportOptionsPlist|BUNDLE_ID|TEAM_ID|security +(?:import|unlock)|iCloud\.[a-z]|xcode-select|<key>method</key>"
)
_WRAPPER = re.compile(rb"^[ \t]*exec[ \t]+[\"']?\$\{?\w", re.MULTILINE)
"""A script that is replaced by another one, which may be what releases."""
_WRAPPER_LIMIT = 4_096
_KEYS = (".p8", ".pem", ".key")
_LANES = frozenset({"Fastfile", "Appfile", "Matchfile", "Gymfile", "Deliverfile", "Scanfile", "Snapfile"})
_OTHERS = frozenset(
    [
        "pods",
        "carthage",
        "vendor",
        "vendors",
        "thirdparty",
        "third_party",
        "third-party",
        "external",
        "externals",
        "submodules",
        "node_modules",
        "sourcepackages",
        "dependencies",
        "deps",
        "fixtures",
        "examples",
        "example",
        "samples",
    ]
)
"""Folders, in lower case, of what others made or of what only shows how something is done."""


def automation(workspace: Workspace) -> Automation:
    """All that workflows, scripts and lanes say; the hour is for whoever asks to add."""
    found = scanned(workspace)
    named = found.named[:NAMES]
    known = repository(workspace).identities if any(one.kind in IDENTITIES for one in named) else None
    return Automation(
        tuple(found.files),
        tuple(named),
        tuple(found.jobs[:NAMES]),
        tuple(found.calls[:NAMES]),
        tuple(found.exposed[:NAMES]),
        tuple(found.problems[:NAMES]),
        known or Identities(),
        found.unfollowed,
    )


def repository(workspace: Workspace) -> Repository:
    """What the repository holds, looked at once."""
    from pipeline.apple.automation.repository import Repository

    return workspace.once(("automation", "repository"), lambda: Repository(workspace))


def scanned(workspace: Workspace) -> Findings:
    """The scan of all files, made once for all facts."""
    return workspace.once(("automation", "scan"), lambda: _Scan(workspace).run())


class _Scan:
    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._found = Findings()
        self._lanes: dict[str, Script] = {}

    def run(self) -> Findings:
        tree = self._workspace.tree
        own = [path for path in tree if not _OTHERS & set(path.lower().split("/")[:-1])]
        for path in (one for one in own if posixpath.basename(one) in _LANES):
            if len(self._lanes) < FILES:
                self._ruby(path)
        for path in own:
            is_yaml = path.endswith((".yml", ".yaml"))
            service = next((name for pattern, name in _SERVICES if pattern.search(path)), "") if is_yaml else ""
            if len(self._found.files) >= FILES:
                break
            if service:
                self._workflow(path, service)
            elif not is_yaml and _SCRIPT.search(path):
                self._script(path)
        if any(path.endswith(_KEYS) for path in tree):
            from pipeline.apple.automation.exposure import committed_keys

            self._found.exposed += committed_keys(self._workspace)
        return self._found

    def _ruby(self, path: str) -> None:
        from pipeline.apple.automation import fastlane
        from pipeline.apple.automation.exposure import exposed_in
        from pipeline.apple.automation.lanes import RubyReader

        data = self._workspace.read(path, fastlane.SIZE_LIMIT)
        if data is None:
            return
        self._found.files.append(path)
        script = self._lanes[path] = fastlane.read(data)
        folder = posixpath.dirname(path)
        if posixpath.basename(folder) in ("fastlane", ".fastlane"):
            folder = posixpath.dirname(folder)
        self._found.exposed += exposed_in(data.decode("utf-8", "replace"), path, 0)
        RubyReader(self._found, repository(self._workspace), path, folder or ".").read(script)

    def _workflow(self, path: str, service: str) -> None:
        data = self._workspace.read(path, FILE_LIMIT * 2)
        if data is None or not (_APPLE.search(data) or b"macos" in data.lower()):
            return
        from pipeline.apple.automation import workflows

        try:
            root = workflows.composed(data)
        except workflows.BrokenWorkflow as fault:
            self._found.problems.append(Problem("unreadable", fault.reason, Location(path, fault.line)))
            return
        jobs = workflows.github_jobs(root) if service in ("github", "action") else workflows.other_jobs(root, service)
        self._jobs(path, data.decode("utf-8", "replace"), list(jobs))

    def _jobs(self, path: str, text: str, jobs: list[JobText]) -> None:
        from pipeline.apple.automation.exposure import exposed_in
        from pipeline.apple.automation.jobs import RELEASING, JobReader

        self._found.files.append(path)
        self._found.exposed += exposed_in(text, path, 0)
        for job in jobs:
            if job.off:
                if RELEASING.search(posixpath.basename(path)) or RELEASING.search(job.name):
                    self._found.calls.append(Call("off", Location(path, job.line), job=job.name))
                continue
            JobReader(self._found, repository(self._workspace), path, job, self._lanes).read()

    def _script(self, path: str) -> None:
        data = self._workspace.read(path, FILE_LIMIT)
        if data is None:
            return
        wrapper = len(data) < _WRAPPER_LIMIT and _WRAPPER.search(data) is not None
        if not (wrapper or _APPLE.search(data)):
            return
        from pipeline.apple.automation.scripts import texts
        from pipeline.apple.automation.workflows import JobText, Step

        text = data.decode("utf-8", "replace")
        steps = tuple(Step(one.line, one, None) for one in texts(text, posixpath.basename(path).lower()))
        self._jobs(path, text, [JobText("", 1, "script", steps=steps, here=False)])
