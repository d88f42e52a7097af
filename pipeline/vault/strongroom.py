"""A vault as it is used: what lies in a place, added up, checked, opened with our key, and changed.

Nothing is read from, or written to, a vault whose ledger does not add up, is older than it was, or has a line that
nobody with a key wrote: who can write to the place must not decide what a release is signed with, nor for whom the next
key is sealed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from pipeline.model import Source, UsageFault
from pipeline.ports.vault import Deed, Moved, Recipient, VaultChange, VaultEntry, VaultFile, VaultState
from pipeline.values import dataclass
from pipeline.vault import ledger
from pipeline.vault.ledger import Account, Broken, Line, Stored
from pipeline.vault.sealing import NAME, NotOurs, OwnKey, fault_of, own_key, plain_key, seal, unseal
from pipeline.vault.seen import Last, Seen
from pipeline.vault.storage import Change, Snapshot, Storage

LOOKS = 3
"""How often a vault is looked at again that is being changed while it is read."""

KEY_BYTES = 32
MOST_STRAYS = 20


@dataclass(frozen=True)
class View:
    """A vault at one moment.

    Attributes:
        faults: why it is not used.
        problems: what is wrong with files, by the names under which they are stored; it does not keep the others
            from being read.
        keys: vault keys by the number of the line that brought them; None when we cannot open the vault.
        proved: for each line, whether somebody with a vault key wrote it.
    """

    snapshot: Snapshot
    account: Account
    contents: Mapping[str, bytes]
    faults: tuple[str, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()
    keys: Mapping[int, bytes] | None = None
    why: str = ""
    proved: tuple[bool | None, ...] = ()


class SharedVault:
    """A vault in a storage; see `ports.vault.Vault`.

    Args:
        place: what is shown of where it lies.
        storage: where it lies.
        key: fetches the text of our private key, when it is first needed.
        who: tells who runs this, for the ledger.
        seen: what was seen of it before; None forgets.
    """

    def __init__(
        self,
        place: str,
        storage: Storage,
        key: Callable[[], str | None],
        *,
        who: Callable[[], str],
        seen: Seen | None = None,
        source: Source = Source.LIVE,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.source = source
        self.changed_by = "OTHERS" if source is Source.LIVE else "US"
        self._place = place
        self._storage = storage
        self._key = key
        self._who = who
        self._seen = seen
        self._now = now
        self._own: OwnKey | UsageFault | None = None
        self._last: View | None = None
        self._lock = threading.RLock()

    # Looking ---------------------------------------------------------------------------------------------------------

    def look(self) -> VaultState:
        """See `ports.vault.Vault.look`."""
        with self._lock:
            view = self._view()
            own = self._own_key()
        account = view.account
        current = {plain_key(each.key) for each in account.recipients}
        return VaultState(
            place=self._place,
            head=account.head,
            recipients=account.recipients,
            entries=tuple(_entry(held, current) for _, held in sorted(account.holdings.items())),
            deeds=tuple(_deed(line, proved) for line, proved in zip(account.lines, view.proved, strict=True)),
            openable=view.keys is not None,
            why=view.why,
            problems=(*view.faults, *(told for _, told in view.problems)),
            own=own.shown if isinstance(own, OwnKey) else "",
        )

    def read(self, path: str) -> bytes:
        """See `ports.vault.Vault.read`."""
        with self._lock:
            view = self._last or self._view()
            self._trusted(view)
            held = view.account.holdings.get(path)
            if held is None:
                raise UsageFault(f"the vault holds no {path!r:.120}", remedy="list what it holds with `certs.table`")
            return self._content(view, path, held.file, held.stored)

    def _content(self, view: View, path: str, file: Stored, stored: str) -> bytes:
        data = view.contents.get(stored)
        if data is None:
            raise UsageFault(f"{path} is missing in the vault", why=f"there is no {stored}", remedy=_RESTORE)
        if not file.is_of(data):
            raise UsageFault(f"{path} was changed in the vault", why=f"{stored} is not what was put", remedy=_RESTORE)
        if not file.sealed:
            return data
        if view.keys is None:
            raise UsageFault(f"{path} cannot be opened", why=view.why, remedy=_OPEN)
        return unseal(data, self._opener())

    def _view(self) -> View:
        for _ in range(LOOKS):
            last = self._seen.last() if self._seen else None
            snapshot = self._storage.look()
            view = self._added_up(snapshot, last)
            missing = any(name not in view.contents for name in view.account.expected)
            if not missing or set(_lines(self._storage.look())) == set(_lines(snapshot)):
                break
        if self._seen and not view.faults and view.proved and all(view.proved):
            # What nobody proved is not remembered: to take it away again must not look like going back.
            self._seen.remember([line.digest for line in view.account.lines])
        self._last = view
        return view

    def _added_up(self, snapshot: Snapshot, last: Last | None) -> View:
        account, faults = _account(snapshot)
        if self._seen and last and not faults:
            turned = self._seen.fault([line.digest for line in account.lines], last)
            faults = (turned,) if turned else ()
        wanted = {**account.expected, **{name: file for _, name, file in account.keys}}
        fitting = [name for name, file in wanted.items() if snapshot.sizes.get(name, -1) == file.size]
        contents = snapshot.read(fitting)
        keys, why = self._keys(account, contents)
        return View(
            snapshot=snapshot,
            account=account,
            contents=contents,
            faults=faults,
            problems=tuple(_problems(snapshot, account, contents)),
            keys=keys,
            why=why,
            proved=_proved(account, keys),
        )

    def _own_key(self) -> OwnKey | UsageFault:
        if self._own is None:
            text = self._key()
            try:
                self._own = own_key(text) if text else UsageFault(f"{NAME} is not set", remedy=_OPEN)
            except UsageFault as fault:
                self._own = fault
        return self._own

    def _opener(self) -> OwnKey:
        own = self._own_key()
        if isinstance(own, UsageFault):
            raise own
        return own

    def _keys(self, account: Account, contents: Mapping[str, bytes]) -> tuple[Mapping[int, bytes] | None, str]:
        own = self._own_key()
        if isinstance(own, UsageFault):
            return None, str(own)
        if not account.keys:
            return None, "there is no vault yet"
        found: list[Mapping[int, bytes]] = []
        told = ""
        # The newest is the only one, unless somebody put one of his own behind it: then an older one proves more.
        for _, name, file in reversed(account.keys):
            data = contents.get(name)
            try:
                if data is None or not file.is_of(data):
                    told = told or f"its key file {name} is {'missing' if data is None else 'not what was put'}"
                else:
                    found.append(_keys_told(unseal(data, own)))
            except NotOurs:
                told = told or f"our key ({own.shown}) is none of its recipients"
            except UsageFault as fault:
                told = told or str(fault)
        if not found:
            return None, told
        return max(found, key=lambda keys: _unbroken(_proved(account, keys))), ""

    def _trusted(self, view: View) -> None:
        """Raises UsageFault for a vault that is not used."""
        faults = [*view.faults]
        faults += [f"line {n} was written by nobody with a key" for n, p in enumerate(view.proved, 1) if p is False]
        if faults:
            raise UsageFault(f"the vault {self._place} is not used", why="; ".join(faults[:3]), remedy=_RESTORE)

    def _undamaged(self, view: View, change: VaultChange) -> None:
        """Raises UsageFault for a vault that somebody damaged, unless the change mends something of it."""
        damaged = {name for name, _ in view.problems}
        held = (view.account.holdings.get(path) for path in (*change.put, *change.drop))
        if damaged and damaged.isdisjoint(each.stored for each in held if each):
            why = "; ".join(told for _, told in view.problems[:3])
            raise UsageFault(f"the vault {self._place} is not written to", why=why, remedy=_RESTORE)

    # Changing --------------------------------------------------------------------------------------------------------

    def publish(self, change: VaultChange) -> str:
        """See `ports.vault.Vault.publish`."""
        with self._lock:
            view = self._view()
            if view.account.head != change.base:
                raise Moved(f"the vault {self._place} was changed by somebody else", remedy="look again")
            self._trusted(view)
            if view.account.lines and view.keys is None:
                raise UsageFault(f"the vault {self._place} cannot be written", why=view.why, remedy=_OPEN)
            draft = _Draft(self._opener(), view, _fitting(change, view.account), self._content)
            if draft.is_empty:
                return view.account.head
            self._undamaged(view, change)
            by = _plain(change.by) or _plain(self._who())
            after, stored = draft.finished(_plain(change.what), by, self._now())
            self._last = None
            self._storage.commit(view.snapshot, stored)
            if self._seen:
                self._seen.remember([line.digest for line in after.lines])
            return after.head


_RESTORE = "restore the vault from a copy or from the repository's history (docs/vault.md says how)"
_OPEN = f"set {NAME} to the private key of one of its recipients"


def _plain(text: str) -> str:
    """A text as the ledger takes it."""
    return "".join(each if each.isprintable() else " " for each in text).strip()[: ledger.TEXT_LIMIT]


def _lines(snapshot: Snapshot) -> list[str]:
    prefix = f"{ledger.FOLDER}/"
    return sorted(n for n in snapshot.sizes if n.startswith(prefix) and ledger.is_line_name(n.removeprefix(prefix)))


def _account(snapshot: Snapshot) -> tuple[Account, tuple[str, ...]]:
    """The ledger added up, and why it is not used."""
    names = _lines(snapshot)
    if len(names) > ledger.MOST_LINES or sum(snapshot.sizes[name] for name in names) > ledger.LEDGER_LIMIT:
        return Account(), ("the ledger is larger than any that was ever written",)
    whole = [name for number, name in enumerate(names, 1) if name == ledger.line_name(number)]
    read = snapshot.read(whole)
    there = [name for name in whole if name in read]
    if there != whole:
        whole = whole[: next(at for at, name in enumerate(whole) if name not in read)]
    account = ledger.add_up(read[name] for name in whole)
    if account.faults:
        return account, account.faults
    if len(whole) < len(names):
        return account, (f"line {len(whole) + 1} of the ledger is missing, and there are later ones",)
    return account, ()


def _problems(snapshot: Snapshot, account: Account, contents: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    expected = account.expected
    for name, file in sorted(expected.items()):
        if name in snapshot.odd:
            yield name, f"{name} is a link or a device, not a file"
        elif name not in snapshot.sizes:
            yield name, f"{name} is missing"
        elif name not in contents or not file.is_of(contents[name]):
            yield name, f"{name} was changed: it is not what the ledger says"
    own = {ledger.FOLDER, ledger.KEYS, *(path.partition("/")[0] for path in account.holdings)}
    strays = [
        name
        for name in sorted({*snapshot.sizes, *snapshot.odd} - set(expected))
        if name.partition("/")[0] in own
        and not name.rpartition("/")[2].startswith(".")
        and not ledger.batch_in(name)
        and not (name.startswith(f"{ledger.FOLDER}/") and name in snapshot.sizes and ledger.is_line_name(name[7:]))
    ]
    for name in strays[:MOST_STRAYS]:
        yield name, f"{name!r:.160} is there, and no line of the ledger put it there"
    if len(strays) > MOST_STRAYS:
        yield "", f"{len(strays) - MOST_STRAYS:,} more files are there that no line of the ledger put there"


def _proved(account: Account, keys: Mapping[int, bytes] | None) -> tuple[bool | None, ...]:
    """For each line, whether it was written with the vault key that was in force before it."""
    if keys is None:
        return (None,) * len(account.lines)
    in_force = [keys.get(account.key_before(line.number)) for line in account.lines]
    return tuple(key is not None and line.proved_by(key) for line, key in zip(account.lines, in_force, strict=True))


def _unbroken(proved: Sequence[bool | None]) -> int:
    """How many lines from the first on are proved."""
    return next((at for at, each in enumerate(proved) if not each), len(proved))


def _entry(held: ledger.Holding, current: set[str]) -> VaultEntry:
    return VaultEntry(
        path=held.path,
        sealed=held.file.sealed,
        sha256=held.file.sha256,
        size=held.file.size,
        told=held.file.told,
        by=held.by,
        at=held.at,
        leavers=tuple(name for key, name in held.readers.items() if key not in current) if held.file.sealed else (),
    )


def _deed(line: Line, proved: bool | None) -> Deed:  # noqa: FBT001 - three answers, not a switch
    return Deed(
        number=line.number,
        at=line.at,
        by=line.by,
        what=line.what,
        put=tuple(line.put),
        dropped=line.dropped,
        recipients=tuple(each.name for each in line.recipients or ()),
        proved=proved,
        resealed=tuple(line.resealed),
    )


# Vault keys ----------------------------------------------------------------------------------------------------------


def _keys_told(text: bytes) -> dict[int, bytes]:
    """Vault keys from the content of a key file: on each line the number of a ledger line, and the key in hex."""
    keys: dict[int, bytes] = {}
    try:
        for line in text.decode("ascii").splitlines():
            number, _, key = line.partition(" ")
            keys[int(number)] = bytes.fromhex(key)
    except ValueError:
        raise UsageFault("the vault's key file cannot be read", remedy=_RESTORE) from None
    if not keys or any(len(key) != KEY_BYTES for key in keys.values()):
        raise UsageFault("the vault's key file holds no keys", remedy=_RESTORE)
    return keys


def _keys_text(keys: Mapping[int, bytes]) -> bytes:
    return "".join(f"{number:06d} {key.hex()}\n" for number, key in sorted(keys.items())).encode("ascii")


# A change in the making ----------------------------------------------------------------------------------------------


def _fitting(change: VaultChange, account: Account) -> VaultChange:
    """The change without what is so already.

    Raises:
        UsageFault: something of it cannot be kept.
    """
    for path, file in change.put.items():
        fault = ledger.path_fault(path) or ("" if len(file.content) <= ledger.FILE_LIMIT // 2 else "it is too large")
        fault = fault or next(
            (f"{t!r:.60} {f}" for x in file.told.items() for t in x if (f := ledger.text_fault(t))), ""
        )
        if fault:
            raise UsageFault(f"{path!r:.120} cannot be kept in the vault", why=fault, remedy="give it another name")
    recipients = change.recipients
    if recipients is not None:
        recipients = tuple(Recipient(each.name, plain_key(each.key)) for each in recipients)
    if recipients == account.recipients:
        recipients = None
    if recipients is None and not account.lines:
        raise UsageFault("there is no vault yet", why="nobody is named who could open it", remedy=_NAME_THEM)
    if recipients is not None:
        _able(recipients)
    drop = tuple(path for path in change.drop if path in account.holdings and path not in change.put)
    return replace(change, recipients=recipients, drop=drop)


_NAME_THEM = "name them as `signing: {recipients: {NAME: age1…}}` in config/"


def _able(recipients: tuple[Recipient, ...]) -> None:
    if not recipients:
        raise UsageFault("nobody could open the vault", why="no recipients are named", remedy=_NAME_THEM)
    for each in recipients:
        if fault := fault_of(each.key) or ledger.text_fault(each.name):
            raise UsageFault(f"{each.name!r:.80} cannot be a recipient", why=fault, remedy=_NAME_THEM)
    if len({plain_key(each.key) for each in recipients}) != len(recipients):
        raise UsageFault("two recipients have the same key", remedy="name each key once")


class _Draft:
    """The files and the ledger line of a change."""

    def __init__(
        self,
        own: OwnKey,
        view: View,
        change: VaultChange,
        content: Callable[[View, str, Stored, str], bytes],
    ) -> None:
        self._own = own
        self._view = view
        self._change = change
        self._content = content
        self._batch = os.urandom(8).hex()
        self._files: dict[str, bytes] = {}

    @property
    def is_empty(self) -> bool:
        """Whether it would change nothing."""
        return not (self._change.put or self._change.drop or self._change.recipients)

    def finished(self, what: str, by: str, at: datetime) -> tuple[Account, Change]:
        """What the ledger will add up to, and what is to be stored."""
        account, change = self._view.account, self._change
        number = len(account.lines) + 1
        recipients = change.recipients or account.recipients
        keys = dict(self._view.keys or {})
        key = None
        if change.recipients:
            keys[number] = os.urandom(KEY_BYTES)
            key = self._key_file(number, keys, recipients)
        line = Line(
            number=number,
            before=account.head,
            batch=self._batch,
            at=at,
            by=by,
            what=what,
            put={path: self._stored(path, file, recipients) for path, file in change.put.items()},
            resealed=self._resealed(recipients) if change.recipients else {},
            dropped=change.drop,
            recipients=change.recipients,
            key=key,
        )
        data = ledger.written(line, keys[account.key_before(number)])
        try:
            after = ledger.following(account, data)
        except Broken as fault:
            raise UsageFault("the vault takes no such change", why=str(fault), remedy="put less at once") from fault
        known, expected = after.batches, after.expected
        gone = [n for n in self._view.snapshot.sizes if ledger.batch_in(n) in known and n not in expected]
        return after, Change(
            self._files, (ledger.line_name(number), data), tuple(gone), known, what, by, first=number == 1
        )

    def _key_file(self, number: int, keys: Mapping[int, bytes], recipients: tuple[Recipient, ...]) -> Stored:
        data = seal(_keys_text(keys), [each.key for each in recipients])
        try:
            unseal(data, self._own)
        except NotOurs:
            raise UsageFault(
                "you would lock yourself out of the vault",
                why=f"your key ({self._own.shown}) is none of the new recipients",
                remedy="add it, or let one of those who stay make this change",
            ) from None
        self._files[ledger.key_name(number, self._batch)] = data
        return Stored.of(data, sealed=True)

    def _stored(self, path: str, file: VaultFile, recipients: tuple[Recipient, ...]) -> Stored:
        data = seal(file.content, [each.key for each in recipients]) if file.sealed else file.content
        self._files[ledger.stored_name(path, self._batch, sealed=file.sealed)] = data
        return Stored.of(data, sealed=file.sealed, told=file.told)

    def _resealed(self, recipients: tuple[Recipient, ...]) -> dict[str, Stored]:
        touched = {*self._change.put, *self._change.drop}
        return {
            path: self._stored(
                path,
                VaultFile(self._content(self._view, path, held.file, held.stored), told=held.file.told),
                recipients,
            )
            for path, held in self._view.account.holdings.items()
            if held.file.sealed and path not in touched
        }
