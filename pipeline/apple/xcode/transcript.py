"""Finds what matters in the output of xcodebuild, which is long and says the same thing many times."""

from __future__ import annotations

LIMIT = 8
_WIDTH = 400


def complaints(output: str) -> tuple[str, ...]:
    """The texts of the `error:` lines, each once, in order, at most LIMIT of them."""
    found: dict[str, None] = {}
    for line in output.splitlines():
        head, marker, text = line.partition("error: ")
        if marker and text.strip() and not head.rstrip().endswith(("warning:", "note:")):
            found[text.strip()[:_WIDTH]] = None
            if len(found) >= LIMIT:
                break
    return tuple(found)
