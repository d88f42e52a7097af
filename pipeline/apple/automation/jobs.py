"""Reads the steps of a job in order: what each names, calls, makes, exports and uploads."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace

from pipeline.apple.automation import exportoptions, fastlane, functions, guards, mentions, shell, workflows
from pipeline.apple.automation.commands import (
    PLATFORMS,
    SELECTION,
    Invocation,
    invocation,
    options,
    platform_of,
    tool_of,
)
from pipeline.apple.automation.facts import (
    Call,
    ExportOptions,
    Job,
    Named,
    Upload,
)
from pipeline.apple.automation.gathered import SHAPES, VARIABLE_KINDS, Findings
from pipeline.apple.automation.names import Names
from pipeline.apple.automation.repository import Repository
from pipeline.apple.automation.workflows import JobText, Step, Text
from pipeline.model import Location
from pipeline.values import dataclass

FILE_LIMIT = 512 * 1024
ACTION_LIMIT = 200
"""Uses of the repository's own actions that are followed in one job."""
_ACTIONS = ("action.yml", "action.yaml")


def raw(word: shell.Word) -> str:
    """A word with its variables by name, to compare it with another."""
    return "".join(text if not kind else f"${{{text}}}" for kind, text in word.parts)


_BENIGN_ACTIONS = re.compile(
    r"^(?:actions/(?:checkout|setup-\w+|upload-artifact)|maxim-lobanov/setup-xcode|ruby/setup-ruby|swift-actions/\w+"
    r"|apple-actions/(?:import-codesign-certs|download-provisioning-profiles)|webfactory/ssh-agent"
    r"|fwal/setup-swift|SwiftyLab/setup-swift)@",
    re.IGNORECASE,
)
_PRODUCERS = frozenset(
    [
        "xcodegen",
        "tuist",
        "pod",
        "flutter",
        "npx",
        "npm",
        "yarn",
        "pnpm",
        "bun",
        "expo",
        "cordova",
        "ionic",
        "capacitor",
        "cmake",
        "make",
        "rake",
        "bazel",
        "bazelisk",
        "gyp",
        "premake5",
        "mint",
        "sourcery",
        "swiftgen",
        "python",
        "python3",
        "ruby",
        "node",
        "unzip",
        "tar",
        "curl",
        "wget",
        "git",
        "gh",
        "aws",
        "gsutil",
        "fastlane",
        "just",
        "bundle",
        "match",
        "eval",
        "source",
        ".",
        "cp",
        "mv",
        "rsync",
        "ditto",
        "tee",
        "sed",
        "perl",
        "awk",
        "base64",
        "openssl",
        "gpg",
        "plutil",
        "defaults",
        "echo",
        "printf",
        "PlistBuddy",
        "sh",
        "bash",
        "zsh",
        "op",
        "vault",
        "doppler",
        "arkana",
    ]
)


@dataclass
class _State:
    """What a job has done so far."""

    folder: str | None = ""
    made: set[str] = field(default_factory=set)
    producing: bool = False
    xcodes: list[Named] = field(default_factory=list)
    chooses: bool = False
    uploads: list[Upload] = field(default_factory=list)
    builds: bool = False
    platforms: set[str] = field(default_factory=set)
    plans: list[tuple[str, ExportOptions]] = field(default_factory=list)
    exports: list[tuple[str, str]] = field(default_factory=list)
    used: list[tuple[str, Location]] = field(default_factory=list)
    containers: dict[str, str] = field(default_factory=dict)
    schemes: set[str] = field(default_factory=set)
    imports: list[Location] = field(default_factory=list)
    partitioned: bool = False
    signs: bool = False
    archived: list[str | None] = field(default_factory=list)
    identifiers: list[tuple[str, Location]] = field(default_factory=list)
    actions: int = 0


class JobReader:
    """Reads the steps of one job, in order."""

    def __init__(
        self,
        found: Findings,
        held: Repository,
        path: str,
        job: JobText,
        lanes: Mapping[str, fastlane.Script],
    ) -> None:
        self._found, self._held, self._path, self._job, self._lanes = found, held, path, job, lanes
        self._state = _State()
        self._step: Step = Step(1)
        self._names: Mapping[str, str] = {}
        self._values: Mapping[str, tuple[str, ...]] = {}
        self._overrides = False

    def read(self) -> None:
        """Read all steps, and tell what the job as a whole is."""
        job, state = self._job, self._state
        for name in ("DEVELOPER_DIR", "env.DEVELOPER_DIR"):
            if name in job.names:
                line = self._line_of(job.names[name]) or job.line
                self._choose(job.names[name], Location(self._path, line))
                break
        for xcode in job.xcodes:
            self._version(xcode.text, Location(self._path, xcode.line))
        self.take_steps()
        if job.publishes:
            state.uploads.append(Upload("publishing", Location(self._path, job.publishes.line), ""))
            state.builds = True
        self._finish()

    def take_steps(self) -> None:
        """Take what all steps do."""
        for step in self._job.steps:
            self._step = step
            if step.uses:
                self._action(step)
            elif step.script is not None:
                self._script(step, step.script)

    def _line_of(self, text: str) -> int | None:
        data = self._held.workspace.read(self._path, FILE_LIMIT) or b""
        position = data.find(text.encode())
        return data.count(b"\n", 0, position) + 1 if position >= 0 else None

    def _finish(self) -> None:
        job, state = self._job, self._state
        runners = tuple(Named("runner", one.text, Location(self._path, one.line), job=job.name) for one in job.runners)
        platform = next(iter(state.platforms)) if len(state.platforms) == 1 else ""
        uploads = (
            tuple(replace(one, platform=one.platform or platform) for one in state.uploads) if state.builds else ()
        )
        if job.service != "script" or uploads:
            place = Location(self._path, job.line)
            xcodes = tuple(state.xcodes)
            self._found.jobs.append(
                Job(job.name or posixpath.basename(self._path), place, runners, xcodes, state.chooses, uploads)
            )
        for target, plan in state.plans:
            used = self._used_after(target, plan)
            self._found.plans.append(replace(plan, platform=platform, exported=used))
        for told, where in state.used:
            self._judge_name(told, where)
        self._judge_identifiers()
        if state.imports and state.signs and not state.partitioned and job.service == "github":
            self._found.calls.append(Call("keychain", state.imports[0], job=job.name))

    def _judge_identifiers(self) -> None:
        """Identifiers of another project than those that the job archives."""
        state, held = self._state, self._held
        if not state.identifiers or not state.archived:
            return
        archived = [path for path in state.archived if path is not None]
        own = [held.identifiers(path) for path in archived]
        if len(archived) != len(state.archived) or not all(own):
            return
        others = {one: project.path for project in held.projects for one in held.identifiers(project.path)}
        told: set[str] = set()
        shown = ", ".join(dict.fromkeys(archived))
        for text, place in state.identifiers:
            if text in others and text not in told and not any(text in one for one in own):
                told.add(text)
                says = f"{text} is an identifier of {others[text]}, and what is archived here is {shown}"
                self._found.calls.append(Call("other project", place, says, self._job.name))

    def _judge_name(self, told: str, where: Location) -> None:
        """A file that is looked for where an export writes, under a name that nothing here has."""
        folder, _, name = told.rpartition("/")
        stem = name.rpartition(".")[0]
        if "$" in name or "*" in name or not any(path.rstrip("/") == folder for _, path in self._state.exports if path):
            return
        names = self._held.product_names
        if names and stem not in names and stem not in self._state.schemes:
            self._found.calls.append(Call("file name", where, name, self._job.name))

    def _used_after(self, target: str, plan: ExportOptions) -> Location | None:
        """Where a job uses a file that an export with the destination `upload` does not leave behind."""
        if plan.text("destination") != "upload":
            return None
        for options_path, export_path in self._state.exports:
            if options_path and export_path and posixpath.basename(options_path) == posixpath.basename(target):
                for used, place in self._state.used:
                    if used.startswith(f"{export_path.rstrip('/')}/"):
                        return place
        return None

    # Steps ----------------------------------------------------------------------------------------------------------

    def _action(self, step: Step) -> None:
        state, name = self._state, step.uses.partition("@")[0].lower()
        if name.endswith("/setup-xcode"):
            version = step.inputs.get("xcode-version")
            if version:
                told = workflows.filled(version.text, step.names)
                if told is None:
                    state.chooses = True
                else:
                    self._version(told, Location(self._path, version.line))
        elif name == "apple-actions/upload-testflight-build":
            told_type = step.inputs.get("app-type")
            platform = PLATFORMS.get(told_type.text.lower(), "") if told_type else "ios"
            state.uploads.append(Upload(name, Location(self._path, step.line), platform))
        elif step.uses.startswith("./"):
            self._local(step)
        elif not _BENIGN_ACTIONS.match(step.uses):
            state.producing = True
            state.chooses = state.chooses or "xcode" in name

    def _local(self, step: Step) -> None:
        """An action of this repository: what its steps do is done by the job; what they name is told elsewhere."""
        state, folder = self._state, posixpath.normpath(step.uses)
        path = next((one for name in _ACTIONS if self._held.workspace.has(one := f"{folder}/{name}")), "")
        data = self._held.workspace.read(path, FILE_LIMIT) if path and state.actions < ACTION_LIMIT else None
        try:
            steps = workflows.action_steps(workflows.composed(data), step) if data else None
        except workflows.BrokenWorkflow:
            steps = None
        if steps is None:
            # What cannot be followed may choose anything, and make anything.
            state.producing = state.chooses = True
            return
        inner = JobReader(
            Findings(), self._held, path, replace(self._job, steps=steps, xcodes=(), names={}), self._lanes
        )
        state.actions += 1
        inner._state = state
        inner.take_steps()

    def _version(self, text: str, place: Location) -> None:
        plain = text.strip().lstrip("~>=^ ").removesuffix(".x").removesuffix(".*")
        if re.fullmatch(r"\d+(?:\.\d+)*", plain):
            exact = text.strip() == plain
            named = Named("Xcode", plain, place, job=self._job.name, there=exact or None)
            self._state.xcodes.append(named)
        else:
            self._state.chooses = True

    def _choose(self, path: str, place: Location) -> None:
        match = SELECTION.search(path)
        if match:
            self._version(match[1], place)
        else:
            self._state.chooses = True

    def _place(self, line: int) -> Location:
        script = self._step.script
        if script is None:
            return Location(self._path, self._step.line)
        return Location(self._path, script.line + line - 1 if script.block else script.line)

    def _script(self, step: Step, script: Text) -> None:
        commands = shell.read(script.text)
        own = posixpath.dirname(self._path) if self._job.service == "script" else None
        self._names = shell.constants(commands, step.names, own)
        if chosen := dict(
            functions.chosen(script.text, commands, self._names, lambda path: self._held.lacks(path, ""))
        ):
            self._names = shell.constants(commands, {**step.names, **chosen}, own) | chosen
        self._overrides = "PRODUCT_BUNDLE_IDENTIFIER" in script.text
        self._values = dict(mentions.arguments(script.text, commands, self._names))
        self._variables(commands)
        self._looks(commands)
        for tool, line in functions.required(script.text):
            self._found.calls.append(Call("not on PATH", self._place(line), tool, self._job.name))
        for name, line in functions.idle(script.text, commands):
            self._found.calls.append(Call("idle", self._place(line), name, self._job.name))
        if "DEVELOPER_DIR=" in script.text and "GITHUB_ENV" in script.text:
            self._state.chooses = True
        if "archive" in script.text:
            self._guarded(script.text)
        folders: dict[tuple[int, ...], str | None] = {(): step.folder if self._job.here else None}
        for command in commands:
            scope = command.scope
            while scope not in folders:
                scope = scope[:-1]
            folder = folders[scope]
            self._state.folder = folder
            self._command(replace(command, tolerated=True) if step.tolerated else command)
            folders[command.scope] = shell.folder_after(command, folder, self._names, own)
        self._last_word(commands)

    def _looks(self, commands: tuple[shell.Command, ...]) -> None:
        """Where a script looks for installed profiles, and at property lists of the repository."""
        told = list(mentions.mentions(commands, mentions.held_raw(commands)))
        written = {each.text for each in told if each.written}
        if not any(_NEW_PROFILES in each.text for each in told) and not any(_OLD_PROFILES in one for one in written):
            lines = {each.line for each in told if _OLD_PROFILES in each.text and not each.spoken}
            for line in sorted(lines)[:1]:
                self._found.calls.append(Call("old profiles", self._place(line), job=self._job.name))
        for path, line in self._property_lists(commands):
            if not any(one.endswith(f"/{path.rpartition('/')[2]}") for one in written):
                self._name("used file", path, line, there=True)

    def _property_lists(self, commands: tuple[shell.Command, ...]) -> Iterator[tuple[str, int]]:
        words = [word for _, word in shell.assignments(commands) if word is not None]
        words += [word for command in commands for word in command.words]
        for word in words:
            text = word.resolved(self._names) or ""
            if text.startswith(shell.ROOT) and text.endswith((".plist", ".entitlements")):
                yield posixpath.normpath(f"./{text.removeprefix(shell.ROOT).lstrip('/')}"), word.line

    def _guarded(self, script: str) -> None:
        """A scheme that is chosen by the project's path, and that no project of such a path has."""
        for choice in guards.chosen(script):
            projects = [one for one in self._held.projects if f"/{one.path}".endswith(choice.endings) and one.path]
            place = self._place(choice.line)
            if projects and all(self._held.is_of_a_package(choice.scheme, one) for one in projects):
                self._package_scheme(choice.scheme, projects[0].path, place)
            elif projects and not any(choice.scheme in self._held.schemes(one) for one in projects):
                shown = self._held.shown_schemes(projects[0])
                self._found.named.append(
                    Named("scheme", choice.scheme, place, there=False, choices=shown, within=projects[0].path)
                )

    def _package_scheme(self, scheme: str, project: str, place: Location) -> None:
        says = f"the scheme {scheme} of {project} is that of a Swift package, and makes no app"
        self._found.calls.append(Call("package scheme", place, says, self._job.name))

    def _last_word(self, commands: tuple[shell.Command, ...]) -> None:
        """A job for releases whose only step ends in a failure."""
        last = commands[-1] if commands else None
        if (
            last is not None
            and len(self._job.steps) == 1
            and self._job.service == "github"
            and not last.tolerated
            and [word.literal for word in last.words] == ["exit", "1"]
            and RELEASING.search(posixpath.basename(self._path))
        ):
            self._call("fails", last.line, last)

    def _variables(self, commands: tuple[shell.Command, ...]) -> None:
        for name, word in shell.assignments(commands):
            if word is None:
                continue
            self._use(word)
            self._spelled(word)
            text = word.resolved(self._names)
            if text is not None:
                self._variable(name, text, word.line)

    def _variable(self, name: str, text: str, line: int) -> None:
        for kind, pattern in VARIABLE_KINDS:
            if pattern.search(name.upper()) and SHAPES[kind].fullmatch(text):
                if kind == "container":
                    self._container(name.upper(), text, line)
                if kind != "bundle id" or not self._overrides:
                    self._name(kind, text, line)
                    if kind == "bundle id":
                        self._state.identifiers.append((text, self._place(line)))
                return

    def _container(self, name: str, text: str, line: int) -> None:
        """Development and production in two containers."""
        held = self._state.containers
        kind = "development" if "DEV" in name else "production" if "PROD" in name else ""
        if kind:
            held.setdefault(kind, text)
        if len(held) > 1 and len(set(held.values())) > 1 and kind:
            says = f"development is {held['development']}, production is {held['production']}"
            self._found.calls.append(Call("containers", self._place(line), says, self._job.name))

    def _spelled(self, word: shell.Word) -> None:
        """A path from the repository's root that differs from a file's only by case."""
        text = word.resolved(self._names) or ""
        if text.startswith(shell.ROOT) and (written := self._held.miswritten(text)):
            says = f"{text.removeprefix(shell.ROOT).lstrip('/')} is written {written} in the repository"
            if not any(one.says == says and one.location.path == self._path for one in self._found.calls):
                self._found.calls.append(Call("case", self._place(word.line), says, self._job.name))

    def _use(self, word: shell.Word) -> None:
        told = raw(word)
        if told.endswith((".ipa", ".pkg")):
            self._state.used.append((told, self._place(word.line)))

    def _name(self, kind: str, text: str, line: int, *, there: bool | None = None, tolerated: bool = False) -> None:
        place = self._place(line)
        self._found.named.append(Named(kind, text[:300], place, there, job=self._job.name, tolerated=tolerated))

    # Commands -------------------------------------------------------------------------------------------------------

    def _command(self, command: shell.Command) -> None:
        for name, word in command.assigned:
            if name == "DEVELOPER_DIR":
                self._choose(word.resolved(self._names) or "", self._place(word.line))
        tool, words = tool_of(command, self._names)
        base = tool.rpartition("/")[2]
        before = (self._state.producing, frozenset(self._state.made))
        self._texts(command)
        reader = getattr(self, f"_on_{base.replace('-', '_').lower()}", None) if base in _READ else None
        if reader is not None:
            reader(command, words, before)
        elif tool and ("/" in tool):
            self._path_named(tool, command, before)
        if base in ("bash", "sh", "zsh", "source", ".", "chmod") and words:
            self._script_named(words, command, before)
        for word in words:
            if base != "xcodebuild":
                self._use(word)
        for word in command.words:
            self._spelled(word)
        self._note_made(base, tool, command, words)

    def _note_made(self, base: str, tool: str, command: shell.Command, words: tuple[shell.Word, ...]) -> None:
        state = self._state
        for word in (*command.outputs, *words):
            text = raw(word).rstrip("/")
            if base != "xcodebuild" or not text.endswith(_GIVEN):
                state.made.add(posixpath.basename(text).lower())
        if base in _PRODUCERS and base not in ("echo", "printf"):
            state.producing = state.producing or base not in (
                "cp",
                "mv",
                "tee",
                "base64",
                "sed",
                "plutil",
                "PlistBuddy",
            )
        elif not tool or "/" in tool:
            state.producing = True

    def _texts(self, command: shell.Command) -> None:
        """A here-document that becomes export options."""
        if command.text is None or "method" not in command.text:
            return
        shift = self._place(command.text_line).line or 1
        plan = exportoptions.read_text(command.text, self._path, shift - 1, self._names)
        if plan is not None:
            target = raw(command.outputs[0]) if command.outputs else ""
            self._state.plans.append((target, plan))
            self._profiles_by_argument(command.text, shift, plan)

    def _profiles_by_argument(self, text: str, shift: int, plan: ExportOptions) -> None:
        """Names of profiles that an argument of a function completes: one for each call of it."""
        known = {each.text for each in plan.profiles if each.known}
        for name, values in self._values.items():
            for value in values if f"${name}" in text or f"${{{name}}}" in text else ():
                filled = exportoptions.read_text(text, self._path, shift - 1, {**self._names, name: value})
                for each in filled.profiles if filled is not None else ():
                    if exportoptions.UNKNOWN_SHOWN not in each.text and each.text not in known and each.location:
                        known.add(each.text)
                        place = Location(self._path, each.location.line)
                        self._found.named.append(Named("profile", each.text, place, job=self._job.name))

    def _path_named(self, text: str, command: shell.Command, before: tuple[bool, frozenset[str]]) -> None:
        """A file that is run."""
        state = self._state
        if text.startswith(("/", "~", "$")) or not self._job.here or state.folder is None:
            return
        if posixpath.basename(text).lower() in before[1] or before[0]:
            return
        lacks = self._held.lacks(text, state.folder)
        if lacks:
            self._name("file", text, command.line, there=False, tolerated=command.tolerated)

    def _script_named(
        self, words: tuple[shell.Word, ...], command: shell.Command, before: tuple[bool, frozenset[str]]
    ) -> None:
        for word in words:
            text = word.resolved(self._names)
            if text is None or text.startswith(("-", "+")) or re.fullmatch(r"[0-7]{3,4}|[augo]*[+=-][rwx]+", text):
                if text == "-c":
                    return
                continue
            if "/" in text or text.endswith(".sh"):
                self._path_named(text, command, before)
            return

    def _on_xcodebuild(
        self, command: shell.Command, words: tuple[shell.Word, ...], before: tuple[bool, frozenset[str]]
    ) -> None:
        call = invocation(command, words, self._names)
        state = self._state
        release = call.archives or call.exports
        if (platform := platform_of(call)) and release:
            state.platforms.add(platform)
        state.builds = state.builds or call.archives
        if call.archives:
            self._archive(call)
        state.signs = state.signs or call.archives
        state.schemes.add(call.text("scheme"))
        if call.exports:
            self._export(call, words)
        for setting in (*call.options, *call.settings):
            if setting.text is None and setting.name in _FOLLOWED:
                self._found.unfollowed += 1
        names = Names(self._held, state.folder, producing=before[0], made=before[1])
        for named in names.of(call):
            place = self._place(named.location.line or command.line)
            told = replace(named, location=place, job=self._job.name, tolerated=command.tolerated)
            self._found.named.append(told)
        self._signing(call, names)

    def _archive(self, call: Invocation) -> None:
        """Which project is archived; None where that cannot be told."""
        given = call.text("project")
        folder = self._state.folder
        path: str | None = None
        if given.startswith(shell.ROOT):
            path = posixpath.normpath(f"./{given.removeprefix(shell.ROOT).lstrip('/')}")
        elif given and folder is not None:
            path = posixpath.normpath(posixpath.join(folder, given))
        self._state.archived.append(path)
        scheme = call.option("scheme")
        project = self._held.project(path) if path is not None else None
        if project is not None and scheme is not None and self._held.is_of_a_package(scheme.text or "", project):
            self._package_scheme(scheme.text or "", project.path, self._place(scheme.line))

    def _signing(self, call: Invocation, names: Names) -> None:
        for setting in call.settings:
            kind = {"DEVELOPMENT_TEAM": "team", "PROVISIONING_PROFILE_SPECIFIER": "profile"}.get(setting.name)
            kind = "bundle id" if setting.name == "PRODUCT_BUNDLE_IDENTIFIER" else kind
            if kind and setting.text and SHAPES[kind].fullmatch(setting.text):
                self._name(kind, setting.text, setting.line, tolerated=call.tolerated)
        given = next((s for s in call.settings if s.name.startswith("PROVISIONING_PROFILE") and s.text != ""), None)
        if given is not None and call.archives:
            says = names.hindered(call)
            if says:
                self._found.calls.append(Call("profile for all", self._place(given.line), says, self._job.name))

    def _export(self, call: Invocation, words: tuple[shell.Word, ...]) -> None:
        state = self._state
        told: dict[str, str] = {}
        pending = ""
        for word in words:
            text = raw(word)
            if pending:
                told[pending] = text
                pending = ""
            elif text in ("-exportOptionsPlist", "-exportPath"):
                pending = text
        state.exports.append((told.get("-exportOptionsPlist", ""), told.get("-exportPath", "")))
        if "-exportOptionsPlist" not in told and not call.open and "-exportFormat" not in call.flags:
            self._found.calls.append(
                Call("export without options", self._place(call.line), job=self._job.name, tolerated=call.tolerated)
            )
        plist = call.text("exportOptionsPlist")
        plan = self._plan(plist) if plist else None
        if plan is None:
            plan = next(
                (
                    one
                    for target, one in state.plans
                    if posixpath.basename(target) == posixpath.basename(told.get("-exportOptionsPlist", "-"))
                ),
                None,
            )
        if plan is not None and plan.text("destination") == "upload" and plan.text("method") in _STORE:
            state.uploads.append(Upload("xcodebuild -exportArchive", self._place(call.line), platform_of(call)))

    def _plan(self, path: str) -> ExportOptions | None:
        if self._state.folder is None:
            return None
        full = posixpath.normpath(posixpath.join(self._state.folder, path))
        data = self._held.workspace.read(full, exportoptions.LIMIT)
        return exportoptions.read(data, full) if data is not None else None

    def _on_altool(self, command: shell.Command, words: tuple[shell.Word, ...], _before: object) -> None:
        given = list(options(words, self._names))
        flags = {each.name: each for each in given}
        for key, names, text in _ALTOOL:
            for name in names:
                if name in flags and (text is None or text((flags[name].text or "").lower())):
                    self._call(key, flags[name].line, command, says=f"altool {name}")
        bundle = flags.get("--primary-bundle-id") or flags.get("--bundle-id")
        if bundle and bundle.text and SHAPES["bundle id"].fullmatch(bundle.text):
            self._name("bundle id", bundle.text, bundle.line, tolerated=command.tolerated)
            self._state.identifiers.append((bundle.text, self._place(bundle.line)))
        if "--upload-app" in flags or "--upload-package" in flags:
            kind = flags.get("--type") or flags.get("-t") or flags.get("--platform")
            platform = PLATFORMS.get((kind.text or "").lower(), "") if kind else ""
            self._state.uploads.append(Upload("altool", self._place(command.line), platform))

    def _on_instruments(self, command: shell.Command, words: tuple[shell.Word, ...], _before: object) -> None:
        if words and (words[0].literal or "").startswith("-"):
            self._call("instruments", command.line, command)

    def _on_packageapplication(self, command: shell.Command, _words: object, _before: object) -> None:
        self._call("PackageApplication", command.line, command)

    def _on_xcresulttool(self, command: shell.Command, words: tuple[shell.Word, ...], _before: object) -> None:
        texts = [word.resolved(self._names) for word in words]
        if None in texts or "--legacy" in texts or not texts:
            return
        following = texts[1] if len(texts) > 1 else ""
        if texts[0] == "graph" or (texts[0] in ("get", "export") and (following or "").startswith(("-", "object"))):
            self._call("xcresulttool", command.line, command, says=f"xcresulttool {texts[0]}")

    def _on_security(self, command: shell.Command, words: tuple[shell.Word, ...], _before: object) -> None:
        verb = words[0].literal if words else ""
        if verb == "set-key-partition-list":
            self._state.partitioned = True
        elif verb == "find-certificate":
            self._certificate(command, words)
        elif verb == "import" and any(raw(word).endswith((".p12", ".pfx")) for word in words):
            self._state.imports.append(self._place(command.line))

    def _certificate(self, command: shell.Command, words: tuple[shell.Word, ...]) -> None:
        """A certificate that is looked for by the name of before, in a script that knows no other."""
        for each in options(words, self._names):
            name = next((one for one in FORMER if each.name == "-c" and (each.text or "").startswith(one)), "")
            text = self._step.script.text if self._step.script else ""
            if name and "Apple Distribution" not in text and not self._told("former certificate", name):
                self._call("former certificate", self._line_of_name(name) or command.line, command, says=name)

    def _told(self, key: str, says: str) -> bool:
        return any(one.key == key and one.says == says and one.location.path == self._path for one in self._found.calls)

    def _line_of_name(self, name: str) -> int | None:
        """Where a script first writes a text, as a line of that script."""
        text = self._step.script.text if self._step.script else ""
        position = text.find(f'"{name}')
        return text.count("\n", 0, position) + 1 if position >= 0 else None

    def _on_codesign(
        self, _command: shell.Command, words: tuple[shell.Word, ...], before: tuple[bool, frozenset[str]]
    ) -> None:
        self._state.signs = True
        for each in options(words, self._names):
            if each.name == "--entitlements" and each.text and self._job.here and self._state.folder is not None:
                made = posixpath.basename(each.text).lower() in before[1] or before[0]
                if not made and self._held.lacks(each.text, self._state.folder):
                    self._name("file", each.text, each.line, there=False)

    def _on_xcode_select(self, _command: shell.Command, words: tuple[shell.Word, ...], _before: object) -> None:
        for each in options(words, self._names):
            if each.name in ("-s", "--switch", "-switch"):
                self._choose(each.text or "", self._place(each.line))

    def _on_xcodes(self, _command: shell.Command, words: tuple[shell.Word, ...], _before: object) -> None:
        texts = [word.resolved(self._names) for word in words]
        if texts[:1] == ["select"] and len(texts) > 1:
            self._version(texts[1] or "", self._place(words[0].line))
        elif "--select" in texts:
            self._state.chooses = True

    def _on_fastlane(self, command: shell.Command, words: tuple[shell.Word, ...], _before: object) -> None:
        state = self._state
        texts = [text for word in words if (text := word.resolved(self._names)) and not text.startswith("-")]
        texts = [text for text in texts if ":" not in text]
        state.chooses = state.chooses or not texts
        for script in self._lanes.values():
            for lane in texts[:3]:
                called = script.lane(lane)
                if fastlane.SELECTS & called:
                    state.chooses = True
                if fastlane.BUILDS & called and fastlane.UPLOADS & called:
                    state.builds = True
                    platform = script.platform(lane) or texts[0]
                    upload = Upload(f"fastlane {lane}", self._place(command.line), PLATFORMS.get(platform, ""))
                    state.uploads.append(upload)

    def _call(self, key: str, line: int, command: shell.Command, says: str = "") -> None:
        self._found.calls.append(Call(key, self._place(line), says, self._job.name, command.tolerated))


FORMER = ("iPhone Distribution", "3rd Party Mac Developer Application")
"""What certificates were called that Apple Distribution took the place of (Xcode 11)."""
RELEASING = re.compile(r"app-?store|testflight|release|deploy(?!.*pages)", re.IGNORECASE)
"""Names of workflows and jobs that release."""
_ALTOOL: tuple[tuple[str, tuple[str, ...], Callable[[str], bool] | None], ...] = (
    ("altool --notarize-app", ("--notarize-app",), None),
    ("altool --notarization-info", ("--notarization-info",), None),
    ("altool --notarization-history", ("--notarization-history",), None),
    ("altool --apiKeyFile", ("--apiKeyFile", "--api-key-file"), None),
    ("altool --upload-app", ("--upload-app",), None),
    ("altool --type osx", ("--type", "-t"), lambda text: text == "osx"),
    ("altool --password", ("--password", "-p"), lambda text: not text.startswith("@")),
)
"""The entries of the table of tools that options of altool stand for, some only with certain values."""
_STORE = frozenset({"app-store", "app-store-connect"})
_OLD_PROFILES = "Library/MobileDevice/Provisioning Profiles"
_NEW_PROFILES = "Xcode/UserData/Provisioning Profiles"
_READ = frozenset(
    [
        "xcodebuild",
        "altool",
        "instruments",
        "PackageApplication",
        "xcresulttool",
        "security",
        "codesign",
        "xcode-select",
        "xcodes",
        "fastlane",
    ]
)
_GIVEN = (".xcodeproj", ".xcworkspace", ".xcconfig", ".plist")
"""What xcodebuild is given, and does not make."""
_FOLLOWED = frozenset({"project", "workspace", "scheme", "target", "configuration"})
