"""The signing secrets that the team of a simulated Mac keeps for its runners."""

from __future__ import annotations

import base64
import io
import os
import tarfile
from typing import TYPE_CHECKING

from pipeline.simulator.authority import Kind
from pipeline.simulator.machine import pkcs12
from pipeline.simulator.machine.keychain import extension_of
from pipeline.simulator.machine.scenario import Standing

if TYPE_CHECKING:
    from pipeline.simulator.machine.mac import Machine

KINDS = (Kind.DISTRIBUTION, Kind.MAC_INSTALLER_DISTRIBUTION)


def signing_secrets(machine: Machine) -> dict[str, str]:
    """What the environment of a runner would hold, by name of its variable.

    SIGNING_CERTIFICATES is a .p12 with the identities for distribution and for Mac installers, and
    SIGNING_CERTIFICATES_PASSWORD opens it; SIGNING_PROFILES is a .tar.gz with the App Store profiles, flat. They are
    those of the Mac itself where nothing is wrong with them, else what the team has at Apple.
    """
    scenario = machine.scenario
    standings = (scenario.distribution, scenario.installer, scenario.profiles)
    whole = all(each is Standing.VALID for each in standings) and not scenario.profiles_lack
    team = machine.keychain if whole else machine.provisioned
    identities = [each for each in team.identities if each.kind in KINDS and each.team_id == team.team_id]
    password = base64.b32encode(os.urandom(15)).decode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for profile in team.store_profiles:
            entry = tarfile.TarInfo(f"{profile.uuid}.{extension_of(profile)}")
            entry.size = len(profile.data)
            archive.addfile(entry, io.BytesIO(profile.data))
    return {
        "SIGNING_CERTIFICATES": base64.b64encode(pkcs12.write(identities, password)).decode(),
        "SIGNING_CERTIFICATES_PASSWORD": password,
        "SIGNING_PROFILES": base64.b64encode(packed.getvalue()).decode(),
    }
