"""The servers and the folder: database, broker, and the home of the embedded ones."""

import json
import re
from pathlib import Path

import platformdirs
from pydantic import BaseModel, Field, SecretStr, field_validator

from dispatcher.errors import UsageError
from dispatcher.i18n.words import worded
from dispatcher.settings import urls


class Connections(BaseModel):
    """Where Postgres, the broker and the data folder are."""

    database_url: SecretStr | None = None
    database_password: SecretStr | None = None
    database_pooled: bool | None = None
    broker_url: SecretStr | None = None
    home: Path = Field(default_factory=lambda: Path(platformdirs.user_data_dir("dispatcher")))

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

    @field_validator("database_url", "broker_url")
    @classmethod
    def _readable_password(cls, value: SecretStr | None) -> SecretStr | None:
        if value and urls.needs_encoding(value.get_secret_value()):
            raise ValueError(urls.PERCENT_ENCODE)
        return value

    @field_validator("home")
    @classmethod
    def _absolute_home(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @property
    def embedded_file(self) -> Path:
        """Where a running embedded stack tells its addresses."""
        return self.home / "run" / "embedded.json"

    @property
    def has_embedded_database(self) -> bool:
        """Whether an embedded database was ever made in this home."""
        return (self.home / "postgres" / "PG_VERSION").exists()

    def _address(self, given: SecretStr | None, key: str, name: str) -> str:
        if given is not None:
            return given.get_secret_value()
        try:
            return str(json.loads(self.embedded_file.read_text(encoding="utf-8"))[key])
        except (OSError, ValueError, KeyError):
            raise UsageError(
                worded("{name} is not set and no embedded server runs in {home}.", name=name, home=self.home),
                hint=worded("Run `dispatcher up` (it starts the embedded servers), or set {name}.", name=name),
            ) from None

    @property
    def sqlalchemy_url(self) -> str:
        """The database's address for SQLAlchemy, with the psycopg driver."""
        url = self._address(self.database_url, "database_url", "DISPATCHER_DATABASE_URL")
        if self.database_url is not None and self.database_password is not None:
            url = urls.with_password(url, self.database_password.get_secret_value())
        return re.sub(r"^postgres(ql)?(\+psycopg)?://", "postgresql+psycopg://", url)

    @property
    def celery_broker_url(self) -> str:
        """The broker's address as Celery takes it."""
        return self._address(self.broker_url, "broker_url", "DISPATCHER_BROKER_URL")
