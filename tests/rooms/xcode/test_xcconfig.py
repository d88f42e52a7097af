"""The xcconfig reader: includes, conditions, comments, and inputs that lead in circles."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.xcode.xcconfig import FILE_LIMIT, load, split_key
from pipeline.regular import Outside


def read_from(files: dict[str, str]):
    def read(path: str) -> bytes | None:
        return files[path].encode() if path in files else None

    return read


def test_assignments_in_order_with_lines() -> None:
    files = {
        "Config/App.xcconfig": '// head\n#include "../Shared/Base.xcconfig"\nNAME = App; // end\n'
        "ID[sdk=iphoneos*][arch=arm64] = a.b\nLIST = one \\\n  two\nURL = http://x\nEMPTY =\n",
        "Shared/Base.xcconfig": "NAME = Base\n",
    }
    assignments, flaws = load("Config/App.xcconfig", read_from(files))
    assert not flaws
    told = [(a.key, a.conditions, a.value, a.path, a.line) for a in assignments]
    assert told == [
        ("NAME", (), "Base", "Shared/Base.xcconfig", 1),
        ("NAME", (), "App", "Config/App.xcconfig", 3),
        ("ID", (("sdk", "iphoneos*"), ("arch", "arm64")), "a.b", "Config/App.xcconfig", 4),
        ("LIST", (), "one two", "Config/App.xcconfig", 5),
        ("URL", (), "http:", "Config/App.xcconfig", 7),
        ("EMPTY", (), "", "Config/App.xcconfig", 8),
    ]


def test_missing_includes_and_odd_lines() -> None:
    text = '#include "gone.xcconfig"\n#include? "maybe.xcconfig"\n#import "x"\n<<<<<<< HEAD\nno equals\nA = 1'
    assignments, flaws = load("a.xcconfig", read_from({"a.xcconfig": text}))
    assert [a.key for a in assignments] == ["A"]
    assert [(flaw.line, flaw.missing, flaw.optional) for flaw in flaws] == [
        (1, "gone.xcconfig", ""),
        (2, "", "maybe.xcconfig"),
        (3, "", ""),
        (4, "", ""),
        (5, "", ""),
    ]
    assert "merge conflict" in flaws[3].text


def test_circles_end() -> None:
    files = {"a.xcconfig": '#include "b.xcconfig"\nA = 1', "b.xcconfig": '#include "a.xcconfig"\nB = 1'}
    assignments, flaws = load("a.xcconfig", read_from(files))
    assert [a.key for a in assignments] == ["B", "A"]
    assert "includes itself" in flaws[0].text


def test_doubling_includes_end() -> None:
    files = {f"{n}.xcconfig": f'#include "{n + 1}.xcconfig"\n#include "{n + 1}.xcconfig"\n' for n in range(30)}
    files["30.xcconfig"] = "A = 1"
    reads = 0
    inner = read_from(files)

    def read(path: str) -> bytes | None:
        nonlocal reads
        reads += 1
        return inner(path)

    _, flaws = load("0.xcconfig", read)
    assert flaws
    assert reads <= FILE_LIMIT + 1


def test_keys_of_project_files() -> None:
    assert split_key("ID[sdk=iphoneos*]") == ("ID", (("sdk", "iphoneos*"),))
    assert split_key("ID") == ("ID", ())
    assert split_key("ID[sdk=iphoneos*") is None


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=120))
def test_any_bytes_are_borne(data: bytes) -> None:
    load("a.xcconfig", lambda path: data if path == "a.xcconfig" else None)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("A = 1\nB = é\n".encode("utf-16"), "UTF-16 (little-endian)"),
        ("A = 1\n".encode("utf-16-le") * 44, "UTF-16 (little-endian)"),
        ("A = 1\n".encode("utf-16-be") * 44, "UTF-16 (big-endian)"),
        (b"\xfe\xff" + "A = 1\n".encode("utf-16-be"), "UTF-16 (big-endian)"),
        ("A = 1\n".encode("utf-32"), "UTF-32"),
        (b"A = 1\nNAME\0OTHER = 2\n" * 9, "no text"),
    ],
)
def test_a_file_that_is_no_utf_8_is_one_flaw_and_not_one_a_line(data: bytes, said: str) -> None:
    assignments, flaws = load("A.xcconfig", {"A.xcconfig": data}.get)
    assert assignments == ()
    assert [(flaw.text, flaw.path, flaw.missing, flaw.kind) for flaw in flaws] == [
        (f"it is {said}, and Xcode reads UTF-8", "A.xcconfig", "A.xcconfig", "syntax")
    ]


def test_a_file_outside_of_the_checkout_is_told_where_it_is_included() -> None:
    def read(path: str) -> bytes | None:
        if path.startswith(".."):
            raise Outside(path)
        return b'A = 1\n#include "../B.xcconfig"\n#include? "../../C.xcconfig"\n'

    assignments, flaws = load("A.xcconfig", read)
    assert [each.key for each in assignments] == ["A"]
    assert [(flaw.kind, flaw.missing, flaw.optional, flaw.path, flaw.line) for flaw in flaws] == [
        ("outside", "../B.xcconfig", "", "A.xcconfig", 2),
        ("outside", "", "../../C.xcconfig", "A.xcconfig", 3),
    ]
