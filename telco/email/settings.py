"""Settings of outgoing e-mail."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class Security(StrEnum):
    """How the connection to the mail server is protected."""

    STARTTLS = "starttls"
    """Begun in the clear and turned into TLS before anything is said; refused where the server does not offer it."""
    TLS = "tls"
    """TLS from the first octet."""
    NONE = "none"
    """In the clear: for a server on the same machine."""


class EmailSettings(BaseModel):
    """Outgoing e-mail, through the operator's mail server."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    host: str | None = Field(default=None, min_length=1, max_length=255)
    """Server that takes our mail; without one nothing is sent, and who asks is told."""
    port: int = Field(default=587, ge=1, le=65535)
    """Port of the server."""
    security: Security = Security.STARTTLS
    """How the connection is protected."""
    username: str | None = None
    """Name to log in with, if the server wants one."""
    password: SecretStr | None = None
    """Its password."""
    sender: str | None = Field(default=None, max_length=254)
    """Address that mail comes from: ``no-reply@example.kz``."""
    sender_name: str = Field(default="telco", min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f\"]+$")
    """Name shown beside it."""
    timeout_s: float = Field(default=30, gt=0, le=600)
    """How long a step of the conversation with the server may take."""
    valid_hours: int = Field(default=72, ge=1, le=720)
    """How long a message is tried before it is given up."""

    @property
    def enabled(self) -> bool:
        """Whether mail can leave."""
        return self.host is not None and self.sender is not None
