"""Makes one POST or asks one question. Returns the value, or raises the error that says what the failure proves."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from dispatcher.errors import AnswerError, InDoubt, ProviderError, UsageError
from dispatcher.provider import answers
from dispatcher.provider.call import Call, Stopped
from dispatcher.provider.client import TooLarge
from dispatcher.provider.failures import post_failure, question_failure

T = TypeVar("T")


def post_once(call: Call, post: Callable[[], T], *secrets: str) -> T:
    """The value of `post`, which makes one exchange under `call` and reads its answer.

    Raises `ProviderError` for every other end, what the guard raised untouched, and `UsageError` when `post` gave up
    before anything left. `secrets` are taken out of the provider's words.
    """
    failure: BaseException
    try:
        value = post()
        if call.sent:
            return value
        failure = InDoubt("The provider answered before it had the whole post.", reason="cut_while_sending")
    except TooLarge as error:
        failure = _clean(InDoubt(reason="too_large", words=answers.words_of(error.args[0])), secrets)
    except Stopped:
        assert call.stopped is not None
        failure = call.stopped
    except ProviderError as error:
        failure = _clean(error, secrets)
    except UsageError as error:
        failure = error
    except Exception as error:
        failure = post_failure(error, call)
    # Raised out here, so that no library error comes along as its context: those hold the request.
    raise failure


def ask(call: Call, question: Callable[[], T], *secrets: str) -> T:
    """The value of `question`, which makes one exchange under `call` and reads its answer.

    Raises `AnswerError` for every other end.
    """
    failure: AnswerError
    try:
        return question()
    except (Exception, Stopped) as error:
        failure = question_error(error, call, *secrets)
    raise failure


def question_error(error: BaseException, call: Call, *secrets: str) -> AnswerError:
    """The error for a question that ended in `error`."""
    if isinstance(error, Stopped):  # questions have no guard: their time was over
        return AnswerError(reason="deadline")
    if isinstance(error, TooLarge):
        error = AnswerError(reason="too_large", words=answers.words_of(error.args[0]))
    if isinstance(error, AnswerError):
        _clean(error, secrets)
        return error
    assert isinstance(error, Exception)
    return question_failure(error, call)


def _clean(error: ProviderError, secrets: tuple[str, ...]) -> ProviderError:
    for secret in secrets:
        answers.scrubbed(error, secret)
    error.__context__ = error.__cause__ = None
    return error
