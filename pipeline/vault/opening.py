"""Opens vaults: the one that is shared, a copy of it that may be changed freely, or one that goes with the run."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pipeline.lazily import cached_property
from pipeline.model import Source, UsageFault
from pipeline.ports.vault import A_CLONE, NoVault, Recipient, Vault, VaultChange, VaultState
from pipeline.vault.folder import FolderStorage
from pipeline.vault.repository import RepositoryStorage, address_fault, needs_network
from pipeline.vault.sealing import new_identity, own_key
from pipeline.vault.seen import Seen
from pipeline.vault.storage import Storage, private_folder
from pipeline.vault.strongroom import SharedVault

__all__ = ["copied", "is_repository", "new_identity", "opened", "who"]

OURS = "this run"


def is_repository(place: str) -> bool:
    """Whether a place is a git repository: an address, a path that ends in .git, or a folder that is a bare repository.

    Any other folder is a plain folder, also inside a work tree: there the person commits.
    """
    if "://" in place or needs_network(place) or address_fault(place):
        return True
    path = Path(place)
    if path.name.endswith(".git"):
        return True
    return (path / "HEAD").is_file() and (path / "objects").is_dir() and (path / "refs").is_dir()


def opened(place: str, key: Callable[[], str | None], *, cache: Path) -> Vault:
    """The vault at a place; without a place, none.

    Args:
        place: a folder, or the address or path of a git repository.
        key: fetches the text of our private key, when it is first needed.
        cache: a folder of this tool on this machine, for what was last seen and for private copies of repositories.
    """
    if not place:
        return NoVault()
    storage: Storage = RepositoryStorage(place, cache) if is_repository(place) else FolderStorage(Path(place))
    return SharedVault(place, storage, key, who=who, seen=Seen(cache, place))


def copied(place: str, key: Callable[[], str | None], scratch: Path) -> Vault:
    """A vault to try things on: a copy of the one at a place, in `scratch`; without a place, one that is made there.

    Nothing is written outside `scratch`, and no other machine is asked. What was done to the copy is there again when
    the same scratch is used again.
    """
    if not place:
        return _PassingVault(scratch)
    if is_repository(place):
        if fault := address_fault(place):
            raise UsageFault(
                "the vault's address cannot be used", why=fault, remedy="name a repository by https or SSH"
            )
        if needs_network(place):
            return _Distant(place)
    copy = scratch / "vault"
    if not copy.exists():
        source = RepositoryStorage(place, scratch) if is_repository(place) else FolderStorage(Path(place))
        try:
            _copy(source, scratch / f".vault.{os.urandom(4).hex()}", copy)
        except OSError as fault:
            why = fault.strerror or str(fault)
            raise UsageFault(
                f"the vault {place} cannot be copied", why=why, remedy="make room or give access"
            ) from fault
    return SharedVault(place, FolderStorage(copy, place), key, who=who, source=Source.SIMULATED)


def _copy(storage: Storage, draft: Path, target: Path) -> None:
    """All files of a storage, as they are, and all at once; a repository becomes a folder."""
    seen = storage.look()
    private_folder(draft)
    for name, data in seen.read([name for name in seen.sizes if not name.startswith(".")]).items():
        if ".." not in name.split("/"):
            private_folder((draft / name).parent)
            _write(draft / name, data)
    draft.rename(target)


def _write(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
        file.write(data)


def who() -> str:
    """Who runs this: the run of a job, whoever git says, or the account on this machine."""
    environment = os.environ
    if environment.get("GITHUB_ACTIONS") == "true":
        actor, run = environment.get("GITHUB_ACTOR", "somebody"), environment.get("GITHUB_RUN_ID", "")
        return f"{actor} (run {run} of {environment.get('GITHUB_REPOSITORY', 'GitHub Actions')})"
    name, address = _git_says("user.name"), _git_says("user.email")
    if name and address:
        return f"{name} <{address}>"
    return name or address or _account()


def _git_says(setting: str) -> str:
    import subprocess

    from pipeline.ports.secrets import harmless_environment

    argv = ["git", "config", "--get", setting]
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(argv, capture_output=True, env=harmless_environment(), timeout=10, check=False)
        return done.stdout.decode("utf-8", "replace").strip()
    return ""


def _account() -> str:
    import getpass
    import socket

    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = str(os.getuid())
    return f"{name} on {socket.gethostname()}"


class _Distant:
    """A vault on another machine, which is not asked."""

    source = Source.SIMULATED
    changed_by = "NOBODY"

    def __init__(self, place: str) -> None:
        self._place = place

    def look(self) -> VaultState:
        """See `ports.vault.Vault.look`."""
        return VaultState(place=self._place, looked=False, why=_UNASKED)

    def read(self, path: str) -> bytes:
        """See `ports.vault.Vault.read`."""
        raise UsageFault(f"{path} was not read", why=_UNASKED, remedy=A_CLONE)

    def publish(self, change: VaultChange) -> str:
        """See `ports.vault.Vault.publish`."""
        raise UsageFault(f"{change.what}: not done", why=_UNASKED, remedy=A_CLONE)


_UNASKED = "the vault lies on another machine, which was not asked"


class _PassingVault:
    """A vault without a place, for one recipient: its key lies beside it, so it is fit for what is simulated only."""

    source = Source.SIMULATED
    changed_by = "US"

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch

    @cached_property
    def _vault(self) -> SharedVault:
        """Made when somebody first looks: few runs do."""
        secret = self._secret()
        storage = FolderStorage(self._scratch / "vault", f"of {OURS}")
        vault = SharedVault(f"of {OURS}", storage, lambda: secret, who=lambda: OURS, source=self.source)
        if not vault.look().head:
            own = Recipient(OURS, own_key(secret).shown)
            vault.publish(VaultChange(what=f"make a vault for {OURS}", recipients=(own,)))
        return vault

    def _secret(self) -> str:
        path = self._scratch / "vault.key"
        try:
            return path.read_text(encoding="ascii")
        except FileNotFoundError:
            secret, _ = new_identity()
        private_folder(path.parent)
        fresh = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
        _write(fresh, secret.encode("ascii"))
        fresh.rename(path)
        return secret

    def look(self) -> VaultState:
        """See `ports.vault.Vault.look`."""
        return replace(self._vault.look(), place="")

    def read(self, path: str) -> bytes:
        """See `ports.vault.Vault.read`."""
        return self._vault.read(path)

    def publish(self, change: VaultChange) -> str:
        """See `ports.vault.Vault.publish`."""
        return self._vault.publish(change)
