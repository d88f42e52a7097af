"""Passwords: what is simulated opens nothing real, and nothing real is tried on what is simulated."""

from __future__ import annotations

import pytest

from pipeline.model import Source
from pipeline.ports.secrets import EnvironmentSecrets, RehearsedSecrets, passwords

PASSWORD = {"SIGNING_CERTIFICATES_PASSWORD": "correct horse"}
REAL = EnvironmentSecrets(dict(PASSWORD))
PLAYED = RehearsedSecrets({}, lambda: PASSWORD)


@pytest.mark.parametrize(
    ("secrets", "source", "told"),
    [
        (REAL, Source.LIVE, ("correct horse",)),
        (REAL, Source.SIMULATED, ()),
        (PLAYED, Source.SIMULATED, ("correct horse",)),
        (PLAYED, Source.LIVE, ()),
        (EnvironmentSecrets({}), Source.LIVE, ()),
        (EnvironmentSecrets({"SIGNING_CERTIFICATES_PASSWORD": ""}), Source.LIVE, ()),
    ],
)
def test_a_password_opens_what_is_of_its_own_source(
    secrets: EnvironmentSecrets, source: Source, told: tuple[str, ...]
) -> None:
    assert passwords(secrets, source) == told
