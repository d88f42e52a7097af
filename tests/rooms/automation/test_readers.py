"""Workflows, lanes, export options and pins: what is read, where it stands, and that hostile input ends in words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.automation import exportoptions, fastlane, packages, workflows
from pipeline.apple.automation.workflows import BrokenWorkflow

WORKFLOW = b"""name: Release
env:
  XCODE: '15.2'
defaults:
  run:
    working-directory: native
jobs:
  off:
    if: false
    steps: []
  build:
    runs-on: ${{ matrix.os }}
    strategy:
      matrix:
        os: [macos-14, macos-15]
    env:
      SCHEME: App
    steps:
      - uses: actions/checkout@v4
      - run: echo "SCHEME=Other" >> $GITHUB_ENV
      - name: Build
        working-directory: ios
        run: |
          first
          second
      - run: one-line
"""
PLIST = b"""<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0">
<dict>
    <key>method</key>
    <string>app-store</string>
    <key>uploadBitcode</key>
    <false/>
    <key>provisioningProfiles</key>
    <dict>
        <key>com.example.app</key>
        <string>Store</string>
    </dict>
</dict>
</plist>
"""
RESOLVED = json.dumps(
    {
        "pins": [
            {"identity": "grdb.swift", "kind": "remoteSourceControl", "location": "x", "state": {"version": "6.29.3"}},
            {"identity": "swime", "kind": "remoteSourceControl", "location": "x", "state": {"branch": "main"}},
        ],
        "version": 3,
    },
    indent=2,
).encode()
FASTFILE = b"""default_platform(:ios)
SCHEME = "App"
platform :ios do
  # gym(scheme: "Commented")
  lane :beta do |options|
    build_app(
      scheme: SCHEME, workspace: "App.xcworkspace",
      export_method: 'app-store', # why
      configuration: "Rel#{x}"
    )
    upload
  end
  private_lane :upload do
    pilot(skip_waiting_for_build_processing: true)
  end
end
"""


def jobs(data: bytes) -> list[workflows.JobText]:
    return [job for job in workflows.github_jobs(workflows.composed(data)) if not job.off]


def test_a_workflow() -> None:
    assert [(job.name, job.line) for job in workflows.github_jobs(workflows.composed(WORKFLOW)) if job.off] == [
        ("off", 9)
    ]
    (job,) = jobs(WORKFLOW)
    assert (job.name, job.here) == ("build", True)
    assert [(one.text, one.line) for one in job.runners] == [("macos-14", 15), ("macos-15", 15)]
    assert [step.folder for step in job.steps] == ["native", "native", "ios", "native"]
    script = job.steps[2].script
    assert script is not None
    assert (script.text, script.line, script.block) == ("first\nsecond\n", 24, True)
    assert "SCHEME" not in job.steps[2].names, "a step before it wrote it anew"
    assert job.steps[2].names["env.XCODE"] == "15.2"


def test_a_checkout_elsewhere_is_not_here() -> None:
    data = WORKFLOW.replace(b"- uses: actions/checkout@v4", b"- uses: actions/checkout@v4\n        with: {path: src}")
    assert not jobs(data)[0].here


@pytest.mark.parametrize(
    ("data", "line"),
    [(b"a: [", 1), (b"a: b\n\tc: d\n", 2), (b"a: \xff", 1), (b"a: 'b\n\n", 3), (b"x: " + b"[" * 1000, None)],
)
def test_a_broken_workflow_says_where(data: bytes, line: int | None) -> None:
    with pytest.raises(BrokenWorkflow) as raised:
        workflows.composed(data)
    assert raised.value.line is None or line is None or abs(raised.value.line - line) <= 1


def test_aliases_do_not_multiply() -> None:
    lines = [b"a0: &a0 [x, x]"] + [b"a%d: &a%d [*a%d, *a%d]" % (n, n, n - 1, n - 1) for n in range(1, 60)]
    root = workflows.composed(b"\n".join([*lines, b"script: [*a59]"]))
    assert [len(job.steps) for job in workflows.other_jobs(root, "gitlab")] == [0]


@pytest.mark.parametrize(
    "data", [b"- " * 5000, b"\n".join(b" " * n + b"a:" for n in range(3000)), b"{" * 400, b"a: " * 3000]
)
def test_deep_files_are_refused(data: bytes) -> None:
    with pytest.raises(BrokenWorkflow):
        workflows.composed(data)


def test_a_fastfile() -> None:
    script = fastlane.read(FASTFILE)
    (build,) = [call for call in script.calls if call.name == "build_app"]
    assert (build.line, build.lane, build.platform) == (6, "beta", "ios")
    assert [(one.name, one.text, one.line) for one in build.arguments] == [
        ("scheme", "App", 7),
        ("workspace", "App.xcworkspace", 7),
        ("export_method", "app-store", 8),
    ]
    assert {"build_app", "pilot"} <= script.lane("beta")
    assert script.platform("beta") == "ios"
    assert not [call for call in script.calls if call.name == "gym"]


def test_export_options() -> None:
    plan = exportoptions.read(PLIST, "E.plist")
    assert plan is not None
    assert [(one.key, one.text, one.location.line if one.location else 0) for one in plan.options] == [
        ("method", "app-store", 5),
        ("uploadBitcode", "false", 7),
    ]
    assert [(one.key, one.text) for one in plan.profiles] == [("com.example.app", "Store")]


def test_export_options_in_a_script_keep_what_is_unknown() -> None:
    text = PLIST.decode().replace("com.example.app", "$BUNDLE").replace("Store<", "${NAME} $(date)<")
    plan = exportoptions.read_text(text, "r.sh", 10, {"BUNDLE": "com.example.x"})
    assert plan is not None
    assert (plan.text("method"), plan.get("method").location.line, plan.open) == ("app-store", 15, True)  # type: ignore[union-attr]
    assert [(one.key, one.known) for one in plan.profiles] == [("com.example.x", False)]
    assert exportoptions.read_text("method = app-store", "r.sh", 0, {}) is None


def test_a_list_of_something_else_is_none() -> None:
    assert exportoptions.read(PLIST.replace(b"method", b"a").replace(b"provisioningProfiles", b"b"), "x.plist") is None


def test_pins() -> None:
    file = packages.read_pins(RESOLVED, "Package.resolved")
    assert (file.version, file.flaw) == (3, "")
    assert [(pin.identity, pin.kind, pin.text, pin.location.line) for pin in file.pins] == [
        ("grdb.swift", "version", "6.29.3", 4),
        ("swime", "branch", "main", 12),
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b'{"version": 9, "pins": []}',
        b'{"version": true}',
        b"\xff",
        b"[" * 100_000,
        b"<<<<<<< HEAD\n{}",
    ],
)
def test_broken_pins_have_a_flaw(data: bytes) -> None:
    assert packages.read_pins(data, "Package.resolved").flaw


def test_a_manifest() -> None:
    manifest = packages.read_manifest(
        b'// .package(url: "https://x/no.git", from: "1")\n'
        b'let p = Package(name: "Kit", dependencies: [\n'
        b'  .package(url: "https://github.com/groue/GRDB.swift.git", from: "6.0.0"),\n'
        b'  .package(url: "https://x/a", .upToNextMajor(from: "1.0.0")),\n  .package(path: "../Core")])',
        "Package.swift",
    )
    assert [(one.identity, one.text, one.location.line) for one in manifest.remote] == [
        ("grdb.swift", "6.0.0", 3),
        ("a", "1.0.0", 4),
    ]
    assert (manifest.local, manifest.whole) == (("../Core",), True)
    assert "Kit" in manifest.names
    assert not packages.read_manifest(b'#if os(Linux)\n.package(url: "https://x/a", from: "1")', "P").whole


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_flipped_and_cut_files_end_in_words(data: st.DataObject) -> None:
    source = data.draw(st.sampled_from([WORKFLOW, PLIST, RESOLVED, FASTFILE]))
    mangled = bytearray(source)
    for _ in range(data.draw(st.integers(0, 4))):
        mangled[data.draw(st.integers(0, len(mangled) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(mangled[: data.draw(st.integers(0, len(mangled)))])
    try:
        root = workflows.composed(cut)
    except BrokenWorkflow:
        pass
    else:
        list(workflows.github_jobs(root))
        for service in ("codemagic", "gitlab"):
            list(workflows.other_jobs(root, service))
    fastlane.read(cut)
    packages.read_pins(cut, "x")
    packages.read_manifest(cut, "x")
    exportoptions.read(cut, "x")
    exportoptions.read_text(cut.decode("utf-8", "replace"), "x", 0, {})
