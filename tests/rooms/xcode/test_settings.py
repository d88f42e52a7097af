"""Resolution of build settings: levels, conditions, inheritance, operators, and loops."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.xcode.pbxproj import parse_value
from pipeline.apple.xcode.settings import Context, Level, Settings, settings_of
from pipeline.apple.xcode.xcconfig import Assignment


def one(key: str, value: str, *conditions: tuple[str, str], line: int = 1) -> Assignment:
    return Assignment(key, conditions, value, "a.xcconfig", line)


def resolve(*assignments: Assignment, sdk: str = "iphoneos", **defaults: str) -> Settings:
    return Settings([(Level.TARGET_FILE, assignments)], Context(sdk, "Release"), defaults)


def test_the_last_matching_assignment_wins_and_conditions_do_not_outrank() -> None:
    conditional = one("ID", "phone", ("sdk", "iphoneos*"))
    assert resolve(conditional, one("ID", "any")).text("ID") == "any"
    assert resolve(one("ID", "any"), conditional).text("ID") == "phone"
    assert resolve(one("ID", "any"), conditional, sdk="macosx").text("ID") == "any"
    assert resolve(one("ID", "x", ("sdk", "iphoneos*"), ("config", "Debug"))).text("ID") == ""


def test_in_a_project_file_conditions_win_whatever_the_order() -> None:
    table = parse_value('{"ID[sdk=iphoneos*]" = phone; ID = any; LIST = ("a b", c);}')
    found = Settings([(Level.TARGET, settings_of(table, "p"))], Context("iphoneos"), {})
    assert found.text("ID") == "phone"
    assert found.text("LIST") == '"a b" c'


def test_levels_and_inheritance() -> None:
    levels = [
        (Level.PROJECT_FILE, [one("F", "-a")]),
        (Level.PROJECT, [one("F", "$(inherited) -b")]),
        (Level.TARGET_FILE, [one("F", "${inherited} -c", line=7)]),
        (Level.TARGET, [one("F", "$(inherited)", line=9)]),
    ]
    found = Settings(levels, Context("iphoneos"), {"F": "-0"})
    assert found.text("F") == "-a -b -c"
    assert found.get("F").line == 7, "a bare $(inherited) decides nothing"
    assert found.get("F").level is Level.TARGET_FILE


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("$(NAME)", "My App.x"),
        ("${NAME}", "My App.x"),
        ("$NAME-1", "My App.x-1"),
        ("$(NAME:lower)", "my app.x"),
        ("$(NAME:upper)", "MY APP.X"),
        ("$(NAME:rfc1034identifier)", "My-App-x"),
        ("$(NAME:c99extidentifier)", "My_App_x"),
        ("$(NAME:rfc1034identifier:lower)", "my-app-x"),
        ("$(FILE:base)", "icon"),
        ("$(FILE:dir)", "a/b/"),
        ("$(FILE:file)", "icon.png"),
        ("$(FILE:suffix)", ".png"),
        ("$(FILE:suffix=jpg)", "a/b/icon.jpg"),
        ("$(DOTS:standardizepath)", "a/c"),
        ("$(NONE:default=x)", "x"),
        ("$(NONE:default=$(NAME))", "My App.x"),
        ("$(NAME:default=x)", "My App.x"),
        ("$(A_$(B))", "found"),
        ("costs 5$ or $(", "costs 5$ or $("),
        ("$$(NAME)", "$(NAME)"),
        ("$$$(NAME)", "$My App.x"),
        ("$NOWHERE-x", "$NOWHERE-x"),
        ("$A_$(B)", "found"),
        ("$NAME.x", "$NAME.x"),
        ("$(NONE)", ""),
    ],
)
def test_expansion(text: str, wanted: str) -> None:
    found = resolve(NAME="My App.x", FILE="a/b/icon.png", DOTS="a/b/../c", B="C", A_C="found")
    assert found.expand(text).text == wanted


def test_what_nothing_defines_is_named() -> None:
    found = resolve(one("TEAM", "$(TEAM_ID)"), one("OK", "$(GONE:default=x)"))
    assert found.get("TEAM").undefined == ("TEAM_ID",)
    assert found.get("OK").undefined == ()


def test_loops_end() -> None:
    found = resolve(one("A", "$(B)x"), one("B", "$(A)y"), one("C", "$(C)z"))
    assert found.text("A") == "yx"
    assert found.text("C") == "z"


def test_doubling_ends() -> None:
    doubling = [one(f"A{n}", f"$(A{n + 1})$(A{n + 1})") for n in range(60)]
    found = resolve(*doubling, one("A60", "lots of text"))
    assert len(found.text("A0")) <= 64 * 1024


def test_deep_names_end() -> None:
    resolve().expand("$(" * 50_000 + ")" * 50_000)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from("ABCD"), st.text("$(){}:=ABCDinherted ", max_size=24), max_size=4))
def test_any_text_is_borne(values: dict[str, str]) -> None:
    found = resolve(*(one(key, value) for key, value in values.items()))
    for key in "ABCD":
        assert len(found.text(key)) <= 64 * 1024
