"""Frozen types and states of the subscribers feature."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NewType

from telco.catalog.model import Settlement
from telco.kernel.i18n import Language
from telco.kernel.ids import AccountRef, ContractId, PartyId, SubscriberId
from telco.kernel.money import Tiyn
from telco.kernel.msisdn import Msisdn
from telco.subscribers.origin import (
    ACCESSION_BY_MESSAGE,
    ELECTRONIC_MESSAGE,
    WRITTEN,
    Channel,
    Origin,
    by_subscriber,
    by_system,
)
from telco.subscribers.records import (
    CONSENTS_BY_NUMBER,
    Application,
    ApplicationId,
    ApplicationState,
    CheckStatus,
    Consent,
    ConsentHolder,
    ConsentKind,
    DatedTerm,
    Device,
    Edition,
    EditionAnswer,
    NumberState,
    NumberUse,
    Obligation,
    ObligationKind,
    PartyChange,
    PersonalAccount,
    PoolNumber,
    SecretCheck,
    SecretKind,
    Sim,
    SimId,
    SimKind,
    SimState,
    SimUse,
    Terms,
)

__all__ = [
    "ACCESSION_BY_MESSAGE",
    "CONSENTS_BY_NUMBER",
    "ELECTRONIC_MESSAGE",
    "WRITTEN",
    "Accession",
    "ActiveService",
    "Application",
    "ApplicationId",
    "ApplicationState",
    "ChangeTime",
    "Channel",
    "CheckStatus",
    "Consent",
    "ConsentHolder",
    "ConsentKind",
    "DatedTerm",
    "Device",
    "DeviceKind",
    "DueFee",
    "Edition",
    "EditionAnswer",
    "EndGround",
    "FeeKind",
    "FeeResult",
    "Ground",
    "NumberState",
    "NumberUse",
    "Obligation",
    "ObligationKind",
    "Origin",
    "Party",
    "PartyChange",
    "PartyData",
    "PartyKind",
    "PersonalAccount",
    "PlanChange",
    "PlanChangeState",
    "PlanQuote",
    "PlanState",
    "PoolNumber",
    "RegistrationSheet",
    "Scope",
    "SecretCheck",
    "SecretKind",
    "ServiceId",
    "ServiceOrder",
    "ServiceState",
    "Sim",
    "SimId",
    "SimKind",
    "SimState",
    "SimUse",
    "Subscriber",
    "Subscription",
    "SubscriptionState",
    "Suspension",
    "SuspensionId",
    "Terms",
    "by_subscriber",
    "by_system",
]

ServiceId = NewType("ServiceId", int)

SuspensionId = NewType("SuspensionId", int)


class PartyKind(StrEnum):
    PERSON = "person"
    COMPANY = "company"


class DeviceKind(StrEnum):
    """What the number is used in; M2M devices are a kind of their own (PSC-1.1.31)."""

    PHONE = "phone"
    M2M = "m2m"


class SubscriptionState(StrEnum):
    ACTIVE = "active"
    ENDED = "ended"


class PlanState(StrEnum):
    """Whether the running period of the plan is paid for."""

    AWAITING_PAYMENT = "awaiting_payment"
    ACTIVE = "active"


class Scope(StrEnum):
    """What a suspension takes away (PSC-3.1.5)."""

    FULL = "full"
    OUTGOING = "outgoing"
    INCOMING = "incoming"
    VOICE = "voice"
    MESSAGES = "messages"
    DATA = "data"
    ROAMING = "roaming"
    INTERNATIONAL = "international"
    THIRD_PARTY = "third_party"
    MOBIMONEY = "mobimoney"
    HELPDESK_SPECIALIST = "helpdesk_specialist"


class Ground(StrEnum):
    """Why services are suspended; each value's clause is in `rules.GROUNDS`."""

    MONEY = "money"
    UNAUTHORISED_USE = "unauthorised_use"
    BREACH = "breach"
    STOLEN_ACCESS = "stolen_access"
    LOST_DEVICE = "lost_device"
    NETWORK_HARM = "network_harm"
    DUTIES = "duties"
    DEVICE_REGISTRATION = "device_registration"
    FALSE_DATA = "false_data"
    LAW = "law"
    AUTHORITY = "authority"
    HELPDESK_ABUSE = "helpdesk_abuse"
    REFUSED_BY_SUBSCRIBER = "refused_by_subscriber"


class EndGround(StrEnum):
    """Why a subscription ended (PSC-6)."""

    REFUSAL = "refusal"
    EDITION_REFUSED = "edition_refused"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    BREACH = "breach"
    PORTED_OUT = "ported_out"
    UNPAID = "unpaid"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True)
class Subscriber:
    """What every face of the service needs to know of a number: one indexed read."""

    subscriber_id: SubscriberId
    contract_id: ContractId
    party_id: PartyId
    party_kind: PartyKind
    msisdn: Msisdn
    account: AccountRef
    state: SubscriptionState
    brand: str
    language: Language
    device_kind: DeviceKind
    settlement: Settlement
    plan_code: str
    plan_version: int
    plan_state: PlanState
    next_fee_at: datetime | None
    services: frozenset[str]
    """Codes of additional services that are on and paid."""
    barred: frozenset[Scope]
    """Union of the scopes of all suspensions in force."""

    def allows(self, *needed: Scope) -> bool:
        """Whether no suspension forbids a use that needs all of these scopes.

        Calls to emergency numbers are never asked about: they always work.
        """
        return Scope.FULL not in self.barred and self.barred.isdisjoint(needed)


@dataclass(frozen=True, slots=True)
class Subscription:
    """The subscription's row, as commands lock it."""

    subscriber_id: SubscriberId
    contract_id: ContractId
    party_id: PartyId
    party_kind: PartyKind
    msisdn: Msisdn
    account: AccountRef
    state: SubscriptionState
    brand: str
    language: Language
    device_kind: DeviceKind
    region: str | None
    settlement: Settlement
    plan_code: str
    plan_version: int
    plan_state: PlanState
    plan_joined_at: datetime
    plan_until: datetime | None
    period_anchor: date
    period_index: int
    period_start: date
    next_fee_at: datetime | None
    fee_attempt: int
    user_note: str | None
    acceded_at: datetime
    stop_at: datetime | None
    ended_at: datetime | None
    end_ground: EndGround | None


@dataclass(frozen=True, slots=True)
class PartyData:
    """The true data that a subscriber gives (PSC-3.2.7). `iin_bin` is a person's IIN or a company's BIN."""

    kind: PartyKind
    iin_bin: str
    full_name: str
    postal_address: str | None = None
    email: str | None = None
    contact_phone: str | None = None


@dataclass(frozen=True, slots=True)
class Party:
    party_id: PartyId
    data: PartyData
    registered_at: datetime


@dataclass(frozen=True, slots=True)
class RegistrationSheet:
    """An accession (PSC-1.1.18): the subscriber, the number, the first plan and other details.

    Leave out `msisdn` to be given a free number of `category`, `iccid` for a starter pack's own SIM, `contract_id` to
    open a new contract and `account` to open a new personal account in it.
    """

    request_id: str
    """The sheet's own number, or the message's; the same again accedes once."""
    party: PartyData
    plan_code: str
    language: Language
    origin: Origin
    msisdn: Msisdn | None = None
    category: str = "ordinary"
    iccid: str | None = None
    reserved_by: str | None = None
    contract_id: ContractId | None = None
    account: AccountRef | None = None
    account_name: str = "main"
    device_kind: DeviceKind = DeviceKind.PHONE
    region: str | None = None
    """Where the subscriber lives (ISO 3166-2), for plans limited to a territory."""
    identity_document: str = ""
    initial_payment: Tiyn = Tiyn(0)
    """Cash taken with the sheet, or what a starter pack holds."""
    marketing: bool = True
    bonus_programme: bool = True
    temporary_for_porting: str | None = None
    """The porting request that a temporary number stands in for. Contract: PSC-1.1.3, PSC-7.3"""
    user_note: str | None = None
    message: str | None = None
    """The electronic message as it was received."""


@dataclass(frozen=True, slots=True)
class Accession:
    """What an accession gave."""

    subscriber_id: SubscriberId
    contract_id: ContractId
    party_id: PartyId
    msisdn: Msisdn
    account: AccountRef
    iccid: str
    plan_code: str
    plan_version: int
    plan_state: PlanState
    first_fee: Tiyn
    replayed: bool
    """The same sheet was already registered: nothing was done again."""


@dataclass(frozen=True, slots=True)
class Suspension:
    suspension_id: SuspensionId
    subscriber_id: SubscriberId
    ground: Ground
    scopes: frozenset[Scope]
    reference: str
    reason: str
    author: str
    started_at: datetime
    ends_at: datetime | None
    ended_at: datetime | None
    ended_by: str | None
    end_reason: str | None


class ServiceState(StrEnum):
    ON = "on"
    AWAITING_PAYMENT = "awaiting_payment"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class ActiveService:
    """An additional service that a subscription has, or one of its packs."""

    service_id: ServiceId
    subscriber_id: SubscriberId
    code: str
    version: int
    third_party: bool
    paid: bool
    single: bool
    """On until it is switched off, one at a time; a pack may be bought again and ends by itself."""
    state: ServiceState
    switched_on_at: datetime
    until_at: datetime | None
    switched_off_at: datetime | None
    period_anchor: date
    period_index: int
    period_start: date
    next_fee_at: datetime | None
    fee_attempt: int


@dataclass(frozen=True, slots=True)
class ServiceOrder:
    """The answer to a request to switch a service on."""

    service: ActiveService
    charged: Tiyn
    replayed: bool


class ChangeTime(StrEnum):
    """When a new plan begins."""

    NOW = "now"
    NEXT_PERIOD = "next_period"


@dataclass(frozen=True, slots=True)
class PlanQuote:
    """What a plan change costs and when it happens; the subscriber confirms exactly this."""

    subscriber_id: SubscriberId
    from_plan: str
    to_plan: str
    to_version: int
    when: ChangeTime
    effective_at: datetime
    fee: Tiyn
    """Taken at `effective_at`."""
    refund: Tiyn
    """Unused part of the running period's fee, where the old plan is pro-rated; given back at `effective_at`."""
    services_ending: tuple[str, ...]
    """Additional services that do not fit the new plan and end with the change."""
    volumes_end: bool = False
    """Whether what is left of the running period's included volumes ends with the change."""

    @property
    def cost(self) -> int:
        """What the main balance changes by, in tiyn; negative when money comes back."""
        return self.fee - self.refund


class PlanChangeState(StrEnum):
    WAITING = "waiting"
    DONE = "done"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class PlanChange:
    change_id: int
    subscriber_id: SubscriberId
    from_plan: str
    to_plan: str
    to_version: int
    requested_at: datetime
    effective_at: datetime
    cost: int
    state: PlanChangeState


class FeeKind(StrEnum):
    PLAN = "plan"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class DueFee:
    """A subscription fee to be taken now; its rows are locked by the transaction that made it.

    The period it pays for is number `index` since `anchor`, from `start` up to `end`.
    """

    kind: FeeKind
    subscriber_id: SubscriberId
    service_id: ServiceId | None
    msisdn: Msisdn
    language: Language
    account: AccountRef
    settlement: Settlement
    code: str
    """Plan or service to be charged; where a plan change waits, the new plan."""
    version: int
    anchor: date
    index: int
    start: date
    end: date
    amount: Tiyn
    attempt: int
    """How often this fee was tried and refused."""
    first: bool
    """The plan or service begins with this fee: what it grants once is granted now."""
    change_id: int | None = None
    """The plan change that happens with this fee."""
    idle_until: datetime | None = None
    """Nothing is taken for suspended time: until then the fee waits, or until the suspension ends before."""
    asked: bool = True
    """Whether it follows from what somebody does now, and not from the work of a job."""

    @property
    def op_id(self) -> str:
        """The ledger operation's id: stable for an attempt, so that a repeated run never charges twice."""
        owner = self.subscriber_id if self.service_id is None else self.service_id
        change = "" if self.change_id is None else f":{self.change_id}"
        return f"{self.kind}:{owner}:{self.code}.{self.version}:{self.start.isoformat()}:{self.attempt}{change}"


@dataclass(frozen=True, slots=True)
class FeeResult:
    """How taking a fee went: taken, refused for want of money, or left alone for suspended time (`due.idle_until`)."""

    due: DueFee
    taken: bool
    next_fee_at: datetime | None
    """When the next fee is due, or this one is tried again."""
