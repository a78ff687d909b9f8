"""`make docs`: writes docs/settings.md from the fields of `Settings`, so that the page and the code cannot differ.

Name, default and range come from the field; what a person needs to know about it is here, by group. A field that
has no description, and a description that has no field, stop the run.
"""

import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import ByteSize, SecretStr
from pydantic.fields import FieldInfo

from dispatcher.config import Settings

PAGE = Path(__file__).resolve().parents[1] / "docs" / "settings.md"


class Told(NamedTuple):
    """What the field itself cannot say: `unset` is what its absence means, for a field without a default value."""

    description: str
    unset: str = ""


GROUPS: dict[str, dict[str, Told]] = {
    "Credentials": {
        "apikey": Told(
            "The API key, from the provider's panel (*Mi cuenta → Seguridad*). Campaigns, status, balance and "
            "everything else over HTTP need it."
        ),
        "usuario": Told(
            "User name of the older kind of account, for the Web Service and the mailbox. With `DISPATCHER_CLAVE` and "
            "without an API key, it can send single messages by SOAP and mail and pull replies by SOAP."
        ),
        "clave": Told("Password that goes with `DISPATCHER_USUARIO`."),
    },
    "Servers and files": {
        "database_password": Told(
            "The password of DISPATCHER_DATABASE_URL, when it has none itself: so a file can hold it.", "none"
        ),
        "database_url": Told("Postgres 15 or newer: `postgresql://user:password@host:5432/name`.", "embedded Postgres"),
        "database_pooled": Told(
            "Whether PgBouncer in transaction mode is in between; see [database.md](database.md).", "found out"
        ),
        "broker_url": Told(
            "Redis, Valkey or RabbitMQ: `redis://…`, `rediss://…`, `redis+socket://…`, `amqp://…`, `amqps://…`. With "
            "`rediss://` and `amqps://` the broker's certificate and name are verified. A password must be "
            "percent-encoded: `%40` for `@`, `%2F` for `/`; so in `DISPATCHER_DATABASE_URL`.",
            "embedded Valkey",
        ),
        "home": Told(
            "Folder for the embedded servers' data, `lists/` (files that other services name), `invalid/` (CSV files "
            "of invalid rows), `spool/` (a list from stdin while it is read) and `run/`.",
            "the user's data folder",
        ),
    },
    "Lists": {
        "lists_kept": Told(
            "Days that the list of each campaign is kept in the database, as it came. 0 means: a list goes as soon as "
            "its campaign is loaded."
        ),
        "upload_max": Told("Size of the largest list that is taken."),
        "csv_separator": Told(
            "What divides the cells of the CSV files that are written: `;`, which a Spanish Excel splits at, `,`, `|` "
            "or `tab`. Invalid rows keep the separator of their list."
        ),
        "language": Told(
            "The language of what a list's owner reads, such as the reasons of invalid rows: `es` or `en`. Help and "
            "logs are English. The HTTP API follows `Accept-Language` instead.",
            "the user's locale: `es` where it is Spanish, else `en`",
        ),
        "retention": Told(
            "How long the rows of a campaign are kept after its end: `13 months` (of 31 days), `90 days`, `2 years` or "
            "`never`; replies and single messages as long. Sums by day and code stay for ever. See "
            "[personal_data.md](personal_data.md)."
        ),
        "unpacked_max": Told("Size that a workbook may unpack to. A larger one is refused before it is unpacked."),
    },
    "The provider": {
        "provider_url": Told(
            "Base URL of the provider. With `http://` to another machine the key travels unencrypted, and `up` and "
            "`doctor` say so."
        ),
        "soap_url": Told("Page of the Web Service.", "the provider's own"),
        "smtp_url": Told(
            "Your mail server: `smtps://user:password@mail.example.com?from=avisos@example.com`. `smtp://` means "
            "STARTTLS; `&tls=no` switches encryption off, for a server on this machine."
        ),
        "ca_bundle": Told(
            "File or folder of the CA certificates to trust, for the provider and for a broker over TLS.",
            "the system's",
        ),
        "provider_timeout": Told("Seconds that one call may take in total. A lease lasts 30 seconds longer."),
        "clock_limit": Told(
            "Seconds that the provider's clock may differ from both the database's and this machine's. Beyond that it "
            "is not believed: nothing is sent, and `doctor` fails. 0 means: believe any, for a simulator with a clock "
            "of its own."
        ),
        "bulk_method": Told(
            "`post`: every bulk call is a POST with tabs. `auto`: a chunk that fits into a URL of 2,000 bytes goes by "
            "GET with commas, as in the guide's example, and the rest by POST."
        ),
        "transport": Told("How single messages go out; with `soap`, replies are pulled by the Web Service too."),
    },
    "Who and what": {
        "country": Told("Whose rules for telephone numbers apply."),
        "company": Told("Name that every verification code must contain; the provider demands one."),
        "optout_words": Told("Words that opt their sender out, separated by commas."),
        "review_words": Told(
            "Words and phrases, separated by commas, that mark a reply for a person to read: it may ask for no more."
        ),
    },
    "When messages may go out": {
        "window": Told(
            "Hours in which a POST may begin, by the provider's clock (-03). `00:00-24:00` means always; a window may "
            "pass midnight. Or by weekday, within 08:00-22:00: `mon-fri 09:00-20:00, sat 10:00-13:00` (or `lun-vie`); "
            "days that are not named are closed."
        ),
        "window_guard": Told(
            "Seconds before closing in which no POST begins. Must be shorter than the window on every day."
        ),
        "approval": Told(
            "How many people it takes to send a campaign: `one` or `two`. With `two`, every list becomes a draft "
            "first, and nobody releases a draft that they made or whose text they changed; nothing is appended to a "
            "released campaign. Single messages are not campaigns, and go as before."
        ),
    },
    "Pace": {
        "chunk_size": Told("Messages in one bulk POST at most. With a rate set, no more than one minute's worth."),
        "chunk_bytes": Told("Bytes of encoded body in one bulk POST at most."),
        "concurrency": Told("Bulk POSTs, and calls for messages with HTML content, in flight per account."),
        "rate": Told("Messages a minute per account, over all workers. 0 means no limit."),
    },
    "Workers": {
        "workers_submit": Told(
            "Processes that make bulk POSTs, on this machine.", "as many as `DISPATCHER_CONCURRENCY` allows"
        ),
        "workers_poll": Told("Questions to the provider at once: results, probes, clock, balance, replies (threads)."),
        "workers_control": Told("Campaigns that are taken in and loaded at once (threads)."),
        "workers_urgent": Told("Processes that send single messages."),
        "workers_webhooks": Told("Calls to webhooks at once, four at most to one endpoint (threads)."),
    },
    "Results and doubts": {
        "poll_interval": Told("Seconds between polls while they bring nothing new."),
        "probe_rate": Told("Probes (questions by idinterno) a second per account, over all workers."),
        "fecha_reading": Told(
            "Which rows a question by fecha brings: all `since` that second, that `second` alone, or the whole `day`. "
            "`auto` finds it out by asking."
        ),
        "in_doubt_horizon": Told(
            "Seconds that a chunk stays in doubt before its lines are probed. Only time inside the window in which "
            "polls work counts."
        ),
        "result_horizon": Told(
            "Seconds after which a message without a result becomes `unknown`, when polls have worked in the meantime."
        ),
        "max_resends": Told("Resends of a line, each after evidence of its own. 0 means: always hold."),
    },
    "Replies": {
        "inbox_interval": Told("Seconds between two pulls of replies."),
        "inbox_mark": Told(
            "Mark replies as read at the provider once they are stored. Set `false` where other systems read the same "
            "inbox: then every pull reads all of it."
        ),
        "push_allow": Told(
            "Addresses and networks that may push replies, separated by commas; by default this machine."
        ),
        "push_secret": Told("One more segment of the PUSH URL, 8 to 200 letters, digits or `. _ ~ -`."),
        "trusted_hops": Told("Proxies of yours in front of the listeners, whose `X-Forwarded-For` counts."),
    },
    "Webhooks": {
        "webhook_allow": Told(
            "Networks that webhooks may lead to though they are not public, by plain HTTP too, separated by commas.",
            "public addresses alone, over HTTPS",
        ),
    },
    "Logs and reports of errors": {
        "log": Told(
            "`text`: one line an event, as `event key=value`. `json`: one object a line, with time, level, logger, "
            "event and the same keys. Neither holds numbers, texts or keys. For workers, beat and the listeners; other "
            "commands speak to a person."
        ),
        "sentry_dsn": Told(
            "Where Sentry takes reports of errors, `https://key@host/project`; needs the extra: `pip install "
            "'sms-dispatcher[sentry]'` (the image has it). A report has kinds and places of errors, our log line and "
            "its fields; never local variables, requests, or what an error quotes.",
            "`SENTRY_DSN`, if that is set",
        ),
    },
    "Listeners": {
        "push_host": Told("Address on which PUSH is taken; it may face the internet."),
        "push_port": Told("Port for PUSH; 0 means none."),
        "web_host": Told("Address on which the HTTP API listens. Keep it off the internet, or put TLS in front."),
        "web_port": Told("Port of the HTTP API; 0 means none."),
        "api_rate": Told("Calls a second that one API key may make, with bursts of twice as many. 0 means no limit."),
        "flower_port": Told("Port of Flower, on this machine alone; 0 = no Flower."),
        "flower_auth": Told(
            "`user:password` of Flower.", "drawn once and kept in `run/flower.auth` of `DISPATCHER_HOME`"
        ),
    },
}

_BOUNDS = ("ge", "gt", "le")

_HEAD = """\
# Settings

<!-- Written by `make docs` from the code (ops/settings_page.py). Do not edit by hand. -->

Every setting is an environment variable. These places are asked in this order, and the first that has it counts:

1. The environment. An empty value counts as not set.
2. A file: `{prefix}APIKEY_FILE=/run/secrets/apikey` gives `{prefix}APIKEY` the content of that file. Every setting
   has such a `_FILE` form. Use it for those marked *secret*.
3. `.env`, unless `{prefix}NO_DOTENV` is set. The nearest one counts: it is looked for in the working folder and the
   folders above it, up to the top of a git checkout, your home folder, or a folder that everyone may write to.
   A relative path in it begins at its own folder.

A bad value stops the start, and the message names the setting and says why. So does a name that begins with
`{prefix}` and is no setting: `DISPATCHER_CONCURENCY is not a setting; did you mean DISPATCHER_CONCURRENCY?` Words like
*chunk*, *lease* and *probe* are explained in the [glossary](glossary.md).
"""


def page(groups: Mapping[str, Mapping[str, Told]] = GROUPS) -> str:
    """The whole page.

    Raises:
        ValueError: a field has no description, a description no field, or `unset` hides a default value.
    """
    told = [name for group in groups.values() for name in group]
    fields = Settings.model_fields
    for complaint, names in (
        ("without a description in ops/settings_page.py", fields.keys() - set(told)),
        ("described in ops/settings_page.py, but no settings", set(told) - fields.keys()),
        ("described twice in ops/settings_page.py", {name for name in told if told.count(name) > 1}),
    ):
        if names:
            raise ValueError(f"{complaint}: {', '.join(sorted(names))}")
    parts = [_HEAD.format(prefix=_prefix())]
    for title, group in groups.items():
        rows = [_row(name, fields[name], about) for name, about in group.items()]
        parts.append(f"\n## {title}\n\n| setting | default | values | |\n|---|---|---|---|\n" + "".join(rows))
    return "".join(parts)


def _prefix() -> str:
    return str(Settings.model_config["env_prefix"])


def _row(name: str, field: FieldInfo, about: Told) -> str:
    cells = [f"`{_prefix()}{name.upper()}`", _default(name, field, about), _values(name, field), about.description]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _default(name: str, field: FieldInfo, about: Told) -> str:
    if field.default is None or field.default_factory is not None:
        return about.unset or "none"
    if about.unset:
        raise ValueError(f"{name} has the default {field.default!r}, so `unset` would hide it")
    return f"`{_written(field.default)}`"


def _values(name: str, field: FieldInfo) -> str:
    kind = _not_none(field.annotation)
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if kind is bool:
        return "`true`, `false`"
    if kind in (int, float):
        return _range("integer" if kind is int else "number", field.metadata)
    known: dict[Any, str] = {
        str: "text",
        SecretStr: "text, *secret*",
        Path: "path",
        ByteSize: "bytes, or with a unit: `500 MB`, `2 GiB`",
    }
    if kind not in known:
        raise ValueError(f"ops/settings_page.py cannot describe the type of {name}: {field.annotation}")
    return known[kind]


def _not_none(annotation: Any) -> Any:
    """The type of `X | None`, or the annotation itself."""
    if get_origin(annotation) in (Union, types.UnionType):
        (annotation,) = (each for each in get_args(annotation) if each is not type(None))
    return annotation


def _range(noun: str, metadata: list[Any]) -> str:
    bounds = {name: _written(getattr(each, name)) for each in metadata for name in _BOUNDS if hasattr(each, name)}
    least, above, most = (bounds.get(name) for name in _BOUNDS)
    match least, above, most:
        case None, None, None:
            return noun
        case str(), None, str():
            return f"{noun}, {least} to {most}"
        case str(), None, None:
            return f"{noun}, {least} or more"
        case None, str(), str():
            return f"{noun}, above {above} and up to {most}"
    raise ValueError(f"ops/settings_page.py cannot describe this range: {metadata}")


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, ByteSize):
        return value.human_readable(separator=" ").replace(".0 ", " ")
    return f"{value:g}" if isinstance(value, float) and value.is_integer() and abs(value) < 1e6 else str(value)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"Wrote {PAGE}")
