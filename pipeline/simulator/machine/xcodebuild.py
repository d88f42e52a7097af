"""`xcodebuild`: its options, its answers and its failures, as far as a release asks for them."""

from __future__ import annotations

import json
import os
import plistlib
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.simulator.machine import archive, export, infoplist
from pipeline.simulator.machine.project import SDKS, BuildError, Project, Sdk, Settings, Target
from pipeline.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.simulator.machine.mac import Machine
    from pipeline.simulator.machine.workspace import Workspace

Answer = tuple[int, str, str]

USAGE = """Usage: xcodebuild [-project <projectname>] [[-target <targetname>]...|-alltargets] [-configuration <configurationname>] [-arch <architecture>]... [-sdk [<sdkname>|<sdkpath>]] [-showBuildSettings [-json]] [<buildsetting>=<value>]... [<buildaction>]...
       xcodebuild [-project <projectname>] -scheme <schemeName> [-destination <destinationspecifier>]... [-configuration <configurationname>] [-arch <architecture>]... [-sdk [<sdkname>|<sdkpath>]] [-showBuildSettings] [-showdestinations] [<buildsetting>=<value>]... [<buildaction>]...
       xcodebuild -workspace <workspacename> -scheme <schemeName> [-destination <destinationspecifier>]... [-configuration <configurationname>] [-arch <architecture>]... [-sdk [<sdkname>|<sdkpath>]] [-showBuildSettings] [-showdestinations] [<buildsetting>=<value>]... [<buildaction>]...
       xcodebuild -version [-sdk [<sdkfullpath>|<sdkname>] [-json] [<infoitem>] ]
       xcodebuild -list [[-project <projectname>]|[-workspace <workspacename>]] [-json]
       xcodebuild -exportArchive -archivePath <xcarchivepath> [-exportPath <destinationpath>] -exportOptionsPlist <plistpath>
"""  # noqa: E501
_VALUED = frozenset(
    [
        "project",
        "workspace",
        "scheme",
        "target",
        "configuration",
        "destination",
        "archivePath",
        "exportPath",
        "exportOptionsPlist",
        "derivedDataPath",
        "resultBundlePath",
        "sdk",
        "arch",
        "jobs",
        "xcconfig",
        "toolchain",
        "authenticationKeyPath",
        "authenticationKeyID",
        "authenticationKeyIssuerID",
        "clonedSourcePackagesDirPath",
        "packageCachePath",
        "scmProvider",
        "destination-timeout",
        "enableCodeCoverage",
        "enableAddressSanitizer",
    ]
)
_PLAIN = frozenset(
    [
        "version",
        "list",
        "json",
        "showBuildSettings",
        "exportArchive",
        "allowProvisioningUpdates",
        "allowProvisioningDeviceRegistration",
        "quiet",
        "verbose",
        "skipPackagePluginValidation",
        "skipMacroValidation",
        "hideShellScriptEnvironment",
        "parallelizeTargets",
        "disableAutomaticPackageResolution",
        "onlyUsePackageVersionsFromResolvedFile",
        "skipPackageUpdates",
        "skipUnavailableActions",
        "alltargets",
        "disablePackageRepositoryCache",
    ]
)
_ACTIONS = frozenset(("archive", "build", "clean", "analyze", "install", "test", "docbuild", "installsrc"))


@dataclass
class _Call:
    options: dict[str, str] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)
    actions: list[str] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)


def _parse(arguments: Sequence[str]) -> _Call:
    call = _Call()
    rest = iter(arguments)
    for word in rest:
        name = word.removeprefix("-")
        if word.startswith("-") and name in _VALUED:
            value = next(rest, None)
            if value is None:
                raise BuildError(f"xcodebuild: error: option '{word}' requires an argument\n\n{USAGE}", 64)
            call.options[name] = value
        elif word.startswith("-") and name in _PLAIN:
            call.flags.add(name)
        elif word.startswith("-") and "=" not in word:
            raise BuildError(f"xcodebuild: error: invalid option '{word}'\n\n{USAGE}", 64)
        elif word.startswith("-"):
            continue  # a user default, such as -IDEPackageOnlyUseVersionsFromResolvedFile=YES
        elif "=" in word:
            key, _, value = word.partition("=")
            call.settings[key] = value
        elif word in _ACTIONS:
            call.actions.append(word)
        else:
            raise BuildError(f"xcodebuild: error: Unknown build action '{word}'.", 65)
    return call


def run(machine: Machine, arguments: Sequence[str], cwd: Path) -> Answer:
    """Answer one command line."""
    try:
        call = _parse(arguments)
        if "version" in call.flags:
            return 0, f"Xcode {infoplist.XCODE}\nBuild version {infoplist.XCODE_BUILD}\n", ""
        if "exportArchive" in call.flags:
            return _export(machine, call, cwd)
        if "list" in call.flags:
            return _list(_opened(machine, call, cwd), as_json="json" in call.flags)
        if "showBuildSettings" in call.flags:
            return _show_settings(machine, call, cwd)
        return _act(machine, call, cwd)
    except BuildError as fault:
        return fault.code, "", f"{fault}\n"


def _opened(machine: Machine, call: _Call, cwd: Path) -> Project | Workspace:
    if "workspace" not in call.options:
        return _project(machine, call, cwd)
    if "project" in call.options:
        raise BuildError("xcodebuild: error: You cannot specify both an Xcode project and a workspace.", 64)
    from pipeline.simulator.machine.workspace import Workspace

    return Workspace(cwd / call.options["workspace"], machine.project)


def _project(machine: Machine, call: _Call, cwd: Path) -> Project:
    name = call.options.get("project")
    if name is None:
        found = sorted(path for path in cwd.iterdir() if path.suffix == ".xcodeproj") if cwd.is_dir() else []
        if not found:
            raise BuildError(
                f"xcodebuild: error: The directory {cwd} does not contain an Xcode project, workspace or package.",
                66,
            )
        if len(found) > 1:
            raise BuildError(
                f"xcodebuild: error: The directory {cwd} contains {len(found)} projects, including multiple projects"
                " with the current extension (.xcodeproj). Specify the project to use with the -project option.",
                66,
            )
        return machine.project(found[0])
    return machine.project(cwd / name)


def _list(project: Project | Workspace, *, as_json: bool) -> Answer:
    schemes = sorted(project.schemes)
    listed = "    Schemes:\n" + "".join(f"        {name}\n" for name in schemes) + "\n"
    if not isinstance(project, Project):
        if as_json:
            return 0, json.dumps({"workspace": {"name": project.name, "schemes": schemes}}, indent=2) + "\n", ""
        return 0, f'Information about workspace "{project.name}":\n{listed}', ""
    targets = [target.name for target in project.targets]
    if as_json:
        about = {
            "configurations": project.configurations,
            "name": project.name,
            "schemes": schemes,
            "targets": targets,
        }
        return 0, json.dumps({"project": about}, indent=2) + "\n", ""
    blocks = (("Targets", targets), ("Build Configurations", project.configurations))
    text = f'Information about project "{project.name}":\n'
    text += "".join(f"    {title}:\n" + "".join(f"        {n}\n" for n in names) + "\n" for title, names in blocks)
    text += '    If no build configuration is specified and -scheme is not passed then "Release" is used.\n\n'
    return 0, text + listed, ""


def _scheme(opened: Project | Workspace, call: _Call) -> tuple[str, Target, str]:
    name = call.options.get("scheme")
    kind = "project" if isinstance(opened, Project) else "workspace"
    if name is None and kind == "workspace":
        needed = "If you specify a workspace then you must also specify a scheme."
        raise BuildError(f"xcodebuild: error: {needed}  Use -list to see the schemes in this workspace.", 65)
    if name is None:
        raise BuildError("xcodebuild: error: The project action requires specifying a scheme.", 65)
    if name not in opened.schemes:
        raise BuildError(
            f'xcodebuild: error: The {kind} named "{opened.name}" does not contain a scheme named "{name}". The'
            f' "-list" option can be used to find the names of the schemes in the {kind}.',
            65,
        )
    if isinstance(opened, Project):
        identifier, configuration = opened.schemes[name]
        target = next((target for target in opened.targets if target.identifier == identifier), None)
    else:
        target, configuration = opened.schemes[name]
    if target is None:
        raise BuildError(f"xcodebuild: error: Scheme {name} is not currently configured for the archive action.", 66)
    return name, target, call.options.get("configuration", configuration)


def _sdk(target: Target, scheme: str, configuration: str, call: _Call) -> Sdk:
    supported = target.platforms(configuration)
    given = dict(part.partition("=")[::2] for part in call.options.get("destination", "").split(",") if part)
    asked = given.get("generic/platform") or given.get("platform") or ""
    if not asked:
        plain = call.options.get("sdk", supported[0] if supported else "")
        chosen = next((name for name in SDKS if plain.startswith(name)), "")
    else:
        chosen = next((name for name, sdk in SDKS.items() if sdk.label == asked), "")
    if chosen in supported:
        return SDKS[chosen]
    generic = "generic:1, " if "generic/platform" in given else ""
    available = "\n".join(
        f"\t\t{{ platform:{SDKS[name].label}, id:dvtdevice-DVTi{SDKS[name].label}DevicePlaceholder-{name}:placeholder,"
        f" name:Any {SDKS[name].label} Device }}"
        for name in supported
    )
    raise BuildError(
        "xcodebuild: error: Unable to find a destination matching the provided destination specifier:\n"
        f"\t\t{{ {generic}platform:{asked or plain} }}\n\n"
        f'\tAvailable destinations for the "{scheme}" scheme:\n{available}',
        70,
    )


def _show_settings(machine: Machine, call: _Call, cwd: Path) -> Answer:
    if "scheme" in call.options or "workspace" in call.options:
        scheme, target, _ = _scheme(_opened(machine, call, cwd), call)
        configuration = call.options.get("configuration", "Debug")
    else:
        project = _project(machine, call, cwd)
        scheme = call.options.get("target", project.targets[0].name if project.targets else "")
        chosen = [target for target in project.targets if target.name == scheme]
        if not chosen:
            missing = f"'{project.path.name}' does not contain a target named '{scheme}'."
            raise BuildError(f"xcodebuild: error: {missing}", 65)
        target, configuration = chosen[0], call.options.get("configuration", "Release")
    settings = _settings(target, _sdk(target, scheme, configuration, call), configuration, call, cwd)
    values = {name: settings[name] for name in settings.names()}
    action = call.actions[0] if call.actions else "build"
    if "json" in call.flags:
        return 0, json.dumps([{"action": action, "buildSettings": values, "target": target.name}], indent=2) + "\n", ""
    body = "".join(f"    {name} = {value}\n" for name, value in values.items())
    return 0, f"Build settings for action {action} and target {target.name}:\n{body}\n", ""


def _settings(target: Target, sdk: Sdk, configuration: str, call: _Call, cwd: Path) -> Settings:
    given = call.options.get("xcconfig")
    if given and not (cwd / given).is_file():
        raise BuildError(f"xcodebuild: error: '{cwd / given}' does not exist.", 66)
    return target.settings(sdk, configuration, call.settings, cwd / given if given else None)


def _act(machine: Machine, call: _Call, cwd: Path) -> Answer:
    opened = _opened(machine, call, cwd)
    wanted = [action for action in call.actions if action != "clean"]
    if wanted != ["archive"]:
        raise BuildError("xcodebuild: error: this machine is simulated and only archives.", 70)
    scheme, target, configuration = _scheme(opened, call)
    sdk = _sdk(target, scheme, configuration, call)
    path = _archive_path(machine, call, cwd, scheme)
    heading = f"Command line invocation:\n    {machine.developer}/usr/bin/xcodebuild archive -scheme {scheme}\n\n"
    try:
        settings = _settings(target, sdk, configuration, call, cwd)
        _write(path, _archived(machine, target, settings, scheme), replaced=".xcarchive")
    except BuildError as fault:
        kind = "project" if isinstance(opened, Project) else "workspace"
        failed = f"Building {kind} {opened.name} with scheme {scheme} and configuration {configuration}"
        trailer = f"** ARCHIVE FAILED **\n\n\nThe following build commands failed:\n\t{failed}\n(1 failure)\n"
        return fault.code, f"{heading}{fault}\n", trailer
    return 0, f"{heading}** ARCHIVE SUCCEEDED **\n", ""


def _archived(machine: Machine, target: Target, settings: Settings, scheme: str) -> dict[str, bytes]:
    if machine.scenario.archive_error:
        raise BuildError(f"{target.project.folder}/{machine.scenario.archive_error}")
    moment = machine.now()
    return archive.contents(archive.build(target, settings, machine.keychain, moment), scheme, moment)


def _archive_path(machine: Machine, call: _Call, cwd: Path, scheme: str) -> Path:
    given = call.options.get("archivePath")
    if given is None:
        now = machine.now()
        folder = machine.home / "Library/Developer/Xcode/Archives" / f"{now:%Y-%m-%d}"
        return folder / f"{scheme} {now:%Y-%m-%d, %H.%M.%S}.xcarchive"
    return cwd / (given if given.endswith(".xcarchive") else f"{given}.xcarchive")


def _export(machine: Machine, call: _Call, cwd: Path) -> Answer:
    for name in ("archivePath", "exportOptionsPlist", "exportPath"):
        if name not in call.options:
            raise BuildError(f"error: the flag -{name} is required when specifying -exportArchive", 64)
    path = cwd / call.options["archivePath"]
    destination = cwd / call.options["exportPath"]
    if not (path / "Info.plist").is_file():
        return 70, "", f"error: archive not found at path '{path}'\n** EXPORT FAILED **\n"
    options = _options(cwd / call.options["exportOptionsPlist"])
    try:
        name, files = _exported(machine, path, options)
        _write(destination, files)
    except BuildError as fault:
        return 70, "", f"error: exportArchive {fault}\n\n** EXPORT FAILED **\n"
    return 0, f"Exported {name} to: {destination}\n** EXPORT SUCCEEDED **\n", ""


def _exported(machine: Machine, path: Path, options: Mapping[str, Any]) -> tuple[str, dict[str, bytes]]:
    if machine.scenario.export_error:
        raise BuildError(machine.scenario.export_error, 70)
    return export.exported(path, options, machine.keychain, machine.now())


def _options(path: Path) -> Mapping[str, Any]:
    try:
        options = plistlib.loads(path.read_bytes())
    except OSError:
        raise BuildError(_unloaded(path, "couldn’t be opened"), 70) from None
    except Exception:  # noqa: BLE001  # expat, plistlib and binary readers raise unrelated kinds
        raise BuildError(_unloaded(path, "is not a property list"), 70) from None
    if not isinstance(options, dict):
        raise BuildError(_unloaded(path, "is not a dictionary"), 70)
    return options


def _unloaded(path: Path, reason: str) -> str:
    return f"error: Couldn't load -exportOptionsPlist: The file “{path.name}” {reason}."


def _write(folder: Path, files: Mapping[str, bytes], replaced: str = "") -> None:
    if replaced and folder.suffix == replaced and folder.is_dir():
        import shutil

        shutil.rmtree(folder)
    made: set[Path] = set()
    for name, data in files.items():
        path = folder / name
        if path.parent not in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            made.add(path.parent)
        executable = data[:4] in (b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe") and ".dSYM/" not in name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o755 if executable else 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
