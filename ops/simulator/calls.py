"""One call of one page, as far as the guide knows it: who asks, with which parameters, and for which page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ops.simulator import answers, sentences
from ops.simulator.account import Account
from ops.simulator.answers import Answer
from ops.simulator.faults import Hits
from ops.simulator.forms import Parameters
from ops.simulator.ledger import Post
from ops.simulator.provider import Provider


@dataclass
class Call:
    """One call of one endpoint, as far as the guide knows it."""

    endpoint: str
    parameters: Parameters
    ip: str
    body_bytes: int
    hits: Hits = field(default_factory=Hits)
    post: Post | None = None


@dataclass(frozen=True)
class Endpoint:
    """One page of the provider: its handler, whether it asks who calls, and how it says no.

    `posts` names the transport of an endpoint that brings messages: its calls are in the ledger.
    """

    name: str
    handle: Callable[[Provider, Call], Answer]
    credentials: bool = True
    posts: str | None = None
    refuse: Callable[[str], Answer] = answers.text


def refusal_of_caller(provider: Provider, call: Call) -> str | None:
    """The sentence for a call that may not come in, or None (guide: APIKEY, "Filtrado por IP")."""
    options, parameters = provider.options, call.parameters
    if options.allow_ip and call.ip not in options.allow_ip:
        return sentences.IP_NOT_ALLOWED.format(ip=call.ip)
    key = parameters.text("apikey")
    if key:
        return None if options.account_of_key(key) else sentences.BAD_KEY
    user = parameters.text("usuario")
    if not user:
        return sentences.MISSING_KEY
    known = f"{user}:{parameters.text('clave')}" in options.user
    return None if known else sentences.BAD_CREDENTIALS


def account_of(provider: Provider, call: Call) -> Account:
    """The account that the call's credential opens; `main` for usuario and clave."""
    return provider.account(provider.options.account_of_key(call.parameters.text("apikey")) or "main")
