"""A person who is everywhere, erased: nothing on disk and nothing in the database tells of the number or the texts."""

from __future__ import annotations

import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import pytest
from sqlalchemy import select, text

from dispatcher.campaigns import (
    appending,
    audit,
    invalid_rows,
    lifecycle,
    list_checks,
    loading,
    preparations,
    request_intake,
    request_loading,
    retrying,
    summary,
)
from dispatcher.domain.window import PROVIDER_ZONE
from dispatcher.errors import UsageError
from dispatcher.ingest import from_recipients
from dispatcher.maintenance import tick
from dispatcher.people import erasing, history
from dispatcher.provider.replies import Reply
from dispatcher.replies.store import ReplyStore
from dispatcher.single_messages import send
from dispatcher.suppression import do_not_send, erased, optouts
from dispatcher.suppression.lists import OPTED_OUT
from dispatcher.uploads import store
from ops.simulator.process import SimulatorProcess
from schemas import tables
from schemas.payload import CampaignSpec
from schemas.single import SingleMessage
from tests.integration.stepper import Stepper

NUMBER, WRITTEN = "1144447777", "+54 9 11 4444-7777"
SECRET = "intimidad"


@pytest.fixture
def stepper(make_runtime: Callable[..., object]) -> Stepper:
    return Stepper(make_runtime(chunk_size=10))  # type: ignore[arg-type]


def load(stepper: Stepper, *numbers: str, **spec: object) -> int:
    rows: list[dict[str, object]] = [{"telefono": number, "nombre": f"{SECRET}{n}"} for n, number in enumerate(numbers)]
    with stepper.runtime.engine.begin() as connection:
        loaded = loading.load(
            connection,
            stepper.runtime.settings,
            CampaignSpec(template="Hola {nombre}", **spec),  # type: ignore[arg-type]
            from_recipients(rows),
        )
    assert loaded.campaign_id is not None
    return loaded.campaign_id


def everywhere(stepper: Stepper) -> int:
    """Put the person into every table and folder that can hold one."""
    runtime = stepper.runtime
    engine, settings = runtime.engine, runtime.settings
    campaign_id = load(stepper, WRITTEN, "1144440000", f"no {NUMBER} {SECRET}", "1144440001")
    stepper.finish(campaign_id)
    send.send(runtime, SingleMessage(number=NUMBER, text=f"Uno {SECRET}", idinterno="UNO1"))
    spec = CampaignSpec(template="Hola {nombre}")
    list_checks.check_recipients(engine, settings, spec, [{"telefono": WRITTEN, "nombre": SECRET}])
    with engine.begin() as connection:
        made = store.store(
            connection, settings, [f"celular;x\n{WRITTEN};{SECRET}\n".encode()], name="a.csv", media_type="text/csv"
        )
        other = store.store(connection, settings, [b"celular;x\n1144440000;y\n"], name="b.csv", media_type="text/csv")
        inspection = {"name": "a.csv", "columns": [], "sample": [{"celular": WRITTEN, "x": SECRET}]}
        preparations.begin(connection, "a" * 32, made.public_id, inspection)
        connection.execute(
            tables.reply.insert().values(
                account_id=stepper.account.id,
                origen=NUMBER,
                texto=f"BAJA {SECRET}",
                plain=SECRET,
                received_at=datetime.now(UTC),
                kind="optout",
                source="push",
                pushed_at=datetime.now(UTC),
                provider_id=1,
            )
        )
        optouts.add(connection, NUMBER, source="reply", reason=SECRET)
        do_not_send.add(connection, NUMBER, -2, datetime.now(UTC))
        connection.execute(
            text(
                "INSERT INTO api_replay (operation, idempotency_key, body_sha256, lease_until, expires_at, status, answer) VALUES ('x', 'k', :h, now(), now() + interval '1 day', 200, :b)"
            ),
            {"h": "0" * 64, "b": f'{{"number": "{NUMBER}"}}'.encode()},
        )
    folder = Path(settings.home) / "invalid"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "campaign-1-invalid.csv").write_text(f"telefono\n{WRITTEN};{SECRET}\n")
    (folder / "other.csv").write_text("telefono\n1144440000\n")
    assert other.public_id
    return campaign_id


def traces(stepper: Stepper, *words: str) -> list[str]:
    """Tables whose rows hold any of the words, and files of HOME."""
    found = []
    with stepper.runtime.engine.connect() as connection:
        for name in tables.metadata.tables:
            for word in words:
                if connection.execute(
                    text(f'SELECT EXISTS (SELECT 1 FROM "{name}" t WHERE t::text LIKE :w)'), {"w": f"%{word}%"}
                ).scalar():
                    found.append(f"{name}: {word}")
    for path in Path(stepper.runtime.settings.home).rglob("*"):
        if (
            path.is_file()
            and "postgres" not in path.parts
            and any(word.encode() in path.read_bytes() for word in words)
        ):
            found.append(path.name)
    return found


def test_a_person_who_is_everywhere_is_nowhere_afterwards(stepper: Stepper) -> None:
    campaign_id = everywhere(stepper)
    runtime = stepper.runtime
    with runtime.engine.connect() as connection:
        before = summary.show(connection, campaign_id)
    assert len(traces(stepper, NUMBER)) >= 7
    done = erasing.erase(runtime.engine, runtime.settings, NUMBER, f"pidió por carta, {WRITTEN}")
    assert (done.messages, done.singles, done.replies, done.optouts, done.lists, done.files, done.open) == (
        1,
        1,
        1,
        1,
        2,  # the uploaded one, and that of the campaign
        1,
        False,
    )
    tick.tick(runtime)
    with runtime.engine.begin() as connection:
        connection.execute(
            text("DELETE FROM upload_part WHERE upload_id IN (SELECT id FROM upload WHERE dropped_at IS NOT NULL)")
        )
    left = [
        each
        for each in traces(stepper, NUMBER, "4444-7777", f"{SECRET}0", f"BAJA {SECRET}", f"Uno {SECRET}")
        if not each.startswith("upload_part")
    ]
    assert left == []
    with runtime.engine.connect() as connection:
        assert audit.audit(connection, campaign_id).balanced
    with runtime.engine.connect() as connection:
        assert [row.reason for row in invalid_rows.page(connection, campaign_id, (0, 0), 10)] == ["erased"]
    with runtime.engine.connect() as connection:
        assert summary.show(connection, campaign_id) == before  # the sums are right
        person = history.find(connection, NUMBER, 10)
        assert (person.messages, person.replies, person.optouts, person.optout) == ([], [], [], None)
        kept = connection.execute(
            select(tables.audit_entry.c.reason).where(tables.audit_entry.c.action == "person.erase")
        ).scalar_one()
    assert kept == "(erased)"
    assert (Path(runtime.settings.home) / "invalid" / "other.csv").exists()


def test_who_said_baja_and_was_erased_is_never_written_to_again(stepper: Stepper) -> None:
    runtime = stepper.runtime
    with runtime.engine.begin() as connection:
        optouts.add(connection, NUMBER, source="reply", reason="BAJA")
    erasing.erase(runtime.engine, runtime.settings, NUMBER, "asked")
    key = erased.key_file(runtime.settings.home)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    campaign_id = load(stepper, WRITTEN, "1144440000")
    with runtime.engine.connect() as connection:
        assert summary.show(connection, campaign_id).left_out == {OPTED_OUT: 1}
    assert send.send(runtime, SingleMessage(number=NUMBER, text="Hola", idinterno="DOS2")).code == -3


def test_who_never_opted_out_may_be_written_to_again(stepper: Stepper) -> None:
    runtime = stepper.runtime
    stepper.finish(load(stepper, WRITTEN))
    erasing.erase(runtime.engine, runtime.settings, NUMBER, "asked")
    campaign_id = load(stepper, WRITTEN, again=True)
    with runtime.engine.connect() as connection:
        assert summary.show(connection, campaign_id).left_out == {}


def test_what_is_on_its_way_is_erased_when_it_ends_and_what_waits_is_not_sent(stepper: Stepper) -> None:
    runtime = stepper.runtime
    on_its_way = load(stepper, WRITTEN, "1144440000")
    stepper.submit()
    waiting = load(stepper, WRITTEN, "1144440001", start="2099-01-01 09:00:00")
    done = erasing.erase(runtime.engine, runtime.settings, NUMBER, "asked")
    assert done.open
    stepper.finish(on_its_way)
    tick.tick(runtime)
    with runtime.engine.connect() as connection:
        assert optouts.find(connection, NUMBER) is not None  # the campaign of 2099 still has it
    lifecycle.cancel(runtime.engine, waiting, wait=0)
    tick.tick(runtime)
    assert [each for each in traces(stepper, NUMBER) if not each.startswith("upload_part")] == []
    with runtime.engine.connect() as connection:
        assert connection.execute(select(tables.erasure.c.done_at)).scalar_one() is not None
        assert connection.execute(select(tables.erased_optout)).first() is None  # it had never opted out


def test_an_erasure_needs_a_reason(stepper: Stepper) -> None:
    with pytest.raises(UsageError, match="Say why"):
        erasing.erase(stepper.runtime.engine, stepper.runtime.settings, NUMBER, "  ")


def test_a_number_with_a_15_is_found_in_lists_rows_and_files(stepper: Stepper) -> None:
    runtime = stepper.runtime
    folder = Path(runtime.settings.home) / "invalid"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.csv").write_text("telefono\n011 15 4444-7777;x\n")
    book = openpyxl.Workbook()
    book.active.append(["0351 15 555-1234"])
    book.active.append(["(011) 15-4444-7777"])
    book.save(folder / "b.xlsx")
    book.active.delete_rows(2)
    book.save(folder / "other.xlsx")
    with runtime.engine.begin() as connection:
        store.store(
            connection, runtime.settings, [b"celular;x\n011 15 4444-7777;1\n"], name="a.csv", media_type="text/csv"
        )
    campaign_id = load(stepper, "1144440000", "011 15 4444-7777 x")
    done = erasing.erase(runtime.engine, runtime.settings, NUMBER, "asked")
    assert (done.lists, done.files, done.invalid_rows) == (2, 2, 1)
    assert [path.name for path in folder.iterdir()] == ["other.xlsx"]
    with runtime.engine.connect() as connection:
        assert summary.show(connection, campaign_id).messages == 1


def test_a_result_that_comes_after_the_erasure_brings_nothing_back(
    stepper: Stepper, simulator: SimulatorProcess
) -> None:
    simulator.set_option(mix={"-10": 1.0})
    runtime = stepper.runtime
    campaign_id = load(stepper, WRITTEN, "1144440000")
    stepper.submit()
    # Given up: its result has not come within the horizon.
    stepper.sql("UPDATE chunk SET state = 'settled', settled_at = now()")
    assert not erasing.erase(runtime.engine, runtime.settings, NUMBER, "asked").open
    stepper.finish(load(stepper, "1144440008"))  # polls by fecha bring the late ones, too
    assert [each for each in traces(stepper, NUMBER) if not each.startswith("upload_part")] == []
    with runtime.engine.connect() as connection:
        assert summary.show(connection, campaign_id).result_codes == {-10: 2}  # and it counts


def test_a_list_can_be_appended_and_the_rejected_retried_after_an_erasure(
    stepper: Stepper, simulator: SimulatorProcess
) -> None:
    simulator.set_option(mix={"-10": 1.0})
    runtime = stepper.runtime
    campaign_id = load(stepper, WRITTEN, "1144440000")
    stepper.finish(campaign_id)
    erasing.erase(runtime.engine, runtime.settings, NUMBER, "asked")
    retried = retrying.draft(runtime.engine, runtime.settings, campaign_id, codes=[-10])
    assert (retried.messages, retried.invalid) == (1, 0)
    later = load(stepper, WRITTEN, "1144440000", start="2099-01-01 09:00:00", again=True)
    stepper.sql(
        "UPDATE message SET destino = '', texto = '(erased)' WHERE campaign_id = :c AND destino = :n", c=later, n=NUMBER
    )
    with from_recipients([{"telefono": "1144440009", "nombre": "x"}]) as source, runtime.engine.begin() as connection:
        loaded = appending.append(connection, runtime.settings, CampaignSpec(append_to=later), source)
    assert loaded.messages == 1


def test_a_second_key_is_refused_and_the_tick_goes_on(stepper: Stepper) -> None:
    runtime = stepper.runtime
    with runtime.engine.begin() as connection:
        for number in (NUMBER, "1144440000"):
            optouts.add(connection, number, source="reply", reason="BAJA")
    erasing.erase(runtime.engine, runtime.settings, NUMBER, "asked")
    key = erased.key_file(runtime.settings.home)
    right = key.read_bytes()
    for wrong in (b"x" * 32, None):
        key.unlink()
        if wrong is not None:
            key.write_bytes(wrong)
        with pytest.raises(erased.WrongErasureKey):
            erasing.erase(runtime.engine, runtime.settings, "1144440000", "asked")
        key.write_bytes(right)
    with runtime.engine.connect() as connection:
        assert optouts.find(connection, "1144440000") is not None  # nothing was begun
        assert connection.execute(select(tables.erasure.c.id)).all() != []
    tick.tick(runtime)
    assert erasing.erase(runtime.engine, runtime.settings, "1144440000", "asked").optouts == 1


def test_a_baja_while_an_erasure_waits_is_kept(stepper: Stepper) -> None:
    runtime = stepper.runtime
    campaign_id = load(stepper, WRITTEN)
    stepper.submit()
    assert erasing.erase(runtime.engine, runtime.settings, NUMBER, "asked").open
    with runtime.engine.begin() as connection:
        connection.execute(
            tables.reply.insert().values(
                account_id=stepper.account.id,
                origen=NUMBER,
                texto="BAJA",
                plain="BAJA",
                received_at=datetime.now(UTC),
                kind="optout",
                source="push",
                pushed_at=datetime.now(UTC),
                provider_id=1,
            )
        )
        optouts.add(connection, NUMBER, source="reply", reason="BAJA")
    stepper.finish(campaign_id)
    tick.tick(runtime)
    with runtime.engine.connect() as connection:
        assert optouts.find(connection, NUMBER) is not None
        assert connection.execute(select(tables.erasure.c.done_at)).scalar_one() is not None


def test_a_list_that_is_being_loaded_is_not_taken_away(stepper: Stepper) -> None:
    runtime = stepper.runtime
    with runtime.engine.begin() as connection:
        made = store.store(
            connection,
            runtime.settings,
            [f"celular;nombre\n{WRITTEN};x\n".encode()],
            name="a.csv",
            media_type="text/csv",
        )
    payload = {"idempotency_key": "k", "upload_id": made.public_id, "template": "Hola {nombre}"}
    request_intake.receive(runtime.engine, runtime.settings, payload, load=False)
    with pytest.raises(UsageError, match="being loaded"):
        erasing.erase(runtime.engine, runtime.settings, NUMBER, "asked")
    request_loading.load_request(runtime.engine, runtime.settings, "k")
    assert erasing.erase(runtime.engine, runtime.settings, NUMBER, "asked").lists == 1


@pytest.mark.parametrize("cut", [b"", b"x" * 31])
def test_a_key_that_was_cut_off_is_no_key(stepper: Stepper, cut: bytes) -> None:
    runtime = stepper.runtime
    key = erased.key_file(runtime.settings.home)
    key.parent.mkdir(parents=True, exist_ok=True)
    key.write_bytes(cut)
    with runtime.engine.begin() as connection:
        optouts.add(connection, NUMBER, source="reply", reason="BAJA")
    with pytest.raises(erased.WrongErasureKey):
        erasing.erase(runtime.engine, runtime.settings, NUMBER, "asked")
    with runtime.engine.connect() as connection:
        assert connection.execute(select(tables.erased_optout)).first() is None  # a hash that anybody could make


def test_asked_twice_it_does_not_take_its_own_entry_for_a_baja(stepper: Stepper) -> None:
    runtime = stepper.runtime
    campaign_id = load(stepper, WRITTEN)
    stepper.submit()
    for _ in range(2):
        assert erasing.erase(runtime.engine, runtime.settings, NUMBER, "asked").open
    stepper.finish(campaign_id)
    tick.tick(runtime)
    assert [each for each in traces(stepper, NUMBER) if not each.startswith("upload_part")] == []
    with runtime.engine.connect() as connection:
        assert connection.execute(select(tables.erased_optout)).first() is None


def test_many_erasures_that_wait_for_months_hold_up_none(stepper: Stepper) -> None:
    runtime = stepper.runtime
    waiting = [f"11444477{n}" for n in range(10, 22)]
    load(stepper, *waiting, start="2099-01-01 09:00:00")
    campaign_id = load(stepper, WRITTEN)
    stepper.submit()
    for number in (*waiting, NUMBER):
        assert erasing.erase(runtime.engine, runtime.settings, number, "asked").open
    stepper.finish(campaign_id)
    for _ in range(60):  # ten of thirteen are looked at each time
        tick.tick(runtime)
        if (NUMBER,) not in stepper.sql("SELECT destino FROM erasure"):
            break
    else:
        pytest.fail("it is never looked at")


def test_recipients_that_wait_to_be_loaded_are_not_taken_away(stepper: Stepper) -> None:
    runtime = stepper.runtime
    rows = [{"telefono": WRITTEN, "nombre": "x"}, {"telefono": "1144440000", "nombre": "y"}]
    payload = {"idempotency_key": "k", "recipients": rows, "template": "Hola {nombre}"}
    request_intake.receive(runtime.engine, runtime.settings, payload, load=False)
    with pytest.raises(UsageError, match="being loaded"):
        erasing.erase(runtime.engine, runtime.settings, NUMBER, "asked")
    request_loading.load_request(runtime.engine, runtime.settings, "k")
    erasing.erase(runtime.engine, runtime.settings, NUMBER, "asked")
    stepper.finish(stepper.sql("SELECT max(id) FROM campaign")[0][0])
    tick.tick(runtime)
    assert [each for each in traces(stepper, NUMBER, "4444-7777") if not each.startswith("upload_part")] == []


def test_an_erasure_waits_for_a_list_that_is_half_loaded(stepper: Stepper) -> None:
    runtime = stepper.runtime
    with runtime.engine.begin() as connection:
        optouts.add(connection, "1144440000", source="reply", reason="BAJA")
    with runtime.engine.begin() as connection:
        rows = [{"telefono": number, "nombre": "x"} for number in (WRITTEN, "1144440001")]
        spec = CampaignSpec(template="Hola {nombre}")
        loaded = loading.load(connection, runtime.settings, spec, from_recipients(rows))
        assert loaded.campaign_id is not None
        # Nobody else sees the message yet, and the one to whom it is does not get it.
        assert erasing.erase(runtime.engine, runtime.settings, NUMBER, "asked").open
        tick.tick(runtime)
    stepper.finish(loaded.campaign_id)
    with runtime.engine.connect() as connection:
        assert lifecycle.show(connection, loaded.campaign_id).left_out == {"optout_at_claim": 1}
    tick.tick(runtime)
    assert [each for each in traces(stepper, NUMBER, "4444-7777") if not each.startswith("upload_part")] == []
    assert stepper.sql("SELECT count(*) FROM upload WHERE expires_at > now()") == [(0,)]  # its list goes as well
    assert stepper.sql("SELECT count(*) FROM optout WHERE destino <> '1144440000'") == [(0,)]


@pytest.mark.parametrize("texto", ["BAJA", "gracias"])
def test_a_push_whose_reply_is_pulled_after_the_erasure_brings_nothing_back(stepper: Stepper, texto: str) -> None:
    runtime = stepper.runtime
    load(stepper, "1144440000")
    replies = ReplyStore(runtime, stepper.account.id)
    replies.pushed(WRITTEN, texto, None)
    assert erasing.erase(runtime.engine, runtime.settings, NUMBER, "asked").open
    pulled_at = datetime.now(PROVIDER_ZONE).replace(tzinfo=None, microsecond=0)
    replies.pulled([Reply(id=7, fecha=pulled_at, origen=NUMBER, texto=texto, idinterno="")], "pull")
    tick.tick(runtime)
    assert traces(stepper, NUMBER) == []
    assert bool(stepper.sql("SELECT 1 FROM erased_optout")) == (texto == "BAJA")


def test_an_erasure_waits_a_day_for_the_reply_of_a_push(stepper: Stepper) -> None:
    runtime = stepper.runtime
    load(stepper, "1144440000")
    ReplyStore(runtime, stepper.account.id).pushed(WRITTEN, "gracias", None)
    assert erasing.erase(runtime.engine, runtime.settings, NUMBER, "asked").open
    stepper.sql("UPDATE reply SET received_at = received_at - interval '25 hours'")
    tick.tick(runtime)
    assert traces(stepper, NUMBER) == []


def test_an_opt_out_by_an_operator_while_an_erasure_waits_is_kept(stepper: Stepper) -> None:
    runtime = stepper.runtime
    campaign_id = load(stepper, WRITTEN)
    stepper.submit()
    assert erasing.erase(runtime.engine, runtime.settings, NUMBER, "asked").open
    with runtime.engine.begin() as connection:
        assert optouts.add(connection, NUMBER, source="operator", reason="letter") is not None
    stepper.finish(campaign_id)
    tick.tick(runtime)
    with runtime.engine.connect() as connection:
        assert optouts.find(connection, NUMBER) is not None
        assert connection.execute(select(tables.erasure.c.done_at)).scalar_one() is not None
