"""Talks to `security`: passwords on its standard input, never on a command line, and no complaint taken for success.

What the tool does is read from Apple's source (Security 61901.0.87.0.1):

- `security -i` runs the lines of its standard input and goes on after a failure; its exit status is that of the last
  command alone, and an earlier failure is only told on standard error as "VERB: returned N" (SecurityTool/macOS/
  security.c:1175-1218). So one command is given at a time, and that phrase counts as failure too: a status whose last
  eight bits are zero would else look like success, and -1 ends the loop with 0 (security.c:1197-1201).
- A line has at most 4,095 bytes; the rest of a longer one is read as the next command. A last line without its end is
  dropped (readline.c:41-82). A line has at most 32 words; quotes and backslashes make one word (security.c:907-1002).
- `create-keychain` leaves the search list and the default keychain alone, unless it makes a login keychain
  (StorageManager.cpp:119-135, 507-538); macOS before 10.9 added it. Neither is relied on.
- `list-keychains -s` reports no write error (DLDBListCFPref.cpp:325-335: "Emulate CFPreferences by not checking for any
  errors"), so the list is read again.
- `import -P` takes ASCII only and else asks a person (keychain_import.c:84-90, 119-128).
- `delete-keychain` takes the keychain out of the search list, then deletes the file (StorageManager.cpp:999-1055).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.apple.signing.security import ListedIdentity, read_identities
from pipeline.model import AppleFailure
from pipeline.ports.tools import Completed, Tools

PATIENCE = 60.0
"""Seconds. A dialog that nobody answers makes `security` wait."""
LOCK_AFTER = 21_600
"""Seconds until the keychain locks itself: six hours, longer than a build and shorter than a forgotten runner."""
MOST_BYTES = 4_095
MOST_WORDS = 32
APPS = ("/usr/bin/codesign", "/usr/bin/productbuild", "/usr/bin/productsign", "/usr/bin/security")
"""Who may use the keys without asking."""
PARTITIONS = "apple-tool:,apple:,codesign:"

_RETURNED = re.compile(r"^\S+: returned -?\d+$", re.MULTILINE)
_UNSPEAKABLE = re.compile(r"[\0\r\n]")


def line_of(words: Sequence[str]) -> str:
    """A command as `security -i` reads it.

    Raises:
        ValueError: a word cannot be said in a line, or the line is too long to be read as one. The text is not told.
    """
    line = " ".join(_quoted(word) for word in words)
    if len(words) > MOST_WORDS or len(line.encode("utf-8", "surrogateescape")) > MOST_BYTES - 1:
        raise ValueError("a command is too long for `security -i`")
    return f"{line}\n"


def _quoted(word: str) -> str:
    if _UNSPEAKABLE.search(word):
        raise ValueError("a word with a line break cannot be given to `security -i`")
    if word and not re.search(r"[\s\"'\\]", word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def read_search_list(text: str) -> tuple[str, ...]:
    """The paths that `security list-keychains` prints, one a line in quotes, nothing escaped (keychain_list.c:51-62).

    Raises:
        AppleFailure: a line is something else; the list could then not be restored as it was.
    """
    paths = []
    for line in text.split("\n"):
        told = line.strip(" ")
        if not told:
            continue
        if len(told) < 3 or not (told.startswith('"/') and told.endswith('"')):
            raise AppleFailure(
                "the keychain search list cannot be read",
                why="`security list-keychains` printed a line that is no path",
                remedy="look at `security list-keychains -d user`, and set the list anew without that line",
            )
        paths.append(told[1:-1])
    return tuple(paths)


def _plain(paths: Sequence[str]) -> list[str]:
    """Without "-db", which is shown or not as the files are there (StorageManager.cpp:232-323)."""
    return [path.removesuffix("-db") for path in paths]


class SecurityTool:
    """The verbs of `security` that an install needs. Every failure is an AppleFailure that holds no secret."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def search_list(self) -> tuple[str, ...]:
        """The user's search list."""
        return read_search_list(self._said("list-keychains", "-d", "user").stdout)

    def search(self, paths: Sequence[str]) -> None:
        """Set the user's search list with one command, and see that it was."""
        self._said("list-keychains", "-d", "user", "-s", *paths)
        if _plain(self.search_list()) != _plain(paths):
            raise AppleFailure(
                "the keychain search list was not set",
                why="`security list-keychains -s` reported success and the list reads otherwise",
                remedy="make room on the disk and see who else changes ~/Library/Preferences/com.apple.security.plist",
            )

    def create(self, path: str, password: str) -> None:
        """A new keychain that stays unlocked for a build and locks itself after it, or when the Mac sleeps."""
        self._told(["create-keychain", "-p", password, path], password)
        self._said("set-keychain-settings", "-l", "-u", "-t", str(LOCK_AFTER), path)
        self._told(["unlock-keychain", "-p", password, path], password)

    def add_identities(self, path: str, file: str, passphrase: str) -> None:
        """Import a .p12; Apple's signing tools may use its keys."""
        apps = [word for app in APPS for word in ("-T", app)]
        self._told(["import", file, "-k", path, "-f", "pkcs12", "-P", passphrase, *apps], passphrase)

    def add_certificates(self, path: str, file: str) -> None:
        """Import certificates, PEM."""
        self._said("import", file, "-k", path)

    def allow_apple_tools(self, path: str, password: str) -> None:
        """Let Apple's tools use the keys without a dialog; since macOS 10.12 being trusted does not suffice."""
        self._told(["set-key-partition-list", "-S", PARTITIONS, "-s", "-k", password, path], password)

    def identities(self, path: str) -> tuple[ListedIdentity, ...]:
        """The identities in one keychain, whatever they are for: the policy is X.509 Basic."""
        return read_identities(self._said("find-identity", path).stdout)

    def delete(self, path: str) -> None:
        """Delete a keychain."""
        self._said("delete-keychain", path)

    def _said(self, *words: str) -> Completed:
        return self._checked(self._tools.run(["security", *words], timeout=PATIENCE), words[0])

    def _told(self, words: Sequence[str], secret: str) -> None:
        try:
            line = line_of(words)
        except ValueError as fault:
            raise AppleFailure(f"`security {words[0]}` cannot be told what to do", why=str(fault)) from None
        self._checked(self._tools.run(["security", "-i"], stdin=line, timeout=PATIENCE), words[0], secret)

    @staticmethod
    def _checked(answer: Completed, verb: str, secret: str = "") -> Completed:
        if answer.returncode == 0 and not _RETURNED.search(answer.stderr):
            return answer
        lines = (line.strip() for line in answer.stderr.splitlines())
        first = next((line.removeprefix("security: ") for line in lines if line), "")
        raise AppleFailure(
            f"`security {verb}` failed with status {answer.returncode}",
            why=first.replace(secret, "[secret]")[:500] if secret else first[:500],
            remedy="run `security` by hand with the same keychain to see what it asks for",
        )
