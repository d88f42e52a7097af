"""Apple's own words, as tools, services and mails have printed them, find the entry that they mean, and nothing else."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.rejections.catalogue import REJECTIONS
from pipeline.apple.rejections.matching import TEXT_LIMIT, advice, codes_in, explain_rejection, rules_for

SAID: list[dict[str, Any]] = yaml.load(
    (Path(__file__).with_name("said.yaml")).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader
)
KNOWN = {rejection.key: rejection for rejection in REJECTIONS}
CODE = re.compile(
    r"I?TMS[- ]9\d{4}(?: - |: )?|\(9\d{4}(?:, 9\d{4})*,? ?\)|STATE_ERROR\.VALIDATION_ERROR\.9\d{4}|\"code\" : \"9\d{4}\""
    r"|Error 9\d{4}:|erreur 9\d{4} :|^9\d{4}:",
    re.MULTILINE,
)


def keys(text: str) -> list[str]:
    return [rejection.key for rejection in explain_rejection(text)]


def words_of(key: str) -> set[str]:
    return {phrase.lower() for phrase in KNOWN[key].phrases}


@pytest.mark.parametrize("said", SAID, ids=lambda said: said["url"].split("//")[1].removeprefix("github.com/"))
def test_what_apple_has_said(said: dict[str, Any]) -> None:
    found = keys(said["text"])
    assert Counter(found) == Counter(said["says"]), said["url"]
    without = CODE.sub("", said["text"])
    if without == said["text"]:
        return
    assert not codes_in(without), "a code is left"
    told = set(keys(without))
    worded = {key for key in said["says"] if words_of(key)} if said.get("words", True) else set()
    assert worded <= told, "its words alone are not recognised"
    shared = {other for key in said["says"] for other in KNOWN if words_of(other) & words_of(key)}
    assert told <= {*said["says"], *shared}, "its words mean something else as well"


def test_the_threads_are_many_and_each_is_told_once() -> None:
    assert len({said["url"] for said in SAID}) >= 60
    texts = [said["text"] for said in SAID]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("rejection", REJECTIONS, ids=lambda rejection: rejection.key)
def test_every_phrase_and_every_number_was_read_where_the_entry_says(rejection: Any) -> None:
    urls = {source.url for source in rejection.sources}
    read = [said for said in SAID if said["url"] in urls and rejection.key in said["says"]]
    text = "\n".join(said["text"] for said in read)
    for phrase in rejection.phrases:
        assert rejection in explain_rejection(CODE.sub("", text)), phrase
        # Each phrase by itself: its parts in order in one of the excerpts.
        flat = [" ".join(said["text"].lower().translate(STRAIGHT).replace("\\u2019", "'").split()) for said in read]
        parts = [re.escape(part) for part in phrase.lower().split(" … ")]
        assert any(re.search(".{0,300}".join(parts), each) for each in flat), f"nobody has read {phrase!r}"


STRAIGHT = str.maketrans("“”‘’", "\"\"''")


def test_the_words_of_a_mail_in_which_lines_are_broken() -> None:
    mail = "Your app’s code in the\n“Integreat” file references one or more\nAPIs that require reasons"
    assert keys(mail) == ["91053"]


def test_what_is_said_comes_in_the_order_in_which_it_is_said() -> None:
    texts = [
        "ITMS-90717: no",
        "90338: Non-public API usage. x",
        "error: the SwiftSupport folder is missing",
        "ITMS-90034",
    ]
    assert keys("\n".join(texts)) == ["90717", "90338", "90426", "90034"]
    assert keys("\n".join(reversed(texts))) == ["90034", "90426", "90338", "90717"]


ORDINARY = [
    "",
    "** ARCHIVE SUCCEEDED **",
    "** EXPORT SUCCEEDED **",
    "uploaded build 2.5.0 (90206)",
    "Increment build number (90189)",
    "Archived 'App' (90189)",
    "Built App.ipa (in 4.1 s) (90189)",
    "error: 90171 tests executed",
    "Error 90034: connection refused",
    "Error 90034: Connection refused",
    "90189: connection from 10.0.0.1 closed",
    "90717: A",
    "exit code: 90189",
    "zip code=90210",
    "HTTP error 90189",
    "build 1.0 (90189) was accepted",
    "wrote archive (90189 bytes) in 90206 ms",
    "No errors uploading 'App.ipa'.",
    "ITMS-99999: something new",
    "The executable 'A' does not contain bitcode.",
    "ld: warning: building for iOS, but linking in object file built without bitcode",
    "part 90087 of 90206 was sent",
    "[12:00:01]: ▸ Compiling UIWebViewShim.m",
    "note: Using codesigning identity override: Apple Distribution",
    (
        "warning: The iOS deployment target 'IPHONEOS_DEPLOYMENT_TARGET' is set to 11.0, but the range of supported"
        " deployment target versions is 12.0 to 26.0.99. (in target 'Pods' from project 'Pods')"
    ),
    'ProcessInfoPlistFile Info.plist (in target "App" from project "App")',
    "Provisioning Profile: App Store\n    (90161206-cc7e-4a02-8d41-aa9d3f3a1c11)",
    "/usr/bin/codesign --force --sign - --entitlements App.xcent --generate-entitlement-der App.app",
    "CopyPlistFile PrivacyInfo.xcprivacy (in target 'App')",
    "Upload succeeded. Delivery UUID: 90683a1e-91b4-4b3e-8d2e-000000090683",
    "Successfully uploaded the new binary to App Store Connect",
    "exportArchive: exportOptionsPlist method app-store is deprecated, use app-store-connect",
    "UPLOAD SUCCEEDED with no errors\nDelivery UUID: 3e8ddf7d-073e-4bac-8dfc-ec281953c1f8\nTransferred 90725 bytes",
    "note: Emplaced Assets.car; app icon AppIcon 1024x1024 found",
    "CFBundleIdentifier com.example.app, CFBundleVersion 90062, CFBundleShortVersionString 9.0.0",
]


CODED = [
    "ITMS-90189: x",
    "itms 90189 x",
    "Error 90189: “Redundant build” x",
    "ERROR: 90189: The build was uploaded before",
    "    90189: Redundant Binary Upload. This version has it.",
    "code = STATE_ERROR.VALIDATION_ERROR.90189",
    '{"code" : "90189"}',
    r"{\"code\":90189}",
    "Asset validation failed (90189) x",
    "It was uploaded before. (90189)",
    "It was uploaded\n before. (ID: 0e66e9b9-a7e2-4cd8-a592-6c644f447519) (90189)",
    "“It was uploaded before.” (90189)",
    "(90189)",
]


@pytest.mark.parametrize("text", CODED)
def test_where_a_code_stands(text: str) -> None:
    assert codes_in(text) == ("90189",)
    assert keys(text) == ["90189"]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_lines_have_no_code(text: str) -> None:
    assert codes_in(text.replace("ITMS-99999", "")) == ()


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_lines_of_a_log_mean_nothing(text: str) -> None:
    assert keys(text) == []
    assert advice(text) == ""


def test_ordinary_lines_together_mean_nothing() -> None:
    assert keys("\n".join(ORDINARY)) == []


def test_a_code_decides_over_words_of_its_own_statement_alone() -> None:
    text = 'ERROR ITMS-90164: "Invalid Executable contains bitcode"\nerror: The SwiftSupport folder is missing.'
    assert keys(text) == ["90164", "90426"]


def test_a_code_decides_between_meanings_of_the_same_words() -> None:
    words = "Unsupported SDK or Xcode version. Your app was built with beta software."
    assert keys(words) == ["90534", "90111"]
    assert keys(f"ITMS-90111: {words}") == ["90111"]
    sdk = "an SDK that was identified in the documentation as a commonly used third-party SDK"
    assert keys(sdk) == ["91061", "91065"]
    assert keys(f"{sdk}. The SDK must include a signature file.") == ["91065"]
    assert keys(f"{words}\nITMS-90111: {words}") == ["90111"]


def test_the_parts_of_a_phrase_belong_to_one_statement() -> None:
    assert keys("Invalid Executable - The executable 'A' contains bitcode") == ["90482"]
    assert keys("Invalid Executable\nerror: 'A' contains bitcode") == []
    assert keys(f"Invalid Executable {'x' * 400} contains bitcode") == []


def test_a_code_alone() -> None:
    for text in ("90717", "ITMS-90717", "itms-90717", " 90717\n"):
        assert codes_in(text) == ("90717",)
        assert keys(text) == ["90717"]
    assert codes_in("ITMS-99999") == ()
    assert keys("91999") == []


def test_advice_names_the_nearest_rules_and_not_all() -> None:
    assert advice("ITMS-90717", "") == "`build.explain PROJ051` tells how to mend it"
    assert advice("ITMS-90034") == "`build.explain PROJ021 BUND004 BUND006` tells how to mend it"
    assert rules_for(["ITMS-90034", "90717"])[-1] == "PROJ051"


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=400), st.sampled_from([said["text"] for said in SAID]), st.integers(0, 200))
def test_any_text_is_read(noise: str, said: str, cut: int) -> None:
    for text in (noise, noise + said[cut:], said[: len(said) - cut] + noise):
        found = keys(text)
        assert len(found) == len(set(found))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([*ORDINARY[1:], *(said["text"] for said in SAID)]), max_size=8))
def test_what_is_said_among_other_things_is_found(lines: list[str]) -> None:
    told = {key for said in SAID if said["text"] in lines for key in said["says"]}
    coded = {key for key in told if KNOWN[key].codes}
    named = {code for line in lines for code in codes_in(line)}
    assert {key for key in coded if key in named} <= set(keys("\n".join(lines)))


def test_of_a_long_log_the_end_is_read() -> None:
    log = "CompileSwift normal arm64 (in target 'A')\n" * 60_000
    assert len(log) > TEXT_LIMIT
    assert keys(log + "ITMS-90717: no") == ["90717"]
    assert keys("ITMS-90717: no" + log) == []


def calls_while_reading(text: str) -> int:
    """How many functions, built-in ones too, are called: a measure of work that does not depend on the machine."""
    calls = 0

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        explain_rejection(text)
    finally:
        sys.setprofile(before)
    return calls


TEN_MEGABYTES = 10_000_000
HOSTILE = [
    "error: ",
    "error 90717: A",
    "Error 90717: A" + "x " * 90,
    "Error 90717: A b\\u2019",
    "*** error ",
    "a.(90717)",
    "(id: ",
    "ITMS-9",
    "(9",
    "failed (90206,",
    "90717: A\n",
    "  90717: ",
    "code" + " " * 4,
    "\\u2019",
    "provisioning profile ",
    "uibackgroundmodes ",
    "invalid executable ",
    "the key lsminimumsystemversion in the info.plist file ",
    "cannot be used with testflight because the executable ",
    "apps must be built with the … sdk or later",
    "\n",
    "'",
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_the_work_on_a_hostile_log_grows_with_its_length_alone(unit: str) -> None:
    half, whole = (calls_while_reading(unit * (size // len(unit))) for size in (40_000, 80_000))
    assert whole <= 2.2 * half + 1_000
    assert whole < 80_000 * 3


@pytest.mark.parametrize(
    "unit", ["error: ", "90717: A\n", "provisioning profile ", "CompileSwift normal arm64 /App.swift\n"]
)
def test_ten_megabytes_are_read_to_the_end(unit: str) -> None:
    log = unit * (TEN_MEGABYTES // len(unit)) + "\nITMS-90717: no"
    assert "90717" in keys(log)
