"""Which conditions hold for certain in a release build."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.sources.conditions import Conditions
from pipeline.model import Platform

PHONE = Conditions(Platform.IOS, frozenset({"STORE"}))
MAC = Conditions(Platform.MAC_OS)


@pytest.mark.parametrize(
    ("condition", "verdict"),
    [
        ("DEBUG", False),
        ("STORE", True),
        ("!DEBUG && STORE", True),
        ("DEBUG || STORE", True),
        ("(DEBUG || BETA) && STORE", False),
        ("os(iOS)", True),
        ("os(macOS) || os(watchOS)", False),
        ("targetEnvironment(simulator)", False),
        ("targetEnvironment(macCatalyst)", False),
        ("canImport(UIKit)", True),
        ("canImport(AppKit)", False),
        ("canImport(Sentry)", None),
        ("canImport(Sentry) && false", False),
        ("canImport(Sentry) || true", True),
        ("swift(>=5.9)", None),
        ("compiler(>=5.3)", True),
        ("compiler(<5.3)", False),
        ("compiler(>=7.9)", None),
        ("arch(arm64)", True),
        ("arch(x86_64)", False),
        ("hasFeature(Macros)", None),
        ("A == B", None),
        ("", None),
        ("(", None),
        ("STORE &&", None),
        ("STORE STORE", None),
    ],
)
def test_swift(condition: str, verdict: bool | None) -> None:
    assert PHONE.swift("if", condition) is verdict


def test_what_is_not_resolved_cannot_be_told() -> None:
    assert Conditions(Platform.IOS, complete=False).swift("if", "DEBUG") is None


def test_catalyst_is_both() -> None:
    catalyst = Conditions(Platform.MAC_OS, catalyst=True)
    assert catalyst.swift("if", "os(iOS)") is None
    assert catalyst.swift("if", "targetEnvironment(macCatalyst)") is None
    assert catalyst.c_family("if", "TARGET_OS_OSX") is None


@pytest.mark.parametrize(
    ("word", "condition", "verdict"),
    [
        ("if", "0", False),
        ("if", "1", True),
        ("if", "DEBUG", False),
        ("ifdef", "DEBUG", False),
        ("ifndef", "DEBUG", True),
        ("ifdef", "STORE", True),
        ("ifdef", "SOMETHING", None),
        ("if", "TARGET_OS_IPHONE && !TARGET_OS_SIMULATOR", True),
        ("if", "TARGET_OS_OSX", False),
        ("if", "defined(STORE) && defined DEBUG", False),
        ("if", "__has_include(<x/y.h>)", None),
        ("if", "__IPHONE_OS_VERSION_MAX_ALLOWED >= 110000", None),
        ("if", "(__IPHONE_OS_VERSION_MAX_ALLOWED >= 110000) && 0", False),
    ],
)
def test_c(word: str, condition: str, verdict: bool | None) -> None:
    assert PHONE.c_family(word, condition) is verdict


@settings(max_examples=200)
@given(st.text(alphabet='()!&|<>=AaDEBUG os,"_01\n', max_size=60))
def test_whatever_comes(condition: str) -> None:
    for conditions in (PHONE, MAC):
        assert conditions.swift("if", condition) in (True, False, None)
        assert conditions.c_family("if", condition) in (True, False, None)


def test_depth_is_bounded() -> None:
    assert PHONE.swift("if", "(" * 900 + "STORE" + ")" * 900) is None
    assert PHONE.swift("if", "!" * 1900 + "STORE") is True
