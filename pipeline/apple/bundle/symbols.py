"""Which names of other libraries a slice of code uses: of all that it imports, only those that somebody asks for.

Layouts: Apple's <mach-o/nlist.h> and <mach-o/fixup-chains.h>.
"""

from __future__ import annotations

import struct
from typing import BinaryIO, NamedTuple

from pipeline.apple.bundle.faults import Excessive, Malformed

MOST_SYMBOLS = 1_000_000
MOST_NAME_BYTES = 128 * 1024 * 1024
_STAB, _TYPE = 0xE0, 0x0E
_PLAIN_NAMES = 0


class Wanted(NamedTuple):
    """Names to look for: imported symbols as the linker writes them (`_stat`), and messages (`activeInputModes`)."""

    imports: frozenset[bytes]
    selectors: frozenset[bytes]


class Used(NamedTuple):
    """Those of the wanted names that are used."""

    imports: frozenset[str] = frozenset()
    selectors: frozenset[str] = frozenset()


class SymbolTables:
    """Where a slice keeps its names; every offset counts from the slice's beginning.

    Attributes:
        order: "<" or ">".
        wide: whether the slice is 64-bit.
        names: offset and number of the symbols, offset and bytes of their names.
        undefined: first and number of the symbols that other libraries define.
        fixups: offset and bytes of the chained fixups.
        messages: offset and bytes of the names of messages.
    """

    def __init__(self, order: str, *, wide: bool) -> None:
        self.order = order
        self.wide = wide
        self.names: tuple[int, ...] = ()
        self.undefined: tuple[int, ...] = ()
        self.fixups: tuple[int, ...] = ()
        self.messages: tuple[int, int] = (0, 0)

    def used(self, file: BinaryIO, start: int, size: int, wanted: Wanted) -> Used:
        """Those of the wanted names that the slice of `size` bytes at `start` uses.

        Raises:
            Malformed: a table lies outside the slice.
            Excessive: a table is larger than any honest one.
        """
        part = _Part(file, start, size)
        found = self._imported(part, wanted.imports) | self._chained(part, wanted.imports)
        sent: frozenset[bytes] = frozenset()
        if wanted.selectors and self.messages[1]:
            sent = wanted.selectors & frozenset(part.read(*self.messages).split(b"\0"))
        return Used(_told(found), _told(sent))

    def _imported(self, part: _Part, wanted: frozenset[bytes]) -> frozenset[bytes]:
        if not self.names or not self.names[1]:
            return frozenset()
        offset, count, strings, length = self.names
        first, number = self.undefined or (0, count)
        if number > MOST_SYMBOLS or first + number > count:
            raise Excessive(f"the symbol table claims {number:,} imports of {count:,} symbols")
        step = 16 if self.wide else 12
        table = part.read(offset + first * step, number * step)
        places = [
            place
            for place, kind in struct.iter_unpack(f"{self.order}IB{step - 5}x", table)
            if place and not kind & (_STAB | _TYPE)
        ]
        if not places:
            return frozenset()
        lowest, highest = min(places), max(places)
        if highest >= length:
            raise Malformed("a symbol's name lies outside the table of names")
        # The names of imports lie side by side in what Apple's linker writes.
        held = part.read(strings + lowest, min(length - lowest, highest - lowest + 4096))
        taken = set(places)
        found = wanted & frozenset(held.split(b"\0"))
        return frozenset(name for name in found if _stands(held, name, lowest, taken))

    def _chained(self, part: _Part, wanted: frozenset[bytes]) -> frozenset[bytes]:
        if not self.fixups or self.fixups[1] < 28:
            return frozenset()
        at, length = self.fixups
        head = struct.unpack(f"{self.order}7I", part.read(at, 28))
        names, packing = head[3], head[6]
        if packing != _PLAIN_NAMES or not names:
            return frozenset()
        if names > length:
            raise Malformed("the chained fixups lie outside their table")
        return wanted & frozenset(part.read(at + names, length - names).split(b"\0"))


def _told(names: frozenset[bytes]) -> frozenset[str]:
    return frozenset(name.decode() for name in names)


def _stands(held: bytes, name: bytes, lowest: int, places: set[int]) -> bool:
    """Whether an import begins exactly where the name stands; the same text may be that of a symbol of its own."""
    end = name + b"\0"
    at = held.find(end)
    while at >= 0:
        if at + lowest in places:
            return True
        at = held.find(end, at + 1)
    return False


class _Part(NamedTuple):
    file: BinaryIO
    start: int
    size: int

    def read(self, offset: int, length: int) -> bytes:
        if length > MOST_NAME_BYTES:
            raise Excessive(f"a table of symbols claims {length:,} bytes")
        if offset + length > self.size:
            raise Malformed("a table of symbols lies outside the file")
        self.file.seek(self.start + offset)
        data = self.file.read(length)
        if len(data) != length:
            raise Malformed("the Mach-O file is cut short")
        return data
