"""One message now: recorded before its call, called once, honest about what nobody knows."""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from dispatcher.accounts import binding, send_guard, staleness
from dispatcher.errors import UsageError
from dispatcher.replies import pull
from dispatcher.runtime import Runtime
from dispatcher.single_messages import records, send
from dispatcher.single_messages.records import Sent
from dispatcher.suppression import optouts
from ops.simulator.process import SimulatorProcess
from schemas.single import SingleMessage
from tests.conftest import wait_until
from tests.integration.stepper import Stepper

ANA = "1144445555"


@pytest.fixture
def stepper(make_runtime: Callable[..., Runtime], simulator: SimulatorProcess) -> Stepper:
    simulator.set_option(user=["USU:CLA"])
    return Stepper(
        make_runtime(
            usuario="USU", clave="CLA", provider_timeout=2, smtp_url=f"{simulator.smtp_url}?from=a@example.com&tls=no"
        )
    )


def sent(stepper: Stepper, number: str = ANA, text: str = "Hola", **more: Any) -> Sent:
    return send.send(stepper.runtime, SingleMessage(number=number, text=text, **more))


def record(stepper: Stepper, idinterno: str) -> Any:
    (row,) = stepper.sql("SELECT * FROM single_message WHERE idinterno = :id", id=idinterno)
    return row


def test_an_empty_start_is_refused_and_never_taken_for_now(stepper: Stepper, simulator: SimulatorProcess) -> None:
    with pytest.raises(UsageError, match="start: "):
        sent(stepper, start="")
    assert stepper.sql("SELECT 1 FROM single_message") == []


@pytest.mark.parametrize(
    ("transport", "status", "code"), [("http", "accepted", 0), ("soap", "accepted", 0), ("smtp", "handed_over", None)]
)
def test_every_transport_sends_once_and_says_what_it_knows(
    transport: str, status: str, code: int | None, stepper: Stepper, simulator: SimulatorProcess
) -> None:
    answer = sent(stepper, transport=transport)
    assert (answer.status, answer.code, answer.transport) == (status, code, transport)
    (line,) = simulator.ledger()
    assert (line["destino"], line["texto"]) == (ANA, "Hola")
    row = record(stepper, answer.idinterno)
    assert (row.state, row.code, row.transport) == (status, code, transport)


def test_the_number_is_normalised_and_the_text_spelled_in_the_alphabet(
    stepper: Stepper, simulator: SimulatorProcess
) -> None:
    sent(stepper, "011 15 4444-5555", "¿Mañana a las 10?")
    (line,) = simulator.ledger()
    assert (line["destino"], line["texto"]) == (ANA, "Manana a las 10?")


REFUSED = [
    ("", "Hola", -7),
    ("12", "Hola", -7),
    ("11444455556666", "Hola", -7),
    ("11-4444-abcd", "Hola", -8),
    ("+1 212 555 1234", "Hola", -9),
    ("1500000000", "Hola", -9),
    ("0800 444 4444", "Hola", -10),
    ("4444444444", "Hola", -12),
    (ANA, "", -99),
    (ANA, "x" * 161, -6),
    (ANA, "a_b", -11),
    (ANA, "Hola *1*", -99),
    (ANA, "Hola {nombre}", -99),
    (ANA, "Su codigo de verificacion es 1234", -99),
    (ANA, "x" * 5000, -6),
]


@pytest.mark.parametrize(("number", "words", "code"), REFUSED)
def test_what_cannot_be_sent_gets_the_guides_code_and_never_leaves(
    number: str, words: str, code: int, stepper: Stepper, simulator: SimulatorProcess
) -> None:
    answer = sent(stepper, number, words)
    assert (answer.status, answer.code) == ("refused", code)
    assert answer.text
    assert list(simulator.posts()) == []
    assert record(stepper, answer.idinterno).state == "refused"


def test_both_lists_are_honoured(stepper: Stepper, simulator: SimulatorProcess) -> None:
    stepper.sql("INSERT INTO optout (destino, source) VALUES (:n, 'operator')", n=ANA)
    stepper.sql("INSERT INTO undeliverable VALUES ('1144445556', -2, now(), now() + interval '1 day')")
    assert (sent(stepper).status, sent(stepper).code) == ("refused", -3)
    assert sent(stepper, "1144445556").code == -2
    assert list(simulator.posts()) == []


def test_a_refusal_by_the_provider_puts_the_number_on_the_list(stepper: Stepper, simulator: SimulatorProcess) -> None:
    simulator.set_option(baja=[ANA])
    answer = sent(stepper)
    assert (answer.status, answer.code) == ("rejected", -3)
    with stepper.runtime.engine.connect() as connection:
        out = optouts.find(connection, ANA)
    assert out is not None
    assert out.source == "result"
    assert sent(stepper).status == "refused"
    simulator.set_option(mix={"-2": 1.0})
    assert sent(stepper, "1144445556").code == -2
    assert sent(stepper, "1144445556").status == "refused"


def test_nothing_leaves_outside_the_window_nor_is_scheduled_there(
    make_runtime: Callable[..., Runtime], simulator: SimulatorProcess
) -> None:
    simulator.set_clock(at="2026-12-01 23:00:00")
    stepper = Stepper(make_runtime(window="08:00-22:00"))
    closed = sent(stepper)
    assert (closed.status, closed.code) == ("refused", None)
    assert "08:00" in closed.text
    simulator.set_clock(at="2026-12-01 12:00:00")
    stepper.sql("UPDATE account SET clock_measured_at = NULL, clock_low_ms = NULL, clock_high_ms = NULL")
    assert sent(stepper, text="ahora").status == "accepted"
    assert next(iter(simulator.posts()))["transport"] == "http"


def test_start_test_and_html_reach_the_provider(stepper: Stepper, simulator: SimulatorProcess) -> None:
    assert (sent(stepper, test=True).status, sent(stepper, text="dos", test=True).code) == ("simulated", 1)
    sent(stepper, text="ver http://1rck.in/-000000", html="<b>hola</b>", idinterno="H1", start="2030-01-02 10:00:00")
    assert list(simulator.ledger())[-1]["idinterno"] == "H1"
    post = list(simulator.posts())[-1]
    assert (post["html"], post["fechadesde"]) == ("<b>hola</b>", "2030-01-02 10:00:00")


@pytest.mark.parametrize(
    "more",
    [{"html": "<b>x</b>"}, {"start": "mañana"}, {"start": "2026-02-30 10:00:00"}, {"transport": "smtp", "test": True}],
)
def test_what_nobody_could_carry_out_is_a_sentence(
    more: dict[str, Any], stepper: Stepper, simulator: SimulatorProcess
) -> None:
    with pytest.raises(UsageError) as caught:
        sent(stepper, **more)
    assert len(str(caught.value)) > 20
    assert list(simulator.posts()) == []


def test_the_same_idinterno_is_one_message_however_often_it_is_asked_for(
    stepper: Stepper, simulator: SimulatorProcess
) -> None:
    first = sent(stepper, idinterno="Turno7")
    assert sent(stepper, idinterno="TURNO7") == first
    assert len(list(simulator.posts())) == 1
    with pytest.raises(UsageError, match="Another message"):
        sent(stepper, text="otra cosa", idinterno="Turno7")


def test_ten_calls_at_once_under_one_idinterno_are_one_post(stepper: Stepper, simulator: SimulatorProcess) -> None:
    sent(stepper, text="antes")
    answers: list[Sent] = []
    threads = [threading.Thread(target=lambda: answers.append(sent(stepper, idinterno="UNO"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(answers) == 8
    assert {answer.status for answer in answers} <= {"accepted", "sending"}
    assert [line["idinterno"] for line in simulator.ledger()].count("UNO") == 1


@pytest.mark.parametrize("take", ["all", "none"])
def test_an_unknown_outcome_stays_unknown_and_is_never_sent_again_by_itself(
    take: str, stepper: Stepper, simulator: SimulatorProcess
) -> None:
    simulator.set_faults({"kind": "close", "endpoint": "unit", "take": take, "times": 1})
    first = sent(stepper, idinterno="DUDA")
    assert (first.status, first.code) == ("unknown", None)
    assert sent(stepper, idinterno="DUDA").status == "unknown"
    assert len(list(simulator.posts())) == 1
    again = sent(stepper, idinterno="DUDA", retry_unknown=True)
    assert (again.status, again.code) == ("accepted", 0)
    assert [line["verdict"] for line in simulator.ledger()].count("OK") == 1
    assert simulator.sent()["pairs_sent_twice"] == []
    assert sent(stepper, idinterno="DUDA", retry_unknown=True) == again


def test_a_transport_that_cannot_repeat_an_unknown_call_leaves_it_unknown(
    stepper: Stepper, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a plain call would take it anew, without its caller's word that it may go twice."""
    simulator.set_faults({"kind": "close", "endpoint": "unit", "take": "all", "times": 1})
    assert sent(stepper, idinterno="DUDA").status == "unknown"

    def refuse(*_: Any, **__: Any) -> None:
        raise UsageError("not offered")

    with monkeypatch.context() as patched:
        patched.setattr(stepper.runtime.sender("http"), "send", refuse)
        assert sent(stepper, idinterno="DUDA", retry_unknown=True).status == "unknown"
    assert sent(stepper, idinterno="DUDA").status == "unknown"
    assert len(list(simulator.posts())) == 1


def test_a_call_that_stood_still_after_its_record_posts_nothing(
    stepper: Stepper, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By then the record may be unknown, and another call be under way by the caller's word."""
    sent(stepper, text="antes")
    began = send.boot_clock()
    monkeypatch.setattr(send, "boot_clock", lambda: began)
    prepare = send._prepare

    def stalled(*arguments: Any) -> Any:
        prepared = prepare(*arguments)
        monkeypatch.setattr(send_guard, "boot_clock", lambda: began + records.LEASE_MARGIN + 1)
        return prepared

    monkeypatch.setattr(send, "_prepare", stalled)
    late = sent(stepper, idinterno="TARDE")
    assert late.status == "failed"
    assert "lease" in late.text
    assert len(list(simulator.posts())) == 1


def test_what_is_proven_not_delivered_may_be_asked_for_again(stepper: Stepper, simulator: SimulatorProcess) -> None:
    sent(stepper, text="antes")
    simulator.set_faults({"kind": "refused"})
    down = sent(stepper, idinterno="CAIDO")
    assert down.status == "failed"
    simulator.clear_faults()
    assert sent(stepper, idinterno="CAIDO").status == "accepted"
    assert [line["idinterno"] for line in simulator.ledger()].count("CAIDO") == 1


def account(stepper: Stepper) -> Any:
    (row,) = stepper.sql("SELECT *, retry_at > clock_timestamp() AS waits FROM account")
    return row


def test_a_bad_key_is_told_blocks_the_account_and_nothing_is_taken(
    make_runtime: Callable[..., Runtime], simulator: SimulatorProcess
) -> None:
    stepper = Stepper(make_runtime(apikey="OTRA"))
    campaign = stepper.load(3)
    answer = sent(stepper)
    assert answer.status == "failed"
    assert "DISPATCHER_APIKEY" in answer.text
    assert stepper.show(campaign).blocked == account(stepper).blocked_words
    stepper.submit()
    again = sent(stepper, text="otra vez")
    assert (again.status, again.code) == ("refused", None)
    assert "account resume" in again.text
    assert account(stepper).blocked_words in again.text
    assert len(list(simulator.posts())) <= 1, "one call found it out, and none followed"
    assert list(simulator.ledger()) == []


def test_one_message_a_step_tries_a_blocked_account_and_an_accepted_one_ends_the_block(
    stepper: Stepper, simulator: SimulatorProcess
) -> None:
    simulator.set_option(credit=0)
    assert sent(stepper, idinterno="UNO").status == "failed"
    assert account(stepper).blocked_words == "se han agotado los 0 SMS contratados"
    assert sent(stepper, idinterno="UNO").status == "refused"
    stepper.sql("UPDATE account SET retry_at = now() - interval '1 second'")
    assert sent(stepper, idinterno="DOS").status == "failed", "the trial"
    assert account(stepper).waits
    simulator.set_option(credit=10)
    assert sent(stepper, idinterno="DOS").status == "refused"
    stepper.sql("UPDATE account SET retry_at = now() - interval '1 second'")
    assert sent(stepper, idinterno="DOS").status == "accepted"
    assert account(stepper).blocked_at is None
    assert sent(stepper, text="tres").status == "accepted"
    assert simulator.sent()["pairs_sent_twice"] == []


def test_ten_messages_at_once_are_one_trial(stepper: Stepper, simulator: SimulatorProcess) -> None:
    sent(stepper, text="antes")
    stepper.sql("UPDATE account SET blocked_at = now(), blocked_words = 'x', blocked_cause = 'answer', retry_at = NULL")
    simulator.set_option(apikey=["OTRA"])
    answers: list[Sent] = []
    threads = [threading.Thread(target=lambda n=n: answers.append(sent(stepper, text=f"t {n}"))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert Counter(answer.status for answer in answers) == {"failed": 1, "refused": 7}


@pytest.mark.parametrize("transport", ["http", "soap", "smtp"])
def test_a_database_older_than_what_was_posted_sends_no_single_message(
    transport: Any, stepper: Stepper, simulator: SimulatorProcess
) -> None:
    assert sent(stepper, text="antes", transport=transport).status in ("accepted", "handed_over")
    staleness.stop(stepper.runtime.engine, account(stepper).id, "claims went back from 9 to 3")
    stepper.sql("UPDATE account SET blocked_at = now(), blocked_words = 'x', blocked_cause = 'answer', retry_at = NULL")
    refused = sent(stepper, text="despues", transport=transport, idinterno="STALE1")
    assert (refused.status, refused.code) == ("refused", None)
    assert "dispatcher db restored" in refused.text
    assert record(stepper, "STALE1").state == "refused"
    task = send.receive(stepper.runtime, {"number": ANA, "text": "tarea", "transport": transport}, "0c3f-78")
    assert task is not None
    assert "dispatcher db restored" in task.text
    assert [line["texto"] for line in simulator.ledger()] == ["antes"]
    assert account(stepper).retry_at is None, "no trial was used up"
    stepper.sql(
        "UPDATE account SET stale_at = NULL, stale_words = NULL, blocked_at = NULL, blocked_words = NULL, blocked_cause = NULL"
    )
    assert sent(stepper, text="despues", transport=transport, idinterno="STALE1").good


@pytest.mark.parametrize("transport", ["soap", "smtp"])
def test_another_credential_than_the_accounts_blocks_nothing(
    transport: Any, stepper: Stepper, simulator: SimulatorProcess
) -> None:
    assert sent(stepper, text="antes").status == "accepted"
    simulator.set_option(user=["USU:OTRA"])
    answer = sent(stepper, transport=transport)
    assert answer.status in ("failed", "handed_over")
    assert account(stepper).blocked_at is None


# -- usuario and clave alone -----------------------------------------------------------------------------------------


@pytest.fixture
def elder(make_runtime: Callable[..., Runtime], simulator: SimulatorProcess) -> Stepper:
    """An account of the older form: it never had an API key."""
    simulator.set_option(user=["USU:CLA"])
    mailbox = f"{simulator.smtp_url}?from=a@example.com&tls=no"
    return Stepper(make_runtime(apikey="", usuario="USU", clave="CLA", provider_timeout=2, smtp_url=mailbox))


@pytest.mark.parametrize(("transport", "status"), [("soap", "accepted"), ("smtp", "handed_over")])
def test_usuario_and_clave_alone_send(transport: Any, status: str, elder: Stepper, simulator: SimulatorProcess) -> None:
    answer = sent(elder, transport=transport, idinterno="VIEJO")
    assert answer.status == status
    assert sent(elder, transport=transport, idinterno="VIEJO") == answer
    (line,) = simulator.ledger()
    assert line["destino"] == ANA
    hints = elder.tick()
    assert hints.account_id is not None
    assert (hints.submits, hints.poll, hints.balance, hints.probe) == (0, False, False, False)
    elder.submit()


def test_usuario_and_clave_alone_pull_replies(elder: Stepper, simulator: SimulatorProcess) -> None:
    sent(elder, transport="soap")
    simulator.reply(ANA, "SI")
    assert len(pull.pull_due(elder.runtime)) == 1
    (row,) = elder.sql("SELECT * FROM reply")
    assert (row.origen, row.texto, row.source) == (ANA, "SI", "soap")


def test_a_refused_clave_blocks_the_account_that_has_no_other(elder: Stepper, simulator: SimulatorProcess) -> None:
    simulator.set_option(user=["USU:OTRA"])
    assert sent(elder, transport="soap").status == "failed"
    assert account(elder).blocked_words
    assert sent(elder, text="dos", transport="soap").status == "refused"


def test_what_needs_the_key_says_so_and_what_goes_without(elder: Stepper, simulator: SimulatorProcess) -> None:
    with pytest.raises(UsageError) as by_http:
        sent(elder)
    with pytest.raises(UsageError) as campaign:
        elder.load(1)
    for caught in (by_http, campaign):
        assert "DISPATCHER_APIKEY" in str(caught.value)
        assert "soap" in str(caught.value.hint)
    assert list(simulator.posts()) == []


def test_a_key_that_comes_later_is_another_credential_until_rekey(
    elder: Stepper, make_runtime: Callable[..., Runtime], simulator: SimulatorProcess
) -> None:
    assert sent(elder, transport="soap").status == "accepted"
    stepper = Stepper(make_runtime(usuario="USU", clave="CLA"))
    with pytest.raises(UsageError, match="another"):
        sent(stepper, text="dos")
    with stepper.runtime.engine.begin() as connection:
        binding.rekey(connection, stepper.runtime.settings)
    assert sent(stepper, text="dos").status == "accepted"


def test_a_process_that_died_in_the_call_leaves_unknown(stepper: Stepper, simulator: SimulatorProcess) -> None:
    simulator.set_faults({"kind": "hold", "endpoint": "unit", "times": 1})
    caller = threading.Thread(target=lambda: sent(stepper, idinterno="MUERTO"))
    caller.start()
    wait_until(lambda: simulator.held(1, 1.0), 10)
    assert record(stepper, "MUERTO").state == "sending"
    stepper.sql("UPDATE single_message SET lease_until = now() - interval '1 second'")
    stepper.tick()
    assert record(stepper, "MUERTO").state == "unknown"
    simulator.release()
    caller.join(20)
    assert record(stepper, "MUERTO").state == "accepted", "a late answer still counts"


def test_a_rate_limit_makes_campaigns_wait_for_single_messages(make_runtime: Callable[..., Runtime]) -> None:
    stepper = Stepper(make_runtime(rate=60))
    for n in range(5):
        assert sent(stepper, text=f"n {n}").status == "accepted"
    (row,) = stepper.sql("SELECT rate_free_at - now() AS wait FROM account")
    assert row.wait.total_seconds() > 2


def test_a_task_that_comes_twice_is_one_message(stepper: Stepper, simulator: SimulatorProcess) -> None:
    payload = {"number": ANA, "text": "Hola"}
    first = send.receive(stepper.runtime, payload, "0c3f-77")
    assert first is not None
    assert send.receive(stepper.runtime, payload, "0c3f-77") == first
    assert first.idinterno == "T0c3f77"
    assert len(list(simulator.posts())) == 1


@pytest.mark.parametrize("own", [{}, {"idinterno": "TURNO1"}], ids=["without idinterno", "with idinterno"])
def test_a_task_that_comes_again_after_it_failed_is_not_sent_behind_its_callers_back(
    own: dict[str, Any], stepper: Stepper, simulator: SimulatorProcess
) -> None:
    """Who read that it failed may have sent it otherwise since; who asks anew under its idinterno gets a call."""
    payload = {"number": ANA, "text": "Hola", **own}
    simulator.set_faults({"kind": "refused"})
    assert send.receive(stepper.runtime, {"number": ANA, "text": "reloj"}, "clock") is None, "no clock yet, no record"
    simulator.clear_faults()
    sent(stepper, text="antes")
    simulator.set_faults({"kind": "refused"})
    first = send.receive(stepper.runtime, payload, "0c3f-78")
    assert first is not None
    assert first.status == "failed"
    simulator.clear_faults()
    assert send.receive(stepper.runtime, payload, "0c3f-78", redelivered=True) == first
    assert [line["texto"] for line in simulator.ledger()] == ["antes"]
    anew = sent(stepper, text="Hola", idinterno=first.idinterno)
    assert anew.status == "accepted"
    assert send.receive(stepper.runtime, payload, "0c3f-78", redelivered=True) == anew


@pytest.mark.parametrize(
    "payload",
    [{}, {"number": ANA}, {"number": ANA, "text": "x", "sms": 1}, {"number": ANA, "text": "x", "idinterno": "a b"}, []],
)
def test_a_payload_that_is_none_is_refused_without_a_crash(payload: Any, stepper: Stepper) -> None:
    assert send.receive(stepper.runtime, payload, "t") is None
