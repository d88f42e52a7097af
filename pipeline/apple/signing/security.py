"""What Apple's `security` tool prints, as values; it has no machine-readable output.

Source: Security, SecurityTool/macOS/identity_find.m and keychain_find.c. The texts are not localised.
"""

from __future__ import annotations

import re

from pipeline.apple.signing.certificates import Certificate, read_certificate
from pipeline.apple.signing.faults import SigningFault
from pipeline.values import dataclass

TEXT_LIMIT = 32 * 1024 * 1024

EXPIRED = "CSSMERR_TP_CERT_EXPIRED"
NOT_VALID_YET = "CSSMERR_TP_CERT_NOT_VALID_YET"
REVOKED = "CSSMERR_TP_CERT_REVOKED"
NOT_TRUSTED = "CSSMERR_TP_NOT_TRUSTED"
INVALID_ANCHOR = "CSSMERR_TP_INVALID_ANCHOR_CERT"

_LINES = re.compile(
    r'^ *(\d+)\) (?:([0-9A-F]{40}) "(.{0,1024}?)"(?: \((CSSMERR_\w+)\))?|!-----.*?)$'
    r"|^ *(\d+) (?:valid )?identities found$",
    re.MULTILINE | re.DOTALL,  # a name may hold a line break
)
"""Identities, those whose digest `security` could not tell, and the counts that end each list."""
_MOST_LISTS = 2
"""All that match, and those among them that are valid."""
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----[\sA-Za-z0-9+/=]*-----END CERTIFICATE-----")


@dataclass(frozen=True)
class ListedIdentity:
    """One line of `security find-identity`. `problem` is the code in brackets, empty for a usable identity."""

    sha1: str
    """Lower-case hex."""
    label: str
    problem: str = ""


def read_identities(text: str) -> tuple[ListedIdentity, ...]:
    """The identities that `security find-identity` lists, in its order, each once.

    With and without `-v`: the tool tells trust anew on each line, so a revoked identity is listed, and counted, as
    valid; only the code in brackets tells. An identity that is listed twice keeps the code of either line.

    Raises:
        SigningFault: the lines are not those that were counted. A name may hold line breaks, and so imitate lines.
    """
    found: dict[str, ListedIdentity] = {}
    seen, lists = 0, 0
    for line in _LINES.finditer(_bounded(text)):
        if line[5]:
            lists += 1
            if int(line[5]) != seen or lists > _MOST_LISTS:
                raise _ambiguous()
            seen = 0
            continue
        seen += 1
        if int(line[1]) != seen:
            raise _ambiguous()
        if line[2]:
            sha1, label, problem = line[2].lower(), line[3], line[4] or ""
            known = found.get(sha1)
            found[sha1] = ListedIdentity(sha1, label, problem or (known.problem if known else ""))
    if seen:
        raise _ambiguous()
    return tuple(found.values())


def _ambiguous() -> SigningFault:
    return SigningFault(
        "The identities of the keychain cannot be told apart",
        why="`security find-identity` lists others than it counts, as it does when a name holds a line break",
        remedy="look at Keychain Access for an identity with an odd name, and delete it",
    )


def read_certificates(text: str) -> tuple[tuple[Certificate, ...], tuple[str, ...]]:
    """The certificates that `security find-certificate -a -Z -p` lists, each once, and why others could not be read."""
    found: dict[str, Certificate] = {}
    problems: list[str] = []
    for number, block in enumerate(_PEM.finditer(_bounded(text)), 1):
        try:
            certificate = read_certificate(block[0].encode())
        except SigningFault as fault:
            problems.append(f"certificate {number} of the keychains cannot be read: {fault}")
        else:
            found.setdefault(certificate.sha1, certificate)
    return tuple(found.values()), tuple(problems)


def _bounded(text: str) -> str:
    if len(text) > TEXT_LIMIT:
        raise SigningFault(
            "The keychain listing is too large", why=f"{len(text):,} characters, at most {TEXT_LIMIT:,} are read"
        )
    return text.replace("\r\n", "\n")
