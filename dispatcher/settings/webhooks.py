"""Webhooks: which networks may be called beside public addresses."""

import ipaddress
from functools import cached_property

from pydantic import BaseModel, field_validator


class Webhooks(BaseModel):
    """Where endpoints may be."""

    webhook_allow: str | None = None

    @field_validator("webhook_allow")
    @classmethod
    def _private_networks(cls, value: str | None) -> str | None:
        for part in _parts(value):
            try:
                ipaddress.ip_network(part, strict=False)
            except ValueError:
                raise ValueError(f"{part!r} is no IP address or network; write 10.0.0.0/8,127.0.0.1") from None
        return value

    @cached_property
    def webhook_networks(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        """Networks that may be called though they are not public, by plain http too."""
        return tuple(ipaddress.ip_network(part, strict=False) for part in _parts(self.webhook_allow))


def _parts(value: str | None) -> list[str]:
    return [part.strip() for part in (value or "").split(",") if part.strip()]
