"""Lays out an application bundle as bytes by path: shallow on iOS, with Contents on macOS."""

from __future__ import annotations

import plistlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipeline.simulator.machine import codesign, entitlements, macho
from pipeline.simulator.machine.project import SDKS, BuildError, Sdk
from pipeline.values import dataclass

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from pipeline.simulator.machine.signing import Signing

SEALED = "_CodeSignature/CodeResources"


@dataclass(frozen=True)
class App:
    """An application. `files` are bytes by path below the bundle, or below Contents on macOS; none is a link."""

    name: str
    sdk: Sdk
    info: dict[str, Any]
    files: dict[str, bytes]
    hardened: bool = False

    @property
    def deep(self) -> bool:
        """Whether it has a Contents folder."""
        return self.sdk.name == "macosx"

    @property
    def identifier(self) -> str:
        """CFBundleIdentifier."""
        return str(self.info.get("CFBundleIdentifier", ""))

    @property
    def executable(self) -> str:
        """The main executable's path in `files`."""
        name = str(self.info.get("CFBundleExecutable", ""))
        return f"MacOS/{name}" if self.deep else name

    @property
    def architectures(self) -> list[str]:
        """Architectures of the main executable."""
        return [name for name, _ in macho.slices(self.files[self.executable])]

    def laid_out(self) -> dict[str, bytes]:
        """Bytes by path below the folder that holds the bundle."""
        inside = f"{self.name}/Contents" if self.deep else self.name
        return {f"{inside}/{path}": data for path, data in sorted(self.files.items())}


def signed(app: App, signing: Signing, asked: dict[str, Any], moment: datetime) -> tuple[App, dict[str, Any]]:
    """The app with profile, sealed resources and signature; and the entitlements in that signature.

    Raises:
        BuildError: the profile does not grant what the app asks for.
    """
    profile = signing.profile
    try:
        granted = entitlements.signed(asked, profile.values, app.sdk, app.identifier, signing.environment)
    except KeyError as lacking:
        raise BuildError(
            f'Provisioning profile "{profile.name}" doesn\'t include the {lacking.args[0]} entitlement.', 70
        ) from None
    embedded = "embedded.provisionprofile" if app.deep else "embedded.mobileprovision"
    files = {path: data for path, data in app.files.items() if path != SEALED}
    files[embedded] = profile.data
    resources = codesign.code_resources(files, app.executable, deep=app.deep)
    seal = codesign.Seal(
        identifier=app.identifier,
        team_id=str(profile.values["TeamIdentifier"][0]),
        info=files["Info.plist"],
        resources=resources,
        entitlements=granted,
        hardened=app.hardened,
        runtime=macho.packed_version(app.sdk.version),
    )
    files[SEALED] = resources
    files[app.executable] = codesign.signed(files[app.executable], signing.identity, seal, moment)
    return replace(app, files=files), granted


def read(folder: Path) -> App:
    """An application from disk.

    Raises:
        BuildError: it has no readable Info.plist, executable or known platform.
    """
    deep = (folder / "Contents").is_dir()
    inside = folder / "Contents" if deep else folder
    try:
        info = plistlib.loads((inside / "Info.plist").read_bytes())
        paths = [path for path in sorted(inside.rglob("*")) if path.is_file()]
        files = {path.relative_to(inside).as_posix(): path.read_bytes() for path in paths}
        sdk = SDKS[str(info["DTPlatformName"])]
        app = App(folder.name, sdk, info, files)
        macho.slices(files[app.executable])
    except Exception as fault:  # noqa: BLE001  # plist, Mach-O and file readers raise unrelated kinds
        raise BuildError(f"{folder.name} cannot be packaged: {type(fault).__name__} {fault}", 70) from None
    return replace(app, hardened=codesign.is_hardened(files[app.executable]))
