"""Property lists inside products: read by the one reader there is, and refused in this room's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.apple.bundle.faults import Malformed
from pipeline.apple.xcode.plists import BrokenPlist, Plist, parse


def read_dictionary(data: bytes, what: str = "the property list") -> Plist:
    """A property list with a dictionary at its top. Lines are not kept: nobody edits what is inside a product.

    Raises:
        Malformed: it is no property list, is too large or too deep, or its top is no dictionary.
    """
    try:
        plist = parse(data, lined=False)
    except BrokenPlist as fault:
        raise Malformed(f"{what} cannot be read as a property list: {fault}") from fault
    if not isinstance(plist.value, dict):
        raise Malformed(f"{what} holds no dictionary at its top")
    return plist


def read_signed(data: bytes, what: str) -> Mapping[str, Any]:
    """The dictionary of a property list that is part of a signature.

    Parsers disagree on which of two equal keys counts: a list that has such keys says nothing.

    Raises:
        Malformed: as `read_dictionary`, or a key is given twice.
    """
    plist = read_dictionary(data, what)
    if plist.duplicates:
        raise Malformed(f"{what}: the key “{plist.duplicates[0][0][-1]}” is given twice")
    found: Mapping[str, Any] = plist.value
    return found
