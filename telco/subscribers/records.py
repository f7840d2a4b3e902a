"""Frozen types of what is kept around a subscription: numbers, cards, consents, editions, applications, devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple, NewType

from telco.kernel.ids import AccountRef, ContractId, PartyId, SubscriberId
from telco.kernel.money import Tiyn
from telco.kernel.msisdn import Msisdn
from telco.subscribers.origin import Channel

ApplicationId = NewType("ApplicationId", int)

SimId = NewType("SimId", int)


@dataclass(frozen=True, slots=True)
class PartyChange:
    """A field of a party's data that was reported changed."""

    field: str
    old_value: str | None
    new_value: str
    changed_on: date
    reported_at: datetime
    late: bool
    """Reported later than the term of PSC-3.2.7."""


class NumberState(StrEnum):
    FREE = "free"
    RESERVED = "reserved"
    ASSIGNED = "assigned"
    TEMPORARY = "temporary"
    QUARANTINE = "quarantine"
    PORTED_OUT = "ported_out"


@dataclass(frozen=True, slots=True)
class PoolNumber:
    """A number of the pool as it stands at the moment of reading."""

    msisdn: Msisdn
    category: str
    price: Tiyn
    state: NumberState
    reserved_by: str | None
    reserved_until: datetime | None
    quarantined_until: datetime | None


class SimKind(StrEnum):
    SIM = "sim"
    RUIM = "ruim"
    ESIM = "esim"


class SimState(StrEnum):
    STOCK = "stock"
    ACTIVE = "active"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Sim:
    sim_id: SimId
    iccid: str
    imsi: str
    kind: SimKind
    state: SimState
    pack_msisdn: Msisdn | None


@dataclass(frozen=True, slots=True)
class SimUse:
    """One line of a subscription's SIM history."""

    iccid: str
    imsi: str
    kind: SimKind
    from_at: datetime
    until_at: datetime | None
    reason: str
    author: str


@dataclass(frozen=True, slots=True)
class NumberUse:
    """One line of a subscription's number history."""

    msisdn: Msisdn
    from_at: datetime
    until_at: datetime | None
    reason: str


class ConsentKind(StrEnum):
    PERSONAL_DATA = "personal_data"
    PHOTO = "photo"
    CREDIT_HISTORY = "credit_history"
    MARKETING = "marketing"
    """Promotional SMS ("SMART"), by number."""
    BONUS = "bonus"
    """The bonus programme ("OGO Bonus"), by number."""


CONSENTS_BY_NUMBER = frozenset({ConsentKind.MARKETING, ConsentKind.BONUS})


@dataclass(frozen=True, slots=True)
class Consent:
    kind: ConsentKind
    version: str
    channel: Channel
    given_at: datetime
    withdrawn_at: datetime | None
    withdrawn_channel: Channel | None
    subscriber_id: SubscriberId | None


@dataclass(frozen=True, slots=True)
class ConsentHolder:
    """A number whose consent is in force, and what of its owner a programme for it depends on."""

    subscriber_id: SubscriberId
    given_at: datetime
    acceded_at: datetime
    iin_bin: str
    person: bool


class ObligationKind(StrEnum):
    """What is owed."""

    DEBT = "debt"
    TRUST_PAYMENT = "trust_payment"
    DEVICE_INSTALMENTS = "device_instalments"


@dataclass(frozen=True, slots=True)
class Obligation:
    """Something that a subscriber still owes the operator: a debt, a device's instalments."""

    kind: ObligationKind
    reference: str
    """The personal account, or the number of the device's agreement."""
    amount: Tiyn


class ApplicationState(StrEnum):
    REGISTERED = "registered"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Application:
    application_id: ApplicationId
    subscriber_id: SubscriberId | None
    applicant: str
    kind: str
    channel: Channel
    author: str
    body: str
    registered_at: datetime
    state: ApplicationState
    outcome: str
    decided_at: datetime | None
    decided_by: str | None


class SecretKind(StrEnum):
    PIN = "pin"
    CODE_WORD = "code_word"


class CheckStatus(StrEnum):
    """How an attempt to identify oneself by PIN or code word went."""

    RIGHT = "right"
    WRONG = "wrong"
    LOCKED = "locked"
    NOT_SET = "not_set"


@dataclass(frozen=True, slots=True)
class SecretCheck:
    status: CheckStatus
    tries_left: int
    locked_until: datetime | None

    @property
    def identified(self) -> bool:
        return self.status is CheckStatus.RIGHT


@dataclass(frozen=True, slots=True)
class Edition:
    """A published edition of the contract (PSC-2.4, 6.6)."""

    edition: str
    published_at: datetime
    refusable_until: datetime
    url: str
    sha256: bytes


@dataclass(frozen=True, slots=True)
class EditionAnswer:
    edition: str
    accepted: bool
    manner: str
    """``sheet``, ``message``, ``silence`` or ``written``."""
    channel: Channel
    answered_at: datetime


@dataclass(frozen=True, slots=True)
class PersonalAccount:
    account: AccountRef
    contract_id: ContractId
    name: str
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Device:
    imei: str
    party_id: PartyId
    subscriber_id: SubscriberId
    registered_at: datetime


class DatedTerm(NamedTuple):
    """A figure, and since when it holds."""

    name: str
    valid_from: date
    value: int


@dataclass(frozen=True, slots=True)
class Terms:
    """The figures in force on a day; the table `subscribers.term` holds them with their dates."""

    values: Mapping[str, int] = field(default_factory=dict)

    def __getitem__(self, name: str) -> int:
        return self.values[name]
