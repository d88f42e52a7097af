"""`codesign` and the small Unix tools of the simulated Mac, as their manual pages have them."""

from __future__ import annotations

import base64
import os
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipeline.simulator.machine.mac import Machine
    from pipeline.simulator.machine.xcodebuild import Answer


def run(
    machine: Machine, name: str, arguments: Sequence[str], cwd: Path, *, env: Mapping[str, str], stdin: str
) -> Answer:
    """Answer one command line."""
    if name == "security":
        from pipeline.simulator.machine import security

        return security.run(machine, arguments, cwd, stdin)
    if name == "printenv":
        variables = {**env, "HOME": str(machine.home)}
        value = variables.get(arguments[0]) if len(arguments) == 1 else None
        return (0, f"{value}\n", "") if value is not None else (1, "", "")
    if name == "find":
        return _find(arguments, cwd)
    if name == "base64":
        return _base64(arguments, cwd, stdin)
    if name == "codesign":
        return _codesign(arguments, cwd)
    if name == "xcode-select":
        if arguments and arguments[0] in ("-p", "--print-path"):
            return 0, f"{machine.developer}\n", ""
        return 64, "", f"xcode-select: error: unrecognized option '{' '.join(arguments)}'\n"
    return _sw_vers(arguments)


def _sw_vers(arguments: Sequence[str]) -> Answer:
    from pipeline.simulator.machine.mac import SYSTEM

    if not arguments:
        return 0, "".join(f"{key}:\t\t{value}\n" for key, value in SYSTEM.items()), ""
    asked = {key.lower(): value for key, value in SYSTEM.items()}.get(arguments[0].strip("-").lower())
    if asked is None or len(arguments) > 1:
        return 1, "", "Usage: sw_vers [--help|--productName|--productVersion|--productVersionExtra|--buildVersion]\n"
    return 0, f"{asked}\n", ""


def _find(arguments: Sequence[str], cwd: Path) -> Answer:
    """`find -L FOLDER… -type f ( -name A -o -name B )`: this form alone."""
    words = list(arguments)
    if words[:1] == ["-L"]:
        words = words[1:]
    first = next((at for at, word in enumerate(words) if word.startswith("-") or word == "("), len(words))
    folders, test = words[:first], words[first:]
    patterns = _patterns(test)
    if not folders or patterns is None:
        return 1, "", "find: illegal option or expression\n"
    found, complaints = [], ""
    for folder in folders:
        top = cwd / folder
        if not top.exists():
            complaints += f"find: {folder}: No such file or directory\n"
            continue
        for parent, _, names in os.walk(top, followlinks=True):
            found += [f"{parent}/{n}" for n in sorted(names) if any(fnmatchcase(n, p) for p in patterns)]
    return (1 if complaints else 0), "".join(f"{path}\n" for path in found), complaints


def _patterns(test: list[str]) -> list[str] | None:
    if test[:2] != ["-type", "f"]:
        return None
    rest = [word for word in test[2:] if word not in ("(", ")", "-a")]
    if not rest:
        return ["*"]
    patterns = []
    while rest:
        if rest[0] != "-name" or len(rest) < 2:
            return None
        patterns.append(rest[1])
        if len(rest) > 2 and (rest[2] != "-o" or len(rest) == 3):
            return None
        rest = rest[3:]
    return patterns


def _base64(arguments: Sequence[str], cwd: Path, stdin: str) -> Answer:
    if not arguments:
        return 0, base64.b64encode(stdin.encode()).decode() + "\n", ""
    if len(arguments) != 2 or arguments[0] not in ("-i", "--input"):
        return 64, "", "Usage:\tbase64 [-Ddh] [-b num] [-i in_file] [-o out_file]\n"
    try:
        data = (cwd / arguments[1]).read_bytes()
    except OSError as fault:
        return 1, "", f"base64: Unable to open '{arguments[1]}': {fault.strerror}\n"
    return 0, base64.b64encode(data).decode() + "\n", ""


def _codesign(arguments: Sequence[str], cwd: Path) -> Answer:
    """`codesign -d[v…] [--entitlements - --xml] BUNDLE`: it displays, and never verifies or signs."""
    from pipeline.simulator.machine import bundle, codesign
    from pipeline.simulator.machine.project import BuildError

    words = list(arguments)
    folder = cwd / words.pop() if words else cwd
    entitled = words[-3:] == ["--entitlements", "-", "--xml"]
    flags = words[:-3] if entitled else words
    if not flags or any(not f.startswith("-d") and f.strip("-v") for f in flags) or not flags[0].startswith("-d"):
        return 2, "", "Usage: codesign -d [options] [-v] path\n"
    if not folder.exists():
        return 1, "", f"{folder}: No such file or directory\n"
    try:
        app = bundle.read(folder)
        code = app.files[app.executable]
        granted = codesign.entitlements_of(code)
    except BuildError:
        return 1, "", f"{folder}: code object is not signed at all\n"
    if not granted:
        return 1, "", f"{folder}: code object is not signed at all\n"
    inside = folder / "Contents" if app.deep else folder
    head = f"Executable={inside / app.executable}\n"
    if entitled:
        import plistlib

        return 0, plistlib.dumps(granted).decode(), head
    kind = "thin" if len(app.architectures) == 1 else "universal"
    team = granted.get("com.apple.developer.team-identifier", "not set")
    shown = f"Format=app bundle with Mach-O {kind} ({' '.join(app.architectures)})\nTeamIdentifier={team}\n"
    return 0, "", f"{head}Identifier={app.identifier}\n{shown}"
