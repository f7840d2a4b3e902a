"""Rules of payments as pure functions: what payers and providers write, read strictly; what follows from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from telco.billing.payments.model import (
    BankDocument,
    Difference,
    DifferenceKind,
    DocumentReason,
    Payment,
    Reason,
    RegisterLine,
    Result,
    Standing,
)
from telco.kernel.calendar import ZONE
from telco.kernel.ids import AccountId, AccountRef
from telco.kernel.iin_bin import IinBinError, parse_bin, parse_iin
from telco.kernel.money import Tiyn
from telco.kernel.msisdn import Msisdn, MsisdnFormatError, parse_msisdn

SERIAL_DIGITS = 12
"""Of a payment card."""
MAX_NAMED = 32
"""Characters of what a payer names as number or account."""
TXN_AHEAD = timedelta(hours=24)
"""How far a provider's clock may be ahead of ours."""
TXN_BEHIND = timedelta(days=31)
"""How late a provider may send a payment."""

RESULTS: Mapping[Reason, Result] = {
    Reason.OK: Result.OK,
    Reason.TRY_LATER: Result.RETRY_LATER,
    Reason.ACCOUNT_FORMAT: Result.WRONG_FORMAT,
    Reason.ACCOUNT_UNKNOWN: Result.UNKNOWN_ACCOUNT,
    Reason.NUMBER_PORTED: Result.UNKNOWN_ACCOUNT,
    Reason.NUMBER_ENDED: Result.NOT_ALLOWED,
    Reason.SUM_LIMITS: Result.OTHER,
    Reason.SUM_FORMAT: Result.OTHER,
    Reason.TXN_ID_FORMAT: Result.OTHER,
    Reason.TXN_DATE: Result.OTHER,
    Reason.TXN_ID_REUSED: Result.OTHER,
    Reason.COMMAND: Result.OTHER,
    Reason.PARAMETERS: Result.OTHER,
}
"""The protocol's code for each reason."""

STANDING_REASONS: Mapping[Standing, Reason] = {
    Standing.MALFORMED: Reason.ACCOUNT_FORMAT,
    Standing.UNKNOWN: Reason.ACCOUNT_UNKNOWN,
    Standing.ENDED: Reason.NUMBER_ENDED,
    Standing.PORTED_OUT: Reason.NUMBER_PORTED,
}

DOCUMENT_REASONS: Mapping[Standing, DocumentReason] = {
    Standing.MALFORMED: DocumentReason.NO_NUMBER,
    Standing.UNKNOWN: DocumentReason.NUMBER_UNKNOWN,
    Standing.ENDED: DocumentReason.NUMBER_ENDED,
    Standing.PORTED_OUT: DocumentReason.NUMBER_PORTED,
}

_ACCOUNT = re.compile(r"(\d{1,4}):(\d{1,18})", re.ASCII)
_SUM = re.compile(r"(\d{1,10})(?:\.(\d{1,2}))?", re.ASCII)
_TXN_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,35}", re.ASCII)
_TXN_DATE = re.compile(r"\d{14}", re.ASCII)
_PHONE = re.compile(r"(?<![\w+])(?:\+?7|8)?[ (-]{0,2}7\d{2}[ )-]{0,2}\d{3}[ -]?\d{2}[ -]?\d{2}(?![\w])", re.ASCII)
_NAMED_ACCOUNT = re.compile(r"(?<![\w:])\d{1,4}:\d{1,18}(?![\w:])", re.ASCII)


def parse_named(text: str) -> Msisdn | AccountRef | None:
    """Read what a payer names: a phone number, or a personal account as the statement prints it; None for neither."""
    if len(text) > MAX_NAMED:
        return None
    account = _ACCOUNT.fullmatch(text.strip())
    if account is not None:
        shard, account_id = int(account[1]), int(account[2])
        return AccountRef(shard, AccountId(account_id)) if shard < 2**15 else None
    try:
        return parse_msisdn(text)
    except MsisdnFormatError:
        return None


def normal_name(text: str) -> str:
    """Return what was named as it is compared and kept: however a number is written, it is the same number.

    What is no number is cut, and what no database keeps (control characters, halves of a pair) is a question mark.
    """
    named = parse_named(text)
    if named is not None:
        return str(named)
    return "".join(character if character.isprintable() else "?" for character in text[:MAX_NAMED])


def is_serial(text: str) -> bool:
    """Tell whether this is the serial of a payment card."""
    return len(text) == SERIAL_DIGITS and text.isascii() and text.isdigit()


def parse_sum(text: str) -> Tiyn | None:
    """Read a sum in tenge, with a point and at most two decimals; None for anything else, zero included."""
    match = _SUM.fullmatch(text)
    if match is None:
        return None
    amount = int(match[1]) * 100 + int((match[2] or "0").ljust(2, "0"))
    return Tiyn(amount) if amount else None


def is_txn_id(text: str) -> bool:
    """Tell whether a provider may call a payment so: it begins with a letter or digit, so no sheet computes it."""
    return _TXN_ID.fullmatch(text) is not None


def parse_txn_date(text: str) -> datetime | None:
    """Read ``YYYYMMDDHHMMSS`` on the clocks of Kazakhstan."""
    if _TXN_DATE.fullmatch(text) is None:
        return None
    try:
        local = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=ZONE)
    except ValueError:
        return None
    return local.astimezone(UTC) if 2000 <= local.year <= 2199 else None


def is_timely(txn_at: datetime, now: datetime) -> bool:
    """Tell whether a payment's time can be true: not far ahead, not of a month whose register is closed."""
    return now - TXN_BEHIND <= txn_at <= now + TXN_AHEAD


def named_in_purpose(purpose: str) -> list[str]:
    """Find the phone numbers and personal accounts in a payment's purpose, each once, in their order."""
    found: dict[str, None] = {}
    for pattern in (_PHONE, _NAMED_ACCOUNT):
        for match in pattern.finditer(purpose):
            if parse_named(match[0].strip()) is not None:
                found[normal_name(match[0].strip())] = None
    return list(found)


def is_company(payer_id: str) -> bool:
    """Tell whether a payer's number is a company's BIN."""
    try:
        parse_bin(payer_id)
    except IinBinError:
        return False
    return True


def is_person(payer_id: str) -> bool:
    """Tell whether a payer's number is a person's IIN."""
    try:
        parse_iin(payer_id)
    except IinBinError:
        return False
    return True


def decide_document(
    document: BankDocument, our_accounts: Iterable[str], *, doubtful: bool = False
) -> DocumentReason | str:
    """Say which number or account a document's money is for, or why somebody has to decide.

    It is `doubtful` when it may be a transfer that the bank told of already.

    Contract: PSC-4.1, PSC-3.2.4-4
    """
    if document.receiver_account not in our_accounts:
        return DocumentReason.NOT_OUR_ACCOUNT
    if document.received_on is None or doubtful:
        return DocumentReason.NOT_RECEIVED if document.received_on is None else DocumentReason.LOOKS_LIKE
    if is_company(document.payer_id):
        return DocumentReason.COMPANY
    if not is_person(document.payer_id):
        return DocumentReason.PAYER_UNKNOWN
    named = named_in_purpose(document.purpose)
    if not named:
        return DocumentReason.NO_NUMBER
    return named[0] if len(named) == 1 else DocumentReason.SEVERAL_NUMBERS


def compare_registers(theirs: Sequence[RegisterLine], ours: Sequence[Payment]) -> list[Difference]:
    """Find what a provider's register and ours of the same day tell differently, by txn_id."""
    here = {payment.external_id: payment for payment in ours}
    differences: list[Difference] = []
    for line in theirs:
        payment = here.pop(line.txn_id, None)
        if payment is None:
            kind, our_amount, payment_id = DifferenceKind.MISSING_HERE, None, None
        else:
            our_amount, payment_id = payment.amount, payment.payment_id
            if payment.amount != line.amount:
                kind = DifferenceKind.OTHER_SUM
            elif normal_name(payment.named) != normal_name(line.account):
                kind = DifferenceKind.OTHER_ACCOUNT
            else:
                continue
        differences.append(
            Difference(kind, line.txn_id, line.account, line.amount, our_amount, line.txn_at, payment_id)
        )
    differences += [
        Difference(
            DifferenceKind.MISSING_THERE,
            payment.external_id,
            payment.named,
            payment.amount,
            payment.amount,
            payment.paid_at,
            payment.payment_id,
        )
        for payment in here.values()
    ]
    return differences
