"""Property lists with lines: three formats, duplicates, and hostile input."""

from __future__ import annotations

import encodings.aliases
import plistlib
import struct
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.xcode.plists import (
    BINARY,
    DEPTH_LIMIT,
    OPENSTEP,
    OPENSTEP_LIMIT,
    SIZE_LIMIT,
    XML,
    BrokenPlist,
    parse,
)

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n'
BODY = """<plist version="1.0">
<dict>
    <key>Name</key>
    <string>Caf\u00e9 &amp; more</string>
    <key>Modes</key>
    <array>
        <string>fetch</string>
        <dict><key>Deep</key><integer>0x1F</integer></dict>
    </array>
    <key>Flag</key><true/>
    <key>Size</key><real>1.5</real>
    <key>Data</key><data>
        AQID
    </data>
    <key>When</key><date>2026-02-03T04:05:06Z</date>
    <key>Name</key>
    <string>again</string>
</dict>
</plist>
"""
GOOD = (HEAD + BODY).encode()


def test_values_lines_and_duplicates() -> None:
    plist = parse(GOOD)
    assert plist.value["Name"] == "again"
    assert plist.value["Modes"] == ["fetch", {"Deep": 31}]
    assert plist.value["Flag"] is True
    assert plist.value["Size"] == 1.5
    assert plist.value["Data"] == b"\x01\x02\x03"
    assert plist.value["When"] == datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert plist.form == XML
    assert plist.lines["Modes",] == 7
    assert plist.lines["Modes", 0] == 9
    assert plist.lines["Modes", 1, "Deep"] == 10
    assert plist.duplicates == ((("Name",), 18),)


def test_a_value_is_pointed_at_itself() -> None:
    assert parse(GOOD).lines["Name",] == 19


def test_binary_and_openstep() -> None:
    assert parse(plistlib.dumps({"A": [1]}, fmt=plistlib.FMT_BINARY)).value == {"A": [1]}
    old = parse(b'// comment\n{\n  A = "x";\n  L = (\n    a,\n    {B = c;}\n  );\n}')
    assert old.value == {"A": "x", "L": ["a", {"B": "c"}]}
    assert old.lines["L", 1, "B"] == 6
    assert old.form == OPENSTEP


def test_lines_are_left_out_when_nobody_asks() -> None:
    plist = parse(GOOD, lined=False)
    assert plist.value == parse(GOOD).value
    assert plist.lines == {}
    assert plist.duplicates == ((("Name",), 18),)
    assert parse(b"{A = b;}", lined=False).lines == {}


def test_dates_mean_the_same_in_both_formats() -> None:
    when = datetime(1999, 12, 31, 23, 59, 58)  # noqa: DTZ001  # plistlib takes naive UTC
    for fmt in (plistlib.FMT_XML, plistlib.FMT_BINARY):
        assert parse(plistlib.dumps({"When": when}, fmt=fmt)).value == {"When": when.replace(tzinfo=UTC)}


def test_text_in_utf_16() -> None:
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        text = BODY if encoding == "utf-16" else HEAD.replace("UTF-8", "UTF-16") + BODY
        found = parse(text.encode(encoding))
        assert (found.value["Name"], found.lines["Name",]) == ("again", 17 if encoding == "utf-16" else 19)
    assert parse('{"A" = "Caf\u00e9";}'.encode("utf-16")).value == {"A": "Caf\u00e9"}


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "US-ASCII", "macroman", "windows-1252"])
def test_other_encodings_that_are_declared(encoding: str) -> None:
    letter = "x" if encoding == "US-ASCII" else "\u00e9"
    text = f'<?xml version="1.0" encoding="{encoding}"?><plist><string>{letter}</string></plist>'
    assert parse(text.encode(encoding)).value == letter


def test_no_declared_encoding_surprises() -> None:
    for encoding in {*encodings.aliases.aliases, *encodings.aliases.aliases.values(), "idna", "punycode", "undefined"}:
        data = f'<?xml version="1.0" encoding="{encoding}"?><plist><string>x</string></plist>'.encode()
        try:
            assert parse(data).value == "x"
        except BrokenPlist as fault:
            assert "encoding" in fault.reason or "XML" in fault.reason  # noqa: PT017  # depends on the encoding


def bplist(objects: list[bytes], top: int = 0) -> bytes:
    body = b"bplist00"
    offsets = []
    for each in objects:
        offsets.append(len(body))
        body += each
    table = b"".join(struct.pack(">Q", offset) for offset in offsets)
    return body + table + struct.pack(">6xBBQQQ", 8, 1, len(objects), top, len(body))


def test_a_key_twice_in_a_binary_list_is_told() -> None:
    plist = parse(bplist([b"\xd2\x01\x01\x02\x03", b"\x51a", b"\x08", b"\xd2\x01\x01\x02\x02"]))
    assert plist.value == {"a": {"a": False}}
    assert plist.duplicates == ((("a", "a"), None), (("a",), None))
    assert plist.form == BINARY


def test_values_that_plistlib_never_writes() -> None:
    values = {
        b"\x80\x05": {"CF$UID": 5},
        b"\x22\x3f\x80\x00\x00": 1.0,
        b"\x14" + b"\xff" * 16: -1,
        b"\x13" + b"\xff" * 8: -1,
        b"\x12" + b"\xff" * 4: 2**32 - 1,
        b"\x5f\x10\x02ab": "ab",
        b"\x62\xd8\x3d\xde\x00": "\U0001f600",
        b"\xa0": [],
        b"\xd0": {},
    }
    for packed, value in values.items():
        assert parse(bplist([packed])).value == value


DAMAGED = "damaged"


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        ([b"\xd1\x01\x00", b"\x51a"], "holds itself"),
        ([b"\xa1\x00"], "holds itself"),
        ([b"\xd1\x01\x01", b"\x10\x05"], "a key that is no text"),
        ([b"\xd1\x01\x02", b"\x51a", *[b"\xaf\x11" + struct.pack(">H", 3000)] * 90], DAMAGED),
        ([b"\xa8" + bytes(range(1, 9)), *[b"\x4f\x10\x60"] * 8, bytes(96)], DAMAGED),
        ([bytes((0xA2, number, number)) for number in range(1, 41)] + [b"\x09"], "values"),
        ([bytes((0xA1, number)) for number in range(1, DEPTH_LIMIT + 2)] + [b"\x09"], "nested more than"),
        ([b"\xa1\x07"], "does not have"),
        ([b"\x33\x7f\xf0" + bytes(6)], DAMAGED),
        ([b"\x33\x7f\xf8" + bytes(6)], DAMAGED),
        ([b"\x33\xff\xef" + b"\xff" * 6], DAMAGED),
        ([b"\x51\xff"], DAMAGED),
        ([b"\x61\xd8\x00"], DAMAGED),
        ([b"\x00"], "unknown kind"),
        ([b"\x15" + bytes(32)], "unknown kind"),
        ([b"\xc1\x00"], "unknown kind"),
        ([b"\x5f\x55"], "a length is no number"),
        ([b"\x5f\x13" + b"\xff" * 8], DAMAGED),
        ([b"\x4f\x13" + b"\x7f" * 8], DAMAGED),
    ],
)
def test_binary_lists_that_lie(objects: list[bytes], reason: str) -> None:
    with pytest.raises(BrokenPlist) as caught:
        parse(bplist(objects))
    assert reason in caught.value.reason


def test_a_list_that_is_used_twice_is_no_loop() -> None:
    assert parse(bplist([b"\xa2\x01\x01", b"\xa1\x02", b"\x09"])).value == [[True], [True]]


def test_depth_counts_through_what_is_shared() -> None:
    chain = [bytes((0xA1, number)) for number in range(2, 42)] + [b"\x09"]
    above = [bytes((0xA1, number)) for number in range(43, 72)] + [b"\xa1\x01"]
    with pytest.raises(BrokenPlist, match="nested more than"):
        parse(bplist([bytes((0xA2, 1, 42)), *chain, *above]))


@pytest.mark.parametrize("trailer", [bytes(32), b"\xff" * 32, struct.pack(">6xBBQQQ", 9, 1, 1, 0, 8)])
def test_trailers_that_lie(trailer: bytes) -> None:
    with pytest.raises(BrokenPlist, match="damaged"):
        parse(b"bplist00\x09" + trailer)


@pytest.mark.parametrize(
    "text", ["<true/>" * 100_000, "<array/>" * 100_000, "<dict><key>a</key><true/></dict>" * 25_000]
)
def test_memory_follows_the_size(text: str) -> None:
    data = f"<plist><array>{text}</array></plist>".encode()
    tracemalloc.start()
    parse(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * len(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (HEAD.encode() + b"<plist><dict><key>A</key>", "not well-formed"),
        (HEAD.encode() + b"<plist/>", "no value"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><plist><string>&a;</string></plist>', "entities"),
        (
            b'<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;">]><plist><string>&lol2;</string></plist>',
            "entities",
        ),
        (b"<plist><dict><string>x</string></dict></plist>", "without a <key>"),
        (b"<plist><dict><key>A</key><key>B</key></dict></plist>", "has no value"),
        (b"<plist><array><key>A</key></array></plist>", "outside a <dict>"),
        (b"<plist><dict>text</dict></plist>", "stray text"),
        (b"<plist><integer>many</integer></plist>", "<integer>"),
        (b"<plist><date>soon</date></plist>", "<date>"),
        (b"<plist><date>0000-12-30T00:00:00Z</date></plist>", "<date>"),
        (b"<plist><date>2026-02-30T00:00:00Z</date></plist>", "<date>"),
        (b"<plist><date>2026-02-03T04:05:06+</date></plist>", "<date>"),
        (b"<plist><date>2026-W06-3T04:05:06Z</date></plist>", "<date>"),
        (b"<plist><integer>1_000</integer></plist>", "<integer>"),
        ("<plist><integer>\u0663</integer></plist>".encode(), "<integer>"),
        (b"<plist><integer>" + b"9" * 5000 + b"</integer></plist>", "<integer>"),
        (b"<plist><real>1_0.5</real></plist>", "<real>"),
        (b"<plist><data>A</data></plist>", "<data>"),
        (b"<plist><string>a\x00b</string></plist>", "not well-formed"),
        (b"<plist><string>&#xd800;</string></plist>", "not well-formed"),
        (b"<plist><string>\xff</string></plist>", "not well-formed"),
        (b'<!DOCTYPE plist SYSTEM "x.dtd"><plist><string>a&b;c</string></plist>', "entities"),
        (b'<!DOCTYPE x [<!ENTITY % a "b"> %a;]><plist><true/></plist>', "entities"),
        (b"<plist><string>a<b/></string></plist>", "<b> inside <string>"),
        (b"<plist><dict><key>A</key></dict></plist>", "has no value"),
        (b"<plist><dict></plist></dict>", "not well-formed"),
        (b"{A = b;\x00}", "unexpected"),
        ("{A = b;".encode("utf-16"), "truncated"),
        (b"\xff\xfe{\x00\xd8", "neither"),
        (b"\xff\xfe", "empty"),
        (b"(" * 5000, "nested more than"),
        (b"<plist>" + b"<array>" * 5000, "nested more than"),
        (b"<html><body/></html>", "not an element of a property list"),
        (b"<plist><true/><true/></plist>", "more than one value"),
        (b"bplist00rubbish", "damaged"),
        (b"\x00\x01\x02\xff", "neither"),
        (b'<?xml version="1.0" encoding="klingon"?><plist><true/></plist>', "encoding"),
        (b'<?xml version="1.0" encoding="shift_jis"?><plist><true/></plist>', "encoding"),
    ],
)
def test_broken_lists_say_why(data: bytes, reason: str) -> None:
    with pytest.raises(BrokenPlist) as caught:
        parse(data)
    assert reason in caught.value.reason


def test_size_is_limited() -> None:
    for size in (OPENSTEP_LIMIT, SIZE_LIMIT):
        with pytest.raises(BrokenPlist, match="larger than"):
            parse(b"A" * (size + 1))


def test_external_entities_are_not_fetched(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    data = f'<!DOCTYPE x [<!ENTITY a SYSTEM "file://{secret}">]><plist><string>&a;</string></plist>'.encode()
    with pytest.raises(BrokenPlist):
        parse(data)


VALUE = {"A": ["x", {"B": 1}], "D": datetime(2026, 1, 1), "C": b"data" * 9, "U": "\u00e9" * 20, "R": 0.5}  # noqa: DTZ001
WHOLE = [
    GOOD,
    BODY.encode("utf-16"),
    b'{A = "x\\U00e9"; B = (1, <0a>); /* c */ "D" = {E = f;};}',
    plistlib.dumps(VALUE, fmt=plistlib.FMT_BINARY),
    plistlib.dumps(VALUE),
]


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_damaged_lists_never_surprise(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from(WHOLE))
    raw = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        parse(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    except BrokenPlist as fault:
        assert fault.reason  # noqa: PT017  # whether it is raised depends on the damage


@settings(max_examples=80, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"]), min_size=1, max_size=6),
        st.recursive(
            st.booleans() | st.integers(-(2**63), 2**63) | st.binary(max_size=20) | st.floats(allow_nan=False),
            lambda inner: st.lists(inner, max_size=3),
            max_leaves=6,
        ),
        max_size=4,
    )
)
def test_same_values_as_plistlib(value: dict[str, object]) -> None:
    for fmt in (plistlib.FMT_XML, plistlib.FMT_BINARY):
        assert parse(plistlib.dumps(value, fmt=fmt)).value == value
