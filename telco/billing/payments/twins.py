"""The same transfer in the two forms of a bank's files, as pure functions.

A statement MT940 has the day of value where ``1CClientBankExchange`` has the day of the order, often no account of the
payer, and the purpose among other words or cut off. So what names a document within one form does not name it in the
other; what both tell is held against each other here. Documents of one form are never compared: it names them exactly.

Contract: PSC-4.1
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum

from telco.billing.payments import rules
from telco.billing.payments.model import BankDocument

MOST_DAYS = 10
"""Calendar days that a payment order is valid: the days that two forms give for it are not further apart."""
_REFERENCE = re.compile(r"(?<!\w)RF-(\d{7,18})(?!\w)", re.ASCII)
_LETTERS = re.compile(r"[\W_]+")

Candidates = Mapping[int, BankDocument]
"""Documents of the other form by our id."""


class Likeness(StrEnum):
    """How a document of one form of the bank's files stands to one of the other form."""

    SAME = "same"
    """The same transfer, told again."""
    PROBABLE = "probable"
    """It may be the same: people find out."""


def refund_reference(purpose: str) -> int | None:
    """Return the refund whose reference ``RF-0000017`` a purpose has: a transfer of ours, or one that came back."""
    named = _REFERENCE.search(purpose)
    return None if named is None else int(named[1])


def likeness(one: BankDocument, other: BankDocument) -> Likeness | None:
    """Say whether documents of different forms are the same transfer; None when they are not.

    The same: one sum, number and payer, a day in common, and a purpose that does not say otherwise; or one refund that
    came back, which it does once. Probable: one of these differs or is not told, and nothing tells the two apart.
    """
    if (one.receiver_account, one.amount) != (other.receiver_account, other.amount) or _apart(one, other) > MOST_DAYS:
        return None
    payers = {_agree(one.payer_account, other.payer_account), _agree(one.payer_id, other.payer_id)} - {None}
    refunds = {refund_reference(one.purpose), refund_reference(other.purpose)}
    if None not in refunds:  # returned by the payee's bank, from whatever account
        return Likeness.SAME if len(refunds) == 1 else None
    if payers == {False}:
        return None
    same_payer, same_purpose = payers == {True}, _same_purpose(one.purpose, other.purpose)
    same_day = not _days(one).isdisjoint(_days(other))
    if one.number.lstrip("0") == other.number.lstrip("0"):
        certain = same_payer and same_day and same_purpose is not False
        probable = bool(payers) or same_purpose is not False
    else:
        certain = False
        probable = same_day and len(payers) < 2 and same_purpose is not False and bool(same_payer or same_purpose)
    return Likeness.SAME if certain else Likeness.PROBABLE if probable else None


def pair(documents: Mapping[str, BankDocument], candidates: Candidates) -> tuple[dict[str, int], dict[str, int]]:
    """Find for documents by key those that are the same, each once, and for the others those that may be."""
    by_trait: defaultdict[tuple[object, ...], list[int]] = defaultdict(list)
    for candidate_id, candidate in candidates.items():
        for trait in _traits(candidate):
            by_trait[trait].append(candidate_id)
    same: dict[str, int] = {}
    taken: set[int] = set()
    probable: dict[str, list[int]] = {}
    for key, document in documents.items():
        near = sorted({found for trait in _traits(document) for found in by_trait.get(trait, ())} - taken)
        how = {found: likeness(document, candidates[found]) for found in near}
        twin = next((found for found in near if how[found] is Likeness.SAME), None)
        if twin is not None:
            same[key] = twin
            taken.add(twin)
        else:
            probable[key] = [found for found in near if how[found] is Likeness.PROBABLE]
    left = {key: [one for one in found if one not in taken] for key, found in probable.items()}
    return same, {key: found[0] for key, found in left.items() if found}


def _traits(document: BankDocument) -> Iterable[tuple[object, ...]]:
    """What two documents have in common, at least one of it, when they are like each other."""
    amount = document.amount
    yield amount, "number", document.number.lstrip("0")
    if document.payer_account:
        yield amount, "account", document.payer_account
    if document.payer_id:
        yield amount, "id", document.payer_id
    yield amount, "purpose", tuple(rules.named_in_purpose(document.purpose)) or _letters(document.purpose)
    reference = refund_reference(document.purpose)
    if reference is not None:
        yield amount, "refund", reference


def _days(document: BankDocument) -> set[date]:
    return {document.document_date, document.received_on or document.document_date}


def _apart(one: BankDocument, other: BankDocument) -> int:
    return min(abs((day - another).days) for day in _days(one) for another in _days(other))


def _agree(one: str, other: str) -> bool | None:
    """None where one of them is not told."""
    return one == other if one and other else None


def _same_purpose(one: str, other: str) -> bool | None:
    """True where one has the words of the other, or both name the same; False where they name others; else None."""
    names = rules.named_in_purpose(one), rules.named_in_purpose(other)
    if names[0] and names[1]:
        return names[0] == names[1]
    short, long = sorted((_letters(one), _letters(other)), key=len)
    return True if short and short in long else None


def _letters(purpose: str) -> str:
    return _LETTERS.sub("", purpose).casefold()
