"""Replies by PULL, SOAP and PUSH: each stored once, none lost, none merged, none doubled."""

from collections.abc import Callable

import pytest

from dispatcher.accounts import binding, provider_clock
from dispatcher.errors import AnswerError
from dispatcher.replies import listing as reply_listing
from dispatcher.replies import pull as reply_pull
from dispatcher.replies.listing import Reply
from dispatcher.replies.store import ReplyStore, plain
from dispatcher.runtime import Runtime
from ops.simulator.process import SimulatorProcess
from tests.integration.stepper import Stepper

ANA, BETO = "1120000001", "1120000002"


class Letters:
    """Pulls, pushes and looks, step by step."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.stepper = Stepper(runtime)
        with runtime.engine.begin() as connection:
            self.account = binding.bind(connection, runtime.settings)

    def pull(self, **options: object) -> list[int]:
        return reply_pull.pull(self.runtime, self.account.id, **options)  # type: ignore[arg-type]

    def push(self, origen: str, texto: str, reference: str | None = None) -> bool:
        """A PUSH; whether it was new."""
        return ReplyStore(self.runtime, self.account.id).pushed(origen, texto, reference)[1]

    def stored(self) -> list[Reply]:
        """The oldest first."""
        with self.runtime.engine.connect() as connection:
            return reply_listing.listing(connection, 1000)[::-1]

    def texts(self) -> list[tuple[str, str, bool]]:
        return [(reply.origen, reply.texto, reply.provisional) for reply in self.stored()]

    def age(self, minutes: int) -> None:
        """Let time pass for what is stored."""
        self.stepper.sql("UPDATE reply SET received_at = received_at - make_interval(mins => :m)", m=minutes)


@pytest.fixture
def letters(make_runtime: Callable[..., Runtime], simulator: SimulatorProcess) -> Letters:
    simulator.set_option(user=["USU:CLA"])
    return Letters(make_runtime(usuario="USU", clave="CLA"))


def test_a_reply_is_linked_to_the_message_that_it_answers(letters: Letters, simulator: SimulatorProcess) -> None:
    campaign = letters.stepper.load(3)
    letters.stepper.finish(campaign)
    given = simulator.reply(ANA, "Gracias, ¿a qué hora?")
    assert letters.pull()
    (reply,) = letters.stored()
    assert (reply.id, reply.origen, reply.texto) == (given["id"], ANA, "Gracias, ¿a qué hora?")
    assert (reply.campaign_id, reply.seq, reply.kind, reply.provisional) == (campaign, 2, "reply", False)
    assert reply.as_json()["received_at"].startswith(given["fecha"].replace(" ", "T"))


@pytest.mark.parametrize("options", [{}, {"transport": "soap"}, {"formato": "excel"}], ids=["text", "soap", "excel"])
def test_each_reply_is_stored_once_however_often_it_is_pulled(
    options: dict[str, str], letters: Letters, simulator: SimulatorProcess
) -> None:
    for n in range(3):
        simulator.reply(ANA, f"texto {n}", idinterno="AJENO1")
    assert len(letters.pull(**options)) == 3
    assert letters.pull(**options) == []
    assert letters.pull(whole=True, **options) == []
    assert letters.pull(whole=True) == []
    assert [reply.texto for reply in letters.stored()] == ["texto 0", "texto 1", "texto 2"]
    assert {reply.campaign_id for reply in letters.stored()} == {None}


def test_replies_are_marked_as_read_only_after_they_are_stored(letters: Letters, simulator: SimulatorProcess) -> None:
    simulator.reply(ANA, "uno")
    letters.pull(mark=False)
    assert [reply["read"] for reply in simulator.replies()] == [False]
    letters.pull()
    assert [reply["read"] for reply in simulator.replies()] == [True]
    simulator.reply(ANA, "dos")
    assert len(letters.pull()) == 1


def test_a_reply_whose_marked_answer_got_lost_comes_with_the_next_pull(
    letters: Letters, simulator: SimulatorProcess
) -> None:
    """It came between reading and marking, so only the lost answer had it, and the provider calls it read."""
    simulator.reply(ANA, "antes")
    letters.pull()
    simulator.reply(ANA, "uno")
    simulator.set_faults({"kind": "close", "endpoint": "inbox", "when": "after", "after": 1, "times": 1})
    reading = letters.runtime.inbox("http")
    ask = reading.batches

    def then_another(*args: object, **flags: object) -> object:
        found = [*ask(*args, **flags)]  # type: ignore[arg-type]
        if not flags.get("mark_read"):
            simulator.reply(ANA, "entre leer y marcar")
        return found

    reading.batches = then_another  # type: ignore[method-assign,assignment]
    with pytest.raises(AnswerError):
        letters.pull()
    reading.batches = ask  # type: ignore[method-assign]
    assert all(reply["read"] for reply in simulator.replies())
    letters.stepper.sql("UPDATE account SET inbox_at = NULL")
    reply_pull.pull_due(letters.runtime)
    assert [reply.texto for reply in letters.stored()] == ["antes", "uno", "entre leer y marcar"]


def test_a_push_before_its_pull_is_one_reply(letters: Letters, simulator: SimulatorProcess) -> None:
    assert letters.push(ANA, "SI", "AJENO1")
    assert letters.texts() == [(ANA, "SI", True)]
    simulator.reply(ANA, "SI", idinterno="AJENO1")
    assert len(letters.pull()) == 1
    assert letters.texts() == [(ANA, "SI", False)]


def test_a_push_after_its_pull_is_one_reply(letters: Letters, simulator: SimulatorProcess) -> None:
    simulator.reply(ANA, "SI", idinterno="AJENO1")
    letters.pull()
    assert not letters.push(ANA, "SI", "AJENO1")
    assert letters.texts() == [(ANA, "SI", False)]


def test_two_peoples_si_and_one_persons_two_are_neither_merged_nor_doubled(
    letters: Letters, simulator: SimulatorProcess
) -> None:
    """Pushes before, between and after two pulls, by two ways."""
    simulator.reply(ANA, "SI", idinterno="A1")
    letters.push(ANA, "SI", "A1")
    letters.push(BETO, "SI", "A1")
    letters.pull()
    simulator.reply(BETO, "SI", idinterno="A1")
    simulator.reply(ANA, "SI", idinterno="A1")
    letters.pull(transport="soap")
    letters.push(ANA, "SI", "A1")
    letters.pull(whole=True)
    assert sorted(letters.texts()) == [(ANA, "SI", False), (ANA, "SI", False), (BETO, "SI", False)]
    assert sorted(reply["id"] for reply in simulator.replies()) == sorted(reply.id or 0 for reply in letters.stored())


def test_a_push_that_was_sent_again_is_set_aside_once_the_whole_inbox_says_so(
    letters: Letters, simulator: SimulatorProcess
) -> None:
    simulator.reply(ANA, "SI", idinterno="A1")
    letters.push(ANA, "SI", "A1")
    letters.push(ANA, "SI", "A1")  # our answer to the first one got lost
    letters.pull(whole=True)
    assert letters.texts() == [(ANA, "SI", False), (ANA, "SI", True)], "too early to tell"
    letters.age(11)
    letters.pull(whole=True)
    assert letters.texts() == [(ANA, "SI", False)]


def test_a_push_that_no_pull_ever_brings_is_kept(letters: Letters) -> None:
    letters.push(ANA, "no está en la bandeja", "A1")
    letters.age(60)
    letters.pull(whole=True)
    assert letters.texts() == [(ANA, "no está en la bandeja", True)]


def test_push_and_pull_match_although_the_inbox_flattens_and_loses_letters(
    letters: Letters, simulator: SimulatorProcess
) -> None:
    simulator.reply(ANA, "hola\r\ncómo\testás 👍🏽", idinterno="A1")
    letters.push(f"+54 9 {ANA[:2]} {ANA[2:6]}-{ANA[6:]}", "hola\r\ncómo\testás 👍🏽", "A1")
    letters.pull()
    assert len(letters.stored()) == 1
    assert not letters.stored()[0].provisional


def test_a_provider_whose_clock_is_an_hour_off_still_matches(letters: Letters, simulator: SimulatorProcess) -> None:
    simulator.set_clock(offset=3600)
    letters.push(ANA, "SI", "A1")  # the clock is not known yet
    provider_clock.measure(letters.runtime, letters.account.id)
    letters.push(BETO, "SI", "A1")
    simulator.reply(BETO, "SI", idinterno="A1")
    letters.pull()
    assert (BETO, "SI", False) in letters.texts()


def test_a_reference_of_another_database_or_beyond_the_campaign_is_no_link(
    letters: Letters, simulator: SimulatorProcess
) -> None:
    from dispatcher.domain import idinterno

    campaign = letters.stepper.load(2)
    (row,) = letters.stepper.sql("SELECT prefix FROM campaign")
    for reference in (
        idinterno.encode("0123456789", campaign, 0, 1),
        idinterno.encode(row.prefix, campaign, 0, 3),
        idinterno.encode(row.prefix, campaign + 1, 0, 1),
    ):
        letters.push(ANA, "x", reference)
    letters.push(ANA, "x", idinterno.encode(row.prefix, campaign, 0, 2).lower())
    assert [(r.campaign_id, r.seq) for r in letters.stored()] == [(None, None)] * 3 + [(campaign, 2)]


def test_beat_hints_a_pull_once_an_interval(make_runtime: Callable[..., Runtime], simulator: SimulatorProcess) -> None:
    letters = Letters(make_runtime(inbox_interval=3600))
    assert letters.stepper.tick().inbox
    simulator.reply(ANA, "hola")
    assert len(reply_pull.pull_due(letters.runtime)) == 1
    assert not letters.stepper.tick().inbox
    simulator.reply(ANA, "otra")
    assert reply_pull.pull_due(letters.runtime) == []


def test_a_provider_that_fails_is_remembered_and_loses_nothing(letters: Letters, simulator: SimulatorProcess) -> None:
    simulator.reply(ANA, "hola")
    simulator.set_faults({"kind": "error", "endpoint": "inbox", "times": 1})
    assert reply_pull.pull_due(letters.runtime) == []
    (row,) = letters.stepper.sql("SELECT inbox_words, inbox_read_at FROM account")
    assert row.inbox_words
    assert row.inbox_read_at is None
    letters.stepper.sql("UPDATE account SET inbox_at = NULL")
    assert len(reply_pull.pull_due(letters.runtime)) == 1
    (row,) = letters.stepper.sql("SELECT inbox_words, inbox_read_at FROM account")
    assert row.inbox_words is None
    assert row.inbox_read_at


def test_plain_is_what_both_ways_have_in_common() -> None:
    assert plain("hola\r\n  che\t!") == "hola che !"
    assert plain("ok 👍🏽") == plain("ok ??") == plain("ok ?")
    assert plain("sí") == plain("si\u0301")
    assert plain("SI") != plain("Si")
