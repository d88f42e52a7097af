"""Whole repositories: small ones made here, and the real app's."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.apple.automation import checks, gateway
from pipeline.apple.automation.facts import Automation, CommittedProducts, ExportPlans, PackagePins
from pipeline.apple.xcode.facts import ProjectSurvey
from pipeline.apple.xcode.gateway import survey_of_projects
from pipeline.engine.wiring import needs_of
from pipeline.model import Declaration, Finding
from pipeline.ports.clock import LiveClock
from pipeline.ports.files import LiveFiles
from tests.rooms.xcode.make import project

PHONE = {"SDKROOT": "iphoneos", "PRODUCT_BUNDLE_IDENTIFIER": "com.example.app", "DEVELOPMENT_TEAM": "ABCDE12345"}
HEAD = "on: push\njobs:\n  ship:\n    runs-on: macos-26\n    steps:\n      - uses: actions/checkout@v4\n"


def judged(root: Path, declared: Declaration | None = None) -> list[tuple[str, str, int | None, str]]:
    files = LiveFiles(root)
    seen = gateway.automation_of_repository(files, LiveClock()).value
    assert seen is not None
    facts = {
        Automation: seen,
        ExportPlans: gateway.export_options_of_repository(files),
        PackagePins: gateway.package_pins_of_projects(files),
        CommittedProducts: gateway.products_in_repository(files),
        Declaration: declared or Declaration(),
        ProjectSurvey: survey_of_projects(files),
    }
    found: list[Finding] = []
    rules = []
    for name in checks.__all__:
        check = getattr(checks, name)
        for each in check(**{need.name: facts[need.wanted] for need in needs_of(check)}):
            found.append(each)
            rules.append(check.check_mark.rule)
    return sorted(
        (rule, each.location.path if each.location else "", each.location.line if each.location else None, each.summary)
        for rule, each in zip(rules, found, strict=True)
    )


def places(root: Path) -> list[tuple[str, str, int | None]]:
    return [found[:3] for found in judged(root)]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def workflow(root: Path, *steps: str) -> None:
    write(root / ".github/workflows/r.yml", HEAD + "".join(f"      - {step}\n" for step in steps))


@pytest.fixture
def app(tmp_path: Path) -> Path:
    project(tmp_path, targets={"App": {"Debug": PHONE, "Release": PHONE}})
    return tmp_path


def test_what_is_there_is_not_told(app: Path) -> None:
    workflow(
        app,
        "run: xcodebuild archive -project App.xcodeproj -scheme App -configuration Release DEVELOPMENT_TEAM=ABCDE12345",
    )
    assert places(app) == []


@pytest.mark.parametrize(
    "command",
    [
        "xcodebuild -project Ap.xcodeproj -scheme App build",
        "xcodebuild -project App.xcodeproj -scheme Ap build",
        "xcodebuild -project App.xcodeproj -scheme App -configuration Relase build",
        "xcodebuild -project App.xcodeproj -target Ap build",
        "xcodebuild -scheme Ap build",
        "set -o pipefail && cd . && xcodebuild -scheme Ap | xcpretty",
    ],
)
def test_what_is_not_there_is_told(app: Path, command: str) -> None:
    workflow(app, f"run: {command}")
    assert places(app) == [("AUTO002", ".github/workflows/r.yml", 7)]


@pytest.mark.parametrize(
    "command",
    [
        "if [ -d Ap.xcodeproj ]; then xcodebuild -project Ap.xcodeproj; fi",
        "xcodebuild -scheme Ap || true",
        "xcodebuild -scheme $NAME",
        "xcodegen && xcodebuild -project Ap.xcodeproj -scheme Ap",
        "./make.sh; xcodebuild -project Ap.xcodeproj",
        "cp -R x Ap.xcodeproj && xcodebuild -project Ap.xcodeproj",
        "cd $SOMEWHERE && xcodebuild -project app.xcodeproj -scheme App",
        "echo xcodebuild -scheme Ap",
    ],
)
def test_what_cannot_be_known_is_not_told(app: Path, command: str) -> None:
    write(app / "make.sh", "true")
    workflow(app, f"run: {command}")
    assert [found for found in places(app) if found[0] == "AUTO002"] == []


def test_generated_projects_are_not_judged(app: Path) -> None:
    write(app / "project.yml", "targets: {}\n")
    workflow(app, "run: xcodebuild -project Ap.xcodeproj -scheme Ap")
    assert places(app) == []


def test_folders_and_expressions(app: Path) -> None:
    (app / "sub").mkdir()
    (app / "App.xcodeproj").rename(app / "sub/App.xcodeproj")
    workflow(
        app,
        "run: |\n          cd sub\n          xcodebuild -project App.xcodeproj -scheme App",
        "working-directory: sub\n        run: xcodebuild -project App.xcodeproj",
        "run: xcodebuild -project ${{ github.workspace }}/sub/App.xcodeproj",
        "run: xcodebuild -project App.xcodeproj",
    )
    assert places(app) == [("AUTO002", ".github/workflows/r.yml", 13)]


def test_files_that_are_run(app: Path) -> None:
    write(app / "ci/a.sh", "true")
    workflow(app, "run: chmod +x ci/b.sh && ./ci/b.sh", "run: ./CI/a.sh", "run: bash ci/a.sh -x && xcodebuild -version")
    assert places(app) == [("AUTO003", ".github/workflows/r.yml", 7)]


def test_an_upload_with_an_old_xcode(app: Path) -> None:
    build = (
        "run: xcodebuild archive -project App.xcodeproj -scheme App -destination generic/platform=iOS -archivePath A"
    )
    upload = "run: xcrun altool --upload-package A.ipa --type ios"
    write(
        app / ".github/workflows/r.yml",
        f"env:\n  XC: '16.2'\n{HEAD.replace('macos-26', 'macos-15')}"
        f"      - run: sudo xcode-select -s /Applications/Xcode_${{{{ env.XC }}}}.app\n      - {build}\n      - {upload}\n",
    )
    assert places(app) == [("AUTO013", ".github/workflows/r.yml", 9)]


def test_a_lane_that_uploads(app: Path) -> None:
    write(
        app / "fastlane/Fastfile", 'platform :ios do\n  lane :ship do\n    gym(scheme: "Ap")\n    pilot\n  end\nend\n'
    )
    workflow(app, "run: sudo xcode-select -s /Applications/Xcode_16.4.app", "run: bundle exec fastlane ios ship")
    found = places(app)
    assert ("AUTO013", ".github/workflows/r.yml", 7) in found
    assert ("AUTO002", "fastlane/Fastfile", 3) in found


def test_a_makefile(app: Path) -> None:
    write(app / "Makefile", "SCHEME := Ap\nXC = xcodebuild -scheme $(SCHEME)\n\nbuild:\n\t@$(XC) \\\n\t  build\n")
    assert places(app) == [("AUTO002", "Makefile", 5)]


def test_an_archive_and_a_key(app: Path) -> None:
    write(app / "Old.xcarchive/Info.plist", "<plist><dict/></plist>")
    write(app / "AuthKey_A.p8", "-----BEGIN PRIVATE KEY-----\n" + "QUJD" * 30 + "\n-----END PRIVATE KEY-----\n")
    write(app / "tests/fixtures/key.p8", (app / "AuthKey_A.p8").read_text())
    assert places(app) == [("AUTO006", "AuthKey_A.p8", 1), ("AUTO040", "Old.xcarchive/Info.plist", None)]


def test_secrets_are_told_and_not_repeated(app: Path) -> None:
    workflow(app, "run: security import c.p12 -P Kj83hfoQ", 'run: security import c.p12 -P "$P12"')
    (found,) = [each for each in judged(app) if each[0] == "AUTO006"]
    assert "Kj83hfoQ" not in found[3]


HOSTILE = "\"'`$(){}<>|&;\\\n#= \0\xff-:[]*?"
SCRIPT = """ROOT="$(cd "$(dirname "$0")/.." && pwd)"
cat > $OUT/ExportOptions.plist <<EOF
<plist version="1.0"><dict><key>method</key><string>ad-hoc</string><key>destination</key><string>upload</string></dict></plist>
EOF
if [ -n "$X" ]; then xcodebuild -project "$ROOT/App.xcodeproj" -scheme App archive; fi
xcodebuild -exportArchive -exportPath $OUT -exportOptionsPlist $OUT/ExportOptions.plist
xcrun altool --upload-app -f $OUT/App.ipa --password "$P" -t osx
"""


@given(
    st.lists(st.tuples(st.integers(0, len(SCRIPT) - 1), st.sampled_from(HOSTILE)), max_size=6),
    st.integers(0, len(SCRIPT)),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_script_makes_it_fail(app: Path, changes: list[tuple[int, str]], end: int) -> None:
    text = list(SCRIPT)
    for position, character in changes:
        text[position] = character
    write(app / "ci/release.sh", "".join(text)[:end])
    write(app / "fastlane/Fastfile", "".join(text)[:end])
    write(
        app / ".github/workflows/r.yml",
        HEAD + "      - run: |\n          " + "".join(text)[:end].replace("\n", "\n          "),
    )
    for rule, *_ in judged(app):
        assert rule.startswith("AUTO")


def test_the_script_itself(app: Path) -> None:
    write(app / "ci/release.sh", SCRIPT)
    assert places(app) == [
        ("AUTO010", "ci/release.sh", 7),
        ("AUTO010", "ci/release.sh", 7),
        ("AUTO010", "ci/release.sh", 7),
        ("AUTO021", "ci/release.sh", 3),
        ("AUTO026", "ci/release.sh", 3),
    ]


def test_the_real_app_says_little(shared_data: Path) -> None:
    assert places(shared_data / "isometry/2026-04") == []
    assert places(shared_data / "isometry/2026-02") == [
        ("AUTO009", ".github/workflows/app-store-deployment.yml", 29),
        ("AUTO040", "native/IsometrymacOS/Archive/Isometry.xcarchive/Info.plist", None),
    ]


def test_a_wrapper_that_misspells_a_path(app: Path) -> None:
    write(app / "native/scripts/ship.sh", "true")
    write(app / "ship.sh", 'ROOT="$(cd "$(dirname "$0")" && pwd)"\nexec "$ROOT/native/Scripts/ship.sh" "$@"\n')
    assert places(app) == [("AUTO007", "ship.sh", 2)]


def test_profiles_are_looked_for(app: Path) -> None:
    folder = "$HOME/Library/MobileDevice/Provisioning Profiles"
    write(app / "look.sh", f'dir="{folder}"\nls "$dir"; xcodebuild -version\n')
    write(app / "put.sh", f'mkdir -p "{folder}"\ncp a.mobileprovision "{folder}"; xcodebuild -version\n')
    write(
        app / "both.sh", f'ls "{folder}" "$HOME/Library/Developer/Xcode/UserData/Provisioning Profiles"; xcodebuild\n'
    )
    assert places(app) == [("AUTO017", "look.sh", 1)]


def test_files_that_no_target_uses(app: Path) -> None:
    write(app / "Old/Old.entitlements", "<plist><dict/></plist>")
    root = 'ROOT="$(cd "$(dirname "$0")" && pwd)"\n'
    write(app / "look.sh", f'{root}grep -q sandbox "$ROOT/Old/Old.entitlements"; xcodebuild -version\n')
    assert places(app) == [("AUTO018", "look.sh", 2)]
    write(app / "look.sh", f'{root}cp x "$ROOT/Old/Old.entitlements"; xcodebuild -version\n')
    assert places(app) == []


def test_a_job_that_is_switched_off(app: Path) -> None:
    text = (
        "on: push\njobs:\n  ship:\n    if: false\n    runs-on: macos-26\n    steps:\n      - run: xcodebuild -version\n"
    )
    write(app / ".github/workflows/release.yml", text)
    write(app / ".github/workflows/lint.yml", text.replace("ship", "lint"))
    assert places(app) == [("AUTO009", ".github/workflows/release.yml", 4)]


def test_an_identifier_of_another_project(app: Path) -> None:
    other = {**PHONE, "PRODUCT_BUNDLE_IDENTIFIER": "com.example.other"}
    project(app / "other", name="Other", targets={"Other": {"Release": other}})
    archive = "xcodebuild archive -project App.xcodeproj -scheme App\n"
    write(
        app / ".github/workflows/r.yml",
        f"{HEAD}      - run: |\n          BUNDLE_ID=com.example.other\n          {archive}",
    )
    assert places(app) == [("AUTO004", ".github/workflows/r.yml", 8)]
    both = f"{archive}          xcodebuild archive -project other/Other.xcodeproj -scheme Other\n"
    write(
        app / ".github/workflows/r.yml",
        f"{HEAD}      - run: |\n          BUNDLE_ID=com.example.other\n          {both}",
    )
    assert places(app) == []


def test_a_scheme_by_the_projects_path(app: Path) -> None:
    script = 'if [[ "$P" == *"/App.xcodeproj" ]]; then\n  SCHEME="%s"\nfi\nxcodebuild archive -project "$P" -scheme "$SCHEME"\n'
    write(app / "ship.sh", script % "Ap")
    assert ("AUTO002", "ship.sh", 2) in places(app)
    write(app / "ship.sh", script % "App")
    assert ("AUTO002", "ship.sh", 2) not in places(app)


def test_profiles_that_an_argument_completes(tmp_path: Path) -> None:
    signed = {**PHONE, "PROVISIONING_PROFILE_SPECIFIER": "App iOS Store"}
    project(tmp_path, targets={"App": {"Release": signed}})
    write(
        tmp_path / "ship.sh",
        'options() {\n  local kind="$1"\n  cat > o.plist <<EOF\n<plist version="1.0"><dict><key>method</key>'
        "<string>app-store-connect</string>\n<key>provisioningProfiles</key><dict><key>com.example.app</key>\n"
        "<string>App $kind Store</string></dict></dict></plist>\nEOF\n}\noptions iOS\noptions tvOS\nxcodebuild -version\n",
    )
    assert places(tmp_path) == [("AUTO004", "ship.sh", 6)]
    assert "App tvOS Store" in judged(tmp_path)[0][3]


def test_what_is_offered_begins_with_the_apps_own(app: Path) -> None:
    for path in (
        "App.xcodeproj/xcshareddata/xcschemes/Zebra.xcscheme",
        "Pods/P.xcodeproj/xcshareddata/xcschemes/Aa.xcscheme",
    ):
        write(app / path, "")
    workflow(app, "run: xcodebuild -scheme Ap build")
    (found,) = judged(app)
    assert "there is Zebra, App, Aa" in found[3]


def local(root: Path, text: str, name: str = "prepare") -> None:
    write(root / f".github/actions/{name}/action.yml", text)


COMPOSITE = "name: p\ninputs:\n  xcode:\n    default: '26.1'\nruns:\n  using: composite\n  steps:\n"
OLD = HEAD.replace("macos-26", "macos-15")
SHIPS = "      - run: |\n          xcodebuild archive -project App.xcodeproj -scheme App -destination 'generic/platform=iOS'\n          xcrun altool --upload-package a.ipa --type ios\n"


@pytest.mark.parametrize(
    ("action", "told"),
    [
        (f"{COMPOSITE}    - run: sudo xcode-select -s /Applications/Xcode_26.1.app\n      shell: bash\n", False),
        (
            f"{COMPOSITE}    - uses: maxim-lobanov/setup-xcode@v1\n      with: {{xcode-version: '${{{{ inputs.xcode }}}}'}}\n",
            False,
        ),
        (f'{COMPOSITE}    - run: sudo xcode-select -s "$(ls -d /Applications/Xcode_26*)"\n      shell: bash\n', False),
        (
            f"{COMPOSITE}    - run: echo DEVELOPER_DIR=/Applications/Xcode_26.1.app >> $GITHUB_ENV\n      shell: bash\n",
            False,
        ),
        (f"{COMPOSITE}    - uses: ./.github/actions/prepare\n", False),
        ("runs:\n  using: node20\n  main: index.js\n", False),
        ("runs: [\n", False),
        (f"{COMPOSITE}    - run: sudo xcode-select -s /Applications/Xcode_16.2.app\n      shell: bash\n", True),
        (f"{COMPOSITE}    - run: echo hello\n      shell: bash\n", True),
    ],
)
def test_what_an_action_of_the_repository_chooses(app: Path, action: str, told: bool) -> None:
    local(app, action)
    write(app / ".github/workflows/ship.yml", f"{OLD}      - uses: ./.github/actions/prepare\n{SHIPS}")
    assert ("AUTO013" in {rule for rule, *_ in judged(app)}) is told


def test_an_input_given_to_an_action(app: Path) -> None:
    local(
        app,
        f"{COMPOSITE}    - uses: maxim-lobanov/setup-xcode@v1\n      with: {{xcode-version: '${{{{ inputs.xcode }}}}'}}\n",
    )
    use = "      - uses: ./.github/actions/prepare\n        with: {xcode: '16.3'}\n"
    write(app / ".github/workflows/ship.yml", f"{OLD}{use}{SHIPS}")
    assert [(path, line) for rule, path, line, _ in judged(app) if rule == "AUTO013"] == [
        (".github/actions/prepare/action.yml", 9)
    ]


def test_an_action_that_is_not_here_may_choose_anything(app: Path) -> None:
    write(app / ".github/workflows/ship.yml", f"{OLD}      - uses: ./elsewhere\n{SHIPS}")
    assert "AUTO013" not in {rule for rule, *_ in judged(app)}


FIRST = """#!/bin/bash
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
pick() {
    local candidates=("$@")
    for candidate in "${candidates[@]}"; do
        if [[ -d "$candidate" ]]; then
            echo "$candidate"
            return 0
        fi
    done
    return 1
}
PROJECT="$(pick "$ROOT/Gone.xcodeproj" "$ROOT/App.xcodeproj")"
BUNDLE_ID="com.example.other"
xcodebuild archive -project "$PROJECT" -scheme Missing
"""


def test_a_function_that_takes_what_is_there(app: Path) -> None:
    other = {**PHONE, "PRODUCT_BUNDLE_IDENTIFIER": "com.example.other"}
    project(app / "other", name="Other", targets={"Other": {"Release": other}})
    write(app / "scripts/release.sh", FIRST)
    found = {(rule, line) for rule, path, line, _ in judged(app) if path == "scripts/release.sh"}
    assert ("AUTO004", 14) in found
    write(app / "scripts/release.sh", FIRST.replace('echo "$candidate"', 'echo "$candidate.x"'))
    assert not [rule for rule, path, _, _ in judged(app) if path == "scripts/release.sh"]


LOOKS = """#!/bin/bash
tools=("xcodebuild" "xcrun")
tools+=("altool")
for tool in "${tools[@]}"; do
    if ! command -v "$tool" >/dev/null 2>&1; then
        echo "no $tool"
        exit 1
    fi
done
"""


def test_a_tool_that_is_not_on_the_path(app: Path) -> None:
    write(app / "release.sh", LOOKS)
    assert ("AUTO019", "release.sh", 3) in places(app)
    write(app / "release.sh", "for t in xcodebuild notarytool; do\n  if ! which $t; then\n    exit 2\n  fi\ndone\n")
    assert ("AUTO019", "release.sh", 1) in places(app)
    for change in (LOOKS.replace("exit 1", "MISSING=1"), LOOKS.replace('"altool"', '"altool-helper"')):
        write(app / "release.sh", change)
        assert "AUTO019" not in {rule for rule, *_ in places(app)}


IDLE = """#!/bin/bash
# altool
upload_to_testflight() {
    if [[ "$DRY_RUN" == true ]]; then
        log_info "Dry run"
        return 0
    fi
    log_success "Upload initiated"
}
upload_to_testflight
"""


def test_an_upload_that_is_none(app: Path) -> None:
    write(app / "release.sh", IDLE)
    assert ("AUTO028", "release.sh", 10) in places(app)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            '    log_success "Upload initiated"',
            '    xcrun altool --upload-package a.ipa\n    log_success "Upload initiated"',
        ),
        ('log_success "Upload initiated"', 'log_success "Uploaded $(make ship)"'),
        ('log_success "Upload initiated"', 'echo "Upload initiated" > "$OUT"'),
        ('log_success "Upload initiated"', 'log_info "Do it by hand"'),
        ('log_success "Upload initiated"', 'read -r answer\n    log_success "Upload complete"'),
        ("\nupload_to_testflight\n", "\n"),
    ],
)
def test_uploads_that_may_be_some(app: Path, old: str, new: str) -> None:
    assert old in IDLE
    write(app / "release.sh", IDLE.replace(old, new))
    assert "AUTO028" not in {rule for rule, *_ in places(app)}


def test_a_certificate_by_its_former_name(app: Path) -> None:
    script = 'NAME="iPhone Distribution"\nsecurity find-certificate -c "$NAME" -a\nxcodebuild -version\n'
    write(app / "certs.sh", script)
    assert [place for place in places(app) if place[0] == "AUTO029"] == [("AUTO029", "certs.sh", 1)]
    write(app / "certs.sh", script + 'security find-certificate -c "Apple Distribution"\n')
    assert "AUTO029" not in {rule for rule, *_ in places(app)}
