"""Settings: a bad name or value names itself and says why; environment, secret files and .env in that order."""

from pathlib import Path

import pytest

from dispatcher import config
from dispatcher.errors import UsageError


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPATCHER_NO_DOTENV", raising=False)


def test_the_defaults_are_those_that_the_readme_promises() -> None:
    settings = config.load()
    assert settings.provider_url == "https://servicio.smsmasivos.com.ar"
    assert settings.apikey is None
    assert (settings.country, settings.company) == ("AR", None)
    assert (settings.window, settings.window_guard) == ("08:00-22:00", 60)
    assert (settings.chunk_size, settings.chunk_bytes, settings.concurrency, settings.rate) == (1000, 90_000, 2, 0)
    assert (settings.provider_timeout, settings.poll_interval, settings.probe_rate) == (60, 15, 5)
    assert (settings.fecha_reading, settings.max_resends) == ("auto", 3)
    assert (settings.in_doubt_horizon, settings.result_horizon) == (900, 86_400)


BAD = [
    ("DATABASE_URL", "mysql://localhost/x"),
    ("BROKER_URL", "kafka://localhost"),
    ("PROVIDER_URL", "servicio.smsmasivos.com.ar"),
    ("PROVIDER_URL", "ftp://host"),
    ("PROVIDER_URL", "http://user:pass@host"),
    ("PROVIDER_URL", "http://host/?x=1"),
    ("PROVIDER_URL", "http://[::1"),
    ("COUNTRY", "BR"),
    ("WINDOW", "8-22"),
    ("WINDOW", "08:00-08:00"),
    ("WINDOW", "22:00-26:00"),
    ("WINDOW_GUARD", "-1"),
    ("CHUNK_SIZE", "0"),
    ("CHUNK_SIZE", "many"),
    ("CHUNK_BYTES", "10"),
    ("CONCURRENCY", "0"),
    ("RATE", "-1"),
    ("PROVIDER_TIMEOUT", "0"),
    ("PROVIDER_TIMEOUT", "nan"),
    ("POLL_INTERVAL", "0"),
    ("PROBE_RATE", "0"),
    ("FECHA_READING", "week"),
    ("IN_DOUBT_HORIZON", "-1"),
    ("IN_DOUBT_HORIZON", "inf"),
    ("RESULT_HORIZON", "inf"),
    ("RESULT_HORIZON", "nan"),
    ("MAX_RESENDS", "-1"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_stops_the_start_with_its_name(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"DISPATCHER_{name}", value)
    with pytest.raises(UsageError, match=f"DISPATCHER_{name}: .") as caught:
        config.load()
    assert caught.value.hint


def test_every_bad_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_CHUNK_SIZE", "0")
    monkeypatch.setenv("DISPATCHER_WINDOW", "always")
    with pytest.raises(UsageError) as caught:
        config.load()
    assert "DISPATCHER_CHUNK_SIZE" in str(caught.value)
    assert "DISPATCHER_WINDOW" in str(caught.value)


def test_a_window_that_its_own_guard_swallows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_WINDOW", "08:00-08:30")
    monkeypatch.setenv("DISPATCHER_WINDOW_GUARD", "1800")
    with pytest.raises(UsageError, match="DISPATCHER_WINDOW"):
        config.load()


def test_a_bad_secret_does_not_show_in_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_DATABASE_URL", "mysql://user:hunter2@host/x")
    with pytest.raises(UsageError) as caught:
        config.load()
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


def test_secrets_do_not_show_in_a_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_APIKEY", "hunter2")
    monkeypatch.setenv("DISPATCHER_DATABASE_URL", "postgresql://u:hunter2@h/x")
    assert "hunter2" not in repr(config.load())


def test_a_file_gives_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("CLAVE\n")
    monkeypatch.setenv("DISPATCHER_APIKEY_FILE", str(tmp_path / "key"))
    assert config.load().require_apikey() == "CLAVE"


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe\x00"])
def test_a_secret_file_without_a_secret_is_named(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    monkeypatch.setenv("DISPATCHER_APIKEY_FILE", str(tmp_path / "key"))
    with pytest.raises(UsageError, match="DISPATCHER_APIKEY"):
        config.load().require_apikey()


def test_a_dotenv_file_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DISPATCHER_RATE=120\nDISPATCHER_COMPANY='Empresa SA'\nOTHER=1\n")
    settings = config.load()
    assert (settings.rate, settings.company) == (120, "Empresa SA")


def test_a_dotenv_file_may_name_a_secret_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("CLAVE")
    (tmp_path / ".env").write_text("DISPATCHER_APIKEY_FILE=key\n")
    assert config.load().require_apikey() == "CLAVE"


def test_the_environment_beats_a_secret_file_and_that_beats_dotenv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("DISPATCHER_APIKEY=dotenv\n")
    assert config.load().require_apikey() == "dotenv"
    (tmp_path / "key").write_text("file")
    monkeypatch.setenv("DISPATCHER_APIKEY_FILE", str(tmp_path / "key"))
    assert config.load().require_apikey() == "file"
    monkeypatch.setenv("DISPATCHER_APIKEY", "environment")
    assert config.load().require_apikey() == "environment"


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_RATE", "")
    monkeypatch.setenv("DISPATCHER_APIKEY", "")
    settings = config.load()
    assert (settings.rate, settings.apikey) == (0, None)


def test_an_isolated_process_reads_no_dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("DISPATCHER_APIKEY=real\n")
    monkeypatch.setenv("DISPATCHER_NO_DOTENV", "1")
    assert config.load().apikey is None


@pytest.mark.parametrize("url", ["http://HOST:8080/", "http://host:8080", " http://host:8080/ "])
def test_one_provider_has_one_written_form(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_PROVIDER_URL", url)
    assert config.load().provider_url == "http://host:8080"


def test_the_fingerprint_tells_keys_apart_and_gives_none_away(monkeypatch: pytest.MonkeyPatch) -> None:
    marks = set()
    for key in ("one", "two"):
        monkeypatch.setenv("DISPATCHER_APIKEY", key)
        mark = config.load().fingerprint
        assert mark is not None
        assert len(mark) == 16
        assert key not in mark
        marks.add(mark)
    assert len(marks) == 2


@pytest.mark.parametrize(
    ("rate", "size", "effective"), [("0", "1000", 1000), ("60", "1000", 60), ("5000", "1000", 1000)]
)
def test_a_rate_also_caps_the_chunk(rate: str, size: str, effective: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_RATE", rate)
    monkeypatch.setenv("DISPATCHER_CHUNK_SIZE", size)
    assert config.load().effective_chunk_size() == effective


def test_a_missing_database_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DISPATCHER_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="DISPATCHER_DATABASE_URL") as caught:
        _ = config.load().sqlalchemy_url
    assert "dispatcher up" in (caught.value.hint or "")


def test_a_typing_error_in_a_name_stops_the_start_and_suggests_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_CONCURENCY", "4")
    expected = r"^DISPATCHER_CONCURENCY is not a setting; did you mean DISPATCHER_CONCURRENCY\?$"
    with pytest.raises(UsageError, match=expected):
        config.load()


def test_a_typing_error_in_a_secret_file_s_name_suggests_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_APIKEI_FILE", "/run/secrets/apikey")
    with pytest.raises(UsageError, match=r"did you mean DISPATCHER_APIKEY_FILE\?"):
        config.load()


def test_a_typing_error_in_dotenv_stops_the_start_without_its_value(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DISPATCHER_API_KEY=hunter2\n")
    with pytest.raises(UsageError, match="DISPATCHER_API_KEY is not a setting") as caught:
        config.load()
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("name", ["XYZ", "", "FILE", "APIKEY_FILE_FILE", "PORTS", "NO_DOTENV_FILE"])
def test_a_name_that_is_like_no_setting_is_refused_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"DISPATCHER_{name}", "1")
    with pytest.raises(UsageError, match=f"DISPATCHER_{name} is not a setting"):
        config.load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DISPATCHER_WEB_PORT", "8080"),  # a setting of the next version
        ("DISPATCHER_API_URL", "http://127.0.0.1:8000"),  # of the examples
        ("DISPATCHER_SERVICE_HOST", "10.0.0.1"),  # of Kubernetes, like the next ones
        ("DISPATCHER_SERVICE_PORT_HTTP", "80"),
        ("DISPATCHER_PORT", "tcp://10.0.0.1:80"),
        ("DISPATCHER_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("DISPATCHER_FLOWER_SERVICE_HOST", "10.0.0.1"),
        ("DISPATCHER_CONCURENCY", ""),  # an empty one is as good as none
        ("MY_DISPATCHER_THING", "1"),
    ],
)
def test_names_that_belong_to_others_do_not_stop_the_start(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    config.load()


def test_a_dotenv_file_is_found_from_a_folder_below_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("DISPATCHER_RATE=120\nDISPATCHER_HOME=data\nDISPATCHER_APIKEY_FILE=key\n")
    (tmp_path / "key").write_text("CLAVE")
    below = tmp_path / "lists" / "march"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    monkeypatch.delenv("DISPATCHER_HOME")
    settings = config.load()
    assert config.dotenv_path() == tmp_path / ".env"
    assert (settings.rate, settings.apikey and settings.apikey.get_secret_value()) == (120, "CLAVE")
    assert settings.home == tmp_path / "data"


def test_the_nearest_dotenv_file_alone_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("DISPATCHER_RATE=120\nDISPATCHER_COMPANY=Far\n")
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / ".env").write_text("DISPATCHER_RATE=60\n")
    monkeypatch.chdir(tmp_path / "near")
    settings = config.load()
    assert (settings.rate, settings.company) == (60, None)


@pytest.mark.parametrize("end", ["git", "home", "everyone"])
def test_the_search_for_dotenv_ends(end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top, below = tmp_path / "top", tmp_path / "top" / "below"
    below.mkdir(parents=True)
    (tmp_path / ".env").write_text("DISPATCHER_RATE=120\n")
    monkeypatch.chdir(below)
    assert config.load().rate == 120
    if end == "git":
        (top / ".git").mkdir()
    elif end == "home":
        monkeypatch.setenv("HOME", str(top))
    else:
        top.chmod(0o1777)
    assert config.load().rate == 0


UNENCODED = [
    ("BROKER_URL", "redis://:p@hunter2@host:6379/0"),
    ("BROKER_URL", "redis://:p@hunter2/word@host"),
    ("BROKER_URL", "redis://:hunter2/word@host"),
    ("BROKER_URL", "redis://:12/hunter2@host"),
    ("BROKER_URL", "rediss://:hunter2#word@host"),
    ("BROKER_URL", "rediss://:hunter2?word@host"),
    ("BROKER_URL", "redis://:hunter2%word@host"),
    ("BROKER_URL", "amqp://user:hunter2[x@host//"),
    ("BROKER_URL", "amqp://user:good@host//;amqp://user:hunter2@x@host//"),
    ("DATABASE_URL", "postgresql://user:hunter2@word@host/name"),
    ("DATABASE_URL", "postgresql://user:hunter2/word@host:5432/name"),
]


@pytest.mark.parametrize(("name", "url"), UNENCODED)
def test_a_password_that_needs_percent_encoding_is_named_and_not_shown(
    name: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"DISPATCHER_{name}", url)
    with pytest.raises(UsageError, match=f"DISPATCHER_{name}: the password must be percent-encoded") as caught:
        config.load()
    assert "%40 for @, %2F for /" in str(caught.value)
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("BROKER_URL", "redis://host"),
        ("BROKER_URL", "redis://:p%40ss%2Fword@host:6379/0"),
        ("BROKER_URL", "rediss://user:plain!$&'()*+,;=~@host/0?ssl_cert_reqs=required"),
        ("BROKER_URL", "redis+socket:///tmp/a@b/valkey.sock"),
        ("BROKER_URL", "redis://[::1]:6379/0"),
        ("BROKER_URL", "amqp://user:one@a:5672//;amqp://user:two@b//"),
        ("DATABASE_URL", "postgresql://user:p%40ss@one:5432,two:5432/name"),
        ("DATABASE_URL", "postgresql:///name?host=/run/postgres&user=a@b"),
        ("DATABASE_URL", "postgresql://host/name?user=a@b"),
        ("DATABASE_URL", "postgresql+psycopg://me%40server:pw@host/name"),
    ],
)
def test_an_address_that_can_be_read_is_taken(name: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"DISPATCHER_{name}", url)
    config.load()


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("postgresql://u@h:5432/d", "postgresql+psycopg://u:p%40%2F%3A@h:5432/d"),
        ("postgres://u@a:1,b:2/d?x=y", "postgresql+psycopg://u:p%40%2F%3A@a:1,b:2/d?x=y"),
        ("postgresql://u:own@h/d", "postgresql+psycopg://u:own@h/d"),
        ("postgresql://h/d", "postgresql+psycopg://h/d"),
    ],
)
def test_a_database_s_password_may_stand_apart_from_its_address(url: str, whole: str) -> None:
    assert config.load(database_url=url, database_password="p@/:").sqlalchemy_url == whole
