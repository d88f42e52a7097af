"""Finds secrets that stand in clear in automation, and private keys among the files. What they are is never kept."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.apple.automation.facts import Exposed
from pipeline.apple.xcode.workspace import Workspace
from pipeline.model import Location

KEY_LIMIT = 64 * 1024
KEYS = 200

_KEY = re.compile(rb"-----BEGIN (?:EC |RSA |ENCRYPTED )?PRIVATE KEY-----\s*[A-Za-z0-9+/=\s]{60,}")
_SPECIFIC = re.compile(r"(?<![\w-])([a-z]{4}(?:-[a-z]{4}){3})(?![\w-])")
_ABOUT_PASSWORD = re.compile(r"pass|pwd|--?p\b|@apple|secret", re.IGNORECASE)
_IMPORTED = re.compile(r"\bsecurity\s+import\b[^\n]*?\s-P\s+(?:\"([^\"$\n]+)\"|'([^'\n]+)'|([^\s\"'$<-][^\s\"'$]*))")
_VARIABLE = re.compile(
    r"\b([A-Z0-9_]{0,80}PASS(?:WORD|PHRASE))\b[\"']?\s{0,20}(?:\]\s{0,20})?(?::|=>?)\s{0,20}"
    r"(?:\"([^\"$\n]+)\"|'([^'$\n]+)'|([A-Za-z0-9!@#%^&*+_.-]+)(?=\s|$))"
)
_ABOUT = frozenset(
    ("P12", "CERTIFICATE", "CERT", "MATCH", "FASTLANE", "APP_SPECIFIC", "APPLICATION_SPECIFIC", "KEYSTORE")
)
"""Of which things a password is one that matters, as parts of the variable's name."""
_PLACEHOLDER = re.compile(
    r"your|xxx|chang|placeholder|example|dummy|sample|todo|none|null|true|false|secret|password|test|temp|\*{2}|<|>|"
    r"abcd-efgh|aaaa-|env\b|@keychain|@env|\.\.\.|_",
    re.IGNORECASE,
)
_OF_TESTS = re.compile(r"(?:^|/)[^/]*(?:test|fixture|example|sample|mock|demo|stub|spec)[^/]*/", re.IGNORECASE)
_SUFFIXES = (".p8", ".pem", ".key")


def exposed_in(text: str, path: str, shift: int) -> Iterator[Exposed]:
    """Secrets in a workflow or a script. `shift` is added to the lines."""
    if "-----BEGIN" in text and (match := _KEY.search(text.encode("utf-8", "replace"))):
        line = text.encode("utf-8", "replace").count(b"\n", 0, match.start()) + 1 + shift
        yield Exposed("a private key", Location(path, line), key=True)
    if not re.search(r"(?i)pass|security\s+import|altool|notarytool", text):
        return
    for number, line_text in enumerate(text.split("\n"), 1 + shift):
        if len(line_text) > 4_000 or line_text.lstrip().startswith("#"):
            continue
        if what := _secret(line_text):
            yield Exposed(what, Location(path, number))


def _secret(line: str) -> str:
    match = _SPECIFIC.search(line)
    if match and _ABOUT_PASSWORD.search(line) and not _PLACEHOLDER.search(match[1]) and len(set(match[1])) > 6:
        return "an app-specific password"
    match = _IMPORTED.search(line)
    if match and not _PLACEHOLDER.search(match[1] or match[2] or match[3]):
        return "the password of a certificate"
    match = _VARIABLE.search(line) if "PASS" in line else None
    if match and any(f"_{part}_" in f"_{match[1]}".replace("PASS", "_PASS", 1) for part in _ABOUT):
        value = (match[2] or match[3] or match[4] or "").strip()
        if value and "$" not in value and not _PLACEHOLDER.search(value) and len(value) > 3:
            return f"the value of {match[1]}"
    return ""


def committed_keys(workspace: Workspace) -> Iterator[Exposed]:
    """Private keys among the files: Apple's API keys and push keys (.p8), and PEM files beside them."""
    count = 0
    for path in workspace.tree:
        if not path.endswith(_SUFFIXES) or _OF_TESTS.search(path):
            continue
        count += 1
        if count > KEYS:
            return
        data = workspace.read(path, KEY_LIMIT)
        if data is not None and (match := _KEY.search(data)):
            yield Exposed("a private key", Location(path, data.count(b"\n", 0, match.start()) + 1), key=True)
