"""What is code and what is not, in Swift and in C; whatever comes, lengths and lines stay."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.apple.sources.lexing import Lexed, Source, c_family, swift

PIECES = st.sampled_from(
    [
        *('"', '"""', '#"', '"#', "\\(", "\\#(", "(", ")", "\\", "//", "/*", "*/", "\n", "#if A", "\n#if A\n"),
        *("\n#else\n", "\n#endif\n", "#/", "/#", ' /a"b/ ', "x", "é", "\r\n", "'", 'R"x(', ')x"', '@"', "{", "}", "0"),
        *("\0", "\u2028"),
    ]
)
TEXTS = st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=60)
EXAMPLES = settings(max_examples=300)


def code(text: str) -> str:
    return swift(text).code


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        ('let a = "b // c" + d', 'let a = "      " + d'),
        ('"a\\"b" c', '"    " c'),
        ('"a \\(f("x")) b" c', '"    f(" ")   " c'),
        ('#"a \\(b) "c" \\#(d)"# e', '#"              d "# e'),
        ('"""\na "b" // c\n\\(d)\n""" e', '"""\n          \n  d \n""" e'),
        ('"open\nnext // c', '"    \nnext     '),
        ('let r = /a"b/\nlet s = 1', "let r =      \nlet s = 1"),
        ("let x = a / b / c", "let x = a / b / c"),
        ('let r = #/a"b/# + c', "let r =         + c"),
    ],
)
def test_swift(text: str, left: str) -> None:
    found = code(text)
    assert found == left
    assert len(found) == len(text)


def test_swift_keeps_texts_without_interpolation() -> None:
    text = 'f("one", #"two"#, "\\(three)")'
    found = swift(text)
    assert found.texts == {2: "one", 9: "two"}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a /* b /* c */ d", "a              d"),
        ('a @"b // c" d', 'a @"      " d'),
        ("a 'x' \"y\" 1'000 'z'", 'a       " " 1\'000    '),
        ('R"x(a " b)x" c', 'R"          " c'),
        ('#import "x.h"\nb', '#import "   "\nb'),
    ],
)
def test_c(text: str, left: str) -> None:
    assert c_family(text).code.split() == left.split()
    assert len(c_family(text).code) == len(text)


def taken(lexed: Lexed, known: dict[str, bool]) -> Source:
    return Source(lexed, lambda _word, condition: known.get(condition))


def test_branches() -> None:
    text = "#if A\na\n#elseif B\nb\n#else\nc\n#endif\nd\n"
    assert taken(swift(text), {"A": True, "B": True}).code.split("\n")[1::2] == ["a", " ", " ", "d", ""][:4]
    held = taken(swift(text), {"A": False})
    assert "a\n" not in held.code
    assert not held.certain(text.index("\nb\n") + 1)
    assert not held.certain(text.index("\nc\n") + 1)
    assert held.certain(text.index("\nd\n") + 1)


def test_nothing_inside_a_dead_branch_comes_back() -> None:
    text = "#if A\n#if B\nx\n#endif\ny\n#endif\nz"
    assert taken(swift(text), {"A": False, "B": True}).code.split()[-1:] == ["z"]
    assert "x" not in taken(swift(text), {"A": False, "B": True}).code
    assert "y" not in taken(swift(text), {"A": False, "B": True}).code


def test_directives_in_texts_and_comments_are_none() -> None:
    assert swift('"""\n#if A\n"""\n/*\n#endif\n*/').directives == ()
    assert [each.word for each in c_family("#ifdef A // why\n#elif B\n# endif\n").directives] == [
        "ifdef",
        "elif",
        "endif",
    ]
    assert c_family("#if A && \\\n B\nx\n#endif").directives[0].condition.split() == ["A", "&&", "B"]


@EXAMPLES
@given(TEXTS)
@example('"\\(' * 100)
@example("#if A\n" * 200)
@example("/*" * 500)
def test_whatever_comes(text: str) -> None:
    for lexed in (swift(text), c_family(text)):
        assert len(lexed.code) == len(text)
        assert [at for at, c in enumerate(lexed.code) if c == "\n"] == [at for at, c in enumerate(text) if c == "\n"]
        assert all(c in (" ", original) for c, original in zip(lexed.code, text, strict=True))
        assert all(text[at] in '"#' for at in lexed.texts)
        source = taken(lexed, {"A": False})
        assert len(source.code) == len(text)
        assert all(source.line(at) == text.count("\n", 0, at) + 1 for at in range(0, len(text), 7))


@EXAMPLES
@given(st.sampled_from(["let a = 1\n", "/* x */ b\n", 'f("t")\n', "// c\n", '"\\(d)"\n', "#if A\ne\n#endif\n"]), TEXTS)
def test_what_stands_before_decides_nothing_that_is_whole(before: str, text: str) -> None:
    alone, after = swift(text), swift(before + text)
    assert after.code == swift(before).code + alone.code
    assert after.texts == {**swift(before).texts, **{at + len(before): held for at, held in alone.texts.items()}}


@EXAMPLES
@given(TEXTS)
def test_a_whole_comment_hides_everything(text: str) -> None:
    inside = text.replace("*/", "").replace("/*", "").replace("*", "").replace("/", "")
    assert not swift(f"/*{inside}*/").code.strip()
    assert not c_family(f"/*{inside}*/").code.strip()


def test_time_stays_bounded_on_deep_nesting() -> None:
    deep = '"\\(' * 20_000
    assert len(swift(deep).code) == len(deep)
    conditions = "#if A\n" * 20_000
    assert taken(swift(conditions), {"A": True}).line(len(conditions) - 1) == 20_000
