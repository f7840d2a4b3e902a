"""The contract's rules about money as pure functions: facts in, decision out."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from telco.billing.model import ActivationStatus, CardState, TrustStatus, TrustTerms
from telco.kernel.money import Tiyn

WRONG_CODES_ALLOWED = 5
WRONG_CODES_WINDOW = timedelta(hours=1)


def card_state(stored: CardState, *, expires_on: date, today: date) -> CardState:
    """Say what a card is on a day: a card that nobody used ends after its last day.

    Contract: PSC-1.1.10
    """
    if stored is CardState.READY and today > expires_on:
        return CardState.EXPIRED
    return stored


def decide_activation(state: CardState | None, *, wrong_before: int) -> ActivationStatus:
    """Decide on a card's code: `state` is None where no card has it, `wrong_before` counts the hour's wrong codes.

    The fifth wrong code within an hour closes the command, not the number: even a right code is then refused, so that a
    guesser learns nothing.

    Contract: PSC-1.1.10, PSC-3.1.5.4
    """
    if wrong_before >= WRONG_CODES_ALLOWED:
        return ActivationStatus.COMMAND_BLOCKED
    match state:
        case None:
            return ActivationStatus.WRONG_CODE
        case CardState.BLOCKED:
            return ActivationStatus.CARD_BLOCKED
        case CardState.USED:
            return ActivationStatus.CARD_USED
        case CardState.EXPIRED:
            return ActivationStatus.CARD_EXPIRED
        case CardState.READY:
            return ActivationStatus.CREDITED


def decide_trust(
    terms: TrustTerms, *, prepaid: bool, has_open: bool, balance: Tiyn, acceded_at: datetime, now: datetime
) -> TrustStatus:
    """Decide whether services are given against future payments; `balance` is the main balance in tiyn.

    Contract: PSC-3.1.6
    """
    if not prepaid:
        return TrustStatus.NOT_PREPAID
    if has_open:
        return TrustStatus.ALREADY_OPEN
    if now - acceded_at < timedelta(days=terms.least_tenure_days):
        return TrustStatus.TOO_NEW
    if balance > terms.highest_balance:
        return TrustStatus.BALANCE_TOO_HIGH
    if balance < terms.lowest_balance:
        return TrustStatus.BALANCE_TOO_LOW
    return TrustStatus.GIVEN
