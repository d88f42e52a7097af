"""Why a piece of signing material stays shut: the words for it, and the error that carries one of them."""

from __future__ import annotations

from enum import StrEnum

from pipeline.apple.signing.faults import SigningFault


class Fault(StrEnum):
    """What is wrong with a piece of signing material."""

    PASSWORD_NEEDED = "PASSWORD_NEEDED"  # noqa: S105 -- the name of a fault
    """It is encrypted, and no password was given."""
    WRONG_PASSWORD = "WRONG_PASSWORD"  # noqa: S105 -- the name of a fault
    """It is encrypted, and none of the passwords opens it."""
    NO_KEY = "NO_KEY"
    """Certificates only, where an identity is wanted."""
    NO_CERTIFICATE = "NO_CERTIFICATE"
    """Private keys only, where an identity is wanted."""
    FOREIGN_KEY = "FOREIGN_KEY"
    """A private key that fits none of the certificates beside it."""
    OTHER_ALGORITHM = "OTHER_ALGORITHM"
    """A private key for another end: Apple's certificates are made for RSA, and for curves that have a name."""
    NOT_SIGNED = "NOT_SIGNED"
    """A provisioning profile's property list without Apple's signature around it."""
    UNREADABLE = "UNREADABLE"
    """It begins like signing material and breaks off, contradicts itself, or asks for more than is given to any."""


class Unopened(SigningFault):
    """Signing material that could not be opened; `fault` says in one word why. No text of it holds a secret."""

    def __init__(self, what: str, fault: Fault, *, why: str = "", remedy: str = "") -> None:
        super().__init__(what, why=why, remedy=remedy)
        self.fault = fault
