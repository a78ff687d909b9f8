"""The opt-out list: who puts a number on it, and that no campaign sends to it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from dispatcher.ingest import open_source
from dispatcher.replies import pull as reply_pull
from dispatcher.runtime import Runtime
from dispatcher.suppression import optout_import, optouts
from ops.simulator.process import SimulatorProcess
from tests.integration.stepper import Stepper

ANA, BETO, CARO = "1120000001", "1120000002", "1120000003"


@pytest.fixture
def stepper(make_runtime: Callable[..., Runtime]) -> Stepper:
    return Stepper(make_runtime(chunk_size=2))


def on_the_list(stepper: Stepper) -> dict[str, str]:
    with stepper.runtime.engine.connect() as connection:
        return {out.number: out.source for out in optouts.listing(connection, 1000)}


def opt_out(stepper: Stepper, number: str) -> None:
    with stepper.runtime.engine.begin() as connection:
        optouts.add(connection, number, source="operator")


def opt_in(stepper: Stepper, number: str) -> None:
    with stepper.runtime.engine.begin() as connection:
        assert optouts.remove(connection, number, source="operator")


def test_a_baja_that_comes_mid_campaign_stops_that_persons_message(
    stepper: Stepper, simulator: SimulatorProcess
) -> None:
    first = stepper.load(4, template="Uno {nombre}")
    second = stepper.load(4, template="Dos {nombre}")
    stepper.sql("UPDATE campaign SET state = 'paused' WHERE id = :id", id=second)
    stepper.finish(first)
    simulator.reply(ANA, "Baja.")
    simulator.reply(BETO, "por favor no me den de baja")
    reply_pull.pull(stepper.runtime, stepper.account.id)
    stepper.sql("UPDATE campaign SET state = 'scheduled' WHERE id = :id", id=second)
    shown = stepper.finish(second)
    assert shown.counts == {"ok": 3, "suppressed": 1}
    assert shown.left_out == {"optout_at_claim": 1}
    assert on_the_list(stepper) == {ANA: "reply"}
    assert [line["texto"][:3] for line in simulator.ledger() if line["destino"] == ANA] == ["Uno"]


def test_both_lists_are_read_in_the_claim_and_counted_by_reason(stepper: Stepper, simulator: SimulatorProcess) -> None:
    campaign = stepper.load(5)
    opt_out(stepper, ANA)
    stepper.sql(
        "INSERT INTO undeliverable VALUES (:a, -2, now(), now() + interval '1 day'), (:b, -1, now(), now() + interval '1 day')",
        a=ANA,
        b=BETO,
    )
    shown = stepper.finish(campaign)
    assert shown.counts == {"ok": 3, "suppressed": 2}
    assert shown.left_out == {"optout_at_claim": 1, "undeliverable_at_claim": 1}
    assert {line["destino"] for line in simulator.ledger()}.isdisjoint({ANA, BETO})


def test_opting_in_is_recorded_and_old_evidence_does_not_undo_it(stepper: Stepper, simulator: SimulatorProcess) -> None:
    simulator.set_option(baja=[ANA])
    stepper.finish(stepper.load(3))
    simulator.reply(ANA, "BAJA")
    reply_pull.pull(stepper.runtime, stepper.account.id)
    simulator.set_option(baja=[])
    opt_in(stepper, ANA)
    stepper.sql("UPDATE account SET poll_at = now(), cursors = '{}'")
    stepper.poll()  # a poller with an empty memory reads the -3 again
    reply_pull.pull(stepper.runtime, stepper.account.id, whole=True)
    assert on_the_list(stepper) == {}
    actions = [row.action for row in stepper.sql("SELECT action FROM optout_event ORDER BY id")]
    assert actions == ["add", "remove"]
    simulator.set_clock(advance=5)
    simulator.reply(ANA, "baja")
    reply_pull.pull(stepper.runtime, stepper.account.id)
    assert on_the_list(stepper) == {ANA: "reply"}


FILES = {
    "one a line": f"{ANA}\n{BETO}\n",
    "with headings": f"Telefono;Nombre\n{ANA};Ana\n+54 9 11 2000-0002;Beto\n",
    "crlf and blanks": f"{ANA}\r\n\r\n {BETO} \r\n",
    "unknown heading": f"abonado no llame\n{ANA}\n{BETO}\n",
    "number second": f"1,{ANA}\n2,{BETO}\n",
    "a note beside the first": f"{ANA} # pidió baja\n{BETO}\n",
    "an apostrophe before the first": f"'{ANA}\ntel: {BETO}\n",
    "two a line": f"{ANA}, {BETO}\n",
    "two a cell": f"Nombre;Celular\nAna;{ANA} / {BETO}\n",
    "two columns": f"telefono;celular\n{ANA};{BETO}\n",
    "now one column, now the other": f"telefono;celular\n{ANA};\n;{BETO}\n",
    "two columns of one name": f"telefono;telefono\n{ANA};{BETO}\n",
    "other keys": f'{{"telefono": "{ANA}"}}\n{{"celular": {BETO}}}\n',
    "a line with fewer fields": f"{ANA};Ana\n{BETO}\n",
    "separators behind": f"{ANA};\n{BETO};\n",
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_files_of_numbers_in_every_usual_form_are_imported(content: str, stepper: Stepper, tmp_path: Path) -> None:
    path = tmp_path / "nollame.txt"
    path.write_text(content)
    with open_source(path) as source, stepper.runtime.engine.begin() as connection:
        done = optout_import.load(connection, source, "AR", "No Llame", None)
    assert (done.added, done.known, done.invalid) == (2, 0, 0), done
    assert on_the_list(stepper) == {ANA: "import", BETO: "import"}


def test_an_import_says_which_rows_are_not_phone_numbers_and_can_be_repeated(stepper: Stepper, tmp_path: Path) -> None:
    path = tmp_path / "lista.csv"
    path.write_text(f"telefono\n{ANA}\n12\n{ANA}\n{BETO}\n")
    for expected in ((2, 1, 1), (0, 3, 1)):
        with open_source(path) as source, stepper.runtime.engine.begin() as connection:
            done = optout_import.load(connection, source, "AR", None, None)
        assert (done.added, done.known, done.invalid) == expected
        assert (done.invalid_rows[0]["line"], done.invalid_rows[0]["code"]) == (3, -7)
    with stepper.runtime.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM optout_event")).scalar() == 2
