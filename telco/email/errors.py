"""What can be wrong with an e-mail before anybody sends it."""

from __future__ import annotations

from telco.kernel.errors import DomainError


class EmailAddressError(DomainError):
    """E-mail cannot be sent to this address."""

    code = "email_address"
    status = 422


class EmailContentError(DomainError):
    """This e-mail cannot be sent: {why}."""

    code = "email_content"
    status = 422
    why: str


class EmailOffError(DomainError):
    """E-mail is not sent from here at present."""

    code = "email_off"
    status = 409  # not 503: nothing changes by trying again until the operator names a mail server
