"""Property lists with lines: three formats, duplicates, and hostile input."""

from __future__ import annotations

import plistlib
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.xcode.plists import BrokenPlist, parse

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
    assert isinstance(plist.value["When"], datetime)
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
        (b"<plist>" + b"<array>" * 5000, "nested more than"),
        (b"<html><body/></html>", "not an element of a property list"),
        (b"<plist><true/><true/></plist>", "more than one value"),
        (b"bplist00rubbish", "damaged"),
        (b"\x00\x01\x02\xff", "neither"),
        (b'<?xml version="1.0" encoding="klingon"?><plist><true/></plist>', "encoding"),
    ],
)
def test_broken_lists_say_why(data: bytes, reason: str) -> None:
    with pytest.raises(BrokenPlist) as caught:
        parse(data)
    assert reason in caught.value.reason


def test_external_entities_are_not_fetched(tmp_path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    data = f'<!DOCTYPE x [<!ENTITY a SYSTEM "file://{secret}">]><plist><string>&a;</string></plist>'.encode()
    with pytest.raises(BrokenPlist):
        parse(data)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_lists_never_surprise(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from([GOOD, plistlib.dumps({"A": ["x", {"B": 1}]}, fmt=plistlib.FMT_BINARY)]))
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
            st.booleans() | st.integers(-(2**31), 2**31) | st.binary(max_size=9),
            lambda inner: st.lists(inner, max_size=3),
            max_leaves=6,
        ),
        max_size=4,
    )
)
def test_same_values_as_plistlib(value: dict[str, object]) -> None:
    assert parse(plistlib.dumps(value)).value == value
