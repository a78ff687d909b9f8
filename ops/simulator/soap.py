"""The Web Service: `/ws/SMSMasivosAPI.asmx` by SOAP, its WSDL, and the plain GET and POST that an .asmx answers too.

It only dresses what `unit` and `inbox` say (guide: "Los parámetros y respuestas posibles son idénticas").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import unquote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from ops.simulator import answers, clock, inbox, unit, wsdl
from ops.simulator.answers import Answer
from ops.simulator.calls import Call, Endpoint
from ops.simulator.forms import Fields, Parameters
from ops.simulator.provider import Provider
from ops.simulator.replies import Reply

PAGE = "smsmasivosapi.asmx"
XML = {"Content-Type": "text/xml; charset=utf-8"}
_HEAD = '<?xml version="1.0" encoding="utf-8"?>'
_SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_ENVELOPES = (_SOAP, "http://www.w3.org/2003/05/soap-envelope")
_ALIASES = {"numero": "tos"}  # the one parameter that the Web Service calls by another name
_BOOLEANS = {"true": "1", "false": "0"}
_NOTHING = Fields(b"")

Dress = Callable[[str, str], Answer]
"""What puts an operation's name and the XML of its result into an answer."""


@dataclass(frozen=True)
class Request:
    """A call below the .asmx as it came."""

    path: str
    method: str
    parameters: Parameters
    host: str
    content_type: str
    body: bytes


def serves(path: str) -> bool:
    """Whether a path is the Web Service's or an operation's below it."""
    page, _, operation = _split(path)
    return page == PAGE and "/" not in operation


def find(request: Request) -> tuple[Endpoint, Parameters]:
    """The endpoint that a request is for, and its parameters by the names of the HTTP pages."""
    operation = _split(request.path)[2]
    if operation:
        return _operation(operation, _plain), _renamed(request.parameters)
    if request.method == "GET":
        asks_wsdl = request.parameters.raw("") is not None or request.parameters.raw("wsdl") is not None
        page = Answer(200, wsdl.document(request.host), XML) if asks_wsdl else answers.text(answers.page(_HELP))
        return Endpoint("wsdl", partial(_wsdl, host=request.host) if asks_wsdl else _say(page), False), Parameters(
            _NOTHING, _NOTHING
        )
    return _of_envelope(request.body)


_HELP = "SMSMasivosAPI: EnviarSMS, RecibirSMS. <a href='?WSDL'>WSDL</a>"
