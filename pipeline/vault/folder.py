"""A vault in a folder: on this machine, on a shared file system, or inside a work tree whose owner commits it.

A change is made by one exclusive link: the new ledger line, written in full and synced under another name, gets its
number, which fails if somebody else has taken that number. Everything the line speaks of was written and synced before;
until then nobody reads it, and what a crash leaves is swept a day later by somebody who writes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path

from pipeline.model import UsageFault
from pipeline.ports.vault import Moved
from pipeline.vault.ledger import FOLDER, batch_in
from pipeline.vault.storage import MOST_FILES, TOTAL_LIMIT, Change, Snapshot, private_folder

DEPTH = 6
STALE = 24 * 3600.0
"""Seconds. What no line knows and is older was left behind; what is younger may belong to somebody who writes now."""

OWNER, GROUP = 0o700, 0o2070
PASSED_OVER = ("readme", "license", "licence", "codeowners")
ATTRIBUTES = b"# Digests are of bytes: no line end is ever changed.\n* -text\n"

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class FolderSnapshot:
    """The files of a folder, as they were listed; see `storage.Snapshot`."""

    def __init__(self, storage: FolderStorage, sizes: Mapping[str, int], odd: Collection[str]) -> None:
        self.sizes = sizes
        self.odd = odd
        self._storage = storage

    def read(self, names: Iterable[str]) -> dict[str, bytes]:
        """See `storage.Snapshot.read`."""
        found: dict[str, bytes] = {}
        room = TOTAL_LIMIT
        with self._storage.opened() as top:
            if top is None:
                return found
            for name in names:
                data = _read(top, name, room)
                if data is not None:
                    found[name] = data
                    room -= len(data)
        return found


class FolderStorage:
    """A folder, which need not be there yet; see `storage.Storage`. Links inside it are never followed."""

    def __init__(self, path: Path, shown: str = "") -> None:
        self._path = path
        self._shown = shown or str(path)

    def look(self) -> Snapshot:
        """See `storage.Storage.look`."""
        sizes: dict[str, int] = {}
        odd: list[str] = []
        with self.opened() as top:
            if top is None:
                return FolderSnapshot(self, {}, ())
            strange = self._strange(top)
            if strange:
                raise UsageFault(
                    f"{self._shown} is no vault",
                    why=f"it holds {strange} and no {FOLDER}",
                    remedy="name the folder of the vault, or an empty one for a new vault",
                )
            for name, info in self._walk(top, "", DEPTH):
                if stat.S_ISREG(info.st_mode):
                    sizes[name] = info.st_size
                else:
                    odd.append(name)
                if len(sizes) + len(odd) > MOST_FILES:
                    raise UsageFault(f"{self._shown} holds more than {MOST_FILES:,} files", remedy="check the path")
        return FolderSnapshot(self, sizes, odd)

    @contextlib.contextmanager
    def opened(self) -> Iterator[int | None]:
        """A descriptor of the folder; None when there is no such folder."""
        try:
            top = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            yield None
            return
        except (OSError, ValueError) as fault:
            raise self._refused("read", fault) from fault
        try:
            yield top
        except OSError as fault:
            raise self._refused("read", fault) from fault
        finally:
            os.close(top)

    def _strange(self, top: int) -> str:
        """Something that a vault does not begin with, where there is no ledger; empty when all is well."""
        with os.scandir(top) as entries:
            names = sorted(each.name for each in entries)
        if FOLDER in names:
            return ""
        left = [
            name for name in names if not name.startswith(".") and name.lower().partition(".")[0] not in PASSED_OVER
        ]
        return left[0] if left else ""

    def _walk(self, folder: int, above: str, depth: int) -> Iterator[tuple[str, os.stat_result]]:
        with os.scandir(folder) as entries:
            found = sorted((each.name, each.stat(follow_symlinks=False)) for each in entries)
        for name, info in found:
            full = f"{above}{name}"
            if not stat.S_ISDIR(info.st_mode):
                yield full, info
            elif depth and not (name.startswith(".") and not above):
                with contextlib.suppress(FileNotFoundError), _inner(folder, name) as inner:
                    yield from self._walk(inner, f"{full}/", depth - 1)

    # Writing ---------------------------------------------------------------------------------------------------------

    def commit(self, seen: Snapshot, change: Change) -> None:
        """See `storage.Storage.commit`."""
        try:
            private_folder(self._path)
            top = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as fault:
            raise self._refused("written", fault) from fault
        try:
            self._commit(top, seen, change)
        except OSError as fault:
            raise self._refused("written", fault) from fault
        finally:
            os.close(top)

    def _commit(self, top: int, seen: Snapshot, change: Change) -> None:
        # Whoever shares the folder by its group shares what is in it; nobody else reads it, although it is encrypted.
        mode = OWNER | (os.fstat(top).st_mode & GROUP)
        name, line = change.line
        folder, _, final = name.rpartition("/")
        draft = f".{os.urandom(8).hex()}.json"
        with _folder(top, folder, mode) as ledger:
            if change.first and ".gitattributes" not in seen.sizes:
                with contextlib.suppress(FileExistsError):
                    _write(top, ".gitattributes", ATTRIBUTES, mode)
            try:
                self._prepare(top, change.files, mode)
                _write(ledger, draft, line, mode)
                self._still_there(top, change.files)
                now = os.stat(draft, dir_fd=ledger).st_mtime
                taken = self._link(ledger, draft, final)
            except (OSError, UsageFault):
                self._withdraw(ledger, draft, final, lambda: _remove_all(top, change.files))
                raise
            os.unlink(draft, dir_fd=ledger)
            if not taken:
                _remove_all(top, change.files)
                raise Moved(
                    f"somebody else wrote to {self._shown}", why=f"{name} is there already", remedy="look again"
                )
            os.fsync(ledger)
        _remove_all(top, change.gone)
        self._sweep(top, change.kept, now)

    def _prepare(self, top: int, files: Mapping[str, bytes], mode: int) -> None:
        for each, data in files.items():
            folder, _, name = each.rpartition("/")
            with _folder(top, folder, mode) as inner:
                _write(inner, name, data, mode)
        for folder in sorted({each.rpartition("/")[0] for each in files}):
            with _inner(top, folder) as inner:
                os.fsync(inner)

    def _link(self, ledger: int, draft: str, final: str) -> bool:
        """Whether the line is ours now. A server may have linked it and lost the answer: then it is the same file."""
        try:
            os.link(draft, final, src_dir_fd=ledger, dst_dir_fd=ledger, follow_symlinks=False)
        except FileExistsError:
            ours, there = (os.stat(name, dir_fd=ledger, follow_symlinks=False) for name in (draft, final))
            return os.path.samestat(ours, there)
        except OSError as fault:
            if fault.errno in _NO_LINKS:
                raise UsageFault(
                    f"a vault cannot be written in {self._shown}",
                    why="its file system cannot give a file a second name, so two writers could not be kept apart",
                    remedy="keep the vault in a git repository, or on another file system",
                ) from fault
            raise
        return True

    def _withdraw(self, ledger: int, draft: str, final: str, remove: Callable[[], None]) -> None:
        """Take back what was prepared, unless the line may have got its number after all."""
        with contextlib.suppress(OSError):
            if final in os.listdir(ledger):
                return
            remove()
            os.unlink(draft, dir_fd=ledger)

    def _still_there(self, top: int, made: Iterable[str]) -> None:
        """A machine that slept for a day between writing and linking may find its files swept."""
        for each in made:
            folder, _, name = each.rpartition("/")
            with _inner(top, folder) as inner:
                os.stat(name, dir_fd=inner, follow_symlinks=False)

    def _sweep(self, top: int, kept: frozenset[str], now: float) -> None:
        """Remove what no line knows and is a day old, by the clock of the file system itself."""
        with contextlib.suppress(OSError):
            for name, info in list(self._walk(top, "", DEPTH)):
                batch = batch_in(name)
                if batch and batch not in kept and stat.S_ISREG(info.st_mode) and now - info.st_mtime > STALE:
                    _remove_all(top, (name,))

    def _refused(self, done: str, fault: OSError | ValueError) -> UsageFault:
        why = (fault.strerror if isinstance(fault, OSError) else None) or str(fault)
        return UsageFault(
            f"the vault {self._shown} cannot be {done}", why=why, remedy="check the path and its permissions"
        )


@contextlib.contextmanager
def _inner(top: int, folder: str) -> Iterator[int]:
    """A descriptor of a folder below, with no link on the way."""
    current = os.dup(top)
    try:
        for part in folder.split("/") if folder else ():
            deeper = os.open(part, _FOLDER_FLAGS, dir_fd=current)
            os.close(current)
            current = deeper
        yield current
    finally:
        os.close(current)


@contextlib.contextmanager
def _folder(top: int, folder: str, mode: int) -> Iterator[int]:
    """As `_inner`; folders that are not there are made."""
    current = os.dup(top)
    try:
        for part in folder.split("/"):
            try:
                os.mkdir(part, 0o700, dir_fd=current)
            except FileExistsError:
                deeper = os.open(part, _FOLDER_FLAGS, dir_fd=current)
            else:
                deeper = os.open(part, _FOLDER_FLAGS, dir_fd=current)
                if mode & GROUP:
                    os.fchmod(deeper, mode)
                os.fsync(current)
            os.close(current)
            current = deeper
        yield current
    finally:
        os.close(current)


def _write(folder: int, name: str, data: bytes, mode: int) -> None:
    descriptor = os.open(name, _WRITE_FLAGS, 0o600, dir_fd=folder)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
        if mode & GROUP:
            os.fchmod(descriptor, mode & 0o660)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(top: int, name: str, room: int) -> bytes | None:
    folder, _, own = name.rpartition("/")
    try:
        with _inner(top, folder) as inner:
            descriptor = os.open(own, _READ_FLAGS, dir_fd=inner)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return None
        data = file.read(room + 1)
    if len(data) > room:
        raise UsageFault(f"the vault's files are larger than {TOTAL_LIMIT:,} bytes", remedy="check the path")
    return data


def _remove_all(top: int, names: Iterable[str]) -> None:
    for name in names:
        folder, _, own = name.rpartition("/")
        with contextlib.suppress(OSError), _inner(top, folder) as inner:
            os.unlink(own, dir_fd=inner)
