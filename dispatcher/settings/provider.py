"""The provider's addresses, and how it is called."""

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, Field, SecretStr, ValidationInfo, field_validator

from dispatcher.errors import UsageError
from dispatcher.provider.mailserver import MailServer

DEFAULT_PROVIDER_URL = "https://servicio.smsmasivos.com.ar"


class Provider(BaseModel):
    """Where the provider is, by HTTP, Web Service and mail."""

    provider_url: str = DEFAULT_PROVIDER_URL
    soap_url: str | None = None
    smtp_url: SecretStr | None = None
    ca_bundle: Path | None = None
    provider_timeout: float = Field(60.0, gt=0, le=600)
    clock_limit: float = Field(600.0, ge=0, allow_inf_nan=False)
    bulk_method: Literal["post", "auto"] = "post"
    transport: Literal["http", "soap", "smtp"] = "http"

    @field_validator("provider_url", "soap_url")
    @classmethod
    def _canonical_url(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be http://… or https://… with a host")
        description = info.field_name == "soap_url" and parts.query.lower() == "wsdl"
        if parts.username or parts.fragment or (parts.query and not description):
            raise ValueError("must carry no user, query or fragment")
        return urlunsplit((parts.scheme, parts.netloc.lower(), parts.path.rstrip("/"), "", ""))

    @field_validator("smtp_url")
    @classmethod
    def _mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                MailServer.of(value.get_secret_value())
            except UsageError as error:
                raise ValueError(f"{error} {error.hint}") from None
        return value

    @property
    def plain_http(self) -> bool:
        """Whether the key would travel unencrypted to another machine (guide, "Seguridad con HTTPS")."""
        urls = [urlsplit(url) for url in (self.provider_url, self.soap_url) if url]
        return any(url.scheme == "http" and url.hostname not in ("127.0.0.1", "::1", "localhost") for url in urls)

    @property
    def soap_address(self) -> str:
        """The Web Service's page: as configured, else the provider's own (guide, "vía Web Service")."""
        return self.soap_url or f"{self.provider_url}/ws/SMSMasivosAPI.asmx"
