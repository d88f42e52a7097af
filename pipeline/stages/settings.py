"""Show build settings as Xcode resolves them, and where each was decided."""

from pipeline.apple.xcode.checks import resolved as checks
from pipeline.apple.xcode.resolved import ResolvedSetting, ResolvedSettings, ResolvedTarget
from pipeline.apple.xcode.settings import Level
from pipeline.model import Cell, Column, Exhibit, Lane, Stage, Tone

_NOWHERE = {Level.PLATFORM: Cell("Xcode's own", Tone.QUIET), Level.COMMAND: Cell("xcodebuild's arguments", Tone.QUIET)}
"""Where an assignment stands that is in no file."""
_UNSET = Cell("not set", Tone.QUIET)


def settings(resolved: ResolvedSettings, lane: Lane) -> Exhibit:
    """One row a setting; the target in front where there is more than one."""
    several = len(resolved.targets) > 1
    columns = (
        *((Column("Target"),) if several else ()),
        Column("Key"),
        Column("Value", wraps=True),
        Column("Where", wraps=True),
        Column("Level", spare=1),
        Column("Overrides", wraps=True, spare=2),
        Column("Written", wraps=True, spare=3),
    )
    rows = [
        (*((Cell(target.target),) if several else ()), *_row(setting))
        for target in resolved.targets
        for setting in target.settings
    ]
    return Exhibit(_title(resolved, lane), columns, tuple(rows), empty="nothing assigns what was asked for")


def _title(resolved: ResolvedSettings, lane: Lane) -> str:
    if len(resolved.targets) == 1:
        (one,) = resolved.targets
        return f"Build settings of {one.target}, {_made(one)}"
    made = dict.fromkeys(_made(target) for target in resolved.targets)
    return f"Build settings of {len(resolved.targets)} targets of {lane.project}, {'; '.join(made)}"


def _made(target: ResolvedTarget) -> str:
    return f"{target.configuration}, {target.sdk or 'no SDK'}"


def _row(setting: ResolvedSetting) -> tuple[Cell, ...]:
    one = setting.decided
    if one is None:
        return (Cell(setting.key), _UNSET, Cell(), Cell(), Cell(), Cell())
    tone = Tone.CAUTION if setting.undefined else Tone.PLAIN
    value = Cell(setting.text, tone) if setting.text else Cell("(empty)", Tone.QUIET, value="")
    return (
        Cell(setting.key),
        value,
        Cell(str(one.location)) if one.location else _NOWHERE.get(Level(one.level), Cell()),
        Cell(one.level),
        Cell("; ".join(dict.fromkeys(map(str, setting.weaker)))),
        Cell(one.written if one.written != setting.text else ""),
    )


SETTINGS = Stage("settings", title="build settings", checks=(checks,), exhibits=(settings,))
