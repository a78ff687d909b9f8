"""The settings, read from the environment or `.env`; nothing else in the project reads either.

The fields stand in `dispatcher/settings`, a file for each concern.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from dispatcher.errors import UsageError
from dispatcher.settings.connections import Connections
from dispatcher.settings.credentials import Credentials
from dispatcher.settings.listeners import Listeners
from dispatcher.settings.provider import DEFAULT_PROVIDER_URL, Provider
from dispatcher.settings.replies import Replies
from dispatcher.settings.results import Results
from dispatcher.settings.sending import Sending

PREFIX = "DISPATCHER_"


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


class Settings(Listeners, Replies, Results, Sending, Credentials, Provider, Connections, BaseSettings):
    """Every setting with its default; times are seconds unless the name says otherwise."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, env_ignore_empty=True)

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
