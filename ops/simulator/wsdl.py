"""The Web Service's description: document/literal, SOAP 1.1, in the form that .NET gives an .asmx."""

from __future__ import annotations

from xml.sax.saxutils import escape

NAMESPACE = "http://servicio.smsmasivos.com.ar/ws/"

# name, type, whether it must be there. As in every .asmx a text may be missing; the flags that came later may too.
SEND = (
    ("usuario", "string", False),
    ("clave", "string", False),
    ("numero", "string", False),
    ("texto", "string", False),
    ("test", "boolean", True),
    ("idinterno", "string", False),
    ("fechadesde", "string", False),
    ("respuestanumerica", "boolean", False),
    ("html", "string", False),
)
RECEIVE = (
    ("usuario", "string", False),
    ("clave", "string", False),
    ("origen", "string", False),
    ("solonoleidos", "boolean", True),
    ("marcarcomoleidos", "boolean", True),
    ("traeridinterno", "boolean", True),
)
REPLY = (
    ("numero", "long", True),
    ("texto", "string", False),
    ("fecha", "dateTime", True),
    ("idsms", "long", True),
    ("idinterno", "string", False),
)

_OPERATIONS = ("EnviarSMS", "RecibirSMS")


def document(address: str) -> bytes:
    """The WSDL, with the service at `address`."""
    parts = [_schema()]
    for name in _OPERATIONS:
        parts += [_message(f"{name}SoapIn", name), _message(f"{name}SoapOut", f"{name}Response")]
    parts += [_port_type(), _binding(), _service(address)]
    opening = (
        '<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" '
        'xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:s="http://www.w3.org/2001/XMLSchema" '
        f'xmlns:tns="{NAMESPACE}" targetNamespace="{NAMESPACE}">'
    )
    lines = ['<?xml version="1.0" encoding="utf-8"?>', opening, *parts, "</wsdl:definitions>", ""]
    return "\r\n".join(lines).encode()


def _schema() -> str:
    sent = '<s:element minOccurs="0" maxOccurs="1" name="EnviarSMSResult" type="s:string"/>'
    received = '<s:element minOccurs="0" maxOccurs="1" name="RecibirSMSResult" type="tns:ArrayOfClsRespuesta"/>'
    rows = (
        '<s:element minOccurs="0" maxOccurs="unbounded" name="clsRespuesta" nillable="true" type="tns:clsRespuesta"/>'
    )
    return (
        f'<wsdl:types><s:schema elementFormDefault="qualified" targetNamespace="{NAMESPACE}">'
        f"{_element('EnviarSMS', _fields(SEND))}{_element('EnviarSMSResponse', sent)}"
        f"{_element('RecibirSMS', _fields(RECEIVE))}{_element('RecibirSMSResponse', received)}"
        f'<s:complexType name="ArrayOfClsRespuesta"><s:sequence>{rows}</s:sequence></s:complexType>'
        f'<s:complexType name="clsRespuesta"><s:sequence>{_fields(REPLY)}</s:sequence></s:complexType>'
        "</s:schema></wsdl:types>"
    )


def _fields(fields: tuple[tuple[str, str, bool], ...]) -> str:
    return "".join(
        f'<s:element minOccurs="{int(required)}" maxOccurs="1" name="{name}" type="s:{kind}"/>'
        for name, kind, required in fields
    )


def _element(name: str, content: str) -> str:
    return f'<s:element name="{name}"><s:complexType><s:sequence>{content}</s:sequence></s:complexType></s:element>'


def _message(name: str, element: str) -> str:
    return f'<wsdl:message name="{name}"><wsdl:part name="parameters" element="tns:{element}"/></wsdl:message>'


def _port_type() -> str:
    operations = "".join(
        f'<wsdl:operation name="{name}"><wsdl:input message="tns:{name}SoapIn"/>'
        f'<wsdl:output message="tns:{name}SoapOut"/></wsdl:operation>'
        for name in _OPERATIONS
    )
    return f'<wsdl:portType name="SMSMasivosAPISoap">{operations}</wsdl:portType>'


def _binding() -> str:
    body = '<soap:body use="literal"/>'
    operations = "".join(
        f'<wsdl:operation name="{name}"><soap:operation soapAction="{NAMESPACE}{name}" style="document"/>'
        f"<wsdl:input>{body}</wsdl:input><wsdl:output>{body}</wsdl:output></wsdl:operation>"
        for name in _OPERATIONS
    )
    return (
        '<wsdl:binding name="SMSMasivosAPISoap" type="tns:SMSMasivosAPISoap">'
        f'<soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>{operations}</wsdl:binding>'
    )


def _service(address: str) -> str:
    return (
        '<wsdl:service name="SMSMasivosAPI"><wsdl:port name="SMSMasivosAPISoap" binding="tns:SMSMasivosAPISoap">'
        f'<soap:address location="{escape(address, {chr(34): "&quot;"})}"/></wsdl:port></wsdl:service>'
    )
