"""How long judging takes: a large project file beside openstep_parser, and a repository of 2,500 files, twice.

The project file is made of a real one, whose objects are repeated under other identifiers until it has 1.5 MB. Both
readers take turns in one process; ours keeps the line of every key. The repository is made up: an app with extensions,
catalogs and two thousand sources. Judging it is timed as whole processes. The start-up is what the same command takes
for an app of a dozen files, and is taken off: from a first run that of a first look at the small app, from a second
that of a second. The second run finds what the first kept. `--app PATH` measures other checkouts in the same way.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import artifact
from pairing import ROOT, Side

SIZE = 1_500_000
FILES = 2_500
GOAL_CPU = 1.0
GOAL_AGAIN = 0.25
SETTLED = 3.5
"""Seconds after which no file is so young that a second run reads it again, as it may have changed unseen."""
LOOKS = ("start", "restart", "first", "again")
_IDENTIFIER = re.compile(r"\b[0-9A-F]{24}\b")


def real_project() -> str:
    """A project file of a public app, where `shared/data` lies beside the checkout; else the sample app's."""
    shared = Path(os.environ.get("SHARED_DATA", ROOT.parent / "shared" / "data"))
    for folder in (shared / "isometry", ROOT / "pipeline" / "simulator" / "sample"):
        for path in sorted(folder.rglob("project.pbxproj"), key=lambda path: path.stat().st_size, reverse=True):
            return path.read_text(encoding="utf-8")
    sys.exit("there is no project file to begin with")


def grown(text: str, size: int) -> str:
    """The project with its objects repeated, each time under other identifiers, until it has that size."""
    begin, end = text.index("objects = {") + len("objects = {"), text.rindex("rootObject")
    end = text.rindex("}", begin, end)
    body = text[begin:end]
    parts, total, count = [text[:begin], body], len(text), 0
    while total < size:
        count += 1
        mark = f"{count:06X}"
        parts.append(_IDENTIFIER.sub(lambda match, mark=mark: mark + match[0][6:], body))  # type: ignore[misc]
        total += len(parts[-1])
    return "".join((*parts, text[end:]))


def paired(ours: Callable[[], object], theirs: Callable[[], object], runs: int) -> tuple[float, float, float]:
    """Medians of CPU seconds of both, in turn, and of the ratio of each pair."""
    mine: list[float] = []
    others: list[float] = []
    for _ in range(runs):
        for run, held in ((ours, mine), (theirs, others)):
            began = time.process_time()
            run()
            held.append(time.process_time() - began)
    ratio = statistics.median(a / b for a, b in zip(mine, others, strict=True))
    return statistics.median(mine), statistics.median(others), ratio


def reading(runs: int) -> bool:
    """A large project file, read by us and by openstep_parser."""
    from openstep_parser import OpenStepDecoder

    from pipeline.apple.xcode.pbxproj import parse

    text = grown(real_project(), SIZE)
    data = text.encode()
    tree = parse(data)
    line, objects = tree.line("rootObject"), tree.table("objects")
    if line != text[: text.rindex("rootObject")].count("\n") + 1 or objects.line(next(iter(objects))) is None:
        sys.exit("the lines are wrong")
    ours, theirs, ratio = paired(lambda: parse(data), lambda: OpenStepDecoder.ParseFromString(text), runs)
    print(f"project.pbxproj of {len(data) / 1e6:.1f} MB, {len(objects):,} objects (cpu s, medians of {runs} pairs)")
    print(f"  ours, with lines {ours:>8.3f}")
    print(f"  openstep_parser  {theirs:>8.3f}   ratio {ratio:.2f} (goal: below 1)")
    return ratio < 1


SOURCE = """import SwiftUI
import os

/// Shows item {n} of the list, and remembers what was done with it.
struct Item{n}View: View {{
    @State private var isShown = false
    let title: String

    var body: some View {{
        VStack(alignment: .leading) {{
            Text(title).font(.headline)
            if isShown {{
                Text("Item {n}, as it was when it was last seen").foregroundStyle(.secondary)
            }}
        }}
        .onTapGesture {{ isShown.toggle() }}
    }}
}}

final class Item{n}Model: ObservableObject {{
    private let logger = Logger(subsystem: "com.example.bench", category: "item{n}")
    @Published var names: [String] = []

    func load(_ count: Int) async throws {{
        // What is loaded once is not loaded again.
        for index in 0..<count where !names.contains("\\(index)") {{
            names.append("\\(index)")
            logger.debug("item {n} has \\(index)")
        }}
    }}
}}
"""
LIST = '<?xml version="1.0" encoding="UTF-8"?>\n<plist version="1.0">\n<dict>\n{body}\n</dict>\n</plist>\n'
ICON = '{"images": [{"filename": "i.png", "idiom": "universal", "platform": "ios", "size": "1024x1024"}]}'


def picture(side: int) -> bytes:
    """A square PNG with an alpha channel that is opaque throughout."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = (b"\0" + b"\x11\x22\x33\xff" * side) * side
    head = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def target(name: str, kind: str, settings: str, rest: str) -> str:
    """The objects of one target with one configuration."""
    return (
        f'{name}T = {{isa = PBXNativeTarget; name = {name}; productType = "com.apple.product-type.{kind}"; '
        f"buildConfigurationList = {name}L; productReference = {name}P; {rest}}};\n"
        f"{name}P = {{isa = PBXFileReference; path = {name}.product; sourceTree = BUILT_PRODUCTS_DIR;}};\n"
        f"{name}L = {{isa = XCConfigurationList; buildConfigurations = ({name}C);}};\n"
        f"{name}C = {{isa = XCBuildConfiguration; name = Release; buildSettings = {{{settings}}};}};\n"
    )


def repository(root: Path, count: int) -> None:
    """An app with that many files."""
    extensions = [f"Share{n}" for n in range(4)]
    settings = (
        "SDKROOT = iphoneos; PRODUCT_BUNDLE_IDENTIFIER = com.example.bench; MARKETING_VERSION = 1.0; "
        "CURRENT_PROJECT_VERSION = 1; GENERATE_INFOPLIST_FILE = YES; DEVELOPMENT_TEAM = ABCDE12345; "
        "ASSETCATALOG_COMPILER_APPICON_NAME = AppIcon; INFOPLIST_FILE = Info.plist; "
        "INFOPLIST_KEY_UILaunchScreen_Generation = YES; IPHONEOS_DEPLOYMENT_TARGET = 17.0;"
    )
    objects = [target("App", "application", settings, "buildPhases = (K); fileSystemSynchronizedGroups = (G);")]
    objects.append('G = {isa = PBXFileSystemSynchronizedRootGroup; path = App; sourceTree = "<group>";};\n')
    copied = "".join(f"{name}B," for name in extensions)
    objects.append(f"K = {{isa = PBXCopyFilesBuildPhase; dstSubfolderSpec = 13; files = ({copied});}};\n")
    files: dict[str, str | bytes] = {
        "Info.plist": LIST.format(body="<key>ITSAppUsesNonExemptEncryption</key><false/>"),
        "App/Assets.xcassets/AppIcon.appiconset/Contents.json": ICON,
        "App/Assets.xcassets/AppIcon.appiconset/i.png": picture(1024),
        "App/PrivacyInfo.xcprivacy": LIST.format(body="<key>NSPrivacyTracking</key><false/>"),
    }
    for name in extensions:
        own = f"PRODUCT_BUNDLE_IDENTIFIER = com.example.bench.{name.lower()}; INFOPLIST_FILE = {name}/Info.plist; "
        own += (
            f"CODE_SIGN_ENTITLEMENTS = {name}/{name}.entitlements; SDKROOT = iphoneos; DEVELOPMENT_TEAM = ABCDE12345;"
        )
        objects.append(target(name, "app-extension", own, "buildPhases = ();"))
        objects.append(f"{name}B = {{isa = PBXBuildFile; fileRef = {name}P;}};\n")
        body = "<key>NSExtension</key><dict><key>NSExtensionPointIdentifier</key>"
        body += "<string>com.apple.share-services</string></dict><key>CFBundleVersion</key><string>1</string>"
        body += "<key>CFBundleShortVersionString</key><string>1.0</string>"
        files[f"{name}/Info.plist"] = LIST.format(body=body)
        files[f"{name}/{name}.entitlements"] = LIST.format(body="")
    named = "".join(f"{name}T," for name in ("App", *extensions))
    objects.append(f"R = {{isa = PBXProject; buildConfigurationList = RL; targets = ({named});}};\n")
    objects.append(
        "RL = {isa = XCConfigurationList; buildConfigurations = (RC); defaultConfigurationName = Release;};\n"
    )
    objects.append("RC = {isa = XCBuildConfiguration; name = Release; buildSettings = {};};\n")
    project = "// !$*UTF8*$!\n{\nobjects = {\n" + "".join(objects) + "};\nrootObject = R;\n}\n"
    files["App.xcodeproj/project.pbxproj"] = project
    number = 0
    while len(files) < count:
        number += 1
        # One file in five is none that is compiled: pictures, texts, data.
        folder = f"App/Part{number % 40}"
        path = f"{folder}/note{number}.md" if number % 5 == 0 else f"{folder}/Item{number}.swift"
        files[path] = SOURCE.format(n=number)
    for path, content in files.items():
        full = root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_bytes(content if isinstance(content, bytes) else content.encode())


def cpu(side: Side) -> float:
    """The least of its CPU seconds: what others do on the machine only adds to it."""
    return min(side.cpu)


def checking(app: Path, runs: Path) -> Side:
    """`build.check` of an app; findings are no failure."""
    argv = [sys.executable, "-m", "pipeline", "build.check", "--app", str(app), "--runs", str(runs)]
    command = '"$@" >/dev/null 2>&1; status=$?; [ $status -le 1 ]'
    return Side(app.name, ["/bin/sh", "-c", command, "sh", *argv])


def judging(runs: int, apps: Sequence[Path] = ()) -> bool:
    """A repository of many files, judged for the first time and again; then whatever apps were named."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        base = Path(folder)
        repository(base / "small", 14)
        repository(base / "large", FILES)
        time.sleep(SETTLED)
        met = [twice(app, base, runs) for app in (base / "large", *apps)]
    return all(met)


def twice(app: Path, base: Path, runs: int) -> bool:
    """The first look at an app and the second, each without the same look at an app of a dozen files."""
    sides = {name: checking(base / "small" if "start" in name else app, base / "runs") for name in LOOKS}
    sides[LOOKS[0]].run(counted=False)
    for number in range(runs):
        # Whoever looks for the first time remembers nothing.
        os.environ["XDG_CACHE_HOME"] = str(base / f"memory of {app.name} {number}")
        for side in sides.values():
            side.run(counted=True)
    start, restart, first, again = (cpu(side) for side in sides.values())
    spent, repeated = max(first - start, 0.001), max(again - restart, 0.0)
    ratio, limit = repeated / spent, GOAL_CPU if app.parent == base else 0.0
    count = sum(len(files) for _, _, files in os.walk(app))
    print(f"{app.name}, {count:,} files: build.check (cpu s beyond start-up, the least of {runs} runs)")
    print(f"  first run        {spent:>8.3f}   of {first:.3f}{goal(spent, limit)}")
    print(f"  again, unchanged {repeated:>8.3f}   of {again:.3f}; ratio {ratio:.2f}{goal(ratio, GOAL_AGAIN)}")
    print(f"  peak memory      {max(sides['first'].memory):>8.0f} MB")
    return (not limit or spent <= limit) and ratio <= GOAL_AGAIN


def goal(value: float, limit: float) -> str:
    """The goal in words, and whether it is missed; nothing where there is none."""
    return f" (goal: {limit:.2f} at most{'' if value <= limit else '; MISSED'})" if limit else ""


PARTS = {"reading": reading, "judging": judging, "artifact": artifact.run}
"""What is measured, by name. The artifact (an .ipa beside `unzip -t` and `ipa-info`) joins here."""


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("parts", nargs="*", choices=[*PARTS, []], help="only these parts")
    options.add_argument("--runs", type=int, default=7, help="counted runs of each (at least 5)")
    options.add_argument("--app", type=Path, action="append", default=[], help="a checkout to be judged too")
    told = options.parse_args()
    parts = PARTS | {"judging": lambda runs: judging(runs, [path.resolve() for path in told.app])}
    met = [parts[name](max(5, told.runs)) for name in told.parts or PARTS]
    print(f"goals: {'met' if all(met) else 'MISSED'}")
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
