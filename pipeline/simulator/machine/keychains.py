"""Keychain files and the search list of the simulated Mac, below its home so that another process sees them too.

The login keychain has no file here: it holds what the scenario says. Source: Security, OSX/libsecurity_keychain/lib,
StorageManager.cpp and DLDBListCFPref.cpp (61901.0.87.0.1).
"""

from __future__ import annotations

import hashlib
import json
import os
import plistlib
from base64 import b64decode, b64encode
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from pipeline.values import dataclass

FOLDER = "Library/Keychains"
PREFERENCES = "Library/Preferences/com.apple.security.plist"
SYSTEM = Path("/Library/Keychains/System.keychain")
_GUID = "{87191ca6-0fc9-11d4-849a-000502b52122}"
"""gGuidAppleCSPDL: the kind of database that keychains are."""
_SEARCH_LIST, _DEFAULT = "DLDBSearchList", "DefaultKeychain"
_SALT = 16


class NoSuchKeychain(Exception):
    """errSecNoSuchKeychain, -25294."""


class DuplicateKeychain(Exception):
    """errSecDuplicateKeychain, -25296."""


class WrongPassphrase(Exception):
    """errSecAuthFailed, -25293."""


@dataclass(frozen=True)
class Item:
    """A certificate in a keychain, DER; with a private key, it is an identity. The key itself is not kept here."""

    certificate: bytes
    keyed: bool = False
    apps: tuple[str, ...] = ()
    partitions: tuple[str, ...] = ()

    @property
    def sha1(self) -> str:
        """Upper-case hex, as `security` prints it."""
        return hashlib.sha1(self.certificate, usedforsecurity=False).hexdigest().upper()


@dataclass(frozen=True)
class File:
    """The content of a keychain file: its password salted and digested, its settings, its items."""

    salt: str = ""
    digest: str = ""
    locked: bool = False
    timeout: int | None = None
    lock_on_sleep: bool = False
    items: tuple[Item, ...] = field(default_factory=tuple)

    def opens(self, password: str) -> bool:
        """Whether this is its password."""
        return _digest(self.salt, password) == self.digest


class Keychains:
    """Everything that `security` keeps on disk. Nothing is remembered between calls, as between two processes."""

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()
        self.login = self.home / FOLDER / "login.keychain-db"

    # Files ---------------------------------------------------------------------------------------------------------

    def path(self, name: str) -> Path:
        """The file that a name means (StorageManager.cpp:232-290, 2055-2103): "-db" where that is what there is."""
        plain = Path(name) if name.startswith("/") else self.home / FOLDER / name
        if plain.parent != self.home / FOLDER or plain.name.endswith("-db"):
            return plain
        modern = plain.with_name(f"{plain.name}-db")
        return plain if plain.exists() and not modern.exists() else modern

    def exists(self, path: Path) -> bool:
        """Whether there is such a keychain."""
        return path == self.login or path.is_file()

    def create(self, name: str, password: str) -> Path:
        """A new, unlocked keychain. It comes into the search list only if it is a login keychain (:119-135, :507)."""
        path = self.path(name)
        if self.exists(path):
            raise DuplicateKeychain
        salt = os.urandom(_SALT).hex()
        self.write(path, File(salt, _digest(salt, password)))
        if "/login.keychain" in str(path):
            self.search([*self.searched(), path])
        return path

    def read(self, path: Path) -> File:
        """What a keychain holds. Raises NoSuchKeychain."""
        try:
            told = json.loads(path.read_bytes())
        except OSError as fault:
            raise NoSuchKeychain from fault
        items = tuple(
            Item(b64decode(i["certificate"]), i["keyed"], tuple(i["apps"]), tuple(i["partitions"]))
            for i in told.pop("items")
        )
        return File(**told, items=items)

    def write(self, path: Path, content: File) -> None:
        """Keep it, readable by its owner only."""
        told = {
            **{name: getattr(content, name) for name in ("salt", "digest", "locked", "timeout", "lock_on_sleep")},
            "items": [
                {
                    "certificate": b64encode(item.certificate).decode(),
                    "keyed": item.keyed,
                    "apps": item.apps,
                    "partitions": item.partitions,
                }
                for item in content.items
            ],
        }
        _put(path, json.dumps(told).encode(), 0o600)

    def unlock(self, path: Path, password: str) -> File:
        """Unlock and return it. Raises NoSuchKeychain, WrongPassphrase."""
        content = self.read(path)
        if not content.opens(password):
            raise WrongPassphrase
        if content.locked:
            content = replace(content, locked=False)
            self.write(path, content)
        return content

    def delete(self, path: Path) -> None:
        """Out of the search list first, then the file (StorageManager.cpp:999-1055). Raises NoSuchKeychain."""
        listed = self.searched()
        if path in listed:
            self.search([each for each in listed if each != path])
        told = self._preferences()
        if told.get(_DEFAULT) and self._told(told[_DEFAULT][0]) == path:
            self._prefer({**told, _DEFAULT: []})
        try:
            path.unlink()
        except OSError as fault:
            raise NoSuchKeychain from fault

    # The search list -----------------------------------------------------------------------------------------------

    def searched(self) -> list[Path]:
        """The user's search list; without one of his own, the login keychain (DLDBListCFPref.cpp:938-980)."""
        told = self._preferences().get(_SEARCH_LIST)
        return [self.login] if told is None else [self._told(each) for each in told]

    def search(self, paths: list[Path]) -> None:
        """Set the user's search list."""
        self._prefer({**self._preferences(), _SEARCH_LIST: [self._kept(path) for path in paths]})

    @property
    def default(self) -> Path | None:
        """The default keychain."""
        told = self._preferences().get(_DEFAULT)
        return self.login if told is None else self._told(told[0]) if told else None

    @default.setter
    def default(self, path: Path) -> None:
        self._prefer({**self._preferences(), _DEFAULT: [self._kept(path)]})

    def _preferences(self) -> dict[str, Any]:
        try:
            return dict(plistlib.loads((self.home / PREFERENCES).read_bytes()))
        except FileNotFoundError:
            return {}

    def _prefer(self, told: dict[str, Any]) -> None:
        _put(self.home / PREFERENCES, plistlib.dumps(told), 0o644)

    def _kept(self, path: Path) -> dict[str, Any]:
        """As the list is written: the home folder as ~, and without "-db" (StorageManager.cpp:305-323)."""
        name = str(path)
        if path.parent == self.home / FOLDER:
            name = name.removesuffix("-db")
        if path.is_relative_to(self.home):
            name = f"~{name[len(str(self.home)) :]}"
        return {"DbName": name, "GUID": _GUID, "SubserviceType": 6}

    def _told(self, kept: dict[str, Any]) -> Path:
        name = str(kept["DbName"])
        return self.path(f"{self.home}{name[1:]}" if name.startswith("~/") else name)


def _digest(salt: str, password: str) -> str:
    return hashlib.sha256(f"{salt} {password}".encode("utf-8", "surrogateescape")).hexdigest()


def _put(path: Path, data: bytes, mode: int) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(data)
    fresh.replace(path)
