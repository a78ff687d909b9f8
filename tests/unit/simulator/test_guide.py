"""The guide's examples to the letter, and every sentence that it gives, over TCP."""

from __future__ import annotations

import pytest

from ops.simulator import sentences

DAY = "20260310120000"


def test_the_example_of_a_bulk_call_answers_ok_by_get(client, simulator):
    block = "XXX%2C1161880001%2CTexto+1%0D%0AYYY%2C1161880002%2CTexto+2%0D%0A"
    assert client.call(f"/enviar_sms_bloque.asp?apikey=SIMULADOR&bloque={block}") == (200, b"OK")
    taken = [(line["idinterno"], line["destino"], line["texto"]) for line in simulator.ledger()]
    assert taken == [("XXX", "1161880001", "Texto 1"), ("YYY", "1161880002", "Texto 2")]


def test_the_same_works_by_post(client, simulator):
    block = b"bloque=XXX%2C1161880001%2CTexto+1%0D%0AYYY%2C1161880002%2CTexto+2%0D%0A"
    answer = client.call("/enviar_sms_bloque.asp?apikey=SIMULADOR", method="POST", body=block)
    assert answer == (200, b"OK")
    assert simulator.stats()["taken"] == 2


def test_a_message_without_result_is_pendiente(client, simulator):
    simulator.set_option(delay_min=60)
    client.bulk("XXX,1161880001,Texto 1")
    assert client.status(idinterno="XXX") == b"PENDIENTE"
    assert client.status(fecha="20101231175015") == b"PENDIENTE"
    simulator.set_clock(advance=61)
    assert client.status(idinterno="XXX") == b"XXX\t20260310120100\tOK"


def test_the_example_of_an_ok(client, simulator):
    simulator.set_clock(at="2011-09-27 11:05:05")
    client.bulk("XXX,1161880001,Texto 1")
    assert client.status(idinterno="XXX") == b"XXX\t20110927110505\tOK"


def test_the_example_of_an_error_and_an_ok(client, simulator):
    simulator.set_clock(at="2011-09-27 10:00:00")
    client.bulk("AAA,1161880001,Texto 1")
    simulator.set_clock(at="2011-09-27 11:05:05")
    client.bulk("XXX,1161880001,Texto 1\r\nYYY,1161880002,Texto 2")
    expected = (
        "XXX\t20110927110505\t1161880001: el número recibió un mensaje idéntico hace menos de 48 horas "
        "(no se hará el envío).\r\nYYY\t20110927110505\tOK"
    )
    assert client.status(fecha="20110927110505") == expected.encode("latin-1")


def test_the_server_date_is_iso_and_asks_for_no_credentials(client, simulator):
    simulator.set_clock(at="2013-12-09 18:35:58")
    assert client.call("/get_fecha.asp?iso=1") == (200, b"2013-12-09 18:35:58")
    assert client.call("/get_fecha.asp") == (200, b"2013-12-09 18:35:58")


def test_tab_separates_when_asked_and_text_may_have_commas(client, simulator):
    client.bulk("XXX\t1161880001\tHola, Ana, todo bien\r\n", separadorcampos="tab")
    assert [line["texto"] for line in simulator.ledger()] == ["Hola, Ana, todo bien"]


def test_coma_is_the_default_and_text_may_have_commas(client, simulator):
    client.bulk("XXX,1161880001,Hola, Ana, todo bien")
    assert [line["texto"] for line in simulator.ledger()] == ["Hola, Ana, todo bien"]


@pytest.mark.parametrize("separator", ["coma", ";", ""])
def test_tab_lines_under_another_separator_are_ignored_without_a_word(client, simulator, separator):
    assert client.bulk("XXX\t1161880001\tHola", separadorcampos=separator) == (200, b"OK")
    assert [line["ignored"] for line in simulator.ledger()] == ["fields"]


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_lines_end_in_crlf_lf_or_cr(client, simulator, end):
    client.bulk(end.join(["A1,1161880001,uno", "A2,1161880002,dos", "", "A3,1161880003,tres", ""]))
    assert [line["idinterno"] for line in simulator.ledger()] == ["A1", "A2", "A3"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("solo texto", "fields"),
        ("A1,1161880001", "fields"),
        ("A_1,1161880001,Hola", "idinterno"),
        (",1161880001,Hola", "idinterno"),
        ("Ñ1,1161880001,Hola", "idinterno"),
        ("A" * 51 + ",1161880001,Hola", "idinterno"),
        ("A1,,Hola", "empty"),
        ("A1,1161880001,", "empty"),
    ],
)
def test_a_malformed_line_is_ignored_and_the_others_go_on(client, simulator, line, reason):
    assert client.bulk(f"OK1,1161880002,Hola\r\n{line}\r\nOK2,1161880003,Hola") == (200, b"OK")
    ledger = list(simulator.ledger())
    assert [entry["idinterno"] for entry in ledger if not entry["ignored"]] == ["OK1", "OK2"]
    assert [(entry["raw"], entry["ignored"]) for entry in ledger if entry["ignored"]] == [(line, reason)]
    assert len(client.rows()) == 2


def test_an_idinterno_of_fifty_characters_is_taken(client):
    client.bulk("A" * 50 + ",1161880001,Hola")
    assert client.result("A" * 50) == "OK"


CASES = [
    ("1161880001", "Hola", "OK"),
    ("1161880001", "x" * 160, "OK"),
    ("1161880001", "ABCXYZabcxyz0189!?#$%()*+, -./:;=@ ", "OK"),
    ("1161880001", "2*3 y 4*", "OK"),
    ("1161880001", "x" * 161, "1161880001: el texto del mensaje es muy largo (máximo 160 caracteres)"),
    ("1161880001", "ñ" * 161, "1161880001: el texto del mensaje es muy largo (máximo 160 caracteres)"),
    ("1161880001", "mañana", "1161880001: el texto del mensaje contiene caracteres inválidos"),
    ("1161880001", "a\tb", "1161880001: el texto del mensaje contiene caracteres inválidos"),
    ("1161880001", "a\x00b", "1161880001: el texto del mensaje contiene caracteres inválidos"),
    ("1161880001", "a{b}", "1161880001: el texto del mensaje contiene caracteres inválidos"),
    ("1161880001", "1€", "1161880001: el texto del mensaje contiene caracteres inválidos"),
    (
        "1161880001",
        "Hola *1*",
        "1161880001: el texto del mensaje contiene un campo personalizable que no ha sido completado (ejemplo: *1*)",
    ),
    ("1155", "Hola", "1155: el número de celular es muy corto"),
    ("116188000", "Hola", "116188000: el número de celular es muy corto"),
    ("11618800011", "Hola", "11618800011: el número de celular es muy largo"),
    ("4161880001", "Hola", "4161880001: el número nacional debe comenzar con 1, 2 o 3"),
    ("0161880001", "Hola", "0161880001: el número nacional debe comenzar con 1, 2 o 3"),
    ("11-6188000", "Hola", "11-6188000: el número contiene caracteres inválidos"),
    ("11 6188000", "Hola", "11 6188000: el número contiene caracteres inválidos"),
    ("XXXXXXXXXX", "Hola", "XXXXXXXXXX: el número contiene caracteres inválidos"),
]


@pytest.mark.parametrize(("destino", "texto", "answer"), CASES)
@pytest.mark.parametrize("separator", ["coma", "tab"])
def test_content_earns_the_sentence_of_the_guide(client, destino, texto, answer, separator):
    mark = "," if separator == "coma" else "\t"
    client.bulk(f"GOOD{mark}2214567890{mark}bien\r\nA1{mark}{destino}{mark}{texto}", separadorcampos=separator)
    assert client.result("A1") == answer
    assert client.result("GOOD") == "OK"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_a_text_is_read_as_utf8_or_else_latin1(client, simulator, encoding):
    client.bulk("A1,1161880001,mañana".encode(encoding))
    assert [line["texto"] for line in simulator.ledger()] == ["mañana"]


@pytest.mark.parametrize(
    ("country", "good", "short", "long"),
    [
        ("GT", "51234567", "5123456", "512345678"),
        ("MX", "5512345678", "551234567", "55123456789"),
        ("PE", "912345678", "91234567", "9123456789"),
        ("UY", "94123456", "9412345", "941234567"),
    ],
)
def test_each_country_has_its_length(client, simulator, country, good, short, long):
    simulator.set_option(country=country)
    client.bulk(f"A1,{good},Hola\nA2,{short},Hola\nA3,{long},Hola")
    assert client.result("A1") == "OK"
    assert client.result("A2") == f"{short}: {sentences.NUMBER_SHORT}"
    assert client.result("A3") == f"{long}: {sentences.NUMBER_LONG}"


def test_uruguay_may_have_its_initial_zero(client, simulator):
    simulator.set_option(country="UY")
    client.bulk("A1,094123456,Hola")
    assert client.result("A1") == "OK"


def test_test_says_probando_sin_enviar_and_sends_nothing(client, simulator):
    simulator.set_option(credit=10)
    client.bulk("A1,1161880001,Hola\r\nA2,1155,Hola", test=1)
    assert client.result("A1") == "1161880001: probando sin enviar"
    assert client.result("A2") == "1155: el número de celular es muy corto"
    assert client.call("/obtener_saldo.asp?apikey=SIMULADOR") == (200, b"10")
    client.bulk("A3,1161880001,Hola")
    assert client.result("A3") == "OK"


@pytest.mark.parametrize("flag", ["0", "", "true", "2"])
def test_only_a_one_means_test(client, flag):
    client.bulk("A1,1161880001,Hola", test=flag)
    assert client.result("A1") == "OK"


def test_exhausted_credit_refuses_the_lines_not_the_call(client, simulator):
    simulator.set_option(credit=2)
    lines = "\r\n".join(f"A{n},116188000{n},Hola" for n in range(4))
    assert client.bulk(lines) == (200, b"OK")
    refused = "se han agotado los 2 SMS contratados"
    answers = [client.result(f"A{n}") for n in range(4)]
    assert answers == ["OK", "OK", f"1161880002: {refused}", f"1161880003: {refused}"]
    assert client.call("/obtener_saldo.asp?apikey=SIMULADOR") == (200, b"0")
    simulator.set_option(credit=5)
    client.bulk("B2,1161880002,Hola")
    assert client.result("B2") == "OK"


def test_an_expired_contract_refuses_with_its_date(client, simulator):
    simulator.set_option(contract_expires="2026-03-10")
    client.bulk("A1,1161880001,Hola")
    simulator.set_clock(at="2026-03-11 09:00:00")
    client.bulk("A2,1161880002,Hola")
    assert client.result("A1") == "OK"
    assert client.result("A2") == "1161880002: el contrato para enviar SMS ha expirado el 10 de marzo"
    assert client.call("/obtener_vencimiento_paquete.asp?apikey=SIMULADOR") == (200, b"2026-03-10")


def test_without_credit_or_contract_the_whole_call_may_be_refused(client, simulator):
    simulator.set_option(credit=1, refuse_calls=True, contract_expires="2026-03-10")
    assert client.bulk("A1,1161880001,Hola") == (200, b"OK")
    assert client.bulk("A2,1161880002,Hola") == (200, b"se han agotado los 1 SMS contratados")
    simulator.set_option(credit=9)
    simulator.set_clock(at="2026-03-11 09:00:00")
    refused = b"el contrato para enviar SMS ha expirado el 10 de marzo"
    assert client.bulk("A2,1161880002,Hola") == (200, refused)
    assert simulator.stats()["taken"] == 1


def test_envios_counts_the_month_and_saldo_what_is_left(client, simulator):
    simulator.set_option(credit=100)
    client.bulk("A1,1161880001,Hola\r\nA2,1161880002,Hola\r\nA3,1155,Hola")
    assert client.call("/obtener_envios.asp?apikey=SIMULADOR") == (200, b"2")
    assert client.call("/obtener_saldo.asp?apikey=SIMULADOR") == (200, b"98")
    simulator.set_clock(at="2026-04-01 09:00:00")
    assert client.call("/obtener_envios.asp?apikey=SIMULADOR") == (200, b"0")


def test_baja_no_call_and_unknown_characteristics_are_refused(client, simulator):
    simulator.set_option(baja=["1161880001"], no_call=["1161880002"], invalid_prefix=["199"])
    client.bulk("A1,1161880001,Hola\nA2,1161880002,Hola\nA3,1990000001,Hola\nA4,1161880004,Hola")
    assert client.result("A1") == f"1161880001: {sentences.OPTED_OUT}"
    assert client.result("A2") == f"1161880002: {sentences.NO_CALL}"
    assert client.result("A3") == f"1990000001: {sentences.NUMBER_PREFIX}"
    assert client.result("A4") == "OK"


@pytest.mark.parametrize("code", sorted(sentences.BY_CODE, reverse=True))
def test_the_mix_can_say_every_code_of_the_guide(client, simulator, code):
    simulator.set_option(mix={str(code): 1.0})
    client.bulk("A1,1161880001,Hola")
    words = sentences.BY_CODE[code]
    assert client.result("A1") == (words if code == 0 else f"1161880001: {words}")


def test_the_mix_is_drawn_from_content_whatever_the_order(client, simulator):
    simulator.set_option(mix={"-1": 0.3, "-10": 0.2, "algo nuevo": 0.1}, seed=7)
    numbers = [f"11{n:08d}" for n in range(600)]
    client.bulk("\n".join(f"A{number},{number},Hola" for number in numbers))
    first = {row.split("\t")[0]: row.split("\t")[2] for row in client.rows()}
    simulator.reset()
    for part in (numbers[:200], numbers[200:]):
        client.bulk("\n".join(f"A{number},{number},Hola" for number in reversed(part)))
    assert {row.split("\t")[0]: row.split("\t")[2] for row in client.rows()} == first
    shares = [sum(words in text for text in first.values()) / 600 for words in ("fijo", "telefónica", "nuevo")]
    assert shares == pytest.approx([0.3, 0.2, 0.1], abs=0.07)


def test_identical_text_is_refused_only_after_one_that_was_sent(client, simulator):
    simulator.set_option(mix={"-10": 1.0})
    client.bulk("A1,1161880001,Hola")
    simulator.set_option(mix={})
    client.bulk("A2,1161880001,Hola\r\nA3,1161880001,Otra cosa\r\nA4,1161880001,Hola")
    assert client.result("A1") == "1161880001: destinatario rechazado por la telefónica"
    assert client.result("A2") == "OK"
    assert client.result("A3") == "OK"
    assert client.result("A4") == f"1161880001: {sentences.BY_CODE[-4]}"


def test_identical_text_goes_out_again_after_the_window_of_hours(client, simulator):
    simulator.set_option(dup_hours=2)
    client.bulk("A1,1161880001,Hola")
    simulator.set_clock(advance=2 * 3600 - 1)
    client.bulk("A2\t1161880001\tHola", separadorcampos="tab")
    simulator.set_clock(advance=1)
    client.bulk("A3,1161880001,Hola")
    assert "hace menos de 2 horas" in client.result("A2")
    assert client.result("A3") == "OK"


def test_without_a_dup_window_everything_goes_out_and_the_ledger_tells(client, simulator):
    simulator.set_option(dup_hours=0)
    client.bulk("A1,1161880001,Hola\r\na1,1161880001,Hola")
    sent = simulator.sent()
    assert sent["taken_twice"] == {"A1": 2}
    assert sent["sent_twice"] == {"A1": 2}
    assert sent["pairs_sent_twice"] == [["1161880001", "Hola", 2]]


def test_what_comes_outside_the_window_is_held_until_opening(client, simulator):
    simulator.set_clock(at="2026-03-10 22:00:00")
    client.bulk("A1,1161880001,Hola")
    assert client.status(idinterno="A1") == b"PENDIENTE"
    assert simulator.stats()["outside_window"] == 1
    simulator.set_clock(at="2026-03-11 07:59:59")
    assert client.status(idinterno="A1") == b"PENDIENTE"
    simulator.set_clock(at="2026-03-11 08:00:00")
    assert client.status(idinterno="A1") == b"A1\t20260311080000\tOK"


def test_or_refused_when_the_provider_is_of_that_kind(client, simulator):
    simulator.set_option(outside_window="refuse")
    simulator.set_clock(at="2026-03-10 07:59:59")
    client.bulk("A1,1161880001,Hola")
    simulator.set_clock(at="2026-03-10 08:00:00")
    client.bulk("A2,1161880002,Hola")
    assert "fuera de la franja horaria" in client.result("A1")
    assert client.result("A2") == "OK"


def test_the_whole_day_can_be_open(client, simulator):
    simulator.set_option(window="00:00-24:00")
    simulator.set_clock(at="2026-03-10 03:00:00")
    client.bulk("A1,1161880001,Hola")
    assert client.result("A1") == "OK"
