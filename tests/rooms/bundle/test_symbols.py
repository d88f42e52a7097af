"""Imported names: found where the linker puts them, told apart from names of one's own, and never read out of bounds."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.bundle.interfaces import categories_of, spoken, wanted
from pipeline.apple.bundle.macho import Slice, read_macho
from pipeline.apple.bundle.symbols import Wanted
from tests.rooms.bundle import foundry

WANTED = Wanted(frozenset({b"_stat", b"_OBJC_CLASS_$_NSUserDefaults"}), frozenset({b"systemUptime"}))


def image(
    imports: Sequence[str] = (),
    own: Sequence[str] = (),
    messages: Sequence[str] = (),
    chained: Sequence[str] = (),
    *,
    dynamic: bool = True,
) -> bytes:
    """A thin 64-bit Mach-O whose tables hold these names; `own` are symbols that it defines itself."""
    strings, places = b" \0", {}
    for name in (*own, *imports):
        places[name] = len(strings)
        strings += name.encode() + b"\0"
    table = b"".join(struct.pack("<IBBHQ", places[name], 0x0F, 1, 0, 4096) for name in own)
    table += b"".join(struct.pack("<IBBHQ", places[name], 0x01, 0, 0, 0) for name in imports)
    said = b"".join(name.encode() + b"\0" for name in messages)
    pool = b"\0" + b"".join(name.encode() + b"\0" for name in chained)
    fixups = struct.pack("<7I", 0, 28, 28, 28, len(chained), 1, 0) + pool if chained else b""
    count, size = 3 + dynamic, 24 + 152 + 16 + 80 * dynamic
    start = 32 + size
    at = [start, start + len(table), start + len(table) + len(strings), start + len(table) + len(strings) + len(said)]
    commands = struct.pack("<6I", 0x02, 24, at[0], len(own) + len(imports), at[1], len(strings))
    if dynamic:
        commands += struct.pack("<8I48x", 0x0B, 80, 0, 0, 0, len(own), len(own), len(imports))
    commands += struct.pack("<2I16s4Q4I", 0x19, 152, b"__TEXT", 0, 0, 0, 0, 5, 5, 1, 0)
    commands += struct.pack("<16s16s2Q8I", b"__objc_methname", b"__TEXT", 0, len(said), at[2], 0, 0, 0, 2, 0, 0, 0)
    commands += struct.pack("<4I", 0x80000034, 16, at[3], len(fixups))
    head = b"\xcf\xfa\xed\xfe" + struct.pack("<7I", *foundry.ARM64, 2, count, size, 0, 0)
    return head + commands + table + strings + said + fixups


def read(data: bytes, names: Wanted = WANTED) -> Slice:
    (part,) = read_macho(io.BytesIO(data), len(data), names)
    return part


@pytest.mark.parametrize("dynamic", [True, False])
def test_imports_are_found(dynamic: bool) -> None:
    part = read(image(["_printf", "_stat"], ["_main"], dynamic=dynamic))
    assert part.imports == {"_stat"}
    assert not part.selectors
    assert not part.unread
    assert part.has_section("__objc_methname")


def test_a_function_of_ones_own_is_no_import() -> None:
    assert read(image(["_printf"], ["_stat"])).imports == frozenset()
    assert read(image(["_printf"], ["_stat"], dynamic=False)).imports == frozenset()
    assert read(image(["_my_stat"])).imports == frozenset()


def test_chained_imports_are_found() -> None:
    part = read(image(chained=["_printf", "_OBJC_CLASS_$_NSUserDefaults"]))
    assert part.imports == {"_OBJC_CLASS_$_NSUserDefaults"}


def test_messages_are_found() -> None:
    assert read(image(messages=["init", "systemUptime"])).selectors == {"systemUptime"}
    assert read(image(messages=["systemUptimeOfMine"])).selectors == frozenset()


def test_nothing_is_read_when_nothing_is_asked() -> None:
    data = image(["_stat"])
    (part,) = read_macho(io.BytesIO(data), len(data))
    assert (part.imports, part.unread) == (frozenset(), "")


@pytest.mark.parametrize(
    ("offset", "value"),
    [(40, 0xFFFFFFF0), (44, 0xFFFFFFFF), (48, 0xFFFFFFF0), (52, 1), (36 + 44, 0xFFFFFFFF), (36 + 48, 0xFFFFFFFF)],
)
def test_tables_that_lie_are_told_and_the_rest_is_read(offset: int, value: int) -> None:
    data = bytearray(image(["_printf", "_stat"], ["_main"]))
    struct.pack_into("<I", data, offset, value)
    part = read(bytes(data))
    assert part.architecture == "arm64"
    assert part.unread or part.imports <= {"_stat"}


WHOLE = image(["_printf", "_stat"], ["_main"], ["systemUptime"], ["_stat"])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(32, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_damage_never_escapes(changes: list[tuple[int, int]]) -> None:
    data = bytearray(WHOLE)
    for at, value in changes:
        data[at] = value
    from pipeline.apple.bundle.faults import Malformed

    try:
        read(bytes(data))
    except Malformed:
        return


def test_categories_need_the_class_of_a_message() -> None:
    process = "_OBJC_CLASS_$_NSProcessInfo"
    boot = "NSPrivacyAccessedAPICategorySystemBootTime"
    assert categories_of(frozenset(), frozenset({"systemUptime"})) == {}
    assert categories_of(frozenset({process}), frozenset({"systemUptime"})) == {boot: "systemUptime"}
    assert categories_of(frozenset({"_mach_absolute_time"}), frozenset()) == {boot: "mach_absolute_time"}
    assert b"_stat" in wanted().imports


@pytest.mark.parametrize(
    ("symbol", "words"),
    [
        ("_stat$INODE64", "stat"),
        ("_OBJC_CLASS_$_NSUserDefaults", "NSUserDefaults"),
        ("_NSFileSystemSize", "NSFileSystemSize"),
    ],
)
def test_symbols_are_told_as_people_know_them(symbol: str, words: str) -> None:
    assert spoken(symbol) == words
