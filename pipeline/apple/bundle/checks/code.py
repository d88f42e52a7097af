"""Was the exported product built for the lane's platform, and does its Info.plist ask for what the platform knows?"""

from collections.abc import Iterator

from pipeline.apple.bundle.facts import Executable, ExportedApp
from pipeline.model import Finding, Lane, Platform, check, error

BACKGROUND_MODES = frozenset(
    {
        "audio",
        "bluetooth-central",
        "bluetooth-peripheral",
        "external-accessory",
        "fetch",
        "location",
        "nearby-interaction",
        "network-authentication",
        "newsstand-content",
        "processing",
        "push-to-talk",
        "remote-notification",
        "screen-capture",
        "voip",
    }
)
"""Known UIBackgroundModes: swift-build, InfoPlistProcessorTaskAction.swift 1161-1177."""
_INTEL = ("i386", "x86_64", "x86_64h")
_MAC_WITHOUT_INTEL = 12


@check("BUND016", "the product was built for the lane's platform")
def code_is_for_the_lanes_platform(app: ExportedApp, lane: Lane) -> Iterator[Finding]:
    """No simulator slices, no architectures that the platform's store refuses, no product of another platform."""
    wanted = "pkg" if lane.platform is Platform.MAC_OS else "ipa"
    if app.kind == "tool":
        return  # BUND001 says that this is no app.
    if app.kind not in (wanted, "xcarchive", "app"):
        yield error(
            f"{lane.platform.label} takes a .{wanted}, this is a .{app.kind}",
            subject=app.path,
            remedy=f"export the {lane.platform.label} archive, or give this product to the lane of its platform",
        )
    elif app.platform and app.platform != lane.platform.value:
        yield error(
            f"the app was built for {Platform(app.platform).label}, the lane is for {lane.platform.label}",
            subject=app.place,
            remedy=f"archive for {lane.platform.label}, or give this product to the lane of its platform",
        )
    else:
        for executable in app.executables:
            yield from _mac_code(executable) if lane.platform is Platform.MAC_OS else _mobile_code(executable)


def _mobile_code(executable: Executable) -> Iterator[Finding]:
    wrong = [
        part.architecture
        for part in executable.slices
        if part.platform.endswith(" Simulator") or part.architecture in _INTEL
    ]
    if wrong:
        yield error(
            f"the code holds slices for the simulator: {', '.join(wrong)}",
            subject=executable.path,
            remedy="archive for a device, and use frameworks without simulator slices (or XCFrameworks)",
            apple="ITMS-90087",
        )


def _mac_code(executable: Executable) -> Iterator[Finding]:
    architectures = executable.architectures
    if "i386" in architectures:
        yield error(
            "the code holds an i386 slice",
            subject=executable.path,
            remedy="build with ARCHS = $(ARCHS_STANDARD)",
            apple="ITMS-90240",
        )
    for part in executable.slices:
        early = part.minimum_os and int(part.minimum_os.partition(".")[0]) < _MAC_WITHOUT_INTEL
        if executable.runs and architectures == ("arm64",) and early:
            yield error(
                f"the program is for Apple silicon alone, but runs from macOS {part.minimum_os}",
                subject=executable.path,
                remedy="build for x86_64 too, or set MACOSX_DEPLOYMENT_TARGET to 12.0 or later",
            )


@check("BUND017", "background modes are known and complete")
def background_modes_are_known(app: ExportedApp, lane: Lane) -> Iterator[Finding]:
    """A misspelt mode is refused at upload; `processing` needs its task identifiers."""
    if lane.platform is Platform.MAC_OS:
        return
    for bundle in app.bundles:
        modes = bundle.info.get("UIBackgroundModes")
        listed = [mode for mode in modes if isinstance(mode, str)] if isinstance(modes, (list, tuple)) else []
        unknown = [mode for mode in listed if mode not in BACKGROUND_MODES]
        if unknown:
            yield error(
                f"UIBackgroundModes holds {', '.join(unknown)}, which {lane.platform.label} does not know",
                subject=bundle.place,
                remedy=f"use only known modes: {', '.join(sorted(BACKGROUND_MODES))}",
                apple="ITMS-90112",
            )
        if "processing" in listed and not bundle.info.get("BGTaskSchedulerPermittedIdentifiers"):
            yield error(
                "UIBackgroundModes holds processing, but BGTaskSchedulerPermittedIdentifiers is missing",
                subject=bundle.place,
                remedy="list the identifiers of the app's background tasks in BGTaskSchedulerPermittedIdentifiers",
                apple="ITMS-90771",
            )
