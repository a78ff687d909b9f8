"""Who we are to the provider: the API key, or the user and password of the older kind of account."""

import hashlib

from pydantic import BaseModel, SecretStr

from dispatcher.errors import UsageError
from dispatcher.i18n.words import worded


class Credentials(BaseModel):
    """The credential, and the mark by which campaigns are bound to it."""

    apikey: SecretStr | None = None
    usuario: str | None = None
    clave: SecretStr | None = None

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

    def require_user(self, what: str) -> tuple[str, str]:
        """The user and password of the older account form, which the Web Service and the mailbox ask for.

        Raises:
            UsageError: one of them is not set.
        """
        if self.usuario is None or self.clave is None:
            missing = "DISPATCHER_USUARIO" if self.usuario is None else "DISPATCHER_CLAVE"
            raise UsageError(
                worded("{missing} is not set, and {what} asks for user and password.", missing=missing, what=what),
                hint="Set DISPATCHER_USUARIO and DISPATCHER_CLAVE as SMS Masivos gave them, or use --transport http.",
            )
        return self.usuario, self.clave.get_secret_value()
