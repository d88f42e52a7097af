"""Secrets: fetched by name, never printed, and removed from any text that leaves the process."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from pipeline.model import Source, UsageFault


class Secrets(Protocol):
    """Looks secrets up by the name of their environment variable."""

    source: Source

    def get(self, name: str) -> str | None:
        """The secret, or None when there is none.

        Raises:
            UsageFault: it is said to be in a file, and that cannot be read.
        """
        ...

    def redact(self, text: str) -> str:
        """The text with every secret that was fetched, and everything that looks like a token, replaced by [secret]."""
        ...


CERTIFICATES, PASSWORD = "SIGNING_CERTIFICATES", "SIGNING_CERTIFICATES_PASSWORD"
SIGNING = (CERTIFICATES, PASSWORD, "SIGNING_PROFILES", "SIGNING_VAULT_KEY")
"""Secrets that are used on this machine only; a rehearsal may look at them, since nothing leaves it."""

CREDENTIALS = ("ASC_PRIVATE_KEY", "ASC_KEY_ID", "ASC_ISSUER_ID", "CLOUDKIT_MANAGEMENT_TOKEN", *SIGNING)
"""The names of all secrets that are asked for."""

SHORTEST = 6
"""Characters. A shorter secret stands in half of all words: it is kept out of texts by not being told at all."""

_LOOKS_SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}\b"
    r"|AGE-SECRET-KEY-1[A-Z0-9]{20,}",
    re.DOTALL,
)


class EnvironmentSecrets:
    """Secrets from environment variables; NAME_FILE names a file that holds the secret of NAME.

    An empty variable counts as not set: that is how build services hand on a secret that they lack.
    """

    source: Source = Source.LIVE
    changed_by = "NOBODY"

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._fetched: set[str] = set()

    def get(self, name: str) -> str | None:
        value = self._environment.get(name)
        if not value:
            path = self._environment.get(f"{name}_FILE")
            if path:
                value = _in_file(f"{name}_FILE", path)
        if value and len(value) >= SHORTEST:
            self._fetched.add(value)
        return value or None

    def redact(self, text: str) -> str:
        fetched = sorted(self._fetched, key=len, reverse=True)
        for value in fetched:
            text = text.replace(value, "[secret]")
        text = _LOOKS_SECRET.sub("[secret]", text)
        for value in fetched:
            for line in value.splitlines():
                if len(line) >= 16:
                    text = text.replace(line, "[secret]")
        return text


def passwords(secrets: Secrets, source: Source) -> tuple[str, ...]:
    """What may open signing material of that source: the password of a simulated Mac opens no real file."""
    password = secrets.get(PASSWORD) if secrets.source is source else None
    return (password,) if password else ()


def _in_file(variable: str, path: str) -> str:
    try:
        data = Path(path).read_bytes()
    except OSError as fault:
        raise UsageFault(
            f"the file that {variable} names cannot be read",
            why=f"{path}: {fault.strerror or fault}",
            remedy=f"correct the path in {variable}, give access to the file, or unset the variable",
        ) from fault
    with contextlib.suppress(UnicodeDecodeError):
        return data.decode("utf-8").strip()
    # Told outside of the handler: the decoder's own complaint holds the secret.
    raise UsageFault(
        f"the file that {variable} names cannot be read",
        why=f"{path} is not UTF-8 text",
        remedy="put the secret there as text: the base64 of a .p12, of a profile or of an archive",
    )


def harmless_environment() -> dict[str, str]:
    """This process's environment for the tools that it starts: a build runs scripts of strangers."""
    hidden = {*CREDENTIALS, *(f"{name}_FILE" for name in CREDENTIALS)}
    return {name: value for name, value in os.environ.items() if name not in hidden}


def without_credentials(text: str, environment: dict[str, str]) -> str:
    """The text without the credentials of this environment: for what is told where there is no run yet."""
    secrets = EnvironmentSecrets(environment)
    for name in CREDENTIALS:
        with contextlib.suppress(UsageFault):  # what cannot be read is in no text
            secrets.get(name)
    return secrets.redact(text)


class RehearsedSecrets(EnvironmentSecrets):
    """A theatre without Apple's credentials: the signing material of this environment, else what a simulated Mac has.

    Args:
        environment: of this process; only the signing secrets are looked at.
        simulated: makes the secrets that stand in where the environment has no signing material.
    """

    def __init__(self, environment: Mapping[str, str], simulated: Callable[[], Mapping[str, str]]) -> None:
        names = {*SIGNING, *(f"{name}_FILE" for name in SIGNING)}
        own = {name: value for name, value in environment.items() if name in names and value}
        super().__init__(own)
        self._simulated = None if own else simulated
        self.source = Source.LIVE if own else Source.SIMULATED

    def get(self, name: str) -> str | None:
        if self._simulated is not None and name in SIGNING:
            self._environment, self._simulated = dict(self._simulated()), None
        return super().get(name)
