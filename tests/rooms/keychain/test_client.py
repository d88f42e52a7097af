"""What `security -i` is told, and how its answers are taken."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.apple.keychain.client import SecurityTool, line_of, read_search_list
from pipeline.model import AppleFailure, Source
from pipeline.ports.tools import Completed
from pipeline.simulator.machine.security import lines_of, words_of

SPEAKABLE = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=40)


class Canned:
    """Answers every call alike."""

    source = Source.LIVE

    def __init__(self, status: int = 0, out: str = "", err: str = "") -> None:
        self.answer = (status, out, err)
        self.asked: list[tuple[tuple[str, ...], str]] = []

    def run(self, argv: Any, **more: Any) -> Completed:
        self.asked.append((tuple(argv), more.get("stdin", "")))
        return Completed(tuple(argv), *self.answer)

    def find(self, name: str) -> str | None:
        return name


@given(st.lists(SPEAKABLE, min_size=1, max_size=20))
def test_words_arrive_as_they_were_said(words: list[str]) -> None:
    """`words_of` and `lines_of` follow Apple's split_line and readline."""
    (line,) = lines_of(line_of(words))
    # An empty word at the end of a line is kept by its quotes; C strings end nowhere else.
    assert words_of(line) == words


@pytest.mark.parametrize("words", [["a\nb"], ["a\0b"], ["a\rb"], ["x" * 4_095], ["w"] * 33, ["ü" * 2_048]])
def test_what_cannot_be_said_is_not_said_in_part(words: list[str]) -> None:
    with pytest.raises(ValueError, match="security -i"):
        line_of(words)


def test_the_longest_line_arrives_whole() -> None:
    word = "x" * 4_094
    assert list(lines_of(line_of([word]))) == [word]


def test_passwords_go_in_by_standard_input_alone() -> None:
    canned = Canned()
    tool = SecurityTool(canned)
    tool.create("/a b/k", "s3cret")
    tool.add_identities("/a b/k", "/x.p12", "s3cret")
    tool.allow_apple_tools("/a b/k", "s3cret")
    assert not any("s3cret" in word for argv, _ in canned.asked for word in argv)
    said = [stdin for argv, stdin in canned.asked if argv == ("security", "-i")]
    assert len(said) == 4
    assert all(text.count("\n") == 1 and text.endswith("\n") for text in said)
    assert words_of(said[0]) == ["create-keychain", "-p", "s3cret", "/a b/k"]


@pytest.mark.parametrize(
    ("status", "err"),
    [
        (1, "security: it failed\n"),
        (0, "import: returned -25344\n"),
        (0, "noise\nunlock-keychain: returned 1\n"),
        (127, ""),
    ],
)
def test_a_failure_is_one_whatever_the_status_says(status: int, err: str) -> None:
    with pytest.raises(AppleFailure):
        SecurityTool(Canned(status, "", err)).create("/k", "s3cret")


def test_a_complaint_is_told_without_the_password() -> None:
    with pytest.raises(AppleFailure) as caught:
        SecurityTool(Canned(1, "", 'security: unknown command "s3cret"\n')).create("/k", "s3cret")
    assert "s3cret" not in f"{caught.value} {caught.value.remedy} {caught.value.__context__!r}"
    assert "[secret]" in str(caught.value)


def test_a_search_list() -> None:
    text = '    "/Users/ann/Library/Keychains/login.keychain-db"\n    "/with "quotes" and  blanks "\n'
    assert read_search_list(text) == ("/Users/ann/Library/Keychains/login.keychain-db", '/with "quotes" and  blanks ')
    assert read_search_list("") == ()


@pytest.mark.parametrize("text", [" <NULL>\n", '"relative"\n', '"/a\nb"\n', "/unquoted\n", '"/\n', '"\n'])
def test_a_search_list_that_could_not_be_restored(text: str) -> None:
    with pytest.raises(AppleFailure, match="cannot be read"):
        read_search_list(text)


@given(st.text(max_size=200))
def test_any_listing_is_read_or_refused(text: str) -> None:
    try:
        paths = read_search_list(text)
    except AppleFailure:
        return
    assert all(path.startswith("/") for path in paths)


def test_a_list_that_was_not_set_is_a_failure() -> None:
    with pytest.raises(AppleFailure, match="was not set"):
        SecurityTool(Canned(0, '    "/other"\n')).search(["/mine"])
    # "-db" is shown or not as the files are there.
    SecurityTool(Canned(0, '    "/mine.keychain-db"\n')).search(["/mine.keychain"])
