"""Finds settings that a project makes up and nothing reads: what somebody writes there has no effect."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator

from pipeline.apple.xcode.facts import IdleSettings
from pipeline.apple.xcode.pbxproj import BrokenList
from pipeline.apple.xcode.project import Project
from pipeline.apple.xcode.workspace import PROJECT_LIMIT, Workspace
from pipeline.apple.xcode.xcconfig import Assignment
from pipeline.model import Location

INVENTED = frozenset(("ENABLE_NOTARIZATION", "NOTARIZE_BUNDLE"))
"""Names in the manner of Xcode's that Xcode has never had; each was met in a project."""

_FIRST_WORDS = (
    "ACTION AD ADD ADDITIONAL ALL ALLOW ALTERNATE ALTERNATIVE ALWAYS APP APPLICATION APPLY AR ARC ARCHIVE ARCHIVER "
    "ARCHS ASSET ASSETCATALOG ASSETPACK AUTOMATICALLY AUTOMATION AVAILABLE BITCODE BLOCKLISTS BUILD BUILDABLE BUILT "
    "BUNDLE C CACHE CC CCHROOT CHMOD CHOWN CLANG CLASS CLONE CODE CODESIGN CODESIGNING CODESIZE COHORT COLOR "
    "COMBINE COMPILATION COMPILER COMPRESS CONFIGURATION CONTENTS COPY COPYING COREML CORRESPONDING CP CPLUSPLUS "
    "CPP CREATE CURRENT CXX DEAD DEBUG DEBUGGING DEFAULT DEFINES DEPENDENCY DEPLOYMENT DERIVE DERIVED DEVELOPER "
    "DEVELOPMENT DEVICE DEXT DIAGNOSE DIFF DISABLE DISCOVER DOCC DOCUMENTATION DONT DOWNGRADE DRIVERKIT DSTROOT "
    "DSYMUTIL DT DWARF DYLIB DYNAMIC EAGER EFFECTIVE EMBED EMBEDDED EMIT ENABLE ENFORCE ENTITLEMENTS EX EXCLUDED "
    "EXECUTABLE EXECUTABLES EXPANDED EXPERIMENTAL EXPORT EXPORTED EXTENSIONS EXTRACT FAST FILE FRAMEWORK FRAMEWORKS "
    "FULL FUSE GCC GENERATE GENERATED GENERIC GID GLOBAL GROUP HEADER HEADERMAP HOME HOST IBC IBSC IGNORE IIG "
    "IMPLICIT INCLUDE INCLUDED INDEX INFOPLIST INFOSTRINGS INIT INLINE INPUT INSTALL INSTALLAPI INSTALLED "
    "INSTALLHDRS INSTALLLOC INSTRUMENTS INTENTS INTERNAL INVOKE IOS IPHONEOS IS JAVA KASAN KEEP KERNEL KEXT KNOWN "
    "LAUNCH LD LEGACY LEX LIBRARIAN LIBRARY LIBTOOL LINK LINKER LIPO LLVM LM LOCAL LOCALIZABLE LOCALIZATION "
    "LOCALIZED LOCROOT MAC MACH MACOS MACOSX MAKE MAPC MARKETING MARKETPLACES MERGE MERGEABLE MERGED MESSAGES METAL "
    "MIG MIGRATE MLKIT MODULE MODULEMAP MODULES MOMC MTL MTLCOMPILER MTLLINKER NATIVE OBJC OBJECT OBJROOT ON ONLY "
    "OPENCL OPTIMIZATION ORDER ORIGINAL OS OSACOMPILE OTHER PACKAGE PATH PBXCP PER PKGINFO PLATFORM PLIST PLUGINS "
    "POPULATE PRECISE PRECOMP PRECOMPS PRELINK PRIVATE PROCESSED PRODUCT PROFILING PROJECT PROVISIONING PUBLIC RC "
    "REALITYASSET RECOMMENDED RECORD RECURSIVE REEXPORTED REFERENCEOBJECT REGISTER RELAXED REMOVE REQUIRED "
    "RESCHEDULE RESMERGER RESOURCE RESOURCES RETAIN REZ RPATH RUN RUNTIME SAFE SCAN SCANNING SCENEKIT SCRIPTS SDK "
    "SDKROOT SECTORDER SEPARATE SETTING SHALLOW SHARED SHELL SKIP SLICES SOURCE SPECIALIZATION STDLIB STOP "
    "STORYBOARD STRING STRINGS STRINGSDATA STRIP STRIPFLAGS SUPPORTED SUPPORTS SWIFT SWIFTC SYMBOL SYMROOT SYSROOT "
    "SYSTEM TAPI TARGET TARGETED TEMP TEST TESTING TEXTURE THIN TOOLCHAIN TOOLCHAINS TREAT TVOS UID UNEXPORTED "
    "UNINSTALLED UNLOCALIZED UNSTRIPPED USE USER USES VALID VALIDATE VECTOR VERBOSE VERIFY VERSION VERSIONING "
    "VERSIONS WARN WARNING WATCHKIT WATCHOS WORKSPACE WRAP WRAPPER XCODE XCSTRINGS XCTRUNNER XIB XPCSERVICES XROS "
    "YACC"
)
"""What the names of Xcode's own settings begin with, and so those that may be Xcode's.

Source: swift-build, BuiltinMacros.swift and the specifications beside it; Apple, Build settings reference.
"""
_SETTINGS = (".pbxproj", ".xcconfig")
_READERS = (
    *(*_SETTINGS, ".plist", ".entitlements", ".xcscheme", ".xctestplan", ".strings", ".xcstrings", ".modulemap"),
    *(".sh", ".bash", ".zsh", ".py", ".rb", ".pl", ".js", ".mjs", ".yml", ".yaml", ".toml", ".mk", ".podspec", ".env"),
    *(".template", ".stencil", ".gyb", ".in", ".erb", ".swift", ".h", ".pch"),
)
_READ_LIMIT = 2 * 1024 * 1024


def idle_settings(workspace: Workspace, concerned: Iterable[str]) -> tuple[IdleSettings, ...]:
    """By file, the settings of the projects that concern a release and that no file of the app reads.

    Where a configuration file is missing, or a project cannot be read, only the inventions are told.
    """
    found: dict[str, dict[str, int | None]] = {}
    for path in sorted(concerned):
        try:
            project = workspace.project(path)
        except BrokenList:
            continue
        for assignment in _assignments(workspace, project):
            if _may_be_idle(assignment.key):
                found.setdefault(assignment.path, {}).setdefault(assignment.key, assignment.line)
    if not found:
        return ()
    names = {name for held in found.values() for name in held}
    idle = names & INVENTED
    if names - INVENTED and _is_whole(workspace):
        idle |= _without_reader(workspace, names - INVENTED)
    return tuple(_of_file(path, held, idle) for path, held in sorted(found.items()) if idle & held.keys())


def _of_file(path: str, held: dict[str, int | None], idle: set[str] | frozenset[str]) -> IdleSettings:
    named = sorted((line or 0, name) for name, line in held.items() if name in idle)
    return IdleSettings(Location(path, named[0][0] or None), tuple(name for _, name in named))


_WORDS = frozenset(_FIRST_WORDS.split())


def _may_be_idle(name: str) -> bool:
    first, joint, _ = name.partition("_")
    own = joint and first and first not in _WORDS and name.isupper() and name.isascii()
    return name in INVENTED or bool(own)


def _assignments(workspace: Workspace, project: Project) -> Iterator[Assignment]:
    bases: set[str] = set()
    for configurations in (project.configurations, *(target.configurations for target in project.targets)):
        for configuration in configurations:
            if configuration.base and configuration.base not in bases:
                bases.add(configuration.base)
                yield from workspace.xcconfig(configuration.base)[0]
            yield from workspace.written(configuration, project)


def _is_whole(workspace: Workspace) -> bool:
    """Whether everything that may read a setting is here."""
    for path in workspace.project_paths:
        try:
            project = workspace.project(path)
        except BrokenList:
            return False
        held = (project.configurations, *(target.configurations for target in project.targets))
        bases = {each.base for configurations in held for each in configurations} - {""}
        for _, flaws, there in map(workspace.xcconfig, sorted(bases)):
            if not there or any(flaw.missing or flaw.optional for flaw in flaws):
                return False
    return True


def _without_reader(workspace: Workspace, names: set[str]) -> set[str]:
    left = {name.encode() for name in names}
    for path in sorted(filter(_may_read, workspace.tree), key=lambda path: not path.endswith(_SETTINGS)):
        data = workspace.read(path, PROJECT_LIMIT if path.endswith(_SETTINGS) else _READ_LIMIT)
        if data is None:
            # It may be what reads them.
            return set()
        left -= {name for name in left if name in data and _is_read(name, data, path)}
        # Of `$(A_$(B))` it is only known how it begins.
        for prefix in re.findall(rb"\$[({](\w*)\$[({]", data) if path.endswith(_SETTINGS) else ():
            left -= {name for name in left if name.startswith(prefix)}
        if not left:
            break
    return {name.decode() for name in left}


def _may_read(path: str) -> bool:
    name = posixpath.basename(path)
    return name.endswith(_READERS) or "." not in name


def _is_read(name: bytes, data: bytes, path: str) -> bool:
    """Whether a file names a setting otherwise than to assign it."""
    word = rb"(?<![A-Za-z0-9_])" + name + rb"(?![A-Za-z0-9_])"
    count = len(re.findall(word, data))
    if count and path.endswith(_SETTINGS):
        assigned = rb'(?m)^[ \t]*"?' + name + rb'(?:\[[^\]\n]*\][ \t]*)*"?[ \t]*=(?!=)'
        count -= len(re.findall(assigned, data))
    return count > 0
