"""Property lists: bounded whatever the bytes say."""

from __future__ import annotations

import plistlib
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.bundle.faults import Excessive, Malformed
from pipeline.apple.bundle.plists import read_dictionary
from tests.rooms.bundle import foundry


def bplist(objects: list[bytes], top: int = 0) -> bytes:
    body = b"bplist00"
    offsets = []
    for each in objects:
        offsets.append(len(body))
        body += each
    table = b"".join(struct.pack(">Q", offset) for offset in offsets)
    return body + table + struct.pack(">6xBBQQQ", 8, 1, len(objects), top, len(body))


@pytest.mark.parametrize("fmt", [plistlib.FMT_XML, plistlib.FMT_BINARY])
def test_both_formats_are_read(fmt: Any) -> None:
    value = {"a": [1, True, "x" * 300, b"data"], "b": {"c": "d"}}
    assert read_dictionary(plistlib.dumps(value, fmt=fmt)) == value


def test_a_dictionary_that_holds_itself_is_refused() -> None:
    with pytest.raises(Malformed, match="holds itself"):
        read_dictionary(bplist([b"\xd1\x01\x00", b"\x51a"]))


def test_lists_that_share_all_their_bytes_are_refused() -> None:
    wide = b"\xaf\x11" + struct.pack(">H", 3000)
    with pytest.raises(Malformed, match="overlap"):
        read_dictionary(bplist([b"\xd1\x01\x02", b"\x51a", *[wide] * 90]))


def test_a_doubling_tree_is_refused() -> None:
    # Every level is a list of the next level twice: 2^40 values in 300 bytes.
    levels = [bytes((0xA2, number + 1, number + 1)) for number in range(2, 42)]
    with pytest.raises(Excessive):
        read_dictionary(bplist([b"\xd1\x01\x02", b"\x51a", *levels, b"\x09"]))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"bplist00",
        b"bplist00" + b"\xff" * 40,
        b"<plist><array/></plist>",
        b'<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY a "b">]><plist><dict/></plist>',
        b"<plist>" + b"<array>" * 5000,
        b"<plist><dict><key>a</key><integer>" + b"9" * 10_000 + b"</integer></dict></plist>",
        b"\xff\xfe<\0p\0",
        b'<?xml version="1.0" encoding="UTF-9"?><plist><dict/></plist>',
        bplist([b"\xd1\x01\x01", b"\x10\x05"]),
        plistlib.dumps(["no", "dictionary"]),
    ],
)
def test_everything_else_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        read_dictionary(data)


def test_deep_xml_is_refused() -> None:
    data = b"<plist><dict><key>a</key>" + b"<array>" * 200 + b"</array>" * 200 + b"</dict></plist>"
    with pytest.raises(Malformed):
        read_dictionary(data)


BINARY = plistlib.dumps(foundry.INFO, fmt=plistlib.FMT_BINARY)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(BINARY) - 1), st.integers(0, 255)), max_size=4), st.integers(0, len(BINARY))
)
def test_damage_never_escapes(changes: list[tuple[int, int]], length: int) -> None:
    data = bytearray(BINARY)
    for at, value in changes:
        data[at] = value
    try:
        read_dictionary(bytes(data if changes else data[:length]))
    except Malformed:
        return
