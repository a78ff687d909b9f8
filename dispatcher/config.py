"""The settings, read from the environment or `.env`; nothing else in the project reads either.

The fields are in `dispatcher/settings`, one file per concern. `.env` may be in the working folder or above it.
"""

import os
import stat
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from dispatcher.errors import UsageError
from dispatcher.i18n.words import LANGUAGES, Language, of_locale, translated, worded
from dispatcher.settings import broker_tls, names
from dispatcher.settings.connections import Connections
from dispatcher.settings.credentials import Credentials
from dispatcher.settings.keeping import Keeping
from dispatcher.settings.listeners import Listeners
from dispatcher.settings.names import PREFIX
from dispatcher.settings.observing import Observing
from dispatcher.settings.provider import DEFAULT_PROVIDER_URL, Provider
from dispatcher.settings.replies import Replies
from dispatcher.settings.results import Results
from dispatcher.settings.sending import Sending
from dispatcher.settings.uploads import Uploads
from dispatcher.settings.webhooks import Webhooks
from dispatcher.settings.workers import Workers


def dotenv_path() -> Path | None:
    """The nearest `.env`, from the working folder upwards; none while DISPATCHER_NO_DOTENV is set (demo, tests)."""
    if os.environ.get(PREFIX + "NO_DOTENV"):
        return None
    try:
        return next((folder / ".env" for folder in _searched() if os.path.isfile(folder / ".env")), None)
    except OSError:  # the working folder is gone, or one above it is closed to this user
        return None


def _searched() -> Iterator[Path]:
    """The working folder and those above it, up to the top of a git checkout or the user's home.

    A folder above that everyone may write to, such as /tmp, ends the search: a stranger's file there would name the
    provider, the database and the key.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if folder != here and folder.stat().st_mode & stat.S_IWOTH:
            return
        yield folder
        if os.path.exists(folder / ".git") or str(folder) == os.path.expanduser("~"):
            return


def language() -> Language:
    """DISPATCHER_LANGUAGE, else that of the user's locale; a value that is no language is refused with the settings."""
    asked = os.environ.get(PREFIX + "LANGUAGE") or _dotenv().get(PREFIX + "LANGUAGE")
    return next((each for each in LANGUAGES if each == asked), None) or of_locale()


def wants_reports() -> bool:
    """Whether errors should be reported to Sentry, without reading the settings."""
    return bool(os.environ.get("SENTRY_DSN")) or _own_dsn()


def _own_dsn() -> bool:
    own = (PREFIX + "SENTRY_DSN", PREFIX + "SENTRY_DSN_FILE")
    return any(os.environ.get(name) or _dotenv().get(name) for name in own)


def _dotenv() -> dict[str, str | None]:
    path = dotenv_path()
    return dict(dotenv_values(path)) if path else {}


class _SecretFiles(PydanticBaseSettingsSource):
    """`DISPATCHER_X_FILE=/run/secrets/x` gives DISPATCHER_X the content of that file."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        name = f"{PREFIX}{field_name.upper()}_FILE"
        path = os.environ.get(name)
        if not path and (written := _dotenv().get(name)):
            path = str(_beside_dotenv(written))
        if not path:
            return None, field_name, False
        try:
            secret = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise UsageError(
                worded(
                    "{name} points to {path}, which cannot be read: {error}",
                    name=name,
                    path=path,
                    error=getattr(error, "strerror", None) or translated("it is no text"),
                ),
                hint="Give the path of a readable file, or unset it.",
            ) from None
        if not secret:
            raise UsageError(
                worded("{name} points to {path}, which is empty.", name=name, path=path),
                hint="Write the secret there, or unset it.",
            )
        return secret, field_name, False

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, field in self.settings_cls.model_fields.items():
            value, key, _ = self.get_field_value(field, name)
            if value is not None:
                found[key] = value
        return found


def _beside_dotenv(written: str) -> Path:
    """A path in `.env`: a relative one begins at that file's folder, wherever below it a command is run."""
    dotenv = dotenv_path()
    path = Path(written).expanduser()
    return dotenv.parent / path if dotenv else path


class _DotEnv(PydanticBaseSettingsSource):
    """The settings in `.env`."""

    def __init__(self, settings_cls: type[BaseSettings], read: PydanticBaseSettingsSource) -> None:
        super().__init__(settings_cls)
        self._read = read

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self._read.get_field_value(field, field_name)

    def __call__(self) -> dict[str, Any]:
        found = dict(self._read())
        for name in ("home", "ca_bundle"):
            if isinstance(found.get(name), str):
                found[name] = str(_beside_dotenv(found[name]))
        return found


class Settings(
    Listeners,
    Replies,
    Results,
    Webhooks,
    Workers,
    Uploads,
    Keeping,
    Observing,
    Sending,
    Credentials,
    Provider,
    Connections,
    BaseSettings,
):
    """Every setting with its default; times are seconds unless the name says otherwise."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, env_ignore_empty=True)

    @property
    def celery_tls(self) -> dict[str, Any]:
        """Settings of Celery by which the broker's certificate is verified; none for a broker without TLS."""
        return broker_tls.for_celery(self.celery_broker_url, self.ca_bundle)

    @property
    def redis_tls(self) -> dict[str, Any]:
        """As `celery_tls`, for redis-py."""
        return broker_tls.for_redis(self.celery_broker_url, self.ca_bundle)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _SecretFiles(settings_cls), _DotEnv(settings_cls, dotenv_settings)


def load(**overrides: Any) -> Settings:
    """Read the settings.

    Raises:
        UsageError: a name is no setting, or a value is bad; the message names each setting and says why.
    """
    given = [name for name, value in (*os.environ.items(), *_dotenv().items()) if value]
    if unknown := names.complaints(given, Settings.model_fields):
        said = "; ".join(unknown)
        raise UsageError(said if said.endswith("?") else f"{said}.", hint="docs/settings.md lists the settings.")
    if (dsn := os.environ.get("SENTRY_DSN")) and not _own_dsn():  # the name that Sentry's own documents give it
        overrides = {"sentry_dsn": dsn, **overrides}
    try:
        return Settings(_env_file=dotenv_path(), **overrides)  # type: ignore[call-arg]  # pydantic-settings' own
    except ValidationError as error:
        lines = [
            f"{PREFIX}{str(item['loc'][0]).upper() if item['loc'] else ''}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors(include_input=False, include_url=False)
        ]
        raise UsageError("; ".join(lines), hint="docs/settings.md lists the settings.") from None


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once."""
    return load()


__all__ = ["DEFAULT_PROVIDER_URL", "PREFIX", "Settings", "dotenv_path", "language", "load", "settings"]
