"""What a vault shows: what is in it, and who changed it."""

from collections.abc import Iterator
from datetime import datetime

from pipeline.apple.signing.certificates import NEVER
from pipeline.apple.signing.facts import SigningPolicy
from pipeline.model import Cell, Column, Exhibit, Tone
from pipeline.vault.facts import CERTIFICATE, IDENTITIES, KEY, PENDING, KeptFile, VaultContents

_VAULT = (
    Column("Name", wraps=True),
    Column("Kind", spare=2),
    Column("Team", spare=3),
    Column("Expires", spare=1),
    Column("Days", right=True),
    Column("Put by", spare=4),
    Column("Put at", spare=5),
)
_LEDGER = (
    Column("Line", right=True),
    Column("When"),
    Column("Who", spare=1),
    Column("What", wraps=True),
    Column("Proved"),
)


def vault(contents: VaultContents, policy: SigningPolicy) -> Exhibit:
    """What is in the vault, by the day on which it ends."""
    shown = sorted(_shown(contents), key=lambda each: (each.expires == NEVER, each.expires, each.path))
    names = ", ".join(each.name for each in contents.recipients)
    return Exhibit(
        title="Vault",
        columns=_VAULT,
        rows=tuple(_file_row(each, contents, policy) for each in shown),
        note=f"{contents.place or 'Of this run alone'}, encrypted for {names}" if names else contents.place,
        empty="The vault is empty." if contents.exists else "There is no vault yet." if contents.place else "No vault.",
    )


def ledger(contents: VaultContents) -> Exhibit:
    """Who changed what, the newest change first."""
    unproved = "" if contents.openable or not contents.exists else "Without a key, nobody can tell who wrote a line."
    return Exhibit(
        title="Ledger",
        columns=_LEDGER,
        rows=tuple(
            (
                Cell(str(line.number), value=line.number),
                Cell(_minute(line.at), value=line.at.isoformat()),
                Cell(line.by),
                Cell(line.what),
                _proved(line.proved),
            )
            for line in reversed(contents.lines)
        ),
        note=unproved,
        empty="Nothing was ever written.",
    )


def _shown(contents: VaultContents) -> Iterator[KeptFile]:
    """Each thing once: a key beside its certificate is told with the certificate."""
    for each in contents.files:
        beside = f"{each.path.removesuffix(KEY)}{CERTIFICATE}"
        if not (each.path.startswith(IDENTITIES) and each.path.endswith(KEY) and contents.file(beside)):
            yield each


def _file_row(each: KeptFile, contents: VaultContents, policy: SigningPolicy) -> tuple[Cell, ...]:
    kind = str(each.certificate.kind) if each.certificate else each.told.get("kind", "")
    team = each.certificate.team_id if each.certificate else each.told.get("team", "")
    waits = " (waits for its certificate)" if each.path.startswith(PENDING) else ""
    keyless = each.path.endswith(CERTIFICATE) and contents.key_of(each.name) is None
    name = f"{each.label}{waits}{' (without its key)' if keyless else ''}"
    return (
        Cell(name, Tone.BAD if keyless or each.fault else Tone.PLAIN),
        Cell(kind),
        Cell(team),
        *_end(each.expires, contents.at, policy),
        Cell(each.by),
        Cell(_minute(each.at), value=each.at.isoformat()),
    )


def _end(ends: datetime, at: datetime, policy: SigningPolicy) -> tuple[Cell, Cell]:
    if ends == NEVER:
        return Cell("", Tone.QUIET), Cell("", Tone.QUIET)
    days = (ends - at).days
    tone = Tone.BAD if ends <= at else Tone.CAUTION if ends - at <= policy.expires_within else Tone.GOOD
    return Cell(f"{ends:%Y-%m-%d}", value=ends.isoformat()), Cell(str(days), tone, days)


def _proved(proved: bool | None) -> Cell:  # noqa: FBT001 -- three answers, not a switch
    if proved is None:
        return Cell("not known", Tone.QUIET, value=None)
    return Cell("yes", Tone.GOOD, value=True) if proved else Cell("NO", Tone.BAD, value=False)


def _minute(at: datetime) -> str:
    return "" if at == NEVER else f"{at:%Y-%m-%d %H:%M}"
