from __future__ import annotations

import pickle

import pytest

from dispatcher import errors
from dispatcher.errors import DispatcherError, InDoubt, NotDelivered, ProviderError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DispatcherError)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_docstring_is_the_default_message(kind: type[DispatcherError]) -> None:
    assert kind().args[0] == " ".join((kind.__doc__ or "").split("\n\n")[0].split())


@pytest.mark.parametrize("kind", [k for k in KINDS if issubclass(k, ProviderError)])
def test_an_error_survives_pickling(kind: type[ProviderError]) -> None:
    error = kind("said", reason="slug", words="palabras", hint="do this", retryable=True)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (str(again), vars(again)) == (str(error), vars(error))


def test_words_are_cut_and_numbers_in_them_are_masked_when_printed() -> None:
    error = InDoubt(reason="sentence", words="1161880001: " + "x" * 600)
    assert error.words is not None
    assert len(error.words) == 500
    assert "1161880001" not in str(error)
    assert "1161***001" in str(error)


def test_defaults_say_what_the_caller_may_do() -> None:
    assert (NotDelivered().delivered, NotDelivered().scope, NotDelivered().retryable) == (
        "no",
        "account",
        True,
    )
    assert (InDoubt().delivered, InDoubt().scope, InDoubt().retryable) == ("unknown", "chunk", False)
