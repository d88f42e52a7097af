"""What may be wrong with a developer's machine: a rehearsal is told one of these to see that the release notices."""

from __future__ import annotations

from enum import StrEnum

from pipeline.values import dataclass


class Standing(StrEnum):
    """How a certificate in the keychain, or an installed profile, stands."""

    VALID = "VALID"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"
    OTHER_TEAM = "OTHER_TEAM"
    OTHER_CERTIFICATE = "OTHER_CERTIFICATE"
    """For profiles: made for a certificate that is not in the keychain."""
    MISSING = "MISSING"


@dataclass(frozen=True)
class Scenario:
    """The state of the machine; the default has nothing wrong.

    Attributes:
        distribution: the Apple Distribution identity.
        installer: the 3rd Party Mac Developer Installer identity.
        development: the Apple Development identity.
        developer_id: whether there is a Developer ID Application identity besides.
        profiles: the App Store profiles.
        profiles_lack: entitlements that the App Store profiles do not grant.
        archive_error: what the compiler says when it fails: "Sources/App.swift:12:5: error: cannot find 'x' in scope".
        export_error: why an export fails, as xcodebuild names it after "error: exportArchive ".
        xcode: False when no Xcode is installed, only its command-line tools.
        security_fails: verbs of `security` that fail, such as "import"; "list-keychains -s" fails to set the search
            list, and "search list is lost" says that it was set although it was not.
    """

    distribution: Standing = Standing.VALID
    installer: Standing = Standing.VALID
    development: Standing = Standing.VALID
    developer_id: bool = False
    profiles: Standing = Standing.VALID
    profiles_lack: tuple[str, ...] = ()
    archive_error: str = ""
    export_error: str = ""
    xcode: bool = True
    security_fails: tuple[str, ...] = ()


NO_IDENTITY = Scenario(distribution=Standing.MISSING, installer=Standing.MISSING, development=Standing.MISSING)
DEVELOPER_ID_ONLY = Scenario(
    distribution=Standing.MISSING, installer=Standing.MISSING, development=Standing.MISSING, developer_id=True
)
BARE = Scenario(
    distribution=Standing.MISSING,
    installer=Standing.MISSING,
    development=Standing.MISSING,
    profiles=Standing.MISSING,
)
"""A fresh runner: Xcode, and nothing to sign with."""
