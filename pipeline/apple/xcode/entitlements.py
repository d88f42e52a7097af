"""Works out the entitlements a target asks for: its file, with settings expanded, and what build settings add.

Source: swift-build, Sources/SWBCore/SpecImplementations/Tools/ProductPackaging.swift 26-60 and 123-150.
"""

from __future__ import annotations

from typing import Any

from pipeline.apple.xcode.facts import ALL, TargetEntitlements, Undefined
from pipeline.apple.xcode.infoplist import expanded, place_of, places
from pipeline.apple.xcode.plists import Plist
from pipeline.apple.xcode.settings import Settings
from pipeline.model import Location

PREFIX = "AppIdentifierPrefix"
SANDBOX = "com.apple.security.app-sandbox"

_INJECTED = {
    "AUTOMATION_APPLE_EVENTS": "com.apple.security.automation.apple-events",
    "ENABLE_APP_SANDBOX": SANDBOX,
    "ENABLE_INCOMING_NETWORK_CONNECTIONS": "com.apple.security.network.server",
    "ENABLE_OUTGOING_NETWORK_CONNECTIONS": "com.apple.security.network.client",
    "ENABLE_RESOURCE_ACCESS_AUDIO_INPUT": "com.apple.security.device.audio-input",
    "ENABLE_RESOURCE_ACCESS_BLUETOOTH": "com.apple.security.device.bluetooth",
    "ENABLE_RESOURCE_ACCESS_CALENDARS": "com.apple.security.personal-information.calendars",
    "ENABLE_RESOURCE_ACCESS_CAMERA": "com.apple.security.device.camera",
    "ENABLE_RESOURCE_ACCESS_CONTACTS": "com.apple.security.personal-information.addressbook",
    "ENABLE_RESOURCE_ACCESS_LOCATION": "com.apple.security.personal-information.location",
    "ENABLE_RESOURCE_ACCESS_PHOTO_LIBRARY": "com.apple.security.personal-information.photos-library",
    "ENABLE_RESOURCE_ACCESS_PRINTING": "com.apple.security.print",
    "ENABLE_RESOURCE_ACCESS_USB": "com.apple.security.device.usb",
    "RUNTIME_EXCEPTION_ALLOW_DYLD_ENVIRONMENT_VARIABLES": "com.apple.security.cs.allow-dyld-environment-variables",
    "RUNTIME_EXCEPTION_ALLOW_JIT": "com.apple.security.cs.allow-jit",
    "RUNTIME_EXCEPTION_ALLOW_UNSIGNED_EXECUTABLE_MEMORY": "com.apple.security.cs.allow-unsigned-executable-memory",
    "RUNTIME_EXCEPTION_DEBUGGING_TOOL": "com.apple.security.cs.debugger",
    "RUNTIME_EXCEPTION_DISABLE_EXECUTABLE_PAGE_PROTECTION": "com.apple.security.cs.disable-executable-page-protection",
    "RUNTIME_EXCEPTION_DISABLE_LIBRARY_VALIDATION": "com.apple.security.cs.disable-library-validation",
}
_FILE_ACCESS = {
    "ENABLE_FILE_ACCESS_DOWNLOADS_FOLDER": "com.apple.security.files.downloads",
    "ENABLE_FILE_ACCESS_PICTURE_FOLDER": "com.apple.security.assets.pictures",
    "ENABLE_FILE_ACCESS_MUSIC_FOLDER": "com.apple.security.assets.music",
    "ENABLE_FILE_ACCESS_MOVIES_FOLDER": "com.apple.security.assets.movies",
    "ENABLE_USER_SELECTED_FILES": "com.apple.security.files.user-selected",
}


def effective(source: Plist | None, path: str, settings: Settings) -> TargetEntitlements:
    """What the target asks for. Only macOS has entitlements that build settings add."""
    undefined: list[Undefined] = []
    values: dict[str, Any] = {}
    where: dict[str, Location] = {}
    prefixed: dict[str, Any] = {}
    injected: list[str] = []
    hidden: dict[str, tuple[str, ...]] = {}
    if source is not None and isinstance(source.value, dict):
        values = expanded(source, path, settings, undefined, hidden)
        where = places(source, path)
        prefixed = _prefixed(source, path, settings, values)
    if settings.context.sdk == "macosx":
        for setting, key in _added(settings):
            injected.append(key)
            values[key] = True
            if key not in where and (place := place_of(settings.get(setting))):
                where[key] = place
        if SANDBOX not in values:
            hidden[SANDBOX] = settings.get("ENABLE_APP_SANDBOX").hidden
    hidden[ALL] = settings.get("CODE_SIGN_ENTITLEMENTS").hidden
    hidden = {key: files for key, files in hidden.items() if files}
    named = path if source is not None else ""
    return TargetEntitlements(values, where, named, tuple(injected), tuple(undefined), prefixed, hidden)


def _prefixed(source: Plist, path: str, settings: Settings, values: dict[str, Any]) -> dict[str, Any]:
    """The values in which the prefix takes part, unless the project decides itself what it is."""
    if settings.get(PREFIX).given:
        return {}
    found = expanded(source, path, settings.with_value(PREFIX, f"$$({PREFIX})"), [], {})
    return {key: value for key, value in found.items() if value != values[key]}


def _added(settings: Settings) -> list[tuple[str, str]]:
    found = [(setting, key) for setting, key in _INJECTED.items() if settings.flag(setting)]
    for setting, key in _FILE_ACCESS.items():
        mode = settings.text(setting).lower()
        if mode in ("readonly", "readwrite"):
            found.append((setting, f"{key}.{'read-only' if mode == 'readonly' else 'read-write'}"))
    return found
