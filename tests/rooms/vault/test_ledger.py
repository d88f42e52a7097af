"""The ledger: one spelling, a chain, and a fold that agrees with a model; hostile lines are faults, never tracebacks."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ports.vault import Recipient
from pipeline.vault import ledger
from pipeline.vault.ledger import Account, Broken, Line, Stored, add_up, following, read_line, written
from tests.rooms.vault.vaults import BOB, EVE, JANE

KEY = b"k" * 32
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
PEOPLE = tuple(each.recipient for each in (JANE, BOB, EVE))


def line(number: int, before: str = "", **parts: Any) -> Line:
    batch = f"{number:016x}"
    if number == 1:
        parts = {"recipients": (JANE.recipient,), "key": Stored.of(b"key", sealed=True), **parts}
    return Line(number, before, batch, AT, "jane", "what", **parts)


def chain(*parts: dict[str, Any]) -> list[bytes]:
    files: list[bytes] = []
    for number, each in enumerate(parts, start=1):
        before = hashlib.sha256(files[-1]).hexdigest() if files else ""
        files.append(written(line(number, before, **each), KEY))
    return files


def file(content: bytes = b"x", *, sealed: bool = True, **told: str) -> Stored:
    return Stored.of(content, sealed=sealed, told=told)


def test_a_line_is_read_as_it_was_written() -> None:
    full = line(
        1,
        put={"identities/a.p8": file(kind="ä"), "identities/a.cer": file(sealed=False)},
        recipients=PEOPLE,
    )
    again = read_line(written(full, KEY))
    assert replace(again, proof="", digest="", body=b"") == full
    assert again.proved_by(KEY)
    assert not again.proved_by(b"l" * 32)


def test_everything_in_a_line_is_proved() -> None:
    data = written(line(1, put={"identities/a.p8": file(kind="x")}), KEY)
    told = json.loads(data)
    for name in sorted(set(told) - {"proof", "format"}):
        other = {**told, name: _other(told[name])}
        changed = read_line((json.dumps(other, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode())
        assert not changed.proved_by(KEY), name


def _other(value: Any) -> Any:
    if isinstance(value, str):
        return "2026-01-01T00:00:00Z" if "T" in value and value.endswith("Z") else "ab" * (len(value) // 2 or 32)
    if isinstance(value, int):
        return value + 1
    if isinstance(value, list):
        return [{"name": "eve", "key": EVE.public}] if value else ["identities/b.p8"]
    if "sha256" in value:
        return {**value, "sha256": "ab" * 32}
    return {} if value else {"identities/b.p8": {"sealed": True, "sha256": "0" * 64, "size": 1, "told": {}}}


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.replace(b"\n", b"\r\n"),
        lambda d: d.rstrip(b"\n"),
        lambda d: d + b"\n",
        lambda d: b"\xef\xbb\xbf" + d,
        lambda d: d.replace(b'"number": 1', b'"number": 1.0'),
        lambda d: d.replace(b'"number": 1', b'"number": true'),
        lambda d: d.replace(b'"number": 1', b'"number": -1'),
        lambda d: d.replace(b'"number": 1', b'"number": 1' + b"0" * 5000),
        lambda d: d.replace(b'"number": 1', b'"number": NaN'),
        lambda d: d.replace(b'"number": 1', b'"number": 1,\n "number": 1'),
        lambda d: d.replace(b'"format": 1', b'"format": 2'),
        lambda d: d.replace(b'"format": 1', b'"format": true'),
        lambda d: d.replace(b'"what": "what"', b'"what": "wh\\u0061t"'),
        lambda d: d.replace(b'"what": "what"', b'"what": "\\ud800"'),
        lambda d: d.replace(b'"what": "what"', b'"what": "\xe2\x80\xae"'),
        lambda d: d.replace(b'"what": "what"', b'"what": "\\u001b[31m"'),
        lambda d: d.replace(b'"what": "what"', b'"what": null'),
        lambda d: d.replace(b'"what": "what"', b'"what": "' + b"w" * 1000 + b'"'),
        lambda d: d.replace(b"2026-11-20T12:00:00Z", b"2026-11-20"),
        lambda d: d.replace(b"2026-11-20T12:00:00Z", b"2026-13-20T12:00:00Z"),
        lambda d: d.replace(b'"put": {}', b'"put": []'),
        lambda d: d.replace(b'"put": {}', b'"puts": {}'),
        lambda d: b"[" * 100_000,
        lambda d: b"{}",
        lambda d: b"null\n",
        lambda d: b"",
        lambda d: b" " * (ledger.LINE_LIMIT + 1),
    ],
)
def test_what_is_spelled_otherwise_is_no_line(change: Any) -> None:
    data = written(line(1), KEY)
    hostile = change(data)
    assert hostile != data
    with pytest.raises(Broken):
        read_line(hostile)


@given(st.data())
def test_any_changed_byte_is_noticed(data: st.DataObject) -> None:
    files = chain({"put": {"identities/a.p8": file()}}, {"put": {"identities/b.p8": file()}}, {})
    which = data.draw(st.integers(0, 2))
    at = data.draw(st.integers(0, len(files[which]) - 1))
    old = files[which]
    files[which] = old[:at] + bytes([old[at] ^ data.draw(st.integers(1, 255))]) + old[at + 1 :]
    account = add_up(files)
    proved = all(each.proved_by(KEY) for each in account.lines)
    assert account.faults or not proved
    assert len(account.lines) <= 3


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150)
@given(st.sampled_from(sorted(json.loads(written(line(1), KEY)))), JSON)
def test_wrong_types_are_faults(name: str, value: Any) -> None:
    told = {**json.loads(written(line(1), KEY)), name: value}
    data = (json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8", "replace")
    account = add_up([data])
    assert account.faults or read_line(data)


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_junk_is_a_fault(files: list[bytes]) -> None:
    account = add_up(files)
    assert bool(account.faults) is bool(files)
    assert account.lines == ()


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a.p8",
        "/identities/a.p8",
        "identities/../a.p8",
        "identities/./a.p8",
        "identities//a.p8",
        "identities/.a.p8",
        "identities/a.p8/",
        "identities/a",
        "identities\\a.p8",
        "identities/a\0.p8",
        "identities/a\n.p8",
        "identities/ä.p8",
        "identities/a b.p8",
        "i.d/a.p8",
        "ledger/000009.json",
        "Keys/a.age",
        "a/b/c/d/e.p8",
        "identities/" + "a" * 300 + ".p8",
    ],
)
def test_paths_that_are_not_kept(path: str) -> None:
    assert ledger.path_fault(path)
    data = chain({})[0].replace(
        b'"put": {}', b'"put": {\n  ' + json.dumps(path, ensure_ascii=False).encode() + b": {}\n }"
    )
    assert add_up([data]).faults


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"put": {"identities/A.p8": file()}}, "upper and lower case"),
        ({"dropped": ("identities/b.p8",)}, "not there"),
        ({"dropped": ("identities/a.p8", "identities/a.p8")}, "twice"),
        ({"dropped": ("identities/a.p8",), "put": {"identities/a.p8": file()}}, "not there"),
        ({"resealed": {"identities/b.p8": file()}}, "anew"),
        ({"resealed": {"identities/a.p8": file(sealed=False)}}, "anew"),
        ({"resealed": {"identities/a.p8": file()}, "dropped": ("identities/a.p8",)}, "anew"),
        ({"recipients": PEOPLE, "key": file()}, "leaves identities/a.p8 as it was"),
        ({"recipients": (), "key": file()}, "no recipient"),
        ({"recipients": (JANE.recipient, Recipient("j", f" {JANE.public}")), "key": file()}, "stands twice"),
    ],
)
def test_lines_that_do_not_follow(parts: dict[str, Any], why: str) -> None:
    account = add_up(chain({"put": {"identities/a.p8": file()}}, parts))
    assert len(account.lines) == 1
    assert why in account.faults[0]


def test_lines_out_of_order() -> None:
    files = chain({}, {}, {})
    assert "follow" in add_up([files[0], written(line(2, "0" * 64), KEY)]).faults[0]
    assert "calls itself line 3" in add_up([files[0], files[2]]).faults[0]
    assert "calls itself line 1" in add_up([files[0], files[0]]).faults[0]
    assert "recipients" in add_up([written(replace(line(1), recipients=None, key=None), KEY)]).faults[0]
    twice = replace(line(2, read_line(files[0]).digest), batch=line(1).batch)
    assert "batch" in add_up([files[0], written(twice, KEY)]).faults[0]


# A model ---------------------------------------------------------------------------------------------------------------

PATHS = ["identities/a.p8", "identities/b.p8", "pending/c.p8", "profiles/d.mobileprovision"]


@st.composite
def changes(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "put": draw(st.dictionaries(st.sampled_from(PATHS), st.tuples(st.binary(max_size=3), st.booleans()))),
        "drop": draw(st.sets(st.sampled_from(PATHS), max_size=2)),
        "people": draw(st.none() | st.sets(st.integers(0, 2), min_size=1)),
    }


@settings(max_examples=100)
@given(st.lists(changes(), max_size=8))
def test_the_fold_agrees_with_a_model(history: list[dict[str, Any]]) -> None:
    held: dict[str, tuple[bytes, bool]] = {}
    readers: dict[str, set[str]] = {}
    people = {0}
    account = Account()
    for number, change in enumerate(history, start=1):
        renewed = number == 1 or change["people"] is not None
        if change["people"]:
            people = change["people"]
        drop = tuple(path for path in sorted(change["drop"]) if path in held and path not in change["put"])
        kept = [path for path in held if held[path][1] and path not in drop and path not in change["put"]]
        parts = {
            "put": {path: file(data, sealed=shut) for path, (data, shut) in change["put"].items()},
            "dropped": drop,
            "resealed": {path: file(held[path][0]) for path in kept} if renewed else {},
        }
        if renewed:
            parts |= {"recipients": tuple(PEOPLE[each] for each in sorted(people)), "key": file(b"key")}
        account = following(account, written(line(number, account.head, **parts), KEY))
        for path in drop:
            del held[path]
        names = {PEOPLE[each].name for each in people}
        for path in kept if renewed else ():
            readers[path] = readers[path] | names
        for path, value in change["put"].items():
            held[path], readers[path] = value, names
    assert {path: (each.file.sha256, each.file.sealed) for path, each in account.holdings.items()} == {
        path: (hashlib.sha256(data).hexdigest(), shut) for path, (data, shut) in held.items()
    }
    for path, each in account.holdings.items():
        if each.file.sealed:
            assert set(each.readers.values()) == readers[path]
    if history:
        assert {each.name for each in account.recipients} == {PEOPLE[each].name for each in people}
        assert len(set(account.expected)) == len(held) + 1


@given(st.sampled_from(PATHS), st.from_regex(r"[0-9a-f]{16}", fullmatch=True), st.booleans())
def test_stored_names_tell_their_batch(path: str, batch: str, shut: bool) -> None:
    assert ledger.batch_in(ledger.stored_name(path, batch, sealed=shut)) == batch
    assert ledger.batch_in(ledger.key_name(7, batch)) == batch
    assert ledger.batch_in(path) == ""
    assert ledger.batch_in(f'"{path}.{batch}') == ""
