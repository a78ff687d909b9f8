"""What listens: PUSH, the web listener with the API, and Flower."""

from pydantic import BaseModel, Field, SecretStr


class Listeners(BaseModel):
    """Ports, addresses and their limits; port 0 means none."""

    push_host: str = "0.0.0.0"
    push_port: int = Field(8000, ge=0, le=65_535)
    web_host: str = "127.0.0.1"
    web_port: int = Field(8080, ge=0, le=65_535)
    api_rate: int = Field(50, ge=0, le=100_000)  # 0 = no limit
    flower_port: int = Field(5555, ge=0, le=65_535)
    flower_auth: SecretStr | None = None
