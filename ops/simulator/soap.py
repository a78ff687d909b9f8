"""The Web Service: `/ws/SMSMasivosAPI.asmx` by SOAP, its WSDL, and the plain GET and POST that an .asmx answers too.

It only dresses what `unit` and `inbox` say (guide: "Los parámetros y respuestas posibles son idénticas").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
NO_PARAMETERS = Parameters(Fields(b""), Fields(b""))
_HELP = "SMSMasivosAPI: EnviarSMS, RecibirSMS. <a href='?WSDL'>WSDL</a>"
_XML = {"Content-Type": "text/xml; charset=utf-8"}
_DECLARATION = '<?xml version="1.0" encoding="utf-8"?>'
_SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_XSD = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
_BOOLEANS = {"true": "1", "false": "0"}
# XML has no way to write these: .NET writes references that no parser takes.
_FORBIDDEN = {*range(0x20), 0xFFFE, 0xFFFF} - {ord("\t"), ord("\r"), ord("\n")}
_ENTITIES = {ord("\r"): "&#xD;", **{code: f"&#x{code:X};" for code in _FORBIDDEN}}
_NOTHING = {ord("\r"): "&#xD;", **dict.fromkeys(_FORBIDDEN, "")}


@dataclass(frozen=True)
class Request:
    """A call at or below the .asmx, as it came."""

    path: str
    method: str
    parameters: Parameters
    host: str
    body: bytes


@dataclass(frozen=True)
class Dress:
    """How results look: inside an envelope, or bare as for a plain GET or POST."""

    result: Callable[[str, str, str], Answer]
    """Operation, .NET type and inner XML of the result."""
    fault: Callable[[str], Answer]


def serves(path: str) -> bool:
    """Whether a path is the Web Service's, or an operation's below it."""
    page, _ = _split(path)
    return page == PAGE


def find(request: Request) -> tuple[Endpoint, Parameters]:
    """The endpoint that a request is for, and its parameters by the names that the HTTP pages give them."""
    operation = _split(request.path)[1]
    if operation:
        return _endpoint(operation, _PLAIN), _renamed(request.parameters)
    if request.method == "GET":
        return _description(request), NO_PARAMETERS
    try:
        called = _called(request.body)
    except (ElementTree.ParseError, ValueError) as error:
        return _saying(_fault(f"Server was unable to read request. ---> {error}", "Client")), NO_PARAMETERS
    fields = {_name(child.tag): child.text or "" for child in called}
    return _endpoint(_name(called.tag).lower(), _ENVELOPE), _renamed(Parameters(Fields.of(fields), Fields(b"")))


def _split(path: str) -> tuple[str, str]:
    """The page of a path and the operation below it, both in lower case."""
    *_, before, last = ("", *unquote(path).lower().split("/"))
    return (before, last) if before == PAGE else (last, "")


def _called(body: bytes) -> ElementTree.Element:
    """The operation's element: the first child of the envelope's body."""
    root = ElementTree.fromstring(body)
    if _name(root.tag) != "Envelope":
        raise ValueError(f"expected an Envelope, not {_name(root.tag)}")
    called = next((child for part in root if _name(part.tag) == "Body" for child in part), None)
    if called is None:
        raise ValueError("the body is empty")
    return called


def _name(tag: str) -> str:
    return tag.rpartition("}")[2]


def _renamed(parameters: Parameters) -> Parameters:
    """The Web Service calls TOS `numero`, and writes flags as booleans."""
    names = ("usuario", "clave", "texto", "idinterno", "fechadesde", "html", "origen")
    flags = ("test", "respuestanumerica", "solonoleidos", "marcarcomoleidos", "traeridinterno")
    values: dict[str, str] = {"tos": parameters.text("numero")}
    values |= {name: (parameters.raw(name) or b"").decode("utf-8") for name in names}
    values |= {flag: _BOOLEANS.get(parameters.text(flag).lower(), parameters.text(flag)) for flag in flags}
    return Parameters(Fields.of(values), Fields(b""))


# -- endpoints ---------------------------------------------------------------------------------------------------


def _endpoint(operation: str, dress: Dress) -> Endpoint:
    if operation == "enviarsms":
        dressed = partial(dress.result, "EnviarSMS", "string")
        return Endpoint(
            "soap_enviar", partial(_send, dressed), posts="soap", refuse=lambda words: dressed(escape(words))
        )
    if operation == "recibirsms":
        dressed = partial(dress.result, "RecibirSMS", "ArrayOfClsRespuesta")
        return Endpoint("soap_recibir", partial(_receive, dressed), refuse=dress.fault)
    return _saying(dress.fault(f"{operation} Web Service method name is not valid."))


def _description(request: Request) -> Endpoint:
    if request.parameters.raw("wsdl") is None:
        return _saying(answers.text(answers.page(_HELP)))
    here = f"http://{request.host}{request.path}"

    def describe(provider: Provider, call: Call) -> Answer:
        return Answer(200, wsdl.document(provider.options.wsdl_address or here), _XML)

    return Endpoint("wsdl", describe, credentials=False)


def _saying(answer: Answer) -> Endpoint:
    return Endpoint("soap", lambda provider, call: answer, credentials=False)


def _send(dressed: Callable[[str], Answer], provider: Provider, call: Call) -> Answer:
    numeric = call.parameters.flag("respuestanumerica")
    return dressed(escape(unit.take(provider, call).said(numeric=numeric)))


def _receive(dressed: Callable[[str], Answer], provider: Provider, call: Call) -> Answer:
    question = inbox.Question.of(call.parameters)
    replies = inbox.ask(provider, call, question)
    # Clients built before the flag was there send five parameters, and read each reply's idinterno.
    with_idinterno = question.with_idinterno or call.parameters.raw("traeridinterno") == b""
    controls = _ENTITIES if provider.options.soap_controls == "entity" else _NOTHING
    return dressed("".join(_row(reply, with_idinterno, controls) for reply in replies))


def _row(reply: Reply, with_idinterno: bool, controls: Mapping[int, str]) -> str:
    fields: Mapping[str, str] = {
        "numero": reply.origen,
        "texto": reply.texto,
        "fecha": clock.iso(reply.received).replace(" ", "T"),
        "idsms": str(reply.number),
    }
    if with_idinterno:  # empty where there is none: clients read it without looking whether it is there
        fields = {**fields, "idinterno": reply.idinterno}
    cells = "".join(f"<{name}>{_escaped(value, controls)}</{name}>" for name, value in fields.items())
    return f"<clsRespuesta>{cells}</clsRespuesta>"


def _escaped(value: str, controls: Mapping[int, str]) -> str:
    return escape(value).translate(controls)


# -- envelopes ---------------------------------------------------------------------------------------------------


def _envelope(content: str, status: int = 200) -> Answer:
    words = f'{_DECLARATION}<soap:Envelope xmlns:soap="{_SOAP}" {_XSD}><soap:Body>{content}</soap:Body></soap:Envelope>'
    return Answer(status, words.encode("utf-8"), _XML)


def _enveloped(operation: str, kind: str, inner: str) -> Answer:
    result = f"<{operation}Result>{inner}</{operation}Result>"
    return _envelope(f'<{operation}Response xmlns="{wsdl.NAMESPACE}">{result}</{operation}Response>')


def _fault(words: str, who: str = "Server") -> Answer:
    code = f"<faultcode>soap:{who}</faultcode><faultstring>{escape(words)}</faultstring><detail />"
    return _envelope(f"<soap:Fault>{code}</soap:Fault>", 500)


def _bare(operation: str, kind: str, inner: str) -> Answer:
    words = f'{_DECLARATION}\r\n<{kind} {_XSD} xmlns="{wsdl.NAMESPACE}">{inner}</{kind}>'
    return Answer(200, words.encode("utf-8"), _XML)


def _bare_fault(words: str) -> Answer:
    return Answer(500, words.encode("utf-8"), {"Content-Type": "text/plain; charset=utf-8"})


_ENVELOPE = Dress(_enveloped, _fault)
_PLAIN = Dress(_bare, _bare_fault)
