"""Which entitlements a target asks for, which a profile grants, and which end up in a signature.

After swift-build's ProductPackaging.swift and profiles that Apple's portal made.
"""

from __future__ import annotations

import plistlib
from typing import TYPE_CHECKING, Any

from pipeline.simulator.machine.project import BuildError, Sdk, Settings, Target

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TEAM = "com.apple.developer.team-identifier"
ENVIRONMENT = "com.apple.developer.icloud-container-environment"
_CONTAINERS = "com.apple.developer.icloud-container-identifiers"
_SERVICES = "com.apple.developer.icloud-services"
_STORE = "com.apple.developer.ubiquity-kvstore-identifier"
_GROUPS = "keychain-access-groups"
_PUSH = ("aps-environment", "com.apple.developer.aps-environment")
_INJECTED = {
    **{
        f"ENABLE_RESOURCE_ACCESS_{setting}": f"com.apple.security.{key}"
        for setting, key in {
            "AUDIO_INPUT": "device.audio-input",
            "BLUETOOTH": "device.bluetooth",
            "CALENDARS": "personal-information.calendars",
            "CAMERA": "device.camera",
            "CONTACTS": "personal-information.addressbook",
            "LOCATION": "personal-information.location",
            "PHOTO_LIBRARY": "personal-information.photos-library",
            "PRINTING": "print",
            "USB": "device.usb",
        }.items()
    },
    **{
        f"RUNTIME_EXCEPTION_{name.upper().replace('-', '_')}": f"com.apple.security.cs.{name}"
        for name in (
            "allow-dyld-environment-variables",
            "allow-jit",
            "allow-unsigned-executable-memory",
            "disable-executable-page-protection",
            "disable-library-validation",
        )
    },
    "RUNTIME_EXCEPTION_DEBUGGING_TOOL": "com.apple.security.cs.debugger",
    "AUTOMATION_APPLE_EVENTS": "com.apple.security.automation.apple-events",
    "ENABLE_APP_SANDBOX": "com.apple.security.app-sandbox",
    "ENABLE_OUTGOING_NETWORK_CONNECTIONS": "com.apple.security.network.client",
    "ENABLE_INCOMING_NETWORK_CONNECTIONS": "com.apple.security.network.server",
}
_FILES = {
    "ENABLE_FILE_ACCESS_DOWNLOADS_FOLDER": "files.downloads",
    "ENABLE_FILE_ACCESS_PICTURE_FOLDER": "assets.pictures",
    "ENABLE_FILE_ACCESS_MUSIC_FOLDER": "assets.music",
    "ENABLE_FILE_ACCESS_MOVIES_FOLDER": "assets.movies",
    "ENABLE_USER_SELECTED_FILES": "files.user-selected",
}
_MODES = {"readonly": "read-only", "readwrite": "read-write"}
_UNRESTRICTED = ("com.apple.security.", "keychain-access-groups")


def expanded(value: object, settings: Settings) -> Any:
    """A property-list value with the build settings' values in all its strings; keys stay as they are."""
    if isinstance(value, str):
        return settings.expand(value)
    if isinstance(value, list):
        return [expanded(item, settings) for item in value]
    if isinstance(value, dict):
        return {str(key): expanded(item, settings) for key, item in value.items()}
    return value


def read_plist(path: Path, target: Target, macros: str | None = None) -> dict[str, Any]:
    """A property list that is an input of the build; with `macros`, what the C preprocessor makes of it.

    Raises:
        BuildError: it is missing or is no dictionary, in Xcode's words.
    """
    try:
        data = target.project.fence.read(path.absolute())
        values = plistlib.loads(data if macros is None else _without_conditions(data, macros))
    except FileNotFoundError:
        raise BuildError(
            f"error: Build input file cannot be found: '{path}'. Did you forget to declare this file as an output of a"
            f" script phase or custom build rule which produces it? {_within(target)}"
        ) from None
    except Exception as fault:  # noqa: BLE001  # expat, plistlib and binary readers raise unrelated kinds
        raise BuildError(f"error: unable to read property list from file: {path}: {fault} {_within(target)}") from None
    if not isinstance(values, dict):
        raise BuildError(f"error: unable to read property list from file: {path}: not a dictionary {_within(target)}")
    return values


def _without_conditions(data: bytes, macros: str) -> bytes:
    """The lines that #ifdef and #ifndef leave; of other directives only those of the shape `#if NAME` are known."""
    known = {word.partition("=")[0].encode() for word in macros.replace('"', "").split()}
    kept: list[bytes] = []
    branches: list[bool] = []
    for line in data.splitlines(keepends=True):
        words = line.strip().removeprefix(b"#").split()
        if not line.lstrip().startswith(b"#") or not words:
            if all(branches):
                kept.append(line)
        elif words[0] in (b"ifdef", b"ifndef", b"if"):
            branches.append((words[-1] in known) == (words[0] != b"ifndef"))
        elif words[0] == b"else" and branches:
            branches[-1] = not branches[-1]
        elif words[0] == b"endif" and branches:
            branches.pop()
    return b"".join(kept)


def _within(target: Target) -> str:
    return f"(in target '{target.name}' from project '{target.project.name}')"


def declared(target: Target, settings: Settings) -> dict[str, Any]:
    """What the target asks for: its entitlements file, and what its settings add."""
    path = settings["CODE_SIGN_ENTITLEMENTS"]
    found = expanded(read_plist(target.project.folder / path, target), settings) if path else {}
    if settings.sdk.name == "macosx":
        found |= {key: True for setting, key in _INJECTED.items() if settings.flag(setting)}
        modes = {key: _MODES.get(settings[setting].lower()) for setting, key in _FILES.items()}
        found |= {f"com.apple.security.{key}.{mode}": True for key, mode in modes.items() if mode}
    return dict(found)


def identifier_key(sdk: Sdk) -> str:
    """The key of the application identifier."""
    return "com.apple.application-identifier" if sdk.name == "macosx" else "application-identifier"


def granted(asked: Mapping[str, Any], sdk: Sdk, team_id: str, bundle_id: str, *, store: bool) -> dict[str, Any]:
    """What Apple's portal writes into a profile for an app that asks for all this."""
    mac = sdk.name == "macosx"
    out: dict[str, Any] = {
        identifier_key(sdk): f"{team_id}.{bundle_id}",
        TEAM: team_id,
        "keychain-access-groups": [f"{prefix}.*" for prefix in _prefixes(asked.get(_GROUPS), team_id)],
    }
    if not mac:
        out["get-task-allow"] = not store
        if store:
            out["beta-reports-active"] = True
    managed = ("com.apple.developer.", "com.apple.security.application-groups")
    out |= {key: value for key, value in asked.items() if key.startswith(managed)}
    if any(key in asked for key in _PUSH):
        out.pop(_PUSH[1], None)
        out[_PUSH[1] if mac else _PUSH[0]] = "production" if store else "development"
    if _CONTAINERS in asked or _SERVICES in asked:
        out[_SERVICES] = "*"
        out[ENVIRONMENT] = "Production" if store else ["Development", "Production"]
        out[_STORE] = f"{_prefixes(asked.get(_STORE), team_id)[-1]}.*"
    return out


def _prefixes(asked: Any, team_id: str) -> list[str]:
    """The team, and whatever else of such a shape the values begin with.

    App IDs of before 2011 have prefixes of their own, and a project that writes one out knows it: Apple's portal would
    grant it. Source: Apple, TN2311, Managing Multiple App ID Prefixes.
    """
    texts = asked if isinstance(asked, (list, tuple)) else (asked,)
    heads = (str(text).partition(".")[0] for text in texts if text)
    written = (head for head in heads if len(head) == len("A1B2C3D4E5") and head.isalnum() and head.isupper())
    return list(dict.fromkeys((team_id, *written)))


def signed(
    asked: Mapping[str, Any], profile: Mapping[str, Any], sdk: Sdk, bundle_id: str, environment: str
) -> dict[str, Any]:
    """What the signature of an app holds: what it asks for, with the profile's values where the profile decides.

    Raises:
        KeyError: the profile does not grant a key; its argument is the key.
    """
    prefix = str(profile["ApplicationIdentifierPrefix"][0])
    grants: Mapping[str, Any] = profile["Entitlements"]
    out = dict(asked)
    for key in ("get-task-allow", "com.apple.security.get-task-allow", "beta-reports-active"):
        out.pop(key, None)
    out[identifier_key(sdk)] = f"{prefix}.{bundle_id}"
    out[TEAM] = str(profile["TeamIdentifier"][0])
    for key in ("get-task-allow", "beta-reports-active"):
        if key in grants:
            out[key] = grants[key]
    for key in _PUSH:
        if key in out and key in grants:
            out[key] = grants[key]
    if _CONTAINERS in out or _SERVICES in out:
        out[ENVIRONMENT] = environment
    for key in out:
        restricted = not key.startswith(_UNRESTRICTED)
        if restricted and key not in grants and not (sdk.name == "macosx" and key in _PUSH):
            raise KeyError(key)
    return out
