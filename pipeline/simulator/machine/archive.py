"""`xcodebuild archive`: makes the .xcarchive that a target's own settings decide.

Only the application itself is built: its extensions, frameworks and packages are not in the archive.
"""

from __future__ import annotations

import hashlib
import plistlib
from typing import TYPE_CHECKING, Any

from pipeline.simulator.machine import bundle, entitlements, infoplist, macho, resources, signing
from pipeline.simulator.machine.bundle import App
from pipeline.simulator.machine.project import APPLICATION, BuildError, Sdk, Settings, Target
from pipeline.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pipeline.simulator.machine.keychain import Keychain

Files = dict[str, bytes]


@dataclass(frozen=True)
class Built:
    """A target that was built for release, signed as its settings say."""

    app: App
    uuids: Mapping[str, bytes]
    identity: str
    team: str
    installed: bool


def build(target: Target, settings: Settings, keychain: Keychain, moment: datetime) -> Built:
    """Compile, link and sign.

    Raises:
        BuildError: with the line that Xcode prints.
    """
    if target.product_type != APPLICATION:
        raise BuildError(f"error: only applications are built here, and {target.name} is a {target.product_type}")
    signs = settings["CODE_SIGNING_ALLOWED"] != "NO"
    chosen = signing.for_build(target, settings, keychain) if signs else None
    asked = entitlements.declared(target, settings)
    icon = resources.app_icon(target, settings)
    info = infoplist.effective(target, settings, icon=icon[0])
    sdk = settings.sdk
    product, executable = settings["WRAPPER_NAME"], settings["EXECUTABLE_NAME"]
    uuids = {name: _uuid(target, settings, name) for name in _architectures(settings)}
    minimum = settings[sdk.deployment]
    images = [(name, macho.executable(name, sdk, minimum, uuid)) for name, uuid in uuids.items()]
    deep = sdk.name == "macosx"
    folder = "Resources/" if deep else ""
    files = {f"{folder}{path}": data for path, data in resources.compiled(target, settings, icon).items()}
    files["Info.plist"] = plistlib.dumps(info, fmt=plistlib.FMT_BINARY)
    files["PkgInfo"] = b"APPL????"
    files[f"MacOS/{executable}" if deep else executable] = macho.joined(images)
    app = App(product, sdk, info, files, hardened=deep and settings.flag("ENABLE_HARDENED_RUNTIME"))
    if app.executable not in files:
        raise BuildError(
            f"error: CFBundleExecutable is '{info.get('CFBundleExecutable', '')}', and the product's executable is"
            f" '{executable}' (in target '{target.name}' from project '{target.project.name}')"
        )
    if chosen:
        try:
            app, _ = bundle.signed(app, chosen, asked, moment)
        except BuildError as fault:
            within = f"(in target '{target.name}' from project '{target.project.name}')"
            raise BuildError(f"{target.project.path}: error: {fault} {within}") from None
    installed = not settings.flag("SKIP_INSTALL")
    return Built(app, uuids, chosen.identity.name if chosen else "", settings["DEVELOPMENT_TEAM"], installed)


def _architectures(settings: Settings) -> list[str]:
    asked = settings["ARCHS"].replace("$(ARCHS_STANDARD)", "").split()
    excluded = settings["EXCLUDED_ARCHS"].split()
    usual = settings.sdk.architectures
    chosen = [name for name in usual if name in asked and name not in excluded] if asked else list(usual)
    return chosen or [usual[-1]]


def _uuid(target: Target, settings: Settings, architecture: str) -> bytes:
    names = ("PRODUCT_BUNDLE_IDENTIFIER", "MARKETING_VERSION", "CURRENT_PROJECT_VERSION", "PRODUCT_NAME")
    parts = (target.name, settings.configuration, settings.sdk.name, architecture, *map(settings.__getitem__, names))
    seed = "\n".join(parts)
    digest = bytearray(hashlib.sha256(seed.encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x30
    digest[8] = digest[8] & 0x3F | 0x80
    return bytes(digest)


def contents(built: Built, scheme: str, moment: datetime) -> Files:
    """Every file of the .xcarchive by path."""
    app = built.app
    info = app.info
    out: Files = {}
    about: dict[str, Any] = {
        "ArchiveVersion": 2,
        "CreationDate": moment.replace(tzinfo=None, microsecond=0),
        "Name": scheme,
        "SchemeName": scheme,
    }
    if built.installed:
        out |= {f"Products/Applications/{path}": data for path, data in app.laid_out().items()}
        about["ApplicationProperties"] = {
            "ApplicationPath": f"Applications/{app.name}",
            "Architectures": app.architectures,
            "CFBundleIdentifier": app.identifier,
            "CFBundleShortVersionString": str(info.get("CFBundleShortVersionString", "")),
            "CFBundleVersion": str(info.get("CFBundleVersion", "")),
            "SigningIdentity": built.identity,
            "Team": built.team,
        }
    out["Info.plist"] = plistlib.dumps(about)
    symbols = f"dSYMs/{app.name}.dSYM/Contents"
    out[f"{symbols}/Info.plist"] = plistlib.dumps(
        {
            "CFBundleDevelopmentRegion": "English",
            "CFBundleIdentifier": f"com.apple.xcode.dsym.{app.identifier}",
            "CFBundleInfoDictionaryVersion": "6.0",
            "CFBundlePackageType": "dSYM",
            "CFBundleSignature": "????",
            "CFBundleShortVersionString": str(info.get("CFBundleShortVersionString", "")),
            "CFBundleVersion": str(info.get("CFBundleVersion", "")),
        }
    )
    executable = app.executable.rpartition("/")[2]
    out[f"{symbols}/Resources/DWARF/{executable}"] = _debug_symbols(built, app.sdk, executable)
    return out


def _debug_symbols(built: Built, sdk: Sdk, executable: str) -> bytes:
    key = "LSMinimumSystemVersion" if sdk.name == "macosx" else "MinimumOSVersion"
    minimum = str(built.app.info.get(key, ""))
    return macho.joined(
        [(name, macho.debug_symbols(name, sdk, minimum, uuid, executable)) for name, uuid in built.uuids.items()]
    )
