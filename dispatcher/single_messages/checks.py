"""A single message before it goes out: the checks of a campaign's row, with the guide's codes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from dispatcher.accounts.provider_clock import ProviderClock
from dispatcher.config import Settings
from dispatcher.db.storable import storable
from dispatcher.domain import sms_text as texts
from dispatcher.domain.phone import PhoneProblem, normalise
from dispatcher.domain.window import parse_moment, provider_local
from dispatcher.errors import UsageError
from dispatcher.i18n.words import worded
from dispatcher.provider.message import LINK_MARK, NotOffered
from dispatcher.suppression import do_not_send, erased, no_llame, optouts
from dispatcher.transports import Transport
from schemas.single import SingleMessage


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why we do not send it: a code of the guide where one fits, and a sentence."""

    code: int | None
    words: str


@dataclass(frozen=True, slots=True)
class CheckedMessage:
    """A message as it would go out, or the reason why it does not."""

    number: str
    texto: str
    start_at: datetime | None
    refusal: Refusal | None

    @property
    def storable_text(self) -> str:
        """The text as the record has it."""
        return storable(self.texto[:2000])


def check_offered(wanted: SingleMessage, transport: Transport) -> None:
    """Refuse what the transport has no way to say, or what the guide demands more for.

    Raises:
        UsageError: HTML without its mark; by mail anything but number and text.
    """
    if wanted.html is not None and LINK_MARK not in wanted.text:
        raise UsageError(
            "The text does not say where the link to the HTML content goes.",
            hint=worded("Write {mark} where the link goes in the text (guide, HTML).", mark=LINK_MARK),
        )
    if transport == "smtp" and (wanted.html is not None or wanted.start is not None or wanted.test):
        raise NotOffered(
            "By mail only a number and a text can be sent: no --start, --test or --html.",
            hint="Use --transport http.",
        )


def check(
    connection: Connection, settings: Settings, wanted: SingleMessage, clock: ProviderClock, now: datetime
) -> CheckedMessage:
    """Check a message in the order in which a campaign's row is checked; the lists last, in the caller's snapshot."""
    start = parse_moment(wanted.start, "start") if wanted.start is not None else None
    number = normalise(wanted.number, settings.country)
    texto = wanted.text if wanted.strict_text else texts.transliterate(wanted.text)[0]
    if isinstance(number, PhoneProblem):
        return CheckedMessage(storable(wanted.number[:40]), texto, start, Refusal(number.code, number.detail))
    refusal = (
        _text_problem(texto, settings.company)
        or _window_problem(settings, clock, now, start)
        or _list_problem(connection, settings, number, wanted.intent)
    )
    return CheckedMessage(number, texto, start, refusal)


def _text_problem(texto: str, company: str | None) -> Refusal | None:
    if (placeholder := texts.leftover(texto)) is not None:
        return Refusal(-99, f"the text has a placeholder that nothing fills in, {placeholder[:40]}: fill it in")
    if odd := texts.outside_alphabet(texto):
        named = " ".join(char if char.isprintable() else f"U+{ord(char):04X}" for char in odd[:10])
        return Refusal(-11, f"the provider does not take {named} in a text: write it otherwise")
    if len(texto) > texts.MAX_LENGTH:
        return Refusal(-6, f"the text has {len(texto)} characters, {texts.MAX_LENGTH} fit: shorten it")
    if not texto.strip():
        return Refusal(-99, "nothing is left of the text: write one")
    if texts.is_verification(texto) and not (company and texts.names_company(texto, company)):
        return Refusal(
            -99, "a verification code must carry the company's name: set DISPATCHER_COMPANY and write it in the text"
        )
    return None


def _window_problem(settings: Settings, clock: ProviderClock, now: datetime, start: datetime | None) -> Refusal | None:
    """Nothing is posted outside the window, judged by the provider's clock, and nothing is scheduled outside it."""
    window = settings.sending_window
    if not window.allows(*clock.bounds(now)):
        opens = provider_local(window.next_opening(clock.bounds(now)[1] + timedelta(seconds=1)))
        return Refusal(
            None,
            f"the window {settings.window} is closed: send again from {opens:%Y-%m-%d %H:%M} (-03), or as a campaign",
        )
    if start is not None and start > now and not window.allows(start):
        local = f"{provider_local(start):%Y-%m-%d %H:%M:%S}"
        return Refusal(None, f"start {local} lies outside the window {settings.window}")
    return None


def _list_problem(connection: Connection, settings: Settings, number: str, intent: str) -> Refusal | None:
    if out := optouts.find(connection, number):
        since = f"{provider_local(out.since):%Y-%m-%d}"
        return Refusal(-3, f"the number opted out on {since} ({out.source}); `dispatcher optout remove` opts it in")
    if erased.is_erased(connection, settings.home, number):
        return Refusal(-3, "the number belongs to a person who had opted out and was erased")
    if intent == no_llame.MARKETING and no_llame.holds(connection, number):
        return Refusal(-14, "the number is in the No Llame registry, and the message is marketing")
    if listed := do_not_send.find(connection, number):
        since = f"{provider_local(listed.since):%Y-%m-%d}"
        return Refusal(listed.code, f"the provider said so on {since}; `dispatcher undeliverable remove` ends that")
    return None
