"""A finished product says itself which platform it is for: a lane without a project, for judging it alone."""

from __future__ import annotations

from pathlib import Path

from pipeline.apple.bundle.containers import open_artifact
from pipeline.apple.bundle.faults import Malformed
from pipeline.apple.bundle.inspection import platform_of
from pipeline.model import Lane, Platform, UsageFault

NAMES = {Platform.IOS: "ios", Platform.MAC_OS: "macos", Platform.TV_OS: "tvos", Platform.VISION_OS: "visionos"}


def lane_of(path: Path) -> Lane:
    """The lane of an .ipa, .pkg, .xcarchive, .app or Mach-O file, without a project.

    What cannot be read, or tells nothing, is taken for iOS (.pkg: macOS): its findings say what is wrong with it.

    Raises:
        UsageFault: there is nothing at that path.
    """
    if not path.exists():
        raise UsageFault(f"{path}: there is no such file", remedy="check the path")
    try:
        with open_artifact(path) as artifact:
            told = platform_of(artifact)
    except (Malformed, OSError):
        told = ""
    platform = Platform(told) if told else Platform.MAC_OS if path.suffix.lower() == ".pkg" else Platform.IOS
    return Lane(NAMES[platform], platform, project="", target=path.stem, configuration="")
