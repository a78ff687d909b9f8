"""What people answer: pulled from the inbox or pushed to us, and the words that opt out."""

import ipaddress
import re
from functools import cached_property

from pydantic import BaseModel, Field, SecretStr, field_validator


class Replies(BaseModel):
    """The inbox, PUSH, and opt-out words."""

    optout_words: str = "BAJA"
    review_words: str = (
        "STOP,ALTO,CANCELAR,CANCELA,DESUSCRIBIR,SACAME,SAQUENME,NO ME MANDEN,NO ME MANDES,NO MANDEN MAS,NO MANDES MAS,"
        "NO ME ENVIEN,NO ENVIEN MAS,NO ME ESCRIBAN,NO QUIERO MAS,NO QUIERO RECIBIR,DEJEN DE,NO MOLESTEN"
    )
    inbox_interval: float = Field(60.0, ge=1, le=86_400)
    inbox_mark: bool = True
    push_allow: str = "127.0.0.0/8,::1"
    push_secret: SecretStr | None = None
    trusted_hops: int = Field(0, ge=0, le=10)

    @field_validator("optout_words", "review_words")
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

    @cached_property
    def push_networks(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        """The addresses that may push replies."""
        return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in self.push_allow.split(","))
