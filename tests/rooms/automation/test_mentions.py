"""What scripts look into, what their functions are given, and which scheme they choose by the project's path."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.automation import exportoptions, fastlane, guards, mentions, packages, shell, workflows
from pipeline.apple.automation.exposure import exposed_in
from tests.rooms.automation.test_readers import FASTFILE, PLIST, RESOLVED, WORKFLOW

OLD = "Library/MobileDevice/Provisioning Profiles"
SCRIPT = """build() {
    local platform="$1"
    local id="${2}"
    cat > "$OUT/O.plist" <<EOF
<string>App $platform $(find "$HOME/Library/MobileDevice/Provisioning Profiles" -name x)</string>
EOF
}
dir="$HOME/Library/MobileDevice/Provisioning Profiles"
ls "$dir"
build iOS "$A"
if ! build "macOS" b; then exit 1; fi
if [[ "$P" == *"/ios/App.xcodeproj" ]] || [[ "$P" == "mac/App.xcodeproj" ]]; then
    IOS_SCHEME="App"
    OTHER=x
fi
"""


def told(script: str) -> list[mentions.Mention]:
    commands = shell.read(script)
    return list(mentions.mentions(commands, mentions.held_raw(commands)))


def test_paths_are_followed_through_a_variable() -> None:
    assert {each.line for each in told(SCRIPT) if OLD in each.text} == {5, 8, 9}
    assert not [each for each in told(SCRIPT) if each.written and OLD in each.text]


@pytest.mark.parametrize("command", ["cp a.mobileprovision", "mkdir -p", "echo x >"])
def test_what_is_written_is_told(command: str) -> None:
    assert [each for each in told(f'{command} "$HOME/{OLD}"') if each.written and OLD in each.text]


def test_what_is_only_said_is_told() -> None:
    assert all(each.spoken for each in told(f'echo "{OLD}"\nlog_info "{OLD}"') if OLD in each.text)


def test_arguments_of_functions() -> None:
    commands = shell.read(SCRIPT)
    assert dict(mentions.arguments(SCRIPT, commands, {"A": "a"})) == {"platform": ("iOS", "macOS"), "id": ("a", "b")}
    assert dict(mentions.arguments(SCRIPT, commands, {})) == {"platform": ("iOS", "macOS")}


@pytest.mark.parametrize(
    "script", ['f() {\n  x="$1"\n}\n', 'f() {\n  x="$1"\n}\nx=b\nf a\n', 'x="$1"\nf a\n', 'f() {\n  x="$1"\n}\nf $A\n']
)
def test_arguments_that_cannot_be_told(script: str) -> None:
    assert not list(mentions.arguments(script, shell.read(script), {}))


def test_schemes_by_the_projects_path() -> None:
    assert list(guards.chosen(SCRIPT)) == [guards.Chosen("App", 13, ("/ios/App.xcodeproj", "mac/App.xcodeproj"))]


@pytest.mark.parametrize(
    "condition",
    [
        'if [[ "$P" == *"App.xcodeproj" ]] && [[ -n "$Q" ]]; then',
        'if [[ "$P" != *"App.xcodeproj" ]]; then',
        "if [[ -d App.xcodeproj ]]; then",
        'if [[ "$P" == *"$X.xcodeproj" && -n $Y ]]; then',
    ],
)
def test_other_conditions_are_left_alone(condition: str) -> None:
    assert list(guards.chosen(f'{condition}\n  SCHEME="App"\nfi\n')) == []


def read_all(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    commands = shell.read(text)
    list(mentions.mentions(commands, mentions.held_raw(commands)))
    list(mentions.arguments(text, commands, {}))
    list(guards.chosen(text))
    exportoptions.read(data, "a.plist")
    exportoptions.read_text(text, "a.sh", 3, {})
    fastlane.read(data)
    packages.read_pins(data, "Package.resolved")
    packages.read_manifest(data, "Package.swift")
    try:
        root = workflows.composed(data)
    except workflows.BrokenWorkflow:
        return
    list(workflows.github_jobs(root))
    list(workflows.other_jobs(root, "codemagic"))
    list(workflows.other_jobs(root, "azure"))


SAMPLES = {"script": SCRIPT.encode(), "workflow": WORKFLOW, "plist": PLIST, "pins": RESOLVED, "lanes": FASTFILE}


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_every_beginning_of_a_sample(name: str) -> None:
    for end in range(len(SAMPLES[name])):
        read_all(SAMPLES[name][:end])


@given(st.sampled_from(sorted(SAMPLES)), st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=5))
@settings(max_examples=80, deadline=None)
def test_no_changed_sample_makes_it_fail(name: str, changes: list[tuple[int, int]]) -> None:
    data = bytearray(SAMPLES[name])
    for position, value in changes:
        data[position % len(data)] = value
    read_all(bytes(data))


LONG = 20_000


@pytest.mark.parametrize(
    "text",
    [
        "if [[ " + "$P == a.xcodeproj ]] || [[ " * 4_000,
        'if [[ "$P" == "a.xcodeproj" ]]; then\n' + "A=b\n" * LONG,
        "f() {\n" * 4_000 + 'x="$1"\n' * 2_000,
        'x="$1"\n' * 2_000 + "f a\n" * 2_000,
        "cat <<EOF\n" + "$(" * LONG,
        "cat <<EOF\n" + "$(a " * 4_000 + ")" * 4_000,
        "a=${b}\n" * 4_000,
        " " * LONG,
        "lane :" + "a" * LONG,
        "gym(" + "a: 1, " * 4_000,
        '{"pins": [' + '{"identity": "a"},' * 2_000,
        '.package(url: "' * 4_000,
        "/*" * LONG,
        "- a: &b\n" * 2_000,
        "<plist><key>method</key>" + " " * LONG + "${{" * 4_000,
        "a: ${{" + " " * LONG + "x }} ${{" * 2_000,
        "<plist><key>method" + " " * LONG,
    ],
)
def test_long_files_end(text: str) -> None:
    read_all(text.encode())


@pytest.mark.parametrize(
    "line", ["pass " + "P12_" * 990, "security import " * 260, "pass " + "abcd-" * 790, "A_" * 1_990]
)
def test_long_lines_hold_no_secret(line: str) -> None:
    assert not list(exposed_in(f"{line}\n" * 50, "a.sh", 0))
