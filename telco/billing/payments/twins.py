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
from functools import lru_cache

from telco.billing.payments import rules
from telco.billing.payments.model import BankDocument

MOST_DAYS = 10
"""Calendar days that a payment order is valid: the days that two forms give for it are not further apart."""
_REFERENCE = re.compile(r"(?<!\w)RF-(\d{7,18})(?!\w)", re.ASCII)
_LETTERS = re.compile(r"[\W_]+")

Trait = tuple[object, ...]
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
    filed: defaultdict[Trait, list[int]] = defaultdict(list)
    for candidate_id, candidate in candidates.items():
        for trait in (*_names_it(candidate), *_files_it(candidate)):
            filed[trait].append(candidate_id)
    free = dict(candidates)

    def first(document: BankDocument, traits: Iterable[Trait], how: Likeness) -> int | None:
        near = (found for trait in traits for found in filed.get(trait, ()) if found in free)
        return next((found for found in near if likeness(document, free[found]) is how), None)

    same: dict[str, int] = {}
    for key, document in documents.items():
        twin = first(document, _names_it(document), Likeness.SAME)
        if twin is not None:
            same[key] = twin
            del free[twin]
    like: dict[str, int] = {}
    for key in documents.keys() - same.keys():
        document = documents[key]
        twin = first(document, (*_names_it(document), *_finds_it(document)), Likeness.PROBABLE)
        if twin is not None:
            like[key] = twin
    return same, like


def _names_it(document: BankDocument) -> Iterable[Trait]:
    """What documents have in common when they are the same."""
    yield document.amount, "number", document.number.lstrip("0")
    reference = refund_reference(document.purpose)
    if reference is not None:
        yield document.amount, "refund", reference


def _files_it(document: BankDocument) -> Iterable[Trait]:
    """Under what a document is found by those that look like it: who pays for whom.

    A bank may pay for thousands from one account: only those that name the same, or nobody, are looked at.
    """
    names = _named(document.purpose)
    for kind, payer in (("account", document.payer_account), ("id", document.payer_id)):
        if payer:
            yield document.amount, kind, payer, names
            yield document.amount, kind, payer, "any"
    yield document.amount, "purpose", names or _letters(document.purpose)


def _finds_it(document: BankDocument) -> Iterable[Trait]:
    names = _named(document.purpose)
    for kind, payer in (("account", document.payer_account), ("id", document.payer_id)):
        for whose in (names, ()) if names else ("any",):
            if payer:
                yield document.amount, kind, payer, whose
    yield document.amount, "purpose", names or _letters(document.purpose)


def _days(document: BankDocument) -> set[date]:
    return {document.document_date, document.received_on or document.document_date}


def _apart(one: BankDocument, other: BankDocument) -> int:
    return min(abs((day - another).days) for day in _days(one) for another in _days(other))


def _agree(one: str, other: str) -> bool | None:
    """None where one of them is not told."""
    return one == other if one and other else None


def _same_purpose(one: str, other: str) -> bool | None:
    """True where one has the words of the other, or both name the same; False where they name others; else None."""
    names = _named(one), _named(other)
    if names[0] and names[1]:
        return names[0] == names[1]
    short, long = sorted((_letters(one), _letters(other)), key=len)
    return True if short and short in long else None


@lru_cache(20_000)
def _named(purpose: str) -> tuple[str, ...]:
    return tuple(rules.named_in_purpose(purpose))


@lru_cache(20_000)
def _letters(purpose: str) -> str:
    return _LETTERS.sub("", purpose).casefold()
