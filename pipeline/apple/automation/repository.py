"""What the repository holds that automation may name: projects, schemes, targets, configurations, files, identities."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator

from pipeline.apple.automation import packages
from pipeline.apple.automation.facts import Identities
from pipeline.apple.automation.shell import ROOT
from pipeline.apple.xcode.pbxproj import BrokenList, Table
from pipeline.apple.xcode.project import Project, Target
from pipeline.apple.xcode.settings import Settings
from pipeline.apple.xcode.workspace import Workspace
from pipeline.apple.xcode.xcconfig import split_key
from pipeline.lazily import cached_property

SHOWN = 12
"""How many choices a fact keeps."""

_GENERATORS = {
    "project.yml": b"targets:",
    "project.yaml": b"targets:",
    "project.json": b'"targets"',
    "Project.swift": b"",
    "Workspace.swift": b"",
    "Tuist.swift": b"",
    "pubspec.yaml": b"flutter",
    "CMakeLists.txt": b"",
    "premake5.lua": b"",
    "WORKSPACE": b"",
    "MODULE.bazel": b"",
    "config.xml": b"cordova",
    "capacitor.config.json": b"",
    "capacitor.config.ts": b"",
    "app.json": b"expo",
    "app.config.js": b"expo",
    "app.config.ts": b"expo",
    "tauri.conf.json": b"",
    "nativescript.config.ts": b"",
    "ProjectVersion.txt": b"m_EditorVersion",
    "meson.build": b"",
    "xcake": b"",
    "Cakefile": b"",
}
"""Files of what writes Xcode projects, by name, each with a word that its content holds."""

_DESCRIPTIONS = frozenset({"tauri.conf.json", "config.xml", "app.json", "capacitor.config.json"})
"""Those of them that are plain data."""

_SKIPPED = frozenset({"node_modules", "DerivedData", ".build", "Carthage", "Pods", "build", "vendor"})
_SDKS = ("iphoneos", "macosx", "appletvos", "xros", "watchos")
_PAIRS = 3_000
_BUNDLE_ID = re.compile(r"[A-Za-z][A-Za-z0-9-]*(?:\.[A-Za-z0-9-]+)+")
_TEAM = re.compile(r"[A-Z0-9]{10}")
_IGNORED = re.compile(rb"^(?!#|!)\s*(\S.*?)\s*$", re.MULTILINE)


class Repository:
    """The app's files, asked for what a workflow may name."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    @cached_property
    def paths(self) -> frozenset[str]:
        """All files and folders, in lower case: a Mac's disk does not tell them apart."""
        found: set[str] = set()
        for path in self.workspace.tree:
            each = path.lower()
            while each and each not in found:
                found.add(each)
                each = posixpath.dirname(each)
        return frozenset(found)

    @cached_property
    def basenames(self) -> frozenset[str]:
        """The last parts of all paths."""
        return frozenset(path.rpartition("/")[2] for path in self.paths)

    @cached_property
    def by_basename(self) -> dict[str, list[str]]:
        """All paths of files by their last part, as it is written."""
        found: dict[str, list[str]] = {}
        for path in self.workspace.tree:
            found.setdefault(path.rpartition("/")[2], []).append(path)
        return found

    @cached_property
    def generated(self) -> bool:
        """Whether something here writes Xcode projects, so that one may come to be that is not here."""
        for name, word in _GENERATORS.items():
            for path in self.by_basename.get(name, ()):
                if not word or word in (self.workspace.read(path, 4 * 1024 * 1024) or b"").lower():
                    return True
        return self._is_written_by_script

    @cached_property
    def composed(self) -> bool:
        """Whether what writes the projects computes identifiers and names, so that not all of them can be read."""
        return self.generated and not any(self._told)

    @cached_property
    def _told(self) -> tuple[frozenset[str], ...]:
        """The texts in the files of frameworks that write a project out of a plain description, when only those do."""
        found = []
        for name, word in _GENERATORS.items():
            for path in self.by_basename.get(name, ()):
                data = self.workspace.read(path, 4 * 1024 * 1024) or b""
                if word and word not in data.lower():
                    continue
                if name not in _DESCRIPTIONS:
                    return ()
                texts = re.findall(rb"[\"'>]([^\"'<>\n]{2,200})[\"'<]", data)[:2_000]
                found.append(frozenset(text.decode("utf-8", "replace") for text in texts))
        return tuple(found) if not self._is_written_by_script else ()

    @cached_property
    def _is_written_by_script(self) -> bool:
        for path in self.by_basename.get("package.json", ()):
            data = self.workspace.read(path, 1024 * 1024) or b""
            if any(word in data for word in (b'"react-native"', b'"expo"', b'"@capacitor/ios"', b'"cordova-ios"')):
                return True
        return any(b"xcodeproj" in line for line in self.ignored)

    @cached_property
    def pods(self) -> bool:
        """Whether CocoaPods writes a workspace."""
        return "podfile" in self.basenames or "podfile.rb" in self.basenames

    @cached_property
    def ignored(self) -> tuple[bytes, ...]:
        """The lines of all .gitignore files."""
        found: list[bytes] = []
        for path in self.by_basename.get(".gitignore", ())[:50]:
            found += _IGNORED.findall(self.workspace.read(path, 256 * 1024) or b"")
        return tuple(found)

    @cached_property
    def submodules(self) -> tuple[str, ...]:
        """The folders of submodules, in lower case, whose content may not be here."""
        data = self.workspace.read(".gitmodules", 256 * 1024) or b""
        return tuple(
            match.decode("utf-8", "replace").strip().lower()
            for match in re.findall(rb"^\s*path\s*=\s*(.+)$", data, re.MULTILINE)
        )

    @cached_property
    def local_packages(self) -> frozenset[str]:
        """The folders of packages, in lower case: one of a remote package's name takes its place in a workspace."""
        return frozenset(
            posixpath.basename(posixpath.dirname(path)).lower() for path in self.by_basename.get("Package.swift", ())
        )

    def lacks(self, path: str, folder: str | None) -> bool | None:
        """Whether a path is certainly not here; None where that cannot be told. `folder` None: any folder will do."""
        plain = path.rstrip("/")
        if plain.startswith(ROOT):
            plain, folder = plain.removeprefix(ROOT).lstrip("/") or ".", ""
        if not plain or plain.startswith(("/", "~")) or re.search(r"[*?\[\]{}:]", plain):
            return None
        name = posixpath.basename(plain)
        full = plain if folder is None else posixpath.normpath(posixpath.join(folder, plain))
        if full in ("", ".") or (full.lower() in self.paths if folder is not None else name.lower() in self.basenames):
            return False
        if name in (".", "..") or (folder is not None and full.startswith("..")) or self._is_elsewhere(full, name):
            return None
        return True

    def miswritten(self, path: str) -> str:
        """How the path of a file is really written, where only upper and lower case differ; "" where nothing does."""
        full = posixpath.normpath(f"./{path.removeprefix(ROOT).lstrip('/')}")
        found = self._by_lower.get(full.lower(), full)
        return "" if found == full or full.lower() not in self._by_lower else found

    @cached_property
    def _by_lower(self) -> dict[str, str]:
        found: dict[str, str] = {}
        exact: set[str] = set()
        for path in self.workspace.tree:
            exact.add(path)
            found[path.lower()] = path
        # Where two paths differ by case alone, the disk does tell them apart.
        return found if len(found) == len(exact) else {}

    def _is_elsewhere(self, path: str, name: str) -> bool:
        """Whether a path lies where the listing does not look, or is left out of the repository on purpose."""
        parts = path.split("/")
        if _SKIPPED & set(parts[:-1]) or name in _SKIPPED:
            return True
        lower = path.lower()
        if any(lower == one or lower.startswith(f"{one}/") for one in self.submodules):
            return True
        return any(_matches(line, path, name) for line in self.ignored)

    @cached_property
    def projects(self) -> tuple[Project, ...]:
        """The projects that can be read."""
        found = []
        for path in self.workspace.project_paths:
            try:
                found.append(self.workspace.project(path))
            except BrokenList:
                continue
        return tuple(found)

    def project(self, path: str) -> Project | None:
        """The project at a path, in whatever case it is written."""
        return next((one for one in self.projects if one.path.lower() == path.lower()), None)

    def embedded(self, project: Project, target: Target) -> tuple[Target, ...]:
        """The extensions, app clips and watch apps of the same project that a target carries."""
        found = {one.identifier: one for one in project.dependencies(target)}
        for copied in project.copied(target):
            if copied.made_by and (maker := project.target_of(copied.made_by)):
                found[maker.identifier] = maker
        return tuple(one for one in found.values() if one.product_type.endswith(_EMBEDDED))

    @cached_property
    def apps(self) -> tuple[tuple[Project, Target], ...]:
        """All app targets."""
        return tuple((project, target) for project in self.projects for target in project.applications)

    @cached_property
    def product_names(self) -> frozenset[str]:
        """The names that an exported file of an app may have; empty where they cannot be told.

        Xcode takes the name that the app bears, which need not be that of its target.
        """
        found = {_scheme_name(path) for path in self._scheme_files}
        if self.generated or not self.projects:
            return frozenset()
        for key in ("PRODUCT_NAME", "INFOPLIST_KEY_CFBundleDisplayName", "INFOPLIST_KEY_CFBundleName"):
            for text in self._said(key):
                if text is None:
                    return frozenset()
                found.add(text)
        for target in (one for project in self.projects for one in project.targets):
            found |= {target.name, target.product_name.removesuffix(".app")}
        for path in self.workspace.tree:
            if path.endswith("Info.plist") and ".app/" not in path:
                plist = self.workspace.plist(path).plist
                value = plist.value if plist and isinstance(plist.value, dict) else {}
                found |= {str(value.get("CFBundleDisplayName")), str(value.get("CFBundleName"))}
        return frozenset(found)

    def targets(self, project: Project) -> frozenset[str]:
        """The names of all targets of a project, aggregates included."""
        return frozenset(
            table.text("name")
            for table in project.objects.values()
            if isinstance(table, Table) and table.text("isa") in _TARGETS
        )

    def references(self, project: Project) -> packages.References:
        """The package references of a project."""
        return self.workspace.once(
            ("package references", project.path), lambda: packages.references(project, project.objects)
        )

    def schemes(self, project: Project) -> frozenset[str]:
        """All names that may be schemes of a project: its own, its targets', those of what it refers to."""
        own = {_scheme_name(path) for path in self._scheme_files if path.lower().startswith(f"{project.path.lower()}/")}
        own |= self.targets(project)
        for table in project.objects.values():
            if isinstance(table, Table) and table.text("path").endswith(".xcodeproj"):
                # Schemes of projects within the project are its schemes too.
                return self.all_schemes | own
        referred = self.references(project)
        if referred.local:
            own |= self.package_names
        own |= set(referred.products)
        own |= {each.identity for each in referred.remote}
        return frozenset(own)

    def is_of_a_package(self, scheme: str, project: Project) -> bool:
        """Whether a scheme of a project can only be that of a local package, which makes no app."""
        referred = self.references(project)
        return (
            bool(referred.local)
            and scheme in self.package_names
            and scheme not in self.targets(project)
            and not any(_scheme_name(path) == scheme for path in self._scheme_files if "/.swiftpm/" not in f"/{path}")
            and not any(
                isinstance(table, Table) and table.text("path").endswith(".xcodeproj")
                for table in project.objects.values()
            )
        )

    def shown_schemes(self, project: Project) -> tuple[str, ...]:
        """What xcodebuild would list, at most a few."""
        own = {_scheme_name(path) for path in self._scheme_files if path.startswith(f"{project.path}/")}
        return tuple(sorted(own or self.targets(project)))[:SHOWN]

    @cached_property
    def likely_schemes(self) -> tuple[str, ...]:
        """What a person may have meant, at most a few: the schemes of the projects that make apps come first."""
        makers = tuple(dict.fromkeys(project for project, _ in self.apps))
        folders = {posixpath.dirname(project.path) for project in makers}
        shared = [
            _scheme_name(path)
            for path in self._scheme_files
            if any(path.startswith(f"{project.path}/") for project in makers)
            or (".xcworkspace/" in path and posixpath.dirname(path.partition(".xcworkspace/")[0]) in folders)
        ]
        targets = [target.name for _, target in self.apps]
        return tuple(dict.fromkeys((*sorted(shared), *targets, *sorted(self.all_schemes))))[:SHOWN]

    def identifiers(self, path: str) -> frozenset[str]:
        """All bundle identifiers of a project's targets; nothing where one of them cannot be told."""
        project = self.project(path)
        if project is None or self.composed:
            return frozenset()
        found: set[str] = set()
        for target in project.targets:
            for configuration in target.configurations:
                for sdk in self._sdks(project, configuration.settings):
                    text = _expanded(
                        self.workspace.settings(project, target, configuration.name, sdk), "PRODUCT_BUNDLE_IDENTIFIER"
                    )
                    if text is None:
                        return frozenset()
                    found.add(text)
        return frozenset(found - {""})

    @cached_property
    def _scheme_files(self) -> tuple[str, ...]:
        return tuple(path for path in self.workspace.tree if path.endswith(".xcscheme"))

    @cached_property
    def package_names(self) -> frozenset[str]:
        """The names in all Package.swift, and those that packages' schemes get."""
        found: set[str] = set()
        for path in self.by_basename.get("Package.swift", ())[:200]:
            manifest = self.manifest(path)
            found |= manifest.names | {f"{name}-Package" for name in manifest.names}
            found.add(posixpath.basename(posixpath.dirname(path)))
        return frozenset(found)

    def manifest(self, path: str) -> packages.Manifest:
        """A Package.swift."""
        return self.workspace.once(
            ("manifest", path),
            lambda: packages.read_manifest(self.workspace.read(path, packages.LIMIT) or b"", path),
        )

    @cached_property
    def all_schemes(self) -> frozenset[str]:
        """Every name that may be a scheme anywhere in the repository."""
        found = {_scheme_name(path) for path in self._scheme_files} | self.package_names
        for project in self.projects:
            found |= self.targets(project)
            referred = self.references(project)
            found |= set(referred.products) | {each.identity for each in referred.remote}
        return frozenset(found)

    def configurations(self, project: Project) -> tuple[str, ...]:
        """The names of all configurations of a project and its targets."""
        names = dict.fromkeys(one.name for one in project.configurations)
        for target in project.targets:
            names.update(dict.fromkeys(one.name for one in target.configurations))
        return tuple(names)

    @cached_property
    def all_configurations(self) -> tuple[str, ...]:
        """The names of all configurations."""
        return tuple(dict.fromkeys(name for project in self.projects for name in self.configurations(project)))

    @cached_property
    def identities(self) -> Identities:
        """What all projects say about themselves."""
        keys = {
            "bundle id": "PRODUCT_BUNDLE_IDENTIFIER",
            "team": "DEVELOPMENT_TEAM",
            "profile": "PROVISIONING_PROFILE_SPECIFIER",
        }
        held: dict[str, set[str]] = {kind: set() for kind in keys}
        unclear: set[str] = set()
        if self.composed or len(self.projects) != len(self.workspace.project_paths) or not self.projects:
            unclear |= {*keys, "container"}
        for kind, key in keys.items():
            for text in self._said(key):
                if text is None:
                    unclear.add(kind)
                elif text:
                    held[kind].add(text)
        for texts in self._told:
            held["bundle id"] |= texts
            held["team"] |= texts
        containers, clear = self._containers()
        if not clear:
            unclear.add("container")
        return Identities(
            tuple(sorted(filter(_BUNDLE_ID.fullmatch, held["bundle id"]))),
            tuple(sorted(filter(_TEAM.fullmatch, held["team"]))),
            tuple(sorted(held["profile"])),
            tuple(sorted(containers)),
            tuple(sorted(unclear)),
        )

    def _said(self, key: str) -> Iterator[str | None]:
        """All values that a setting has anywhere; None for one that cannot be told."""
        for path in self.workspace.tree:
            if path.endswith(".xcconfig"):
                for assignment in self.workspace.xcconfig(path)[0]:
                    if assignment.key == key and "$" not in assignment.value:
                        yield assignment.value.strip('"')
        held = [(p, t, c) for p in self.projects for t in p.targets for c in t.configurations]
        for count, (project, target, configuration) in enumerate(held):
            written = [v for k, v in configuration.settings.items() if (split_key(k) or ("",))[0] == key]
            if written and not any("$" in str(value) for value in written):
                yield from (str(value) for value in written)
            elif target.product_type.endswith(_BUNDLED):
                for sdk in self._sdks(project, configuration.settings) if count < _PAIRS else ():
                    yield _expanded(self.workspace.settings(project, target, configuration.name, sdk), key)
        if len(held) > _PAIRS:
            yield None

    def _sdks(self, project: Project, settings: Table) -> tuple[str, ...]:
        told = settings.text("SDKROOT") or next((one.settings.text("SDKROOT") for one in project.configurations), "")
        return (told,) if told in _SDKS else ("iphoneos", "macosx")

    def _containers(self) -> tuple[set[str], bool]:
        found: set[str] = set()
        clear = True
        for path in self.workspace.tree:
            if not path.endswith(".entitlements") or ".app/" in path or ".xcarchive/" in path:
                continue
            plist = self.workspace.plist(path).plist
            value = plist.value if plist else None
            if not isinstance(value, dict):
                clear = False
                continue
            held = value.get("com.apple.developer.icloud-container-identifiers")
            for each in held if isinstance(held, list) else ():
                if not isinstance(each, str) or "$" in each or "*" in each:
                    clear = False
                else:
                    found.add(each)
        return found, clear


_EMBEDDED = ("app-extension", "extension", "watchapp2", "on-demand-install-capable")
_BUNDLED = (".application", *_EMBEDDED)
_TARGETS = frozenset({"PBXNativeTarget", "PBXAggregateTarget", "PBXLegacyTarget"})


def _scheme_name(path: str) -> str:
    return posixpath.basename(path).removesuffix(".xcscheme")


def _expanded(settings: Settings, key: str) -> str | None:
    found = settings.get(key)
    return None if found.undefined or "$" in found.text else found.text


def _matches(line: bytes, path: str, name: str) -> bool:
    """Whether a line of .gitignore may leave a path out."""
    from fnmatch import fnmatchcase

    pattern = line.decode("utf-8", "replace").strip("/")
    if not pattern:
        return False
    tail = pattern.rpartition("/")[2]
    return (
        fnmatchcase(name, tail)
        or fnmatchcase(path, pattern)
        or path.startswith(f"{pattern}/")
        or (tail in ("*", "**") and path.startswith(pattern.partition("*")[0]))
        or any(fnmatchcase(part, pattern) for part in path.split("/")[:-1])
    )


def shortened(names: Iterable[str]) -> tuple[str, ...]:
    """At most a few of many, in order."""
    return tuple(sorted(names))[:SHOWN]
