"""A vault in a git repository: looked at through a private copy, changed by a commit that is pushed without force.

Only plumbing is used, and there is no work tree: nothing of the repository is ever checked out, run or followed. That
a push is refused unless it follows what was seen is what keeps two writers apart.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import tempfile
import time
import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipeline.model import PipelineError, UsageFault
from pipeline.ports.git import HARMLESS
from pipeline.ports.vault import Moved
from pipeline.values import dataclass
from pipeline.vault.folder import ATTRIBUTES
from pipeline.vault.storage import MOST_FILES, TOTAL_LIMIT, Change, Snapshot, private_folder

if TYPE_CHECKING:
    from selectors import BaseSelector, SelectorKey
    from subprocess import Popen

SECONDS = 120.0
PAUSE = 0.05
CHUNK, ERROR_LIMIT = 1 << 16, 1 << 16
STALE = 24 * 3600.0
LISTING_LIMIT = 32 * 1024 * 1024
TOLD_LIMIT = 2_000
PROTOCOLS = ("https", "ssh", "file")
USUAL = ("main", "master")

SERVING = (
    *HARMLESS,
    "core.alternateRefsCommand=true",
    "gc.recentObjectsHook=true",
    "receive.autogc=false",
    "receive.denyCurrentBranch=refuse",
)
"""For git on the other side, where that is this machine: it drops what we set, and would run what its repository names.

Its hooks, the two commands (git-config: one lists references, one objects; both are given to a shell), and the hooks
and filters of a checkout that a push would update.
"""

FOREIGN = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_GRAFT_FILE",
    "GIT_REPLACE_REF_BASE",
    "GIT_CURL_VERBOSE",
    "GIT_REDIRECT_STDERR",
)
"""Variables of somebody else's repository (inside a hook they are set), and those that make git tell too much."""

_SCP = re.compile(r"(?:[\w.-]+@)?[\w.-]+:(?!//)")


def address_fault(place: str) -> str:
    """Why an address is not used; empty when it may be. The address is not repeated: it may hold a password."""
    if place.startswith("-"):
        return "it begins with a dash"
    if "://" not in place:
        return "it names a helper of git, not a repository" if "::" in place.partition("/")[0] else ""
    try:
        parts = urlsplit(place)
        name, password = parts.username, parts.password
    except ValueError:
        return "it cannot be read as an address"
    if parts.scheme not in PROTOCOLS:
        return f"only {', '.join(PROTOCOLS)} are used"
    if password or (name and parts.scheme == "https"):
        return "it holds a user name or a password, which belong into git's credential helper"
    return ""


def needs_network(place: str) -> bool:
    """Whether an address lies on another machine."""
    if "://" in place:
        return not place.startswith("file://")
    return _SCP.match(place) is not None and not os.path.lexists(place)


@dataclass(frozen=True)
class _Done:
    returncode: int
    stdout: bytes
    stderr: str


class RepositorySnapshot:
    """The files of one commit; see `storage.Snapshot`."""

    def __init__(
        self,
        storage: RepositoryStorage,
        commit: str,
        branch: str,
        blobs: Mapping[str, tuple[str, int]],
        odd: Collection[str],
    ) -> None:
        self.commit = commit
        self.branch = branch
        self.sizes = {name: size for name, (_, size) in blobs.items()}
        self.odd = odd
        self._blobs = blobs
        self._storage = storage

    def read(self, names: Iterable[str]) -> dict[str, bytes]:
        """See `storage.Snapshot.read`."""
        wanted = [name for name in names if name in self._blobs]
        if sum(self._blobs[name][1] for name in wanted) > TOTAL_LIMIT:
            raise UsageFault(f"the vault's files are larger than {TOTAL_LIMIT:,} bytes", remedy="check the address")
        contents = self._storage.contents([self._blobs[name][0] for name in wanted])
        return dict(zip(wanted, contents, strict=False))


class RepositoryStorage:
    """A repository by its address or path; see `storage.Storage`. Its private copy lies in `cache` while it is used."""

    def __init__(self, place: str, cache: Path) -> None:
        if fault := address_fault(place):
            raise UsageFault(
                "the vault's address cannot be used", why=fault, remedy="name a repository by https or SSH"
            )
        self._place = place
        self._cache = cache
        self._copy: Path | None = None
        self._branch = ""

    def look(self) -> Snapshot:
        """See `storage.Storage.look`."""
        if not self._branch or not self._fetch(self._branch):
            self._branch, born = self._default_branch()
            if not born:
                return RepositorySnapshot(self, "", self._branch, {}, ())
            if not self._fetch(self._branch):
                raise self._failed("its branch went away while it was looked at")
        commit = self._ask("rev-parse", "--verify", "refs/seen^{commit}").decode("ascii", "replace").strip()
        blobs, odd = self._listed(commit)
        return RepositorySnapshot(self, commit, self._branch, blobs, odd)

    def _default_branch(self) -> tuple[str, bool]:
        """The branch that a clone would check out, and whether it is there: in a new repository it is not."""
        served = self._served("upload-pack")
        done = self._run("ls-remote", "--symref", *served, "--", self._place, "HEAD", "refs/heads/*", network=True)
        if done.returncode:
            raise self._failed(done.stderr)
        named, branches = "", []
        for line in done.stdout.decode("utf-8", "replace").splitlines():
            left, _, right = line.partition("\t")
            if left.startswith("ref: refs/heads/") and right == "HEAD":
                named = left.removeprefix("ref: refs/heads/")
            elif right.startswith("refs/heads/"):
                branches.append(right.removeprefix("refs/heads/"))
        for name in (named, *USUAL, *(branches if len(branches) == 1 else ())):
            if name and name in branches:
                return name, True
        if branches:
            raise UsageFault(
                "the vault's repository has several branches and none is its default",
                why=", ".join(branches[:5]),
                remedy="choose a default branch where the repository is kept",
            )
        return self._unborn(), False

    def _unborn(self) -> str:
        """The branch that an empty repository is waiting for: of all commands, only a clone is told."""
        twin = self._private() / "twin.git"
        how = ("--quiet", "--bare", "--template=", *self._served("upload-pack"))
        done = self._run("clone", *how, "--", self._place, str(twin), network=True)
        if done.returncode:
            raise self._failed(done.stderr)
        told = _git(("-C", str(twin), "symbolic-ref", "HEAD"), b"", 1 << 16, _environment("")).stdout.decode().strip()
        shutil.rmtree(twin, ignore_errors=True)
        return told.removeprefix("refs/heads/") or USUAL[0]

    def _fetch(self, branch: str) -> bool:
        source = f"refs/heads/{branch}"
        done = self._run(
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            *self._served("upload-pack"),
            "--",
            self._place,
            f"+{source}:refs/seen",
            network=True,
        )
        if done.returncode and "couldn't find remote ref" in done.stderr:
            return False
        if done.returncode:
            raise self._failed(done.stderr)
        return True

    def _listed(self, commit: str) -> tuple[dict[str, tuple[str, int]], list[str]]:
        listing = self._ask("ls-tree", "-r", "-z", "-l", "--full-tree", commit, limit=LISTING_LIMIT)
        blobs: dict[str, tuple[str, int]] = {}
        odd: list[str] = []
        for entry in listing.split(b"\0")[:-1]:
            told, _, path = entry.partition(b"\t")
            mode, kind, oid, size = told.split()
            name = path.decode("utf-8", "backslashreplace")
            if kind == b"blob" and mode in (b"100644", b"100755"):
                blobs[name] = (oid.decode(), int(size))
            else:
                odd.append(name)
        if len(blobs) + len(odd) > MOST_FILES:
            raise UsageFault(f"the vault's repository holds more than {MOST_FILES:,} files", remedy="check the address")
        return blobs, odd

    def contents(self, blobs: Sequence[str]) -> list[bytes]:
        """The contents of these objects, in order."""
        if not blobs:
            return []
        asked = "".join(f"{oid}\n" for oid in blobs).encode()
        told = self._ask("cat-file", "--batch", given=asked, limit=TOTAL_LIMIT + 200 * len(blobs))
        found: list[bytes] = []
        at = 0
        for oid in blobs:
            end = told.index(b"\n", at)
            header = told[at:end].split()
            if len(header) != 3 or header[1] != b"blob":
                raise self._failed(f"the object {oid} is missing")
            size = int(header[2])
            found.append(told[end + 1 : end + 1 + size])
            at = end + 1 + size + 1
        return found

    # Writing ---------------------------------------------------------------------------------------------------------

    def commit(self, seen: Snapshot, change: Change) -> None:
        """See `storage.Storage.commit`."""
        if not isinstance(seen, RepositorySnapshot):
            raise TypeError("a snapshot of another place")
        made = f"refs/made/{os.urandom(8).hex()}"
        given = b"".join(_imported(seen, change, made))
        done = self._run("fast-import", "--quiet", "--done", "--date-format=raw", given=given)
        if done.returncode:
            raise self._failed(done.stderr)
        how = ("--quiet", *self._served("receive-pack"))
        done = self._run("push", *how, "--", self._place, f"{made}:refs/heads/{seen.branch}", network=True)
        if done.returncode == 0:
            return
        try:
            now = self.look()
        except PipelineError as fault:
            raise UsageFault(
                "whether the vault's repository took the change is not known",
                why=str(fault),
                remedy="run it again: it looks first and does nothing twice",
            ) from fault
        if now.read([change.line[0]]).get(change.line[0]) == change.line[1]:
            return
        if isinstance(now, RepositorySnapshot) and now.commit != seen.commit:
            raise Moved(
                "somebody else wrote to the vault's repository", why="the push was refused", remedy="look again"
            )
        raise UsageFault(
            "the vault's repository refused the change",
            why=_told(done.stderr),
            remedy="check that you may push to its default branch, without a review in between",
        )

    # Git -------------------------------------------------------------------------------------------------------------

    def _ask(self, *arguments: str, given: bytes = b"", limit: int = 1 << 20) -> bytes:
        done = self._run(*arguments, given=given, limit=limit)
        if done.returncode:
            raise self._failed(done.stderr)
        return done.stdout

    def _served(self, program: str) -> tuple[str, ...]:
        """How the other side is started: on this machine as us, so that nothing that its repository names is run."""
        if needs_network(self._place):
            return ()
        settings = " ".join(f"-c {each}" for each in SERVING)
        return (f"--{program}=git {settings} {program}",)

    def _failed(self, told: str) -> UsageFault:
        return UsageFault(
            "the vault's repository is out of reach",
            why=_told(told),
            remedy="check its address, the network, and that git can log in without asking a person",
        )

    def _run(self, *arguments: str, given: bytes = b"", limit: int = 1 << 20, network: bool = False) -> _Done:
        return _git(
            ("-C", str(self._private()), *arguments), given, limit, _environment(self._place if network else "")
        )

    def _private(self) -> Path:
        """The private copy: of this process alone, so that nothing stands in the way of another."""
        if self._copy is None or not self._copy.is_dir():
            try:
                private_folder(self._cache)
                _sweep(self._cache)
                copy = Path(tempfile.mkdtemp(prefix="copy-", dir=self._cache))
            except OSError as fault:
                raise UsageFault(
                    f"the cache {self._cache} cannot be written",
                    why=fault.strerror or str(fault),
                    remedy="make room or give access",
                ) from fault
            weakref.finalize(self, shutil.rmtree, copy, ignore_errors=True)
            done = _git(("init", "--quiet", "--bare", "--template=", "--", str(copy)), b"", 1 << 16, _environment(""))
            if done.returncode:
                raise self._failed(done.stderr)
            self._copy = copy
        return self._copy


def _imported(seen: RepositorySnapshot, change: Change, ref: str) -> Iterator[bytes]:
    """The commit in the words of git-fast-import: everything with its length in front, so nothing needs quoting."""
    person = re.fullmatch(r"([^<>]+) <([^<>\s]+)>", change.by)
    name, address = person.groups() if person else (re.sub(r"[<>]", " ", change.by).strip(), "vault@localhost")
    yield f"commit {ref}\ncommitter {name or 'vault'} <{address}> {int(time.time())} +0000\n".encode()
    yield _sized(f"{change.what}\n".encode())
    if seen.commit:
        yield f"from {seen.commit}\n".encode()
    files = dict([*change.files.items(), change.line])
    if change.first and ".gitattributes" not in seen.sizes:
        files[".gitattributes"] = ATTRIBUTES
    for path, data in files.items():
        yield f"M 100644 inline {path}\n".encode()
        yield _sized(data)
    for path in change.gone:
        yield f"D {path}\n".encode()
    yield b"done\n"


def _sized(data: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(data), data)


def _told(stderr: str) -> str:
    """What git said, without what it says to everybody, in one line."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and not line.startswith("hint:")]
    return "; ".join(lines)[:TOLD_LIMIT]


def _environment(place: str) -> dict[str, str]:
    """Of this process without credentials of ours; git asks nobody, and speaks no protocol but the usual."""
    from pipeline.ports.secrets import harmless_environment

    hidden = {*FOREIGN, *(name for name in os.environ if name.startswith("GIT_TRACE"))}
    env = {name: value for name, value in harmless_environment().items() if name not in hidden}
    env |= {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "GCM_INTERACTIVE": "never",
        "GIT_ALLOW_PROTOCOL": ":".join(PROTOCOLS),
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "LC_ALL": "C",
    }
    if place and needs_network(place) and not place.startswith("https:") and "GIT_SSH" not in env:
        env["GIT_SSH_COMMAND"] = f"{_ssh(env)} -o BatchMode=yes -o ConnectTimeout=20"
    return env


def _ssh(env: Mapping[str, str]) -> str:
    """The person's own way to call ssh, which may name a key."""
    if told := env.get("GIT_SSH_COMMAND"):
        return told
    done = _git(("config", "--global", "--get", "core.sshCommand"), b"", 1 << 16, dict(env))
    return done.stdout.decode("utf-8", "replace").strip() or "ssh"


def _git(arguments: Sequence[str], given: bytes, limit: int, env: dict[str, str]) -> _Done:
    """Run git in a session of its own, so that nothing can ask at the terminal, and end all of it when time is up.

    It is ended, too, when it says more than `limit`: what is said is never longer than that, in memory or on disk.
    """
    import subprocess

    settings = (*HARMLESS, "gc.auto=0", "maintenance.auto=false", "transfer.fsckObjects=true")
    argv = ["git", "--no-optional-locks", *(part for each in settings for part in ("-c", each)), *arguments]
    with tempfile.TemporaryFile() as put:
        put.write(given)
        put.seek(0)
        try:
            child = subprocess.Popen(
                argv, stdin=put, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, start_new_session=True
            )
        except OSError as fault:
            raise UsageFault(
                "git cannot be run",
                why=fault.strerror or str(fault),
                remedy="install git, or keep the vault in a folder",
            ) from fault
        with child:
            try:
                return _heard(child, limit, time.monotonic() + SECONDS)
            finally:
                if child.poll() is None:
                    with contextlib.suppress(OSError):
                        os.killpg(child.pid, signal.SIGKILL)


def _heard(child: Popen[bytes], limit: int, until: float) -> _Done:
    """What git said when it ended, or why it was not waited for."""
    import selectors

    out, err = bytearray(), bytearray()
    with selectors.DefaultSelector() as waiting:
        for pipe, said in ((child.stdout, out), (child.stderr, err)):
            if pipe is not None:
                waiting.register(pipe, selectors.EVENT_READ, said)
        # Git may have ended while what it began, such as ssh for later connections, keeps the pipes open.
        while (ready := waiting.select(PAUSE if waiting.get_map() else 0)) or child.poll() is None:
            for key, _ in ready:
                _hear(key, waiting)
            if len(out) > limit:
                return _Done(1, b"", f"git said more than {limit:,} bytes")
            del err[ERROR_LIMIT:]
            if time.monotonic() > until:
                return _Done(124, b"", f"git did not answer within {SECONDS:.0f} s")
            if not waiting.get_map():
                time.sleep(0.001)  # It has closed what it says, and is about to end.
    return _Done(child.returncode, bytes(out), err.decode("utf-8", "replace"))


def _hear(key: SelectorKey, waiting: BaseSelector) -> None:
    heard = os.read(key.fd, CHUNK)
    key.data.extend(heard)
    if not heard:
        waiting.unregister(key.fileobj)


def _sweep(cache: Path) -> None:
    """Copies of processes that were killed."""
    now = time.time()
    for copy in cache.glob("copy-*"):
        with contextlib.suppress(OSError):
            if now - copy.stat().st_mtime > STALE:
                shutil.rmtree(copy, ignore_errors=True)
