"""What listens: the HTTP API and Flower."""

import re

from pydantic import BaseModel, Field, SecretStr, field_validator


class Listeners(BaseModel):
    """Ports, addresses and their credentials."""

    api_token: SecretStr | None = None
    api_host: str = "0.0.0.0"
    api_port: int = Field(8000, ge=0, le=65_535)
    flower_port: int = Field(5555, ge=0, le=65_535)  # 0 = none
    flower_auth: SecretStr | None = None

    @field_validator("api_token")
    @classmethod
    def _hard_to_guess(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not re.fullmatch(r"[\x21-\x7e]{20,200}", value.get_secret_value()):
            raise ValueError(
                "must be 20 to 200 characters of ASCII without blanks, such as `openssl rand -hex 32` gives"
            )
        return value
