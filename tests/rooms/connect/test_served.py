"""The live client, signed requests and all, against the simulated Apple behind a real socket."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from pipeline.apple.connect import gateway, records
from pipeline.apple.connect.client import HOST, Connect, ConnectFault
from pipeline.ports.clock import BriskClock
from pipeline.ports.live_http import ConnectKey, LiveHttp
from pipeline.ports.progress import ToldProgress
from pipeline.ports.retries import RetryingHttp
from pipeline.ports.secrets import EnvironmentSecrets
from pipeline.ports.tenure import Tenure
from pipeline.simulator.server import serve
from tests.rooms.connect.simulated import TARGET, Rehearsal

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE = ec.generate_private_key(ec.SECP256R1())
PEM = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def key(hours_wrong: float = 0.0) -> ConnectKey:
    secrets = EnvironmentSecrets({"ASC_KEY_ID": "KEY1234567", "ASC_ISSUER_ID": "issuer", "ASC_PRIVATE_KEY": PEM})

    def now() -> float:
        return (datetime.now(UTC) + timedelta(hours=hours_wrong)).timestamp()

    return ConnectKey(secrets, now)


@pytest.mark.parametrize("do", ["none", "reset", "reset-after", "503"])
def test_a_signed_upload_arrives(tmp_path: Path, do: str) -> None:
    faults = [] if do == "none" else [{"on": "PATCH /v1/buildUploadFiles/{id}", "do": do}]
    rehearsal = Rehearsal.of(tmp_path, keys={"KEY1234567": PUBLIC}, faults=faults)
    action, clock = rehearsal.action, BriskClock()
    with serve(rehearsal.apple) as server:
        live = LiveHttp({HOST: key()}, {HOST: server.url})
        http = RetryingHttp(live, clock)
        gateway.upload_build(action, http, clock, ToldProgress(), Tenure(lambda: None))
        record = gateway.app_record(http, TARGET)
        assert records.build_uploads(Connect(http), record.id, TARGET.platform, TARGET.build).accepted("2.5.0", "250")
        live.close()
    assert rehearsal.effects("PATCH /v1/buildUploadFiles/{id}") == 1


def test_a_clock_that_runs_fast_is_put_right_by_apples_own(tmp_path: Path) -> None:
    rehearsal = Rehearsal.of(tmp_path, keys={"KEY1234567": PUBLIC})
    with serve(rehearsal.apple) as server:
        live = LiveHttp({HOST: key(hours_wrong=2)}, {HOST: server.url})
        assert gateway.app_record(RetryingHttp(live, BriskClock()), TARGET).exists
        live.close()


def test_a_key_that_apple_does_not_know_is_refused_with_a_remedy(tmp_path: Path) -> None:
    rehearsal = Rehearsal.of(tmp_path, keys={"OTHER": PUBLIC})
    with serve(rehearsal.apple) as server:
        live = LiveHttp({HOST: key()}, {HOST: server.url})
        with pytest.raises(ConnectFault) as raised:
            gateway.app_record(RetryingHttp(live, BriskClock()), TARGET)
        live.close()
    assert raised.value.status == 401
    assert "ASC_KEY_ID" in raised.value.remedy
