"""`init`: a first configuration, written from what an app's project says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.model import UsageFault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HEAD = """\
# What is released from here, and under which policy. Written by `init` from what the project says.
# What stands here is compared with the project, and a difference is a finding: a value that is wrong is mended in both.
# What is left out is taken from the project. An unknown word is an error that names its line.
"""

ABOUT = {
    "path": "relative to the folder that holds config/",
    "team_id": "the ten characters of your team in the Apple developer account",
    "containers": "CloudKit containers that the app asks for",
    "schema": "what the code needs of CloudKit: the export of the development schema",
    "lanes": "one build per platform",
}
"""What a newcomer would ask about a key."""


def written(
    path: Path, name: str, app: Mapping[str, object], lanes: Mapping[str, Mapping[str, str]], *, force: bool
) -> Path:
    """Write a configuration with one app.

    Args:
        path: the file to write.
        name: the app's name.
        app: the app's fields, in order; empty ones are left out.
        lanes: fields by lane name.
        force: write over a file that is there.

    Raises:
        UsageFault: the file is there, or cannot be written, or a name is not text.
    """
    if path.exists() and not force:
        raise UsageFault(
            f"{path} is there already", remedy="edit it, write another with --config FILE, or overwrite it with --force"
        )
    try:
        lines = [HEAD.rstrip(), "apps:", f"  {_scalar(name)}:", *_block(app, "    "), *_MORE, *_lanes(lanes), ""]
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.new")
        fresh.write_text("\n".join([*lines, *_POLICY, ""]), encoding="utf-8")
        fresh.replace(path)
    except (OSError, ValueError) as fault:
        raise UsageFault(
            f"{path} cannot be written",
            why=(fault.strerror if isinstance(fault, OSError) else None) or f"a name in it is no text: {fault}",
            remedy="name another file with --config",
        ) from fault
    return path


_MORE = (
    "    # tag: v{version}             # a tag at HEAD must name the version",
    "    # groups: [Internal Testers]  # TestFlight groups that get the build; else the first internal group",
)

_POLICY = (
    "policy:",
    "  # A live run performs only what an approved plan names; `never` asks nobody.",
    "  approval: always",
    "  # What a rule means to you. Each rule has a page in docs/rules.",
    "  # severity: {PREF003: WARNING}",
    "  # Lines of your own; left out, those that Apple draws. Megabytes, and libraries loaded at launch.",
    "  # thresholds: {oldest_ios: 16.0, largest_app: 200, most_frameworks: 30}",
    "  # waivers:",
    '  #   - {rule: PROJ020, subject: "*", reason: "why it is accepted", until: 2026-12-31}',
)


def _block(fields: Mapping[str, object], indent: str) -> Iterable[str]:
    for key, value in fields.items():
        about = f"  # {ABOUT[key]}" if key in ABOUT else ""
        if isinstance(value, str) and value:
            yield f"{indent}{key}: {_scalar(value)}{about}"
        elif isinstance(value, (list, tuple)) and value:
            yield f"{indent}{key}: [{', '.join(_scalar(str(item)) for item in value)}]{about}"


def _lanes(lanes: Mapping[str, Mapping[str, str]]) -> Iterable[str]:
    if lanes:
        yield f"    lanes:  # {ABOUT['lanes']}"
    for name, fields in lanes.items():
        inner = ", ".join(f"{key}: {_scalar(value)}" for key, value in fields.items() if value)
        yield f"      {name}: {{{inner}}}"


def _scalar(text: str) -> str:
    import json

    plain = text.replace("-", "").replace("_", "").replace("/", "").replace(" ", "").replace(".", "")
    reserved = {"yes", "no", "on", "off", "true", "false", "null", "y", "n"}
    # Digits and dots would be read as numbers, and lose a zero: 2.50 is a version.
    if (
        plain.isalnum()
        and not text[0].isdigit()
        and text.lower() not in reserved
        and text == text.strip()
        and not text.startswith("-")
    ):
        return text
    # YAML reads the escapes of JSON, but also breaks lines at characters that JSON leaves as they are. What was no
    # text before, the name of a file in another encoding, raises here: no file could hold it.
    quoted = json.dumps(text.encode().decode(), ensure_ascii=False)
    return "".join(each if each.isprintable() else f"\\U{ord(each):08X}" for each in quoted)
