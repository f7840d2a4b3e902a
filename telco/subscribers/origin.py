"""Who acts, and by which way: the words that every command of the feature takes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Channel(StrEnum):
    """The way by which somebody acts (PSC-1.1.7, 1.1.30)."""

    OFFICE = "office"
    """On paper, in a sales office."""
    SMS = "sms"
    USSD = "ussd"
    IVR = "ivr"
    EMAIL = "email"
    CABINET = "cabinet"
    """The personal cabinet: the automatic service system's pages."""
    APP = "app"
    SITE = "site"
    DOCUMENT = "document"
    """A signed electronic document."""
    HELPDESK = "helpdesk"
    SYSTEM = "system"
    """The service itself: a job, or another feature."""


ELECTRONIC_MESSAGE = frozenset({Channel.SMS, Channel.USSD, Channel.IVR, Channel.CABINET, Channel.EMAIL})
"""What counts as an electronic message. Contract: PSC-1.1.30"""

ACCESSION_BY_MESSAGE = ELECTRONIC_MESSAGE | {Channel.SITE, Channel.APP, Channel.DOCUMENT}
"""By what one accedes without paper. Contract: PSC-2.3"""

WRITTEN = frozenset({Channel.OFFICE, Channel.EMAIL, Channel.CABINET, Channel.APP, Channel.SITE, Channel.DOCUMENT})
"""What keeps a subscriber's words in writing. Contract: PSC-2.4, PSC-3.2.11"""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who acts, by which channel, on what ground.

    `author` is ``subscriber``, ``staff:<name>`` or ``system:<part>``. What staff change or read is audited;
    what the subscriber does is in the register of applications.
    """

    author: str
    channel: Channel
    ground: str = ""

    @property
    def manual(self) -> bool:
        return self.author.startswith("staff:")

    @property
    def automatic(self) -> bool:
        return self.author.startswith("system:")


def by_subscriber(channel: Channel) -> Origin:
    """The subscriber acts alone, once identified."""
    return Origin("subscriber", channel, "own application")


def by_system(part: str, ground: str) -> Origin:
    """A part of the service acts."""
    return Origin(f"system:{part}", Channel.SYSTEM, ground)
