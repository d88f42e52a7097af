"""`init`: a first configuration, written from what an app's project says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.model import UsageFault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HEAD = """\
# What is released from here, and under which policy. Written by `init` from what the project says:
# a value that is right can stay or go, a value that is wrong must be mended in the project first.
"""


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
        UsageFault: the file is there, or cannot be written.
    """
    if path.exists() and not force:
        raise UsageFault(f"{path} is there already", remedy="edit it, or write over it with --force")
    text = "\n".join(
        [HEAD.rstrip(), "apps:", f"  {_scalar(name)}:", *_block(app, "    "), *_lanes(lanes), "", *_POLICY, ""]
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.new")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(path)
    except OSError as fault:
        raise UsageFault(
            f"{path} cannot be written", why=fault.strerror or str(fault), remedy="name another with --config"
        ) from fault
    return path


_POLICY = (
    "policy:",
    "  # A live run performs only what an approved plan names.",
    "  approval: always",
    "  # severity: {PREF003: WARNING}",
    "  # waivers:",
    '  #   - {rule: PROJ014, subject: "*", reason: "why it is accepted", until: 2026-12-31}',
)


def _block(fields: Mapping[str, object], indent: str) -> Iterable[str]:
    for key, value in fields.items():
        if isinstance(value, str) and value:
            yield f"{indent}{key}: {_scalar(value)}"
        elif isinstance(value, (list, tuple)) and value:
            yield f"{indent}{key}: [{', '.join(_scalar(str(item)) for item in value)}]"


def _lanes(lanes: Mapping[str, Mapping[str, str]]) -> Iterable[str]:
    if lanes:
        yield "    lanes:"
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
    return json.dumps(text, ensure_ascii=False)
