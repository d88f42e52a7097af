"""What a stage shows: tables of what was observed, made anew after it acted, and never of what was not seen."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.engine.exhibits import LETTERS, LONGEST, ROWS, bounded
from pipeline.engine.journal import Journal, read
from pipeline.engine.walk import walk
from pipeline.engine.wiring import verify_wiring
from pipeline.model import AppleFailure, Cell, Column, Exhibit, Lane, Reading, Scope, Source, Stage, Tone
from pipeline.model.exhibits import exhibit_from, exhibit_told
from pipeline.model.run import ExhibitRecord, Run, State, replay
from tests.engine import toy

COLUMNS = (Column("Jug"), Column("Pints", right=True, spare=1))


def how_full(level: toy.Level, lane: Lane) -> Exhibit:
    tone = Tone.GOOD if level.pints else Tone.QUIET
    return Exhibit("The jug", COLUMNS, ((Cell(lane.name), Cell(f"{level.pints} pints", tone, level.pints)),))


def how_full_if_seen(reading: Reading[toy.Level]) -> Exhibit:
    return Exhibit("The jug", empty="it is dark" if reading.value is None else "it is light")


def the_shelf(shelf: toy.Shelf) -> Exhibit:
    return Exhibit("The shelf", (Column("Sound"),), ((Cell("yes" if shelf.sound else "no", value=shelf.sound),),))


def shattered(level: toy.Level) -> Exhibit:
    raise ZeroDivisionError(level.pints)


FILL = replace(toy.FILL, after=(), exhibits=(how_full,))
ONE = toy.LANES[:1]


def shown(run: Run) -> list[ExhibitRecord]:
    return [record for step in run.steps for record in step.exhibits]


def test_a_step_that_acted_shows_what_came_of_it(tmp_path: Path) -> None:
    cast = toy.cast(tmp_path, toy.Jug(), stages=(FILL,), lanes=ONE)
    run = walk(cast)
    entries = [entry for entry in cast.journal.entries() if entry["kind"] == "exhibit"]
    assert [entry["rows"] for entry in entries] == [
        [["left", {"text": "0 pints", "tone": "QUIET", "value": 0}]],
        [["left", {"text": "3 pints", "tone": "GOOD", "value": 3}]],
    ]
    (record,) = shown(run)
    assert record.exhibit.rows == ((Cell("left"), Cell("3 pints", Tone.GOOD, 3)),)
    assert record.exhibit.columns == COLUMNS
    assert (record.name, record.source, record.past) == ("how_full", Source.SIMULATED, False)


def test_after_the_proofs_and_not_before(tmp_path: Path) -> None:
    cast = toy.cast(tmp_path, toy.Jug(), stages=(FILL,), lanes=ONE)
    walk(cast)
    kinds = [entry["kind"] for entry in cast.journal.entries()]
    kinds = [kind for kind in kinds if kind in ("judgement", "exhibit", "plan", "receipt", "proof", "end")]
    assert kinds == ["judgement", "exhibit", "plan", "receipt", "proof", "judgement", "exhibit", "end"]


def test_a_step_with_nothing_to_do_shows_its_table_once(tmp_path: Path) -> None:
    jug = toy.Jug()
    jug.level = {"left": 3}
    cast = toy.cast(tmp_path, jug, stages=(FILL,), lanes=ONE)
    run = walk(cast)
    assert [entry["kind"] for entry in cast.journal.entries()].count("exhibit") == 1
    assert [record.exhibit.rows[0][1].value for record in shown(run)] == [3]


def test_what_could_not_be_seen_is_said_in_the_tables_place(tmp_path: Path) -> None:
    jug = toy.Jug()
    jug.broken = {"left": AppleFailure("no answer", remedy="try later")}
    stage = Stage("fill", exhibits=(how_full, how_full_if_seen))
    run = walk(toy.cast(tmp_path, jug, stages=(stage,), lanes=ONE))
    blind, dark = shown(run)
    assert blind.exhibit == Exhibit("How full", empty="level could not be observed: no answer", note="try later")
    assert blind.source is Source.UNKNOWN
    assert dark.exhibit.empty == "it is dark"


def test_a_table_from_before_is_not_left_standing_when_the_next_look_fails(tmp_path: Path) -> None:
    jug = toy.Jug()
    jug.lost = {"left"}

    class Blind(dict[str, int]):
        def __setitem__(self, lane: str, pints: int) -> None:
            super().__setitem__(lane, pints)
            jug.broken[lane] = AppleFailure("no answer")

    jug.level = Blind()
    run = walk(toy.cast(tmp_path, jug, stages=(FILL,), lanes=ONE))
    assert run.steps[0].state is State.FAILED
    (record,) = shown(run)
    assert (record.source, record.exhibit.rows) == (Source.UNKNOWN, ())


def test_a_run_that_was_cut_off_while_it_acted_shows_what_was_before_as_such(tmp_path: Path) -> None:
    cast = toy.cast(tmp_path, toy.Jug(), stages=(FILL,), lanes=ONE)
    walk(cast)
    entries = list(cast.journal.entries())
    cut = [entry["kind"] for entry in entries].index("intent")
    assert [record.past for record in shown(replay(entries[:cut]))] == [False]
    assert [record.past for record in shown(replay(entries[: cut + 1]))] == [True]
    assert [record.past for record in shown(replay(entries))] == [False]


def test_a_resumed_run_shows_its_tables_anew(tmp_path: Path) -> None:
    jug = toy.Jug()
    walk(toy.cast(tmp_path, jug, stages=(FILL,)))
    run = walk(toy.cast(tmp_path, jug, stages=(FILL,), resume=True))
    assert [record.exhibit.rows[0][1].value for record in shown(run)] == [3, 3]


def test_an_exhibit_that_raises_stops_the_walk_as_a_check_does(tmp_path: Path) -> None:
    cast = toy.cast(tmp_path, toy.Jug(), stages=(Stage("fill", exhibits=(shattered,)),), lanes=ONE)
    with pytest.raises(ZeroDivisionError):
        walk(cast)
    (step,) = replay(cast.journal.entries()).steps
    assert (step.state, step.because) == (State.FAILED, ("internal error: ZeroDivisionError",))


def test_a_table_alone_is_no_pass(tmp_path: Path) -> None:
    stage = Stage("look", scope=Scope.APP, exhibits=(the_shelf,))
    run = walk(toy.cast(tmp_path, toy.Jug(), stages=(stage,)))
    assert [record.exhibit.rows[0][0].value for record in shown(run)] == [True]
    assert run.exit_code == 1
    assert run.verdict == "nothing was judged, so nothing passed"


def test_what_a_table_rests_on_is_told_among_the_facts(tmp_path: Path) -> None:
    run = walk(toy.cast(tmp_path, toy.Jug(), stages=(replace(FILL, proofs=()),), lanes=ONE))
    assert [told.shown for told in run.steps[0].readings if told.fact == "Level"] == ["0 pints", "3 pints"]


def test_secrets_are_removed_also_where_a_text_is_cut(tmp_path: Path) -> None:
    secret = "correct horse battery staple"
    long = "x" * (LONGEST - 10) + secret

    def loud() -> Exhibit:
        return Exhibit(secret, (Column(secret),), ((Cell(long, value=secret),),), secret, secret, (secret,))

    cast = toy.cast(tmp_path, toy.Jug(), stages=(Stage("look", scope=Scope.APP, exhibits=(loud,)),))
    path = cast.journal.path
    walk(replace(cast, journal=Journal(path, redact=lambda text: text.replace(secret, "[secret]"))))
    assert "correct" not in path.read_text()
    (told,) = [entry for entry in read(path) if entry["kind"] == "exhibit"]
    assert told["rows"][0][0]["text"].endswith("[secret]")


def _rows(count: int, text: str) -> Exhibit:
    return Exhibit("t", (Column("a"),), tuple((Cell(text),) for _ in range(count)), note="Sorted.")


@pytest.mark.parametrize(
    ("given", "rows", "note"),
    [
        (_rows(ROWS, "x"), ROWS, "Sorted."),
        (_rows(ROWS + 1, "x"), ROWS, "Sorted. 1 more row is left out."),
        (_rows(ROWS + 1500, "x"), ROWS, "Sorted. 1,500 more rows are left out."),
        (_rows(3000, "x" * 3000), LETTERS // LONGEST, "Sorted. 2,000 more rows are left out."),
    ],
)
def test_a_table_is_kept_to_a_size_and_says_so(given: Exhibit, rows: int, note: str) -> None:
    kept = bounded(given, str)
    assert (len(kept.rows), kept.note) == (rows, note)
    assert all(len(cell.text) <= LONGEST for row in kept.rows for cell in row)


@pytest.mark.parametrize(
    ("value", "kept"), [(float("nan"), "nan"), (float("-inf"), "-inf"), (1.5, 1.5), (True, True), (0, 0), (None, None)]
)
def test_values_are_what_json_can_hold(value: float | None, kept: object) -> None:
    told = bounded(Exhibit("t", (Column("a"),), ((Cell("x", value=value),),)), str).rows[0][0].value
    assert told == kept
    json.dumps(told, allow_nan=False)


def test_an_exhibit_comes_back_from_its_telling() -> None:
    columns = (Column("A", right=True), Column("B", wraps=True, spare=2))
    rows = ((Cell("x", Tone.BAD, 1.5), Cell()), (Cell("y"), Cell("", Tone.PLAIN, value=False)))
    for exhibit in (Exhibit("t", columns, rows, "n", "e", ("l", "m")), Exhibit("t")):
        assert exhibit_from(json.loads(json.dumps(exhibit_told(exhibit)))) == exhibit


def test_every_row_has_a_cell_for_each_column() -> None:
    with pytest.raises(ValueError, match="t: row 2 has 1 cells for 2 columns"):
        Exhibit("t", COLUMNS, ((Cell(), Cell()), (Cell(),)))


@pytest.mark.parametrize(
    ("title", "key"),
    [("Team ID", "team_id"), ("SHA-1", "sha_1"), ("  Expires (days) ", "expires_days"), ("", ""), ("Größe", "größe")],
)
def test_a_columns_key(title: str, key: str) -> None:
    assert Column(title).key == key


def test_wiring_covers_exhibits() -> None:
    def wrong(*exhibits: object, scope: Scope = Scope.LANE) -> list[str]:
        stage = Stage("x", scope=scope, exhibits=exhibits)  # type: ignore[arg-type]
        return verify_wiring((stage,), toy.registry(), [toy.Jug], [toy.Mark])

    def nosy(jug: toy.Jug, other: int) -> Exhibit:
        return Exhibit("t")

    def mute() -> None: ...

    assert wrong(how_full, how_full_if_seen) == []
    assert wrong(the_shelf, scope=Scope.APP) == []
    assert any("belongs to a lane" in each for each in wrong(how_full, scope=Scope.APP))
    assert any("asks for the port Jug" in each for each in wrong(nosy))
    assert any("asks for int, which no probe observes" in each for each in wrong(nosy))
    assert any("mute is named as an exhibit and does not say that it returns one" in each for each in wrong(mute))
    assert wrong(the_shelf, the_shelf) == ["x names two exhibits the_shelf: one would replace the other"]
