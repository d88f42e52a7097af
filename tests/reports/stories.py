"""Runs as their journals tell them: entries in the form that pipeline/model/run.py describes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.model.exhibits import Cell, Column, Exhibit, Tone, exhibit_told
from pipeline.model.run import Run, replay

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
LANES = [
    {
        "name": "ios",
        "platform": "IOS",
        "project": "native/Isometry.xcodeproj",
        "target": "Isometry",
        "configuration": "Release",
        "scheme": "Isometry iOS",
    },
    {
        "name": "mac",
        "platform": "MAC_OS",
        "project": "native/Isometry.xcodeproj",
        "target": "Isometry Mac",
        "configuration": "Release",
        "scheme": "Isometry macOS",
    },
]
LANE_STAGES = {
    "signing": ("Certificates and profiles", ["preflight"]),
    "project": ("The Xcode project says what the archive will hold", ["preflight"]),
    "archive": ("Build the archive", ["signing", "schema", "project"]),
    "export": ("Sign it for the App Store", ["archive"]),
    "bundle": ("Look into what was exported", ["export"]),
    "upload": ("Put the build on App Store Connect", ["bundle"]),
    "processing": ("Apple processes the build", ["upload"]),
    "distribute": ("Give it to the testers", ["processing"]),
}
APP_STAGES = {
    "preflight": ("The checkout is what will be released", []),
    "schema": ("CloudKit's production schema can take this version", ["preflight"]),
}
KEY = "9c1185a5c5e9fc54612808977ee8f548b2258d31"


class Story:
    """Writes entries; the hour moves only when it is told to."""

    def __init__(self, **told: Any) -> None:
        self.entries: list[dict[str, Any]] = []
        self.now = NOON
        lanes = told.get("lanes", LANES)
        apps = told.pop("apps", APP_STAGES)
        steps = [_step(stage, "", *apps[stage]) for stage in apps]
        steps += [_step(stage, lane["name"], *LANE_STAGES[stage]) for stage in LANE_STAGES for lane in lanes]
        self.add(
            "run",
            **{
                "run": "20261120-120000-5e1f",
                "theatre": "rehearsal",
                "app": "Isometry",
                "root": "/home/ada/isometry",
                "version": "2.5.0 (250)",
                "lanes": lanes,
                "steps": steps,
                "scenario": "",
                "note": "",
                **told,
            },
        )

    def add(self, kind: str, after: float = 0.0, **fields: Any) -> None:
        self.now += timedelta(seconds=after)
        self.entries.append({"kind": kind, "at": self.now.isoformat(), **fields})

    def begin(self, step: str) -> None:
        self.add("step", 0.01, step=step, state="BEGAN")

    def fact(self, step: str, fact: str, source: str = "LIVE", *, why: str = "", shown: str = "") -> None:
        self.add("reading", 0.005, step=step, fact=fact, source=source, why=why, shown=shown)

    def judge(self, step: str, rule: str, title: str, source: str = "LIVE", **fields: Any) -> None:
        stage, _, lane = step.partition("/")
        found = [
            {"rule": rule, "source": source, "stage": stage, "lane": lane, **told}
            for told in fields.pop("findings", ())
        ]
        self.add("judgement", 0.002, step=step, rule=rule, title=title, source=source, findings=found, **fields)

    def show(self, step: str, exhibit: Exhibit, source: str = "LIVE", name: str = "holdings") -> None:
        self.add("exhibit", 0.001, step=step, name=name, source=source, **exhibit_told(exhibit))

    def plan(self, step: str, describe: str, risk: str = "GUARDED", key: str = KEY) -> None:
        told = {"key": key, "promise": key[::-1], "describe": describe, "risk": risk}
        self.add("plan", 0.001, step=step, actions=[told])

    def act(self, step: str, outcome: str = "DONE", source: str = "SIMULATED", key: str = KEY, **told: Any) -> None:
        self.add("intent", step=step, action=key)
        began = self.now.isoformat()
        self.now += timedelta(seconds=told.pop("took", 0.05))
        times: dict[str, Any] = {"began": began, "ended": self.now.isoformat()}
        self.add("receipt", step=step, action=key, outcome=outcome, source=source, **times, **told)

    def wait(self, step: str, attempt: int, waited: float, after: float, findings: list[dict[str, Any]]) -> None:
        self.add("proof", after, step=step, attempt=attempt, waited=waited, findings=findings)

    def end(self, step: str, state: str = "PASSED", **fields: Any) -> None:
        self.add("end", 0.003, step=step, state=state, because=fields.pop("because", []), **fields)

    def done(self, exit_code: int, verdict: str = "", **fields: Any) -> None:
        self.add("done", 0.004, exit_code=exit_code, verdict=verdict, **fields)

    @property
    def run(self) -> Run:
        return replay(self.entries)


def _step(stage: str, lane: str, title: str, after: list[str]) -> dict[str, Any]:
    names = [name if name in APP_STAGES or not lane else f"{name}/{lane}" for name in after]
    return {"stage": stage, "lane": lane, "title": title, "after": names}


def _preflight(story: Story) -> None:
    story.begin("preflight")
    story.fact("preflight", "Checkout", shown="main at 4f1c9e2, clean")
    story.judge("preflight", "PRE001", "the checkout is clean")
    story.judge("preflight", "PRE002", "the tag is free")
    story.end("preflight")


def _schema(story: Story) -> None:
    story.begin("schema")
    story.fact("schema", "DeclaredSchema", shown="config/schema/isometry.ckdb, 14 record types")
    story.fact("schema", "ProductionSchema", "SIMULATED", shown="14 record types")
    story.judge("schema", "SCHEMA001", "production can take the schema", "SIMULATED")
    story.end("schema")


def green() -> Run:
    """A rehearsal on two lanes in which everything passes."""
    story = Story()
    _preflight(story)
    _schema(story)
    for lane in ("ios", "mac"):
        for number, stage in enumerate(LANE_STAGES):
            _green_step(story, f"{stage}/{lane}", number, "iOS" if lane == "ios" else "macOS")
    story.done(0, "everything passed", digest="3f9a0c12b4de5577" * 4, complete=True)
    return story.run


def _green_step(story: Story, step: str, number: int, platform: str) -> None:
    stage = step.partition("/")[0]
    key = f"{number:02d}{step.encode().hex():0<38.38}"
    source = "LIVE" if stage in ("signing", "project") else "SIMULATED"
    story.begin(step)
    story.fact(step, f"{stage.capitalize()}Settings", source, shown=f"{platform}, 2.5.0 (250)")
    story.judge(step, f"{stage.upper()[:4]}001", f"the {stage} is in order", source)
    if stage == "project":
        told = {
            "severity": "NOTE",
            "summary": "the build number was not raised since the last tag",
            "location": {
                "path": "native/Configurations/Base.xcconfig",
                "line": 7,
                "column": 27,
                "excerpt": "CURRENT_PROJECT_VERSION = 250",
            },
        }
        story.judge(step, "PROJ007", "the build number rises", findings=[told])
    if stage in ("archive", "export", "upload"):
        risk = "IRREVERSIBLE" if stage == "upload" else "REVERSIBLE"
        story.plan(step, f"{stage} build 2.5.0 (250) for {platform}", risk, key)
        story.act(step, key=key, result={"bytes": 48_513_024, "sha256": "ab" * 32})
    if stage == "processing":
        pending = {"severity": "ERROR", "summary": "the build is still processing", "pending": True}
        story.wait(step, 1, 0.0, 0.1, [pending])
        story.wait(step, 2, 30.0, 30.0, [])
        story.judge(step, "PROC002", "the build is the one we made", source, proof=True)
        story.end(step, waited=30.0)
        return
    story.end(step)


def blocked() -> Run:
    """Many findings: the same on two lanes, waived, without a place, with hostile names; later steps are held."""
    story = Story(app='Gr\u00fc\u00dfe <b>&amp; "Co"</b> \x1b[31mred\x1b[0m', note="[bold]no markup[/bold] | `ticks`")
    _preflight(story)
    for lane in ("ios", "mac"):
        _blocked_project(story, lane)
    story.begin("signing/ios")
    story.fact("signing/ios", "Profiles", "UNKNOWN", why="no provisioning profiles are installed on this machine")
    story.judge(
        "signing/ios",
        "SIGN003",
        "the profile covers every entitlement",
        "UNKNOWN",
        why="Profiles: no provisioning profiles are installed on this machine",
        findings=[{"severity": "UNKNOWN", "summary": "no profile could be looked at", "subject": "com.example.app"}],
    )
    story.end("signing/ios", "BLOCKED")
    for stage in list(LANE_STAGES)[2:]:
        for lane in ("ios", "mac"):
            first = stage == "archive"
            step = f"{stage}/{lane}"
            if first:
                story.begin(step)
                story.plan(step, f"archive with scheme \u202eevil\u202c #{lane} @everyone", "REVERSIBLE", lane * 10)
            story.end(step, "HELD" if first else "SKIPPED", because=[f"project/{lane}"])
    story.done(1, "", digest="77" * 32)
    return story.run


def _blocked_project(story: Story, lane: str) -> None:
    step = f"project/{lane}"
    story.begin(step)
    story.fact(step, "TargetSettings", shown="Release \x07bell")
    differ = {
        "severity": "ERROR",
        "summary": "bundle identifiers differ: com.cardboard.isometry and com.mshaler.isometry",
        "remedy": "set PRODUCT_BUNDLE_IDENTIFIER once, in native/Configurations/Base.xcconfig, and delete the line here;"
        " what App Store Connect knows is com.mshaler.isometry",
        "apple": "ITMS-90055",
        "location": {
            "path": "native/Configurations/Production.xcconfig",
            "line": 16,
            "excerpt": "PRODUCT_BUNDLE_IDENTIFIER[sdk=iphoneos*] = com.cardboard.isometry",
        },
    }
    story.judge(step, "PROJ001", "bundle identifiers agree", findings=[differ])
    hostile = {
        "severity": "WARNING",
        "summary": 'display name <script>alert(1)</script> | holds ]]> & "quotes" \x1b]0;title\x07 and `ticks` ::error::x',
        "subject": f"{lane} \u2067name\u2069",
        "remedy": "rename it\n::set-output name=x::y",
        "location": {
            "path": "native/<Ordner> \u00e4\u00f6\u00fc, 100%:x/Info.plist",
            "line": 4,
            "column": 9,
            "excerpt": "\t<string>\x1b[2J``` </pre><script>alert(1)</script>\u202e</string>",
        },
    }
    story.judge(step, "PROJ014", "names can be shown", findings=[hostile])
    waived = {
        "severity": "ERROR",
        "summary": "the icon has an alpha channel",
        "waived": "ada, until 2026-12-01: redrawn",
    }
    story.judge(step, "PROJ020", "icons are opaque", findings=[waived])
    story.end(step, "BLOCKED")


def killed() -> Run:
    """A live run that was killed while it uploaded: an intent without a receipt, and no end."""
    story = Story(theatre="live", lanes=LANES[:1])
    _preflight(story)
    for stage in ("signing", "project", "archive"):
        story.begin(f"{stage}/ios")
        story.fact(f"{stage}/ios", "Settings", shown="Release")
        story.judge(f"{stage}/ios", f"{stage.upper()[:4]}001", f"the {stage} is in order")
        if stage == "archive":
            story.plan("archive/ios", "archive Isometry for iOS", "REVERSIBLE", "aa" * 20)
            story.act("archive/ios", source="LIVE", key="aa" * 20, took=184.2, result={"path": "ios.xcarchive"})
        story.end(f"{stage}/ios")
    story.begin("upload/ios")
    story.judge("upload/ios", "UPLO001", "the build number is free")
    story.plan("upload/ios", "upload build 2.5.0 (250) for iOS", "IRREVERSIBLE")
    story.add("intent", 0.1, step="upload/ios", action=KEY)
    told = {"step": "upload/ios", "action": KEY, "text": "sending parts", "unit": "bytes"}
    story.add("progress", 4.0, done=12_000_000, total=48_513_024, **told)
    return story.run


def nothing_judged() -> Run:
    """A run that claims success and judged nothing."""
    story = Story(lanes=[])
    story.begin("preflight")
    story.end("preflight")
    story.begin("schema")
    story.end("schema")
    story.done(0, "everything passed", complete=True)
    return story.run


def waits() -> Run:
    """A live run with long waits, a failed and an uncertain action, resumed once."""
    story = Story(theatre="live", lanes=LANES)
    story.add("resume", 3600.0)
    _preflight(story)
    for lane, outcome in (("ios", "DONE"), ("mac", "FAILED")):
        step = f"upload/{lane}"
        story.begin(step)
        story.fact(step, "BuildUploads", shown="none")
        story.judge(step, "UPLO001", "the build number is free")
        story.plan(step, f"upload build 2.5.0 (250) for {lane}", "IRREVERSIBLE", lane * 12)
        fault = "" if lane == "ios" else "App Store Connect answered 409: ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE"
        story.act(step, outcome, "LIVE", lane * 12, took=96.0, result={}, error=fault)
        story.end(step, "PASSED" if lane == "ios" else "FAILED")
    story.begin("processing/ios")
    pending = {
        "rule": "PROC001",
        "severity": "ERROR",
        "summary": "the build is PROCESSING",
        "pending": True,
        "stage": "processing",
        "lane": "ios",
        "remedy": "wait, or look at the build in App Store Connect",
    }
    for attempt in range(1, 46):
        story.wait("processing/ios", attempt, 60.0 * attempt, 60.0, [pending])
    story.judge("processing/ios", "PROC001", "the build is processed", proof=True)
    story.end("processing/ios", "BLOCKED", waited=2700.0)
    story.end("processing/mac", "SKIPPED", because=["upload/mac"])
    story.begin("distribute/ios")
    story.plan("distribute/ios", "add build 2.5.0 (250) to the group Friends", "GUARDED", "dd" * 20)
    story.act("distribute/ios", "UNCERTAIN", "LIVE", "dd" * 20, took=60.0, error="no answer came within 60 s")
    story.end("distribute/ios", "FAILED")
    story.done(4, "Apple's side failed: the upload for macOS was refused")
    return story.run


HOLDINGS = Exhibit(
    "What there is to sign with",
    (
        Column("Kind"),
        Column("Name", wraps=True),
        Column("Team", spare=1),
        Column("Where", wraps=True),
        Column("Expires"),
        Column("Days", right=True),
        Column("Key"),
        Column("SHA-1", spare=2),
    ),
    (
        (
            Cell("distribution", value="DISTRIBUTION"),
            Cell("Apple Distribution: Ada Lovelace (A1B2C3D4E5)"),
            Cell("A1B2C3D4E5"),
            Cell("keychain login, vault identities/0f3c9e"),
            Cell("2027-03-01", Tone.GOOD, "2027-03-01T12:00:00+00:00"),
            Cell("101", Tone.GOOD, 101),
            Cell("yes", Tone.GOOD, value=True),
            Cell("0f3c9e1185a5c5e9fc54612808977ee8f548b225", Tone.QUIET),
        ),
        (
            Cell("development", value="DEVELOPMENT"),
            Cell("Apple Development: 山田 太郎 👩\u200d💻 (Z9Y8X7W6V5)"),
            Cell("A1B2C3D4E5"),
            Cell("$SIGNING_CERTIFICATES"),
            Cell("2026-11-29", Tone.CAUTION, "2026-11-29T08:30:00+00:00"),
            Cell("8", Tone.CAUTION, 8),
            Cell("no", Tone.BAD, value=False),
            Cell("77aa02cc85a5c5e9fc54612808977ee8f548b225", Tone.QUIET),
        ),
        (
            Cell("profile"),
            Cell("<b>Ad|Hoc</b> `x` \x1b[31mred\x1b[0m ::error::x\nsecond line & @everyone"),
            Cell("", Tone.QUIET),
            Cell("~/Library/Developer/Xcode/UserData/Provisioning Profiles/3f9a0c12-b4de-5577-9c11-85a5c5e9fc54"),
            Cell("2026-11-01", Tone.BAD, "2026-11-01T00:00:00+00:00"),
            Cell("-19", Tone.BAD, -19),
            Cell(),
            Cell("5577b4dea5c5e9fc54612808977ee8f548b22585", Tone.QUIET),
        ),
    ),
    note="Keys are counted where the private half was found and fits its certificate.",
    legend=("yes: the private key is there", "no: it is somewhere else"),
)


def table() -> Run:
    """A run of one stage that is there to show a table, with a finding about what it shows."""
    told = {"holdings": ("What there is to sign with, and where it is", [])}
    story = Story(theatre="live", app="this Mac", version="", lanes=[], apps=told)
    story.begin("holdings")
    story.fact("holdings", "Identities", shown="2 identities")
    expired = {
        "severity": "ERROR",
        "summary": "the profile Ad Hoc expired on 2026-11-01",
        "subject": "3f9a0c12",
        "remedy": "make a new one with `invoke certs.renew`",
    }
    story.judge("holdings", "SIGN004", "profiles are valid", findings=[expired])
    story.show("holdings", HOLDINGS)
    nothing = Exhibit("What Apple has", empty="certificates could not be observed: no key of App Store Connect is set")
    story.show("holdings", nothing, "UNKNOWN", "at_apple")
    story.end("holdings", "BLOCKED")
    story.done(1, "blocked by 1 finding")
    return story.run


def installed() -> Run:
    """A rehearsal whose lanes show tables before and after they act; one of them is stopped in between."""
    story = Story(theatre="rehearsal")
    _preflight(story)
    columns = (Column("Name"), Column("State"))
    before = Exhibit("Keychain", columns, ((Cell("Apple Distribution"), Cell("absent", Tone.BAD)),))
    after = Exhibit("Keychain", columns, ((Cell("Apple Distribution"), Cell("installed", Tone.GOOD)),))
    for lane in ("ios", "mac"):
        step = f"signing/{lane}"
        story.begin(step)
        story.fact(step, "Keychain", "SIMULATED", shown="1 identity")
        story.judge(step, "SIGN001", "the identity is there", "SIMULATED")
        story.show(step, Exhibit("Profiles", empty="there are no profiles"), "SIMULATED", "profiles")
        story.show(step, before, "SIMULATED", "keychain")
        story.plan(step, f"install the identity for {lane}", "REVERSIBLE", lane * 10)
        story.add("intent", step=step, action=lane * 10)
        if lane == "ios":
            story.act(step, key=lane * 10)
            story.show(step, Exhibit("Profiles", empty="there are no profiles"), "SIMULATED", "profiles")
            story.show(step, after, "SIMULATED", "keychain")
            story.end(step)
    story.end("signing/mac", "HELD", because=["the stop that was asked for"])
    story.done(130, "stopped before the end; `invoke resume` goes on from here")
    return story.run


def beside() -> Run:
    """Apps and a product that are judged and not released; what two of them say of one line is told once."""
    old, kept = "old/Isometry.xcodeproj:IsometryiOS", "Build/Old.xcarchive"
    others = [f"lite/{name}.xcodeproj:{name}" for name in ("A", "B", "C", "D")]
    told = [{**LANES[0], "name": name, "target": "Isometry"} for name in (old, *others, kept)]
    steps = [_step("project", name, "The Xcode project", []) for name in ("ios", "mac", old, *others)]
    story = Story(beside=told, steps=[*steps, _step("committed", kept, "Build products among the sources", [])])
    place = {
        "path": "Sources/Photos.swift",
        "line": 7,
        "column": 5,
        "excerpt": "    PHPhotoLibrary.requestAuthorization()",
    }
    for name in ("ios", "mac", old, *others):
        step = f"project/{name}"
        story.begin(step)
        needs = {
            "severity": "WARNING" if name == "ios" else "ERROR",
            "summary": f"{'this may need' if name == 'ios' else 'this needs'} NSPhotoLibraryUsageDescription",
            "subject": "NSPhotoLibraryUsageDescription",
            "remedy": "add it to the Info.plist",
            "location": place,
        }
        story.judge(step, "SRCE001", "purposes are told", findings=[] if name == "mac" else [needs])
        story.end(step, "PASSED" if name in ("ios", "mac") else "BLOCKED")
    story.begin(f"committed/{kept}")
    unsigned = {"severity": "ERROR", "summary": "the product is not whole", "subject": kept, "location": {"path": kept}}
    story.judge(f"committed/{kept}", "BUND001", "the product can be read", findings=[unsigned])
    story.end(f"committed/{kept}", "BLOCKED")
    story.done(1, "blocked by 2 findings")
    return story.run


STORIES = {
    "beside": beside,
    "green": green,
    "blocked": blocked,
    "killed": killed,
    "nothing-judged": nothing_judged,
    "waits": waits,
    "table": table,
    "installed": installed,
}
