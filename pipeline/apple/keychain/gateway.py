"""Looks at the keychains of our own on this Mac, makes them, and takes them away."""

import contextlib
import hashlib
import os
import secrets as chance
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from pipeline.apple.keychain.actions import InstallIdentities, InstallProfile, RemoveKeychain
from pipeline.apple.keychain.client import PATIENCE, SecurityTool
from pipeline.apple.keychain.facts import (
    PROFILE_FOLDERS,
    BuildJob,
    FoundIdentity,
    InstallableMaterial,
    Installation,
    InstalledFile,
    OwnIdentities,
    OwnKeychain,
    OwnKeychains,
    ProfileFiles,
    is_profile_file,
)
from pipeline.apple.keychain.records import (
    FOLDER,
    KEYCHAINS,
    LOCK,
    SIZE_LIMIT,
    id_of,
    is_id,
    keychain_name,
    leftover_of,
    read_record,
    record_path,
    written,
)
from pipeline.apple.keychain.supply import Shelf, Supply
from pipeline.apple.signing.facts import EnvironmentMaterial, GivenMaterial
from pipeline.apple.signing.faults import SigningFault
from pipeline.apple.signing.material import KeyedIdentity, to_p12
from pipeline.apple.signing.trust import APPLE_INTERMEDIATES, Anchors, walk
from pipeline.model import AppleFailure, PipelineError, Reading, UsageFault, performer, probe
from pipeline.ports.clock import Clock
from pipeline.ports.given import GivenFiles
from pipeline.ports.home import Home
from pipeline.ports.progress import Progress
from pipeline.ports.secrets import Secrets
from pipeline.ports.tools import Tools
from pipeline.ports.vault import Vault

NO_KEYCHAIN = "no keychain on this machine: `security` exists only on macOS"
ON_A_MAC = "run it on the Mac that is to sign"
LONGEST = timedelta(hours=1)
"""No install works longer than this, whatever its process number says."""
JOBS = (
    ("GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_JOB", "RUNNER_NAME"),
    ("CI_JOB_ID",),
    ("BUILDKITE_JOB_ID",),
    ("BITRISE_BUILD_SLUG",),
    ("CM_BUILD_ID",),
    ("BUILD_TAG",),
)
"""The variables with which build services name the job that is running; the first that is set begins a name."""


@probe(scope="APP")
def installable_material(  # noqa: PLR0917 -- the engine passes them by name
    in_files: GivenMaterial,
    in_environment: EnvironmentMaterial,
    given: GivenFiles,
    secrets: Secrets,
    vault: Vault,
    clock: Clock,
    anchors: Anchors,
) -> InstallableMaterial:
    """What there is to install: from the files that `--file` names, else from the environment, else from the vault.

    An identity counts when its private key was opened and fits; the key is forgotten again.
    """
    at = clock.now()
    supply, shelf, source = Supply(given, secrets, vault), Shelf(anchors, at), ""
    if in_files.named:
        source = "files"
        shelf.put(in_files.materials, supply)
    elif in_environment.variables:
        source = "environment"
        shelf.put(in_environment.materials, supply)
    elif (state := vault.look()).place:
        source = "vault"
        shelf.put_vault(state, supply)
    return InstallableMaterial(
        source,
        tuple(shelf.identities),
        tuple(shelf.profiles),
        tuple(shelf.keyless),
        tuple(shelf.problems),
        at,
    )


@probe(lasting=True, scope="APP")
def build_job(tools: Tools) -> BuildJob:
    """By the variables that build services set for every step of a job."""
    for first, *others in JOBS:
        if told := _variable(tools, first):
            return BuildJob("/".join((told, *(_variable(tools, name) for name in others)))[:500])
    return BuildJob()


@probe(scope="APP")
def own_keychains(tools: Tools, home: Home, clock: Clock, job: BuildJob) -> OwnKeychains | Reading[OwnKeychains]:
    """What installs have left: by their records, by the names of keychain files, and by the search list."""
    if tools.find("security") is None:
        return Reading.unknown(OwnKeychains, NO_KEYCHAIN, remedy=ON_A_MAC)
    listed = SecurityTool(tools).search_list()
    return _own(home, listed, job.name, clock.now())


@probe(scope="APP")
def own_identities(own: OwnKeychains, tools: Tools) -> OwnIdentities:
    """What `security find-identity` lists for each keychain of this job, with the code that it puts behind a line."""
    tool = SecurityTool(tools)
    return OwnIdentities(
        tuple(
            FoundIdentity(line.sha1, each.path, line.problem)
            for each in own.of_this_job
            if each.whole
            for line in tool.identities(each.path)
        )
    )


@probe(scope="APP")
def profile_files(material: InstallableMaterial, home: Home) -> ProfileFiles:
    """Which of the material's profiles are in the install folders already, by content."""
    return ProfileFiles(
        tuple(
            (path, _sha256(data))
            for each in material.wanted_profiles
            for path in _places(each.file)
            if (data := _read(home, path)) is not None
        )
    )


@performer
def install_identities(  # noqa: PLR0917 -- the engine passes them by name
    action: InstallIdentities,
    given: GivenFiles,
    secrets: Secrets,
    vault: Vault,
    tools: Tools,
    home: Home,
    clock: Clock,
    anchors: Anchors,
    job: BuildJob,
    progress: Progress,
) -> Mapping[str, Any]:
    """Make a keychain, fill it, and put it into the search list last.

    The record is written before anything else, so that whatever a crash leaves is found. A failure takes everything
    back, the search list first.

    Raises:
        UsageFault: the material is not what it was when the install was planned.
        AppleFailure: `security` failed; nothing of ours is left.
    """
    owned, authorities = Supply(given, secrets, vault).identities(action.origins, anchors)
    identities = {each.certificate.sha1: each for each in owned}
    if missing := [sha1 for sha1 in action.sha1s if sha1 not in identities]:
        raise UsageFault(
            f"the identity {missing[0]} is not in the material any more",
            why="it was there when the install was planned",
            remedy="run certs.install again",
        )
    identifier = chance.token_hex(4)
    record = Installation(
        id=identifier,
        keychain=f"{home.root.absolute()}/{KEYCHAINS}/{keychain_name(identifier)}",
        begun=clock.now(),
        host=socket.gethostname(),
        pid=os.getpid(),
        job=job.name,
        sha1s=action.sha1s,
    )
    wanted = [identities[sha1] for sha1 in action.sha1s]
    above = _above(wanted, [each.der for each in authorities], anchors, clock.now())
    tool = SecurityTool(tools)
    _keep(home, record)
    try:
        _fill(tool, home, record, wanted, above, progress)
        progress.say("search list")
        with home.lock(LOCK):
            tool.search([*(path for path in tool.search_list() if id_of(path) != identifier), record.keychain])
            _keep(home, replace(record, complete=True))
    except BaseException as fault:
        _take_back(tool, home, record, fault)
        raise
    return {"keychain": record.keychain, "identities": len(wanted)}


@performer
def install_profile(  # noqa: PLR0917 -- the engine passes them by name
    action: InstallProfile,
    given: GivenFiles,
    secrets: Secrets,
    vault: Vault,
    home: Home,
    clock: Clock,
    job: BuildJob,
) -> Mapping[str, Any]:
    """Put a profile into both install folders; the record learns of each file before it is written.

    Raises:
        UsageFault: its UUID is none, it is not what it was when the install was planned, or it cannot be written.
    """
    if not is_profile_file(action.file):
        raise UsageFault(
            f"the profile “{action.name}” cannot be installed as {action.file}",
            why="the name of its file must be its UUID",
            remedy="download it again from developer.apple.com/account/resources/profiles",
        )
    data = Supply(given, secrets, vault).read(action.origin, action.part)
    if _sha256(data) != action.sha256:
        raise UsageFault(
            f"the profile “{action.name}” in {action.origin} is another one now",
            why="it was replaced after the install was planned",
            remedy="run certs.install again",
        )
    with home.lock(LOCK):
        written_to = _put(action, data, home, _own(home, (), job.name, clock.now()))
    return {"files": written_to, "already": not written_to}


@performer
def remove_keychain(action: RemoveKeychain, tools: Tools, home: Home, clock: Clock) -> Mapping[str, Any]:
    """Out of the search list, the file, the profiles that came with it, and the record last. What is gone is no fault.

    Raises:
        AppleFailure: `security` failed; the record stays, and the next removal goes on from here.
    """
    with home.lock(LOCK):
        return _taken_away(action.id, SecurityTool(tools), home, clock.now())


# Making -----------------------------------------------------------------------------------------------------------


def _fill(  # noqa: PLR0917 -- one thing after the other, all from one performer
    tool: SecurityTool,
    home: Home,
    record: Installation,
    identities: Iterable[KeyedIdentity],
    above: Iterable[bytes],
    progress: Progress,
) -> None:
    password = chance.token_hex(24)
    progress.say("keychain")
    tool.create(record.keychain, password)
    if bundle := b"".join(_pem(der) for der in above):
        with _beside(home, record.id, "pem", bundle) as file:
            tool.add_certificates(record.keychain, file)
    for number, identity in enumerate(identities, 1):
        progress.say(f"identity {number}")
        passphrase = chance.token_hex(24)
        with _beside(home, record.id, "p12", to_p12(identity, passphrase)) as file:
            tool.add_identities(record.keychain, file, passphrase)
    tool.allow_apple_tools(record.keychain, password)
    found = {line.sha1 for line in tool.identities(record.keychain)}
    if missing := [sha1 for sha1 in record.sha1s if sha1 not in found]:
        raise AppleFailure(
            f"the keychain does not list the identity {missing[0]} after it was imported",
            why="`security import` reported success",
            remedy="import the .p12 by hand to see what macOS makes of it",
        )


def _put(action: InstallProfile, data: bytes, home: Home, own: OwnKeychains) -> list[str]:
    """Write it where it is missing, and put it on record: the paths that were written."""
    record = next((e.record for e in own.keychains if e.record and e.id == action.installation), None)
    if record is None and own.current:  # the profile before this one began it
        record = own.current.record
    if record is None:
        record = Installation(
            id=chance.token_hex(4),
            begun=own.at,
            host=socket.gethostname(),
            pid=os.getpid(),
            job=own.job,
            complete=True,
        )
    written_to = []
    for path in _places(action.file):
        before = _read(home, path)
        known = next((each for each in record.profiles if each.path == path), None)
        if before == data and (known or not own.claimed(path, beside=record.id)):
            continue
        mine = known is not None and not known.stays and (before is None or _sha256(before) == known.sha256)
        shared = before == data
        entry = InstalledFile(path, action.sha256, stays=before is not None and not mine and not shared)
        record = replace(record, profiles=(*(e for e in record.profiles if e.path != path), entry))
        _keep(home, record)
        if not shared:
            home.write(path, data, mode=0o644)
            written_to.append(path)
    return written_to


@contextlib.contextmanager
def _beside(home: Home, identifier: str, extension: str, data: bytes) -> Iterator[str]:
    """A file for `security` to read, for its owner's eyes only, and gone afterwards."""
    path = f"{FOLDER}/{identifier}.{extension}"
    home.write(path, data, mode=0o600)
    try:
        yield f"{home.root.absolute()}/{path}"
    finally:
        home.remove(path)


def _above(
    identities: Iterable[KeyedIdentity], authorities: Iterable[bytes], anchors: Anchors, at: datetime
) -> list[bytes]:
    """The intermediates between the identities and a root, each once: a fresh Mac may lack them.

    Apple's are at hand; others count only when they lead from an identity to a trusted root.
    """
    found: dict[bytes, None] = {}
    others = (*APPLE_INTERMEDIATES, *authorities)
    for identity in identities:
        chain = walk(identity.certificate.der, others, anchors, at)
        for link in chain.certificates[1:] if chain.trusted else ():
            if link.sha256 not in anchors.roots:
                found[link.der] = None
    return list(found)


def _pem(der: bytes) -> bytes:
    import base64

    text = base64.encodebytes(der).decode("ascii").replace("\n", "")
    lines = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n".encode()


def _take_back(tool: SecurityTool, home: Home, record: Installation, fault: BaseException) -> None:
    """After a failure: everything as it was. What cannot be taken back now stays on record for the next run."""
    left = _undo(tool, home, record)
    if left and isinstance(fault, PipelineError):
        told = f"and {record.keychain} could not be removed: {left[0]}"
        fault.why = f"{fault.why}; {told}" if fault.why else told
        fault.remedy = "run certs.uninstall when `security` answers again: it removes what is left"
    if isinstance(fault, AppleFailure):
        # It is known what became of it: trying again would only fail again, and leave another keychain behind.
        fault.ambiguous = False


def _undo(tool: SecurityTool, home: Home, record: Installation) -> list[PipelineError]:
    """As much as can be undone, and the record when all was: what could not be."""
    left: list[PipelineError] = []
    steps: tuple[Callable[[], None], ...] = (
        lambda: _unlist(tool, record.id),
        lambda: _delete(tool, home, record),
        lambda: _sweep(home, record.id),
    )
    try:
        with home.lock(LOCK):
            for step in steps:
                try:
                    step()
                except PipelineError as another:
                    left.append(another)
            if not left:
                home.remove(record_path(record.id))
    except PipelineError as another:
        left.append(another)
    return left


def _delete(tool: SecurityTool, home: Home, record: Installation) -> None:
    """Delete the keychain; where `security` refuses, take its file away, once the search list does not name it."""
    if not _there(home, record.id):
        return
    try:
        tool.delete(record.keychain)
    except AppleFailure:
        if any(id_of(path) == record.id for path in tool.search_list()):
            raise
        home.remove(f"{KEYCHAINS}/{keychain_name(record.id)}")


# Looking ----------------------------------------------------------------------------------------------------------


def _variable(tools: Tools, name: str) -> str:
    answer = tools.run(["printenv", name], timeout=PATIENCE)
    return answer.stdout.rstrip("\r\n") if answer.returncode == 0 else ""


def _own(home: Home, listed: Iterable[str], job: str, at: datetime) -> OwnKeychains:
    search_list = tuple(listed)
    spelled = {identifier: path for path in search_list if (identifier := id_of(path))}
    files = {identifier for path in home.find(KEYCHAINS, keychain_name("*")) if (identifier := id_of(path))}
    names = (path.rpartition("/")[2].removesuffix(".json") for path in home.find(FOLDER, "*.json"))
    recorded = {name for name in names if is_id(name)}
    cut_off = {
        identifier for identifier, pid in map(leftover_of, home.find(FOLDER, ".*")) if identifier and not _alive(pid)
    }
    found = [_one(home, each, spelled, files, at) for each in {*spelled, *files, *recorded, *cut_off}]
    return OwnKeychains(tuple(sorted(found, key=_age)), search_list, job, at)


def _age(each: OwnKeychain) -> tuple[str, str]:
    return (each.record.begun.isoformat() if each.record else "", each.id)


def _one(home: Home, identifier: str, spelled: Mapping[str, str], files: set[str], at: datetime) -> OwnKeychain:
    record, damaged = None, False
    data = _read(home, record_path(identifier), SIZE_LIMIT)
    if data is not None:
        try:
            record = read_record(data, identifier)
        except SigningFault:
            damaged = True
    path = record.keychain if record else f"{home.root.absolute()}/{KEYCHAINS}/{keychain_name(identifier)}"
    return OwnKeychain(
        id=identifier,
        path=path,
        listed=spelled.get(identifier, ""),
        there=identifier in files,
        record=record,
        damaged=damaged,
        working=record is not None and not record.complete and _working(record, at),
    )


def _working(record: Installation, at: datetime) -> bool:
    """Whether the process that began an install may still be at it."""
    if not timedelta(0) <= at - record.begun <= LONGEST:
        return False
    return record.host != socket.gethostname() or _alive(record.pid)


def _alive(pid: int) -> bool:
    """Whether another process of that number runs. This very process is not installing: it is looking."""
    if pid in (0, os.getpid()):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _there(home: Home, identifier: str) -> bool:
    return bool(home.find(KEYCHAINS, keychain_name(identifier)))


def _read(home: Home, path: str, limit: int = 64 * 1024 * 1024) -> bytes | None:
    try:
        return home.read(path, limit)
    except FileNotFoundError:
        return None


def _places(file: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{file}" for folder in PROFILE_FOLDERS)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# Removing ---------------------------------------------------------------------------------------------------------


def _taken_away(identifier: str, tool: SecurityTool, home: Home, at: datetime) -> Mapping[str, Any]:
    own = _own(home, tool.search_list(), "", at)
    each = next((e for e in own.keychains if e.id == identifier), None)
    if each is None:
        return {"already": True}
    if each.complete and each.record is not None:
        # From here on it is half removed, whoever looks at it.
        _keep(home, replace(each.record, complete=False, host=socket.gethostname(), pid=os.getpid()))
    _unlist(tool, identifier)
    _delete(tool, home, Installation(identifier, each.path))
    profiles = _remove_profiles(home, each, own)
    _sweep(home, identifier)
    home.remove(record_path(identifier))
    return {"keychain": each.path, "profiles": profiles}


def _keep(home: Home, record: Installation) -> None:
    home.write(record_path(record.id), written(record), mode=0o600)


def _unlist(tool: SecurityTool, identifier: str) -> None:
    """Take a keychain out of the search list; without it there, the list is not touched."""
    listed = tool.search_list()
    others = [path for path in listed if id_of(path) != identifier]
    if len(others) != len(listed):
        tool.search(others)


def _remove_profiles(home: Home, each: OwnKeychain, own: OwnKeychains) -> int:
    """Remove the files that its install put there, but for those changed since and those another install counts on."""
    removed = 0
    for file in each.record.profiles if each.record else ():
        folder, _, name = file.path.rpartition("/")
        for leftover in home.find(folder, f".{name}.*"):
            home.remove(leftover)
        if file.stays or own.claimed(file.path, beside=each.id):
            continue
        data = _read(home, file.path)
        if data is not None and _sha256(data) == file.sha256:
            removed += home.remove(file.path)
    return removed


def _sweep(home: Home, identifier: str) -> None:
    """Files of an import, or of a write, that were cut off."""
    for path in home.find(FOLDER, f"{identifier}.p12", f"{identifier}.pem", f".{identifier}.*"):
        home.remove(path)
