"""Loading: every row becomes a message or an invalid row, and a campaign is there whole or not at all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher.campaigns import loading
from dispatcher.campaigns.filling import Loaded, NothingToSend
from dispatcher.domain import sms_text
from dispatcher.errors import UsageError
from dispatcher.ingest import UNFIT, from_recipients, open_source
from dispatcher.ingest.tidy import is_blank
from dispatcher.provider import form
from schemas.payload import CampaignSpec
from tests.integration.core_harness import CoreHarness

Make = Callable[..., CoreHarness]


def file_of(folder: Path, *rows: str) -> Path:
    path = folder / "list.csv"
    path.write_text("\n".join(["telefono,n", *rows]) + "\n", encoding="utf-8")
    return path


def load_file(core: CoreHarness, path: Path, **spec: Any) -> Loaded:
    with open_source(path) as source, core.engine.begin() as connection:
        return loading.load(connection, core.settings, CampaignSpec(template="Hola {n}", **spec), source)


def nothing_was_loaded(core: CoreHarness) -> bool:
    return all(
        core.one(f"SELECT count(*) FROM {table}") == 0 for table in ("campaign", "chunk", "message", "invalid_row")
    )


def test_rows_are_messages_and_invalid_rows_with_their_line_numbers(core: CoreHarness, tmp_path: Path) -> None:
    path = file_of(
        tmp_path, "1144445555,Ana", "12345,Corto", "+54 9 11 4444-5555,Ana otra vez", "1144446666,", "1144447777,Eva"
    )
    loaded = load_file(core, path)
    assert (loaded.rows, loaded.messages, loaded.invalid) == (5, 2, 3)
    messages = core.rows("SELECT seq, line, destino, texto FROM message ORDER BY seq")
    assert [tuple(row) for row in messages] == [(1, 2, "1144445555", "Hola Ana"), (2, 6, "1144447777", "Hola Eva")]
    invalid_rows = core.rows("SELECT line, code, raw FROM invalid_row ORDER BY line")
    assert [row.line for row in invalid_rows] == [3, 4, 5]
    assert "12345,Corto" in invalid_rows[0].raw
    assert invalid_rows[0].code in (-7, -12)
    core.check_sums(loaded.campaign_id)


NUMBERS = st.one_of(st.integers(0, 40).map(lambda n: f"11{20_000_000 + n}"), st.text("0123456789 -+abñ=", max_size=14))
PERSON = st.fixed_dictionaries({"telefono": NUMBERS, "n": st.text(max_size=170)})
# A row in which nothing stands is no recipient.
PEOPLE = st.lists(PERSON.filter(lambda person: not is_blank("".join(person.values()))), min_size=1, max_size=40)


@given(PEOPLE, st.sets(st.integers(0, 40).map(lambda n: f"11{20_000_000 + n}"), max_size=10))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_sums_hold_for_any_list(core: CoreHarness, people: list[dict[str, str]], gone: set[str]) -> None:
    assert core.account
    core.do("DELETE FROM optout")
    for destino in gone:
        core.do("INSERT INTO optout (destino, source) VALUES (:d, 'test')", d=destino)
    people = [*people, {"telefono": "1155555555", "n": "good"}]
    campaign = core.load(recipients=people, template="H {n}.")
    assert core.one("SELECT rows FROM campaign WHERE id = :id", id=campaign) == len(people)
    core.check_sums(campaign)
    lines = [
        r.line
        for r in core.rows(
            "SELECT line FROM message WHERE campaign_id = :id UNION ALL SELECT line FROM invalid_row WHERE campaign_id = :id",
            id=campaign,
        )
    ]
    assert sorted(lines) == list(range(1, len(people) + 1))
    suppressed = core.rows("SELECT destino, suppressed FROM message WHERE campaign_id = :id", id=campaign)
    for row in suppressed:
        assert (row.suppressed is not None) == (row.destino in gone)
    chunks = core.rows("SELECT * FROM chunk WHERE campaign_id = :id ORDER BY chunk_no", id=campaign)
    assert [c.first_seq for c in chunks] == list(range(1, len(suppressed) + 1, 10))
    assert core.state(campaign) == ("scheduled" if chunks else "completed")


def test_chunks_keep_to_size_and_bytes(make_core: Make) -> None:
    core = make_core(chunk_size=1000, chunk_bytes=2000)
    campaign = core.load(100, template="Hola {n} " + "x" * 140)
    sizes = [row.messages for row in core.rows("SELECT messages FROM chunk ORDER BY chunk_no")]
    assert sum(sizes) == 100
    for _ in sizes:
        body = form.bulk_form("K" * 40, core.send().bloque, "tab", test=False)
        assert 1200 < len(body) <= 2000 or len(sizes) == core.one(
            "SELECT max(chunk_no) FROM chunk WHERE state <> 'due'"
        )
    core.check_sums(campaign)


class BreaksInTheMiddle(Exception):
    """What a disk, a decoder or a bug may raise."""


def test_a_failure_in_the_middle_leaves_nothing(
    core: CoreHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file_of(tmp_path, *(f"11{20_000_000 + n},x" for n in range(100)))
    real = loading.ingest

    def breaking(source: Any, options: Any, left_out: Any, **more: Any) -> Any:
        for number, batch in enumerate(real(source, options, left_out, batch_rows=30, **more)):
            if number == 2:
                raise BreaksInTheMiddle
            yield batch

    monkeypatch.setattr(loading, "ingest", breaking)
    with pytest.raises(BreaksInTheMiddle):
        load_file(core, path)
    assert nothing_was_loaded(core)
    monkeypatch.undo()
    assert load_file(core, path).messages == 100


@pytest.mark.parametrize(
    ("content", "spec"),
    [
        ("", {}),
        ("telefono,n\n", {}),
        ("numero,n\n1144445555,x\n", {}),
        ("telefono,nombre\n1144445555,x\n", {}),
        ("telefono,n\n1144445555,x\n", {"to_column": "other"}),
        ("telefono,n\n1144445555,x\n", {"id_column": "other"}),
        ("telefono,n\n1144445555,x\n", {"start": "mañana"}),
        ("telefono,n\n1144445555,x\n", {"start": ""}),
        ("telefono,n\n1144445555,x\n", {"expires": ""}),
        ("telefono,n\n1144445555,x\n", {"expires": "2020-01-01 00:00:00"}),
        ("telefono,n\n1144445555,x\n", {"start": "2031-01-02 00:00:00", "expires": "2031-01-01 00:00:00"}),
    ],
)
def test_what_cannot_be_loaded_says_why_and_leaves_nothing(
    core: CoreHarness, tmp_path: Path, content: str, spec: dict[str, Any]
) -> None:
    path = tmp_path / "list.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError):
        load_file(core, path, **spec)
    assert nothing_was_loaded(core)


def test_nobody_sees_a_campaign_before_it_is_whole(core: CoreHarness, tmp_path: Path) -> None:
    assert core.account
    seen = []
    people = [{"telefono": f"11{20_000_000 + n}", "n": "x"} for n in range(50)]
    with from_recipients(people) as source, core.engine.begin() as connection:
        loading.load(
            connection,
            core.settings,
            CampaignSpec(template="Hola {n}"),
            source,
            lambda batch: seen.append((core.one("SELECT count(*) FROM campaign"), type(core.try_claim()).__name__)),
        )
    assert seen == [(0, "Defer")]
    assert core.one("SELECT count(*) FROM message") == 50


def test_opt_outs_are_kept_as_suppressed_and_counted(core: CoreHarness, tmp_path: Path) -> None:
    core.do("INSERT INTO optout (destino, source) VALUES ('1144445555', 'test')")
    loaded = load_file(core, file_of(tmp_path, "1144445555,Ana", "1144446666,Eva"))
    assert (loaded.messages, loaded.suppressed) == (2, 1)
    assert core.statuses(loaded.campaign_id) == {"suppressed": 1, "pending": 1}
    assert core.claim().lines == 1


def test_an_opted_out_row_is_suppressed_whatever_its_other_fields_say(core: CoreHarness) -> None:
    odd = ["", "{x}", "a *1* b", "日本", "x" * 200, "   ", "Su PIN de acceso", "Ana", "José"]
    people = [{"telefono": f"11{20_000_000 + n}", "n": value} for n, value in enumerate(odd)]
    people += [
        {"telefono": "12", "n": "Ana"},
        {"telefono": "1120000001", "n": "Eva"},
        {"telefono": "1144445555", "n": ""},
    ]
    core.do(
        "INSERT INTO optout (destino, source) SELECT CAST(1120000000 + n AS text), 'test' FROM generate_series(1, 8) n"
    )
    core.do(
        "INSERT INTO undeliverable (destino, code, since, expires_at) "
        "VALUES ('1120000000', -1, now(), now() + interval '1 day')"
    )
    with from_recipients(people) as source, core.engine.begin() as connection:
        loaded = loading.load(connection, core.settings, CampaignSpec(template="Hola {n}"), source)
    assert loaded.left_out == {"optout_at_load": 8, "undeliverable_at_load": 1}
    assert loaded.reasons == {"number_too_short": 1, "duplicate": 1, "field_empty": 1}
    texts = core.rows("SELECT line, texto FROM message WHERE suppressed IS NOT NULL ORDER BY seq")
    assert [tuple(row) for row in texts] == [(n, UNFIT) for n in range(1, 8)] + [(8, "Hola Ana"), (9, "Hola Jose")]
    assert core.statuses(loaded.campaign_id) == {"suppressed": 9}
    assert loaded.transliterated == 1
    assert sms_text.outside_alphabet(UNFIT) == []
    core.check_sums(loaded.campaign_id)


def test_the_order_holds_when_suppressed_and_sent_rows_mix(core: CoreHarness) -> None:
    people = [{"telefono": f"11{20_000_000 + n}", "n": "" if n % 3 else "x"} for n in range(30)]
    core.do(
        "INSERT INTO optout (destino, source) SELECT CAST(1120000000 + n AS text), 'test' FROM generate_series(0, 29, 2) n"
    )
    campaign = core.load(recipients=people)
    found = core.rows("SELECT line, destino, suppressed FROM message WHERE campaign_id = :id ORDER BY seq", id=campaign)
    kept = [n for n in range(30) if n % 2 == 0 or n % 3 == 0]
    assert [(row.line, row.destino) for row in found] == [(n + 1, f"11{20_000_000 + n}") for n in kept]
    assert [row.suppressed is not None for row in found] == [n % 2 == 0 for n in kept]
    core.check_sums(campaign)


@pytest.mark.parametrize(
    ("content", "spec"),
    [
        ("telefono,n\n", {}),
        ("numero,n\n1144445555,x\n", {}),
        ("telefono,nombre\n1144445555,x\n", {}),
        ("telefono,n\n1144445555,x\n", {"id_column": "other"}),
    ],
)
def test_a_refused_list_draws_no_number(core: CoreHarness, tmp_path: Path, content: str, spec: dict[str, Any]) -> None:
    path = tmp_path / "refused.csv"
    path.write_text(content, encoding="utf-8")
    drawn = "SELECT nextval(pg_get_serial_sequence('campaign', 'id'))"
    before = core.one(drawn)
    with pytest.raises(UsageError):
        load_file(core, path, **spec)
    assert core.one(drawn) == before + 1


def test_a_list_without_a_good_row_is_refused_and_leaves_nothing(core: CoreHarness, tmp_path: Path) -> None:
    with pytest.raises(NothingToSend, match="number_too_short 2") as caught:
        load_file(core, file_of(tmp_path, "123,x", "456,y"))
    assert caught.value.invalid_rows["line"].to_list() == [2, 3]
    assert nothing_was_loaded(core)


def test_the_longest_texts_and_odd_ids_come_through_unharmed(core: CoreHarness) -> None:
    odd = 'a"b,c;\td\\N'
    campaign = core.load(
        recipients=[
            {"telefono": "1144445555", "n": "x" * 155, "id": odd},
            {"telefono": "1144446666", "n": "x" * 156, "id": ""},
        ],
        id_column="id",
    )
    row = core.message(campaign, 1)
    assert (row.external_id, row.texto) == (odd, "Hola " + "x" * 155)
    assert core.one("SELECT code FROM invalid_row") == -6


def test_without_a_key_nothing_is_loaded(make_core: Make, environment: dict[str, str], tmp_path: Path) -> None:
    environment.pop("DISPATCHER_APIKEY")
    core = make_core()
    with pytest.raises(UsageError, match="DISPATCHER_APIKEY"):
        load_file(core, file_of(tmp_path, "1144445555,x"))
    assert nothing_was_loaded(core)
