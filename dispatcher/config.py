"""The settings, read from the environment or `.env`; nothing else in the project reads either."""

import hashlib
import ipaddress
import json
import os
import re
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

import platformdirs
from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from dispatcher.domain.window import Window
from dispatcher.errors import UsageError
from dispatcher.provider.mailserver import MailServer

PREFIX = "DISPATCHER_"
DEFAULT_PROVIDER_URL = "https://servicio.smsmasivos.com.ar"


def _dotenv_path() -> Path | None:
    """`.env` of the working folder, unless DISPATCHER_NO_DOTENV is set (demo, tests, bench)."""
    return None if os.environ.get(PREFIX + "NO_DOTENV") else Path(".env")


class _SecretFiles(PydanticBaseSettingsSource):
    """`DISPATCHER_X_FILE=/run/secrets/x` gives DISPATCHER_X the content of that file."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        name = f"{PREFIX}{field_name.upper()}_FILE"
        dotenv = _dotenv_path()
        path = os.environ.get(name) or (dotenv_values(dotenv).get(name) if dotenv else None)
        if not path:
            return None, field_name, False
        try:
            secret = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise UsageError(
                f"{name} points to {path}, which cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}",
                hint="Give the path of a readable file, or unset it.",
            ) from None
        if not secret:
            raise UsageError(f"{name} points to {path}, which is empty.", hint="Write the secret there, or unset it.")
        return secret, field_name, False

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, field in self.settings_cls.model_fields.items():
            value, key, _ = self.get_field_value(field, name)
            if value is not None:
                found[key] = value
        return found


class Settings(BaseSettings):
    """Every setting with its default; times are seconds unless the name says otherwise."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, env_ignore_empty=True)

    database_url: SecretStr | None = None
    database_pooled: bool | None = None
    broker_url: SecretStr | None = None
    home: Path = Field(default_factory=lambda: Path(platformdirs.user_data_dir("dispatcher")))
    provider_url: str = DEFAULT_PROVIDER_URL
    apikey: SecretStr | None = None
    ca_bundle: Path | None = None
    country: Literal["AR", "GT", "MX", "PE", "UY"] = "AR"
    company: str | None = None
    window: str = "08:00-22:00"
    window_guard: int = Field(60, ge=0, le=3600, validate_default=True)
    chunk_size: int = Field(1000, ge=1, le=10_000)
    chunk_bytes: int = Field(90_000, ge=1_000, le=200_000)
    bulk_method: Literal["post", "auto"] = "post"
    concurrency: int = Field(2, ge=1, le=64)
    rate: int = Field(0, ge=0)
    provider_timeout: float = Field(60.0, gt=0, le=600)
    poll_interval: float = Field(15.0, gt=0, le=3600)
    probe_rate: float = Field(5.0, gt=0, le=1000)
    fecha_reading: Literal["auto", "since", "second", "day"] = "auto"
    in_doubt_horizon: float = Field(900.0, ge=0, allow_inf_nan=False)
    result_horizon: float = Field(86_400.0, ge=0, allow_inf_nan=False)
    max_resends: int = Field(3, ge=0, le=100)
    usuario: str | None = None
    clave: SecretStr | None = None
    soap_url: str | None = None
    smtp_url: SecretStr | None = None
    transport: Literal["http", "soap", "smtp"] = "http"
    optout_words: str = "BAJA"
    inbox_interval: float = Field(60.0, ge=1, le=86_400)
    inbox_mark: bool = True
    push_allow: str = "127.0.0.0/8,::1"
    push_secret: SecretStr | None = None
    trusted_hops: int = Field(0, ge=0, le=10)
    api_token: SecretStr | None = None
    api_host: str = "0.0.0.0"
    api_port: int = Field(8000, ge=0, le=65_535)
    flower_port: int = Field(5555, ge=0, le=65_535)
    flower_auth: SecretStr | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _SecretFiles(settings_cls), dotenv_settings

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

    @field_validator("database_url")
    @classmethod
    def _postgres_only(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not re.match(r"postgres(ql)?(\+psycopg)?://", value.get_secret_value()):
            raise ValueError("must begin with postgresql://")
        return value

    @field_validator("broker_url")
    @classmethod
    def _known_broker(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not re.match(r"(redis|rediss|redis\+socket|amqp|amqps)://", value.get_secret_value()):
            raise ValueError("must begin with redis://, rediss://, redis+socket:// or amqp://")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                MailServer.of(value.get_secret_value())
            except UsageError as error:
                raise ValueError(f"{error} {error.hint}") from None
        return value

    @field_validator("optout_words")
    @classmethod
    def _some_words(cls, value: str) -> str:
        words = value.split(",")
        if not all(any(char.isalnum() for char in word) for word in words):
            raise ValueError("must be words separated by commas, such as BAJA,STOP")
        return value

    @field_validator("push_allow")
    @classmethod
    def _networks(cls, value: str) -> str:
        for part in value.split(","):
            try:
                ipaddress.ip_network(part.strip(), strict=False)
            except ValueError:
                raise ValueError(f"{part.strip()!r} is no IP address or network; write 200.1.2.3,10.0.0.0/8") from None
        return value

    @field_validator("push_secret")
    @classmethod
    def _one_segment(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not re.fullmatch(r"[A-Za-z0-9._~-]{8,200}", value.get_secret_value()):
            raise ValueError("must be 8 to 200 letters, digits or . _ ~ - since it is a part of the URL")
        return value

    @field_validator("api_token")
    @classmethod
    def _hard_to_guess(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not re.fullmatch(r"[\x21-\x7e]{20,200}", value.get_secret_value()):
            raise ValueError(
                "must be 20 to 200 characters of ASCII without blanks, such as `openssl rand -hex 32` gives"
            )
        return value

    @field_validator("window")
    @classmethod
    def _valid_window(cls, value: str) -> str:
        Window.parse(value)
        return value

    @field_validator("window_guard")
    @classmethod
    def _leaves_some_window(cls, value: int, info: ValidationInfo) -> int:
        window = Window.parse(info.data.get("window", "00:00-24:00"))
        if not window.always and value >= (window.closes - window.opens) * 60:
            raise ValueError("is as long as DISPATCHER_WINDOW itself, so nothing could ever be sent")
        return value

    @field_validator("home")
    @classmethod
    def _absolute_home(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @cached_property
    def sending_window(self) -> Window:
        """The hours in which a POST may begin, provider-local."""
        return Window.parse(self.window, guard=self.window_guard)

    @property
    def fingerprint(self) -> str | None:
        """A one-way mark of the credential, 16 hex digits: it binds campaigns to their account.

        The API key's; of an account that has none, that of usuario and clave.
        """
        if self.apikey is not None:
            marked = b"dispatcher-account:" + self.apikey.get_secret_value().encode()
        elif self.usuario is not None and self.clave is not None:
            marked = f"dispatcher-user:{self.usuario}\0{self.clave.get_secret_value()}".encode()
        else:
            return None
        return hashlib.sha256(marked).hexdigest()[:16]

    def require_credential(self) -> str:
        """The fingerprint of the credential in use.

        Raises:
            UsageError: there is neither an API key nor usuario and clave.
        """
        if self.fingerprint is None:
            self.require_apikey()
        assert self.fingerprint is not None
        return self.fingerprint

    def require_apikey(self) -> str:
        """The API key.

        Raises:
            UsageError: DISPATCHER_APIKEY is not set.
        """
        if self.apikey is None and self.fingerprint is not None:
            raise UsageError(
                "DISPATCHER_APIKEY is not set: campaigns, status, balance and all that goes by HTTP need it.",
                hint="Copy it from the provider's panel (Mi cuenta > Seguridad). With DISPATCHER_USUARIO and "
                "DISPATCHER_CLAVE alone, `send` works with --transport soap or smtp, and `inbox pull` with soap.",
            )
        if self.apikey is None:
            raise UsageError(
                "DISPATCHER_APIKEY is not set, so nothing can be sent.",
                hint="Copy it from the provider's panel (Mi cuenta > Seguridad) into the environment or .env; "
                "`dispatcher demo` needs none.",
            )
        return self.apikey.get_secret_value()

    @property
    def plain_http(self) -> bool:
        """Whether the key would travel unencrypted to another machine (guide, "Seguridad con HTTPS")."""
        urls = [urlsplit(url) for url in (self.provider_url, self.soap_url) if url]
        return any(url.scheme == "http" and url.hostname not in ("127.0.0.1", "::1", "localhost") for url in urls)

    @cached_property
    def push_networks(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        """The addresses that may push replies."""
        return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in self.push_allow.split(","))

    @property
    def soap_address(self) -> str:
        """The Web Service's page: as configured, else the provider's own (guide, "vía Web Service")."""
        return self.soap_url or f"{self.provider_url}/ws/SMSMasivosAPI.asmx"

    def require_user(self, what: str) -> tuple[str, str]:
        """The user and password of the older account form, which the Web Service and the mailbox ask for.

        Raises:
            UsageError: one of them is not set.
        """
        if self.usuario is None or self.clave is None:
            missing = "DISPATCHER_USUARIO" if self.usuario is None else "DISPATCHER_CLAVE"
            raise UsageError(
                f"{missing} is not set, and {what} asks for user and password.",
                hint="Set DISPATCHER_USUARIO and DISPATCHER_CLAVE as SMS Masivos gave them, or use --transport http.",
            )
        return self.usuario, self.clave.get_secret_value()

    @property
    def embedded_file(self) -> Path:
        """Where a running embedded stack tells its addresses."""
        return self.home / "run" / "embedded.json"

    def _address(self, given: SecretStr | None, key: str, name: str) -> str:
        if given is not None:
            return given.get_secret_value()
        try:
            return str(json.loads(self.embedded_file.read_text(encoding="utf-8"))[key])
        except (OSError, ValueError, KeyError):
            raise UsageError(
                f"{name} is not set and no embedded server runs in {self.home}.",
                hint=f"Run `dispatcher up` (it starts the embedded servers), or set {name}.",
            ) from None

    @property
    def sqlalchemy_url(self) -> str:
        """The database's address for SQLAlchemy, with the psycopg driver."""
        url = self._address(self.database_url, "database_url", PREFIX + "DATABASE_URL")
        return re.sub(r"^postgres(ql)?(\+psycopg)?://", "postgresql+psycopg://", url)

    @property
    def celery_broker_url(self) -> str:
        """The broker's address as Celery takes it."""
        return self._address(self.broker_url, "broker_url", PREFIX + "BROKER_URL")

    @property
    def poll_gap_cap_ms(self) -> int:
        """The most that the time between two polls that worked counts as observed, milliseconds."""
        return round((2 * self.poll_interval + 30) * 1000)

    def effective_chunk_size(self) -> int:
        """Messages per POST: a rate limit also caps the chunk, so that a burst is at most one minute's worth."""
        return min(self.chunk_size, self.rate) if self.rate else self.chunk_size


def load(**overrides: Any) -> Settings:
    """Read the settings.

    Raises:
        UsageError: a value is bad; the message names each setting and says why.
    """
    try:
        return Settings(_env_file=_dotenv_path(), **overrides)  # type: ignore[call-arg]  # pydantic-settings' own
    except ValidationError as error:
        lines = [
            f"{PREFIX}{str(item['loc'][0]).upper() if item['loc'] else ''}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors(include_input=False, include_url=False)
        ]
        raise UsageError("; ".join(lines), hint="See the settings table in README.md.") from None


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once."""
    return load()


__all__ = ["DEFAULT_PROVIDER_URL", "Settings", "load", "settings"]
