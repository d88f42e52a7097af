"""The record of an install: what a crash leaves for the next run to find. No secret is in it.

The name says it all without a record, too: a keychain `pipeline-<8 hex>.keychain-db` in ~/Library/Keychains is ours.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import datetime

from pipeline.apple.keychain.facts import PROFILE_FOLDERS, Installation, InstalledFile, is_profile_file
from pipeline.apple.signing.faults import SigningFault

FOLDER = "Library/Application Support/pipeline/signing"
LOCK = f"{FOLDER}/lock"
"""Held around each change of the search list and of records: two runs with folders of their own share one Mac."""
KEYCHAINS = "Library/Keychains"
SIZE_LIMIT = 1024 * 1024
VERSION = 1

_LEFTOVER = re.compile(r"\.([0-9a-f]{8})\.(?:json|p12|pem)\.([0-9]{1,10})\.[0-9a-f]{8}")
_NAME = re.compile(r"pipeline-([0-9a-f]{8})\.keychain(?:-db)?")
_ID = re.compile(r"[0-9a-f]{8}")
_SHA1 = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def record_path(identifier: str) -> str:
    """Where its record lies, below the home folder."""
    return f"{FOLDER}/{identifier}.json"


def keychain_name(identifier: str) -> str:
    """The name of its keychain file."""
    return f"pipeline-{identifier}.keychain-db"


def id_of(path: str) -> str:
    """The id in a keychain's path; empty when the keychain is none of ours.

    The search list drops "-db" where the file has none (StorageManager.cpp:305-323).
    """
    folder, _, name = path.rpartition("/")
    found = _NAME.fullmatch(name)
    return found[1] if found and (not folder or folder.endswith(KEYCHAINS)) else ""


def is_id(text: str) -> bool:
    """Whether it is an id that we make."""
    return bool(_ID.fullmatch(text))


def leftover_of(path: str) -> tuple[str, int]:
    """The id and the process of a file whose writing was cut off (see `ports.home`); an empty id for any other."""
    found = _LEFTOVER.fullmatch(path.rpartition("/")[2])
    return (found[1], int(found[2])) if found else ("", 0)


def written(record: Installation) -> bytes:
    """The record as JSON."""
    told = {"version": VERSION, **asdict(record), "begun": record.begun.isoformat()}
    return json.dumps(told, indent=1, sort_keys=True).encode()


def read_record(data: bytes, identifier: str) -> Installation:
    """A record.

    Raises:
        SigningFault: it is not one of ours, or damaged. Paths in it that lead elsewhere make it so: they are removed.
    """
    try:
        told = json.loads(data)
        record = Installation(
            id=_text(told["id"]),
            keychain=_text(told["keychain"]),
            begun=_moment(told["begun"]),
            host=_text(told["host"]),
            pid=_number(told["pid"]),
            job=_text(told["job"]),
            complete=told["complete"] is True,
            sha1s=tuple(_matching(_SHA1, each) for each in told["sha1s"]),
            profiles=tuple(_file(each) for each in told["profiles"]),
        )
        version = _number(told["version"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as fault:
        raise SigningFault(f"the record {identifier}.json of an install is damaged") from fault
    if version != VERSION:
        raise SigningFault(f"the record {identifier}.json of an install is of another version of the pipeline")
    if record.id != identifier or (record.keychain and id_of(record.keychain) != identifier):
        raise SigningFault(f"the record {identifier}.json of an install is about another one")
    return record


def _file(told: dict[str, object]) -> InstalledFile:
    path = _text(told["path"])
    folder, _, name = path.rpartition("/")
    if folder not in PROFILE_FOLDERS or not is_profile_file(name):
        raise ValueError("a path outside the profile folders")
    return InstalledFile(path, _matching(_SHA256, told["sha256"]), told["stays"] is True)


def _moment(told: object) -> datetime:
    moment = datetime.fromisoformat(_text(told))
    if moment.tzinfo is None:
        raise ValueError("a moment without its zone")
    return moment


def _matching(pattern: re.Pattern[str], told: object) -> str:
    text = _text(told)
    if not pattern.fullmatch(text):
        raise ValueError("a digest in another shape")
    return text


def _text(told: object) -> str:
    if not isinstance(told, str):
        raise TypeError("no text")
    return told


def _number(told: object) -> int:
    if not isinstance(told, int) or isinstance(told, bool) or not 0 <= told < 2**32:
        raise TypeError("no number of a process")
    return told
