"""What can be wrong with a subscriber's or an employee's request, and which constraint says so.

Order in which a command looks, so that the same mistake always gets the same answer: the form of the input, whether the
subscription exists, whether the state allows it, whether it fits (plan, audience, window), whether there is money.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

import asyncpg

from telco.kernel.errors import DomainError
from telco.kernel.i18n import Text
from telco.kernel.money import Money


class SubscriberUnknownError(DomainError):
    """{subscriber} is not a subscriber of this operator, or no longer one."""

    code = "subscriber_unknown"
    status = 404
    subscriber: str


class ContractUnknownError(DomainError):
    """Contract {contract_id} is not an open contract of this party."""

    code = "contract_unknown"
    status = 404
    contract_id: int


class AccountUnknownError(DomainError):
    """Personal account {account} does not belong to this contract."""

    code = "personal_account_unknown"
    status = 404
    account: str


class NumbersLimitError(DomainError):
    """A person may have at most {limit} numbers, and all of them are in use. Give one back first."""

    code = "numbers_limit"
    limit: int


class NumberNotFreeError(DomainError):
    """The number {msisdn} cannot be given out: it is taken, reserved for somebody else, at rest or not in the pool."""

    code = "number_not_free"
    msisdn: str


class NumberNotOursError(DomainError):
    """The number {msisdn} is not in the pool of this operator."""

    code = "number_not_ours"
    status = 404
    msisdn: str


class NoNumberLeftError(DomainError):
    """There is no free number of the category {category}."""

    code = "no_number_left"
    category: str


class NumberCategoryError(DomainError):
    """There is no number category {category}."""

    code = "number_category"
    status = 422
    category: str


class NumberReservationsError(DomainError):
    """At most {limit} numbers can be reserved at once."""

    code = "number_reservations"
    limit: int


class NumberTemporaryError(DomainError):
    """The number {msisdn} stands in for one that is being ported and cannot be passed on until the donor answers."""

    code = "number_temporary"
    msisdn: str


class IdentityNumberError(DomainError):
    """`{text}` is not a valid {kind}: {why}."""

    code = "identity_number"
    status = 422
    text: str
    kind: str
    why: Text


class SimNotInStockError(DomainError):
    """The SIM {iccid} is not in stock: it is unknown, in use, or belongs to another number's starter pack."""

    code = "sim_not_in_stock"
    iccid: str


class NoEsimLeftError(DomainError):
    """No eSIM profile is in stock: put some into stock, or name the SIM by its ICCID."""

    code = "no_esim_left"


class SimKnownError(DomainError):
    """A SIM with this ICCID or IMSI is already registered."""

    code = "sim_known"


class PartyDataError(DomainError):
    """{field}: {why}."""

    code = "party_data"
    status = 422
    field: str
    why: Text


class PartyNameDiffersError(DomainError):
    """Another name is registered under this IIN or BIN. Show the identity document in an office."""

    code = "party_name_differs"


class SheetDiffersError(DomainError):
    """The sheet or message {request_id} is already registered with other contents."""

    code = "sheet_differs"
    request_id: str


class ChannelRefusedError(DomainError):
    """This cannot be done by {channel}."""

    code = "channel_refused"
    status = 403
    channel: str


class PlanUnfitError(DomainError):
    """The plan {plan} cannot be chosen: {why}."""

    code = "plan_unfit"
    status = 422
    plan: str
    why: Text


class PlanSameError(DomainError):
    """The plan {plan} is already in use."""

    code = "plan_same"
    plan: str


class PlanUnpaidError(DomainError):
    """Top up first: the present plan waits for its payment."""

    code = "plan_unpaid"


class QuoteChangedError(DomainError):
    """The conditions have changed since they were shown. Look at them again and confirm."""

    code = "quote_changed"


class NoPlanChangeError(DomainError):
    """No plan change is waiting."""

    code = "no_plan_change"
    status = 404


class NotEnoughMoneyError(DomainError):
    """Not enough money on the account: {price} is needed, {balance} is there."""

    code = "not_enough_money"
    status = 402
    price: Money
    balance: Money


class AccountRefusedError(DomainError):
    """The personal account cannot be charged: {why}."""

    code = "account_refused"
    why: str


class ServiceUnfitError(DomainError):
    """The service {service} cannot be switched on: {why}."""

    code = "service_unfit"
    status = 422
    service: str
    why: Text


class ServiceOnError(DomainError):
    """The service {service} is already on."""

    code = "service_on"
    service: str


class ServiceOffError(DomainError):
    """The service {service} is not on."""

    code = "service_off"
    status = 404
    service: str


class SuspendedError(DomainError):
    """The number is suspended; this can be done once the suspension ends."""

    code = "suspended"
    status = 403


class SuspensionError(DomainError):
    """This suspension cannot be made: {why}."""

    code = "suspension"
    status = 422
    why: Text


class SuspensionOpenError(DomainError):
    """The number is already suspended on this ground with the reference `{reference}`."""

    code = "suspension_open"
    reference: str


class SuspensionUnknownError(DomainError):
    """There is no open suspension {suspension_id}."""

    code = "suspension_unknown"
    status = 404
    suspension_id: int


class SuspensionNotYoursError(DomainError):
    """Only the operator can end this suspension."""

    code = "suspension_not_yours"
    status = 403


class ConsentGivenError(DomainError):
    """The consent {kind} is already given."""

    code = "consent_given"
    kind: str


class ConsentAbsentError(DomainError):
    """There is no consent {kind} to withdraw."""

    code = "consent_absent"
    status = 404
    kind: str


class ObligationsOpenError(DomainError):
    """The consent cannot be withdrawn while obligations are open: {obligations}."""

    code = "obligations_open"
    obligations: Text


class EditionError(DomainError):
    """The edition {edition} of the contract: {why}."""

    code = "edition"
    edition: str
    why: Text


class NoEditionError(DomainError):
    """No edition of the contract is published. Publish one, then people can accede."""

    code = "no_edition"


class EditionLateError(DomainError):
    """The term for refusing edition {edition} ended on {until}; it counts as accepted."""

    code = "edition_late"
    edition: str
    until: str


class ApplicationUnknownError(DomainError):
    """There is no open application {application_id}."""

    code = "application_unknown"
    status = 404
    application_id: int


class SecretRefusedError(DomainError):
    """A PIN is 4 to 8 digits and not a sequence; a code word is 4 to 32 letters or digits."""

    code = "secret_refused"
    status = 422


class DeviceKnownError(DomainError):
    """The device {imei} is already registered."""

    code = "device_known"
    imei: str


class DeviceUnknownError(DomainError):
    """The device {imei} is not registered to this number."""

    code = "device_unknown"
    status = 404
    imei: str


class StopDateError(DomainError):
    """Services can stop at {now} at the earliest."""

    code = "stop_date"
    status = 422
    now: datetime


class TermError(DomainError):
    """There is no figure {name}, or its first day is past. Figures: {known}."""

    code = "term"
    status = 422
    name: str
    known: str


class GroundRequiredError(DomainError):
    """A ground is required to read or change a subscriber's data."""

    code = "ground_required"
    status = 422


@contextmanager
def violations(known: Mapping[str, DomainError]) -> Iterator[None]:
    """Say what a violated constraint means: the database decides, the error explains.

    `known` maps constraint names to the error to raise; any other violation is a defect and goes on as it is.
    """
    try:
        yield
    except asyncpg.IntegrityConstraintViolationError as violation:
        error = known.get(violation.constraint_name or "")
        if error is None:
            raise
        raise error from violation
