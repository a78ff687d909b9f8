"""What can go wrong, said so that the caller knows what it may do next.

A class's docstring is its default message. Every error survives pickling, since Celery moves errors between
processes.
"""

from __future__ import annotations

import re
from typing import ClassVar, Literal

from dispatcher.i18n.words import translated

Delivered = Literal["no", "unknown"]
Scope = Literal["message", "chunk", "account"]

WORDS_LIMIT = 500
"""Characters of the provider's own text that an error keeps."""


class DispatcherError(Exception):
    """The dispatcher cannot go on."""

    def __init__(self, message: str | None = None, *, hint: str | None = None) -> None:
        """Say `message`, or the class's docstring; `hint` is one sentence on what to do about it.

        A sentence of the catalog is said in the language of whoever asked; one with values was worded already.
        """
        super().__init__(translated(message or _default_message(type(self))))
        self.hint = hint and translated(hint)


class UsageError(DispatcherError):
    """The request cannot be carried out as it was given."""


class ListRefused(DispatcherError):
    """The list is not loaded, though it was given as it should be."""


class BrokerUnavailable(DispatcherError):
    """The broker does not take what is handed to it."""


class ProviderError(DispatcherError):
    """The provider did not do what was asked.

    Attributes:
        delivered: "no" when it is proven that the provider took nothing, "unknown" otherwise.
        scope: what is affected: one message, the chunk that was posted, or the whole account.
        retryable: whether the same call may succeed later without anybody changing anything.
        reason: a short slug for counters and logs, such as "read_timeout", "refused" or "http_500".
        words: the provider's own text, decoded as latin-1 and cut to 500 characters, when there was any.
    """

    default_delivered: ClassVar[Delivered] = "unknown"
    default_scope: ClassVar[Scope] = "chunk"
    default_retryable: ClassVar[bool] = False
    default_reason: ClassVar[str] = "unknown"

    def __init__(
        self,
        message: str | None = None,
        *,
        reason: str | None = None,
        words: str | None = None,
        delivered: Delivered | None = None,
        scope: Scope | None = None,
        retryable: bool | None = None,
        hint: str | None = None,
    ) -> None:
        """Take the class's defaults for whatever is not given."""
        super().__init__(message, hint=hint)
        self.reason: str = reason or self.default_reason
        # No NUL: a text field of Postgres takes none, and then the outcome of a POST could not be written down.
        self.words: str | None = None if words is None else words[:WORDS_LIMIT].replace("\x00", " ")
        self.delivered: Delivered = delivered or self.default_delivered
        self.scope: Scope = scope or self.default_scope
        self.retryable: bool = self.default_retryable if retryable is None else retryable

    def __str__(self) -> str:
        """Join the message, the reason and the provider's words on one line."""
        said = f": {_masked(' '.join(self.words.split()))}" if self.words else ""
        return f"{self.args[0]} [{self.reason}]{said}"


class NotDelivered(ProviderError):
    """The provider was not reached, so it took nothing."""

    default_delivered = "no"
    default_scope = "account"
    default_retryable = True
    default_reason = "not_reached"


class SendRefusedByGuard(ProviderError):
    """Our own check, made right before the first byte would have left, said no."""

    default_delivered = "no"
    default_retryable = True
    default_reason = "guard"


class CredentialsRefused(ProviderError):
    """The provider refuses this credential or this IP address."""

    default_delivered = "no"
    default_scope = "account"
    default_reason = "credentials"


class AccountBlocked(ProviderError):
    """The account cannot send: its credit is used up or its contract has expired. Part may be taken."""

    default_scope = "account"
    default_reason = "credit"


class InDoubt(ProviderError):
    """Nothing proves whether the provider took the chunk, so it must not be posted again blindly."""

    default_reason = "unknown"


class AnswerError(ProviderError):
    """The provider gave no usable answer to a question. Questions send no message.

    The reason is "too_large" when the answer was cut for its size, "credentials", "ip", "credit" or
    "contract" when the answer names the account as the cause (scope "account", not retryable).
    """

    default_delivered = "no"
    default_scope = "account"
    default_retryable = True
    default_reason = "no_answer"


def _masked(text: str) -> str:
    # Messages end up in logs, which must not hold whole phone numbers.
    return re.sub(r"(\d{4})\d+(\d{3})(?!\d)", r"\1***\2", text, flags=re.ASCII)


def _default_message(kind: type[DispatcherError]) -> str:
    doc = next((cls.__doc__ for cls in kind.__mro__ if cls.__doc__), kind.__name__)
    return " ".join(doc.strip().partition("\n\n")[0].split())
