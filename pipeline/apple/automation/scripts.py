"""Finds the shell in files that hold some: scripts, makefiles, justfiles, package.json."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from pipeline.apple.automation.workflows import Text


def texts(text: str, name: str) -> Iterator[Text]:
    """The shell scripts that a file is, or holds, each with the line of its first line."""
    if name == "package.json":
        yield from _of_package(text)
    elif "makefile" in name or name.endswith(".mk"):
        yield Text(_of_make(text), 1, block=True)
    elif name.endswith("justfile"):
        yield Text(_of_just(text), 1, block=True)
    else:
        yield Text(text, 1, block=True)


def _of_package(text: str) -> Iterator[Text]:
    try:
        root = json.loads(text)
    except (ValueError, RecursionError):
        return
    scripts = root.get("scripts") if isinstance(root, dict) else None
    for name, script in list(scripts.items())[:200] if isinstance(scripts, dict) else ():
        if isinstance(script, str):
            position = text.find(json.dumps(name), max(0, text.find('"scripts"')))
            yield Text(script, text.count("\n", 0, max(position, 0)) + 1)


_MAKE_VARIABLE = re.compile(r"^([A-Za-z_]\w*)\s*(::?=|=|\?=|\+=)\s*(.*?)\s*(?:#.*)?$")


def _of_make(text: str) -> str:
    """The recipes of a makefile as a script with the same lines, each command in a shell of its own."""
    values: dict[str, list[str]] = {}
    lines = text.split("\n")
    for line in lines:
        if not line.startswith("\t") and (match := _MAKE_VARIABLE.match(line)):
            values.setdefault(match[1], []).append(match[3] if match[2] in ("=", ":=", "::=") else "$(shell)")
    known = {name: found[0] for name, found in values.items() if len(found) == 1 and len(found[0]) < 2000}

    def replaced(line: str) -> str:
        for _ in range(4):
            before = line
            line = re.sub(r"\$[({]([A-Za-z_]\w*)[)}]", lambda match: known.get(match[1], match[0]), line)[:20_000]
            if line == before:
                break
        return line.replace("$$", "$")

    found, open_ = [], False
    for line in lines:
        if not line.startswith("\t") and not open_:
            found.append("")
            continue
        body = replaced(line.removeprefix("\t"))
        going_on = line.endswith("\\")
        head = body if open_ else f"( {body.lstrip('@-+ ')}"
        found.append(head if going_on else f"{head} )")
        open_ = going_on
    return "\n".join(found)


def _of_just(text: str) -> str:
    values = dict(re.findall(r"""^([A-Za-z_][\w-]*)\s*:=\s*["']([^"'\n]*)["']\s*$""", text, re.MULTILINE))
    told = re.sub(r"\{\{\s*([\w-]+)\s*\}\}", lambda match: values.get(match[1], "${unknown}"), text)
    return "\n".join(line if line[:1] in (" ", "\t") else "" for line in told.split("\n"))
