"""Who may use what: the contract's gate before any money is asked for."""

from __future__ import annotations

from dataclasses import replace

from telco.catalog.model import DestinationKind, Direction, Service, Settlement
from telco.catalog.rates import Denial, Rate
from telco.charging.model import Result
from telco.subscribers.model import Scope, Subscriber

_DENIED = {
    Denial.NOT_IN_PLAN: Result.NOT_IN_PLAN,
    Denial.UNKNOWN_DESTINATION: Result.UNKNOWN_DESTINATION,
    Denial.NO_ROAMING_AGREEMENT: Result.NO_ROAMING_AGREEMENT,
    Denial.UNKNOWN_SERVICE: Result.UNKNOWN_SERVICE,
}

_KINDS = frozenset(DestinationKind)

_SERVICE_SCOPE = {
    Service.VOICE: Scope.VOICE,
    Service.SMS: Scope.MESSAGES,
    Service.DATA: Scope.DATA,
    Service.CONTENT: Scope.THIRD_PARTY,
}


def refusal(subscriber: Subscriber, rate: Rate, direction: Direction) -> Result | None:
    """Say why usage is refused before money is asked for, or None.

    Emergency calls always work. Helpdesk and other free numbers work while outgoing services are stopped, but not while
    everything is.

    Contract: PSC-3.1.5, PSC-3.2.5, PSC-1.1.24
    """
    if rate.free and rate.zone == DestinationKind.EMERGENCY:
        return None
    if not subscriber.allows(*_needed(rate, direction)):
        return Result.BARRED
    return denial(rate)


def denial(rate: Rate) -> Result | None:
    """Say why the catalogue has no price for usage, or None."""
    return _DENIED[rate.denied] if rate.denied is not None else None


def _needed(rate: Rate, direction: Direction) -> set[Scope]:
    """Return the scopes that no suspension may take away for this usage."""
    needed = {_SERVICE_SCOPE[rate.service]}
    if direction is Direction.IN:
        needed.add(Scope.INCOMING)
    elif not rate.free:
        needed.add(Scope.OUTGOING)
    if rate.roaming:
        needed.add(Scope.ROAMING)
    if _is_international(rate, direction):
        needed.add(Scope.INTERNATIONAL)
    return needed


def _is_international(rate: Rate, direction: Direction) -> bool:
    """Say whether a call or message leaves the country: its zone is then one of the world's, not a kind of number."""
    dialled = rate.service in (Service.VOICE, Service.SMS) and direction is not Direction.IN
    return dialled and not rate.roaming and rate.denied is None and rate.zone not in _KINDS


def in_settlement(rate: Rate, settlement: Settlement) -> Rate:
    """Return a rate as the settlement has it: in credit roaming goes on at the limit, so no portion of it is held back.

    Contract: PSC-4.3.2
    """
    return replace(rate, controlled=False) if rate.roaming and settlement is Settlement.CREDIT else rate


def stops_at_limit(settlement: Settlement, rate: Rate, direction: Direction) -> bool:
    """Say that usage stops once the credit limit is used up, even where an allowance or nothing pays for it.

    Incoming calls and roaming go on, and so do the numbers that are free of charge for everybody.

    Contract: PSC-4.3.2
    """
    return settlement is Settlement.CREDIT and direction is not Direction.IN and not rate.roaming and not rate.free


def rateless(rate: Rate) -> bool:
    """Say that nothing has to be asked of the ledger: no price, no allowance, no connection charge."""
    return rate.price_micro == 0 and not rate.allowances and rate.connection == 0
