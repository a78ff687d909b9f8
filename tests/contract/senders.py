"""The same message over every transport: how each sender and each inbox is made for the simulator."""

from __future__ import annotations

from collections.abc import Callable

from dispatcher.provider.inbox import HttpInbox, Inbox
from dispatcher.provider.message import Sender
from dispatcher.provider.smtp import SmtpSender
from dispatcher.provider.soap import SoapSender
from dispatcher.provider.soap_inbox import SoapInbox
from dispatcher.provider.unit import UnitSender
from ops.simulator.process import SimulatorProcess

KEY = "SIMULADOR"
USUARIO, CLAVE = "USU500", "CLAVE500"
PAGE = "/ws/SMSMasivosAPI.asmx"


def smtp_url(address: str, query: str = "tls=no") -> str:
    """The URL of a mail server whose address is `smtp://host:port`."""
    return f"{address}?from=avisos@empresa.example" + (f"&{query}" if query else "")


def unit_sender(simulator: SimulatorProcess, *, secret: str = KEY, timeout: float = 5.0) -> Sender:
    return UnitSender(simulator.url, secret, timeout=timeout)


def soap_sender(simulator: SimulatorProcess, *, secret: str = CLAVE, timeout: float = 5.0) -> Sender:
    return SoapSender(simulator.url + PAGE, USUARIO, secret, timeout=timeout)


def smtp_sender(simulator: SimulatorProcess, *, secret: str = CLAVE, timeout: float = 5.0) -> Sender:
    return SmtpSender(smtp_url(simulator.smtp_url), USUARIO, secret, timeout=timeout)


SENDERS: dict[str, Callable[..., Sender]] = {"http": unit_sender, "soap": soap_sender, "smtp": smtp_sender}

ENDPOINTS = {"http": "unit", "soap": "soap_enviar", "smtp": "smtp"}
"""What fault selectors call each transport's sending."""

AT: dict[str, Callable[[str, int, float], Sender]] = {
    "http": lambda host, port, timeout: UnitSender(f"http://{host}:{port}", KEY, timeout=timeout),
    "soap": lambda host, port, timeout: SoapSender(f"http://{host}:{port}{PAGE}", USUARIO, CLAVE, timeout=timeout),
    "smtp": lambda host, port, timeout: SmtpSender(smtp_url(f"smtp://{host}:{port}"), USUARIO, CLAVE, timeout=timeout),
}
"""A sender for any address."""


def text_inbox(simulator: SimulatorProcess, *, secret: str = KEY, timeout: float = 5.0) -> Inbox:
    return HttpInbox(simulator.url, secret, timeout=timeout)


def excel_inbox(simulator: SimulatorProcess, *, secret: str = KEY, timeout: float = 5.0) -> Inbox:
    return HttpInbox(simulator.url, secret, timeout=timeout, formato="excel")


def soap_inbox(simulator: SimulatorProcess, *, secret: str = CLAVE, timeout: float = 5.0) -> Inbox:
    return SoapInbox(simulator.url + PAGE, USUARIO, secret, timeout=timeout)


INBOXES: dict[str, Callable[..., Inbox]] = {"text": text_inbox, "excel": excel_inbox, "soap": soap_inbox}
