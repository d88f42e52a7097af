"""The part of the C preprocessor that property lists use."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.apple.xcode.preprocessor import NotPreprocessed, definitions_of, preprocessed


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("#ifdef A\n1\n#else\n2\n#endif", "\n1\n\n\n"),
        ("#ifndef A\n1\n#else\n2\n#endif", "\n\n\n2\n"),
        ("  #  if defined(A) && !defined(B)\n1\n#endif", "\n1\n"),
        ("#if B || A\n1\n#elif 1\n2\n#endif", "\n1\n\n\n"),
        ("#if B\n1\n#elif V\n2\n#else\n3\n#endif", "\n\n\n2\n\n\n"),
        ("#ifdef B\n#ifdef A\n1\n#endif\n#endif\n2", "\n\n\n\n\n2"),
        ("#define C 9\nC CC C\n#undef C\nC", "\n9 CC 9\n\nC"),
        ("V.V", "7.7"),
        ("#pragma once\n#ifdef B\n#include <x>\n#endif", "\n\n\n"),
    ],
)
def test_text(text: str, wanted: str) -> None:
    assert preprocessed(text, definitions_of('A V=7 "W=x"')) == wanted


@pytest.mark.parametrize(
    ("text", "line"), [("#include <x>", 1), ("\n#if A(1)\n#endif", 2), ("#ifdef A", 1), ("#endif", 1), ("\n#else", 2)]
)
def test_what_is_not_understood_is_said(text: str, line: int) -> None:
    with pytest.raises(NotPreprocessed) as caught:
        preprocessed(text, {})
    assert caught.value.line == line


@given(st.text("#ifdelsn AB()&|!1\n", max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(NotPreprocessed):
        assert preprocessed(text, {"A": "1"}).count("\n") == text.count("\n")
