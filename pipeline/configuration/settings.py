"""What `config/pipeline.yaml` may decide, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import date

from pipeline.model import BuildPolicy
from pipeline.values import dataclass


@dataclass(frozen=True)
class LaneSettings:
    """Decisions about one lane; empty means: discovered, or taken from the app."""

    project: str = ""
    target: str = ""
    scheme: str = ""
    configuration: str = ""
    bundle_id: str = ""
    version: str = ""
    build: str = ""
    workspace: str = ""


@dataclass(frozen=True)
class AppSettings:
    """Decisions about one app. `path` is absolute; empty texts mean: nothing was decided."""

    name: str = ""
    path: str = ""
    bundle_id: str = ""
    team_id: str = ""
    version: str = ""
    build: str = ""
    containers: tuple[str, ...] = ()
    schema: str = ""
    tag: str = "v{version}"
    groups: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    lanes: Mapping[str, LaneSettings] = field(default_factory=dict)


@dataclass(frozen=True)
class Waiver:
    """A finding that is accepted for a reason until a day, that one included. `line` is where it stands in the file."""

    rule: str
    reason: str
    until: date
    subject: str = ""
    path: str = ""
    line: int | None = None


@dataclass(frozen=True)
class PolicySettings:
    """Severities by rule, waivers, thresholds, and whether a live run needs an approved plan ("always" or "never")."""

    severity: Mapping[str, str] = field(default_factory=dict)
    waivers: tuple[Waiver, ...] = ()
    approval: str = "always"
    thresholds: BuildPolicy = BuildPolicy()


@dataclass(frozen=True)
class ServiceSettings:
    """Where Apple's services are; changed only to talk to a simulator on this machine."""

    connect: str = ""
    cloudkit: str = ""


@dataclass(frozen=True)
class SigningSettings:
    """How signing material is kept: `recipients` are age public keys by name, `expires_within` is in days.

    `vault` is a folder (absolute) or the address of a git repository; empty for none.
    """

    expires_within: int = 30
    vault: str = ""
    recipients: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """A whole configuration file; `path` is empty when there is none."""

    path: str = ""
    apps: Mapping[str, AppSettings] = field(default_factory=dict)
    policy: PolicySettings = PolicySettings()
    services: ServiceSettings = ServiceSettings()
    signing: SigningSettings = SigningSettings()
