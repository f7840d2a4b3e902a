"""The contract's rules on subscribers, as pure functions: facts in, decision out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import pairwise

import phonenumbers

from telco.kernel.calendar import Calendar, add_months
from telco.kernel.i18n import Text
from telco.kernel.iin_bin import parse_bin, parse_iin
from telco.kernel.names import clean_text
from telco.subscribers.errors import (
    IdentityNumberError,
    PartyDataError,
    SecretRefusedError,
    SuspensionError,
    SuspensionNotYoursError,
)
from telco.subscribers.model import (
    WRITTEN,
    Ground,
    Origin,
    PartyData,
    PartyKind,
    Scope,
    SecretKind,
    Suspension,
)

HOME_MCC = "401"
"""Mobile country code of Kazakhstan (ITU-T E.212)."""

_EMAIL = re.compile(r"[^@\s\"<>(),;:\\\[\]]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_]{2,63}")
_PIN = re.compile(r"[0-9]{4,8}")
_CODE_WORD = re.compile(r"[^\W_]{4,32}")


# Identification numbers of cards and devices


def luhn(digits: str) -> bool:
    """Whether the last digit checks the others (ISO/IEC 7812-1 annex B)."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + position % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def luhn_digit(payload: str) -> str:
    """The digit that makes `payload` check."""
    return next(digit for digit in "0123456789" if luhn(payload + digit))


def parse_iccid(text: str) -> str:
    """Read a card's number: 18 to 20 digits that begin with 89 and check by Luhn (ITU-T E.118).

    Contract: PSC-1.1.28
    """
    if re.fullmatch(r"89[0-9]{16,18}", text) is None:
        raise IdentityNumberError(text=text[:24], kind="ICCID", why=Text("expected 18 to 20 digits that begin with 89"))
    if not luhn(text):
        raise IdentityNumberError(text=text[:24], kind="ICCID", why=Text("the check digit is wrong"))
    return text


def parse_imsi(text: str) -> str:
    """Read a subscriber identity: 15 digits of this country's network (ITU-T E.212).

    Contract: PSC-1.1.28
    """
    if re.fullmatch(r"[0-9]{15}", text) is None:
        raise IdentityNumberError(text=text[:24], kind="IMSI", why=Text("expected 15 digits"))
    if not text.startswith(HOME_MCC):
        raise IdentityNumberError(
            text=text[:24], kind="IMSI", why=Text("expected the country code {code}", code=HOME_MCC)
        )
    return text


def parse_imei(text: str) -> str:
    """Read a device's identity: 15 digits that check by Luhn (3GPP TS 23.003).

    Contract: PSC-3.2.16
    """
    if re.fullmatch(r"[0-9]{15}", text) is None:
        raise IdentityNumberError(text=text[:24], kind="IMEI", why=Text("expected 15 digits"))
    if not luhn(text):
        raise IdentityNumberError(text=text[:24], kind="IMEI", why=Text("the check digit is wrong"))
    return text


# What a subscriber says about himself


def check_party(data: PartyData, *, complete: bool) -> PartyData:
    """Check and normalise the data of a person (IIN) or company (BIN).

    `complete` asks for postal address, e-mail and contact phone too, as the registration sheet does; who accedes by a
    short message gives them later.

    Raises:
        IinBinError: the number's check digit or structure is wrong.
        TextRefusedError, PartyDataError: a field is missing, too long, has control characters or a wrong form.

    Contract: PSC-3.2.7, PSC-3.2.2
    """
    iin_bin = data.iin_bin.strip()
    number = parse_iin(iin_bin) if data.kind is PartyKind.PERSON else parse_bin(iin_bin)
    full_name = clean_text(data.full_name, field="full_name", max_length=200)
    if data.kind is PartyKind.PERSON and len(full_name.split()) < 2:
        raise PartyDataError(field="full_name", why=Text("give the family name and the first name"))
    for field in ("postal_address", "email", "contact_phone"):
        if complete and getattr(data, field) is None:
            raise PartyDataError(field=field, why=Text("the registration sheet needs it"))
    return replace(
        data,
        iin_bin=str(number),
        full_name=full_name,
        postal_address=data.postal_address and clean_text(data.postal_address, field="postal_address", max_length=400),
        email=data.email and check_email(data.email),
        contact_phone=data.contact_phone and check_contact_phone(data.contact_phone),
    )


def check_email(text: str) -> str:
    """Check an e-mail address's form; whether somebody reads it only a message to it can tell."""
    email = clean_text(text, field="email", max_length=254)
    if _EMAIL.fullmatch(email) is None:
        raise PartyDataError(field="email", why=Text("write it like name@example.kz"))
    return email


def check_contact_phone(text: str) -> str:
    """Check a contact phone of any country; written ``8...`` or ``7...`` it is Kazakhstan's. Returns E.164 digits."""
    phone = clean_text(text, field="contact_phone", max_length=32)
    try:
        number = phonenumbers.parse(phone, "KZ")
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise PartyDataError(field="contact_phone", why=Text("write it like +7 727 258 83 00"))
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164).removeprefix("+")


def same_name(one: str, other: str) -> bool:
    """Whether two spellings name the same party: letter case, spacing and quotation marks do not matter."""
    return _name_key(one) == _name_key(other)


def _name_key(name: str) -> str:
    letters = "".join(c if c.isalnum() else " " for c in unicodedata.normalize("NFKC", name).casefold())
    return " ".join(letters.split())


def reported_late(calendar: Calendar, changed_on: date, reported_on: date, term_wd: int) -> bool:
    """Whether a change of data was reported later than `term_wd` working days after it happened.

    Contract: PSC-3.2.7
    """
    return reported_on > calendar.add_working_days(changed_on, term_wd)


# Editions of the contract


def refusable_until(calendar: Calendar, published_at: datetime, term_cd: int) -> datetime:
    """Return the first moment at which an edition can no longer be refused.

    The term of `term_cd` calendar days counts from the day after publication, in Kazakhstan, and its last day is whole:
    published on 2 March with 30 days, it can be refused until the end of 1 April.

    Contract: PSC-2.4, PSC-6.6
    """
    return calendar.start_of_day(calendar.today(published_at) + timedelta(days=term_cd + 1))


# Silence


def silence_ends_on(used_on: date, months: int) -> date:
    """Return the first day on which a number last used on `used_on` has been silent for `months` whole months.

    The months count from the day after the last use: used on 2 March 2026, twelve months of silence are over at the
    end of 2 March 2027, and the contract ends on the 3rd. A 29 February is answered by the last day of a shorter one.

    Contract: PSC-6.3.4
    """
    return add_months(used_on, months) + timedelta(days=1)


def silent_since(today: date, months: int) -> date:
    """Return the latest day of use whose silence is over today: whoever was last used later still has time.

    Contract: PSC-6.3.4
    """
    day = add_months(today, -months) + timedelta(days=3)  # months differ by at most three days
    while silence_ends_on(day, months) > today:
        day -= timedelta(days=1)
    return day


# PIN and code word


def check_secret(kind: SecretKind, text: str) -> str:
    """Normalise a PIN or code word, and refuse what anybody would try first.

    A code word is compared without regard to letter case, as it is spoken to the helpdesk.

    Contract: PSC-1.1.5
    """
    secret = unicodedata.normalize("NFKC", text).strip().casefold()
    if kind is SecretKind.PIN:
        steps = {(int(b) - int(a)) % 10 for a, b in pairwise(secret) if _PIN.fullmatch(secret)}
        acceptable = _PIN.fullmatch(secret) is not None and steps not in ({0}, {1}, {9})
    else:
        acceptable = _CODE_WORD.fullmatch(secret) is not None and len(set(secret)) > 1
    if not acceptable:
        raise SecretRefusedError()
    return secret


# Suspensions


@dataclass(frozen=True, slots=True)
class GroundRule:
    """What goes with a ground: its clause, the scopes it usually takes away and who may use and end it."""

    clause: str
    scopes: frozenset[Scope]
    subscriber_may_start: bool = False
    subscriber_may_end: bool = False
    needs_reference: bool = False
    """The law, the authority's demand or the case must be named."""
    blocks_porting: bool = False


_FULL = frozenset({Scope.FULL})

# The contract's grounds, in its order.
# Contract: PSC-3.1.5.1, PSC-3.1.5.2, PSC-3.1.5.3, PSC-3.1.5.4, PSC-3.1.5.5, PSC-3.1.5.6, PSC-3.1.5.7, PSC-3.1.5.8,
# PSC-3.1.5.9, PSC-3.1.5.10, PSC-3.1.5.11, PSC-3.1.3, PSC-3.2.14
GROUNDS: Mapping[Ground, GroundRule] = {
    Ground.MONEY: GroundRule("PSC-3.1.5.1", frozenset({Scope.OUTGOING, Scope.DATA})),
    Ground.UNAUTHORISED_USE: GroundRule("PSC-3.1.5.2", _FULL),
    Ground.BREACH: GroundRule("PSC-3.1.5.3", frozenset({Scope.OUTGOING})),
    Ground.STOLEN_ACCESS: GroundRule("PSC-3.1.5.4", _FULL),
    Ground.LOST_DEVICE: GroundRule("PSC-3.1.5.5", _FULL, subscriber_may_start=True, subscriber_may_end=True),
    Ground.NETWORK_HARM: GroundRule("PSC-3.1.5.6", frozenset({Scope.OUTGOING, Scope.DATA})),
    Ground.DUTIES: GroundRule("PSC-3.1.5.7", frozenset({Scope.OUTGOING, Scope.DATA})),
    Ground.DEVICE_REGISTRATION: GroundRule("PSC-3.1.5.8", _FULL),
    Ground.FALSE_DATA: GroundRule("PSC-3.1.5.9", _FULL),
    Ground.LAW: GroundRule("PSC-3.1.5.10", _FULL, needs_reference=True),
    Ground.AUTHORITY: GroundRule("PSC-3.1.5.11", _FULL, needs_reference=True, blocks_porting=True),
    Ground.HELPDESK_ABUSE: GroundRule("PSC-3.1.3", frozenset({Scope.HELPDESK_SPECIALIST})),
    Ground.REFUSED_BY_SUBSCRIBER: GroundRule(
        "PSC-3.2.14",
        frozenset({Scope.VOICE, Scope.MESSAGES}),
        subscriber_may_start=True,
        subscriber_may_end=True,
    ),
}


def check_suspension(
    ground: Ground,
    scopes: Iterable[Scope],
    reference: str,
    origin: Origin,
    now: datetime,
    ends_at: datetime | None,
) -> frozenset[Scope]:
    """Decide whether a suspension may be made and what it takes away; no scopes means the ground's usual ones.

    Raises:
        SuspensionError: the ground needs a named law, demand or case; a subscriber may not use it; wrong scope or end.

    Contract: PSC-3.1.5, PSC-3.1.5.10, PSC-3.1.5.11
    """
    rule = GROUNDS[ground]
    wanted = frozenset(scopes) or rule.scopes
    if not (origin.manual or origin.automatic or rule.subscriber_may_start):
        raise SuspensionError(why=Text("only the operator suspends on this ground"))
    if rule.needs_reference and not reference:
        raise SuspensionError(why=Text("name the law, demand or case ({clause})", clause=rule.clause))
    if ends_at is not None and ends_at <= now:
        raise SuspensionError(why=Text("its end must lie ahead"))
    if ground is Ground.REFUSED_BY_SUBSCRIBER and not wanted <= rule.scopes:
        raise SuspensionError(why=Text("a subscriber refuses voice or short messages"))
    if ground is Ground.HELPDESK_ABUSE and wanted != rule.scopes:
        raise SuspensionError(why=Text("the automatic service system and everything else stay open (PSC-3.1.3)"))
    return wanted


def check_resumption(suspension: Suspension, origin: Origin) -> None:
    """Decide whether `origin` may end a suspension: the subscriber only what he started himself.

    Raises:
        SuspensionNotYoursError
    """
    if origin.manual or origin.automatic:
        return
    if not GROUNDS[suspension.ground].subscriber_may_end:
        raise SuspensionNotYoursError()


def barred(suspensions: Iterable[Suspension], now: datetime) -> frozenset[Scope]:
    """Union of what all suspensions in force take away; the hot read computes the same in SQL.

    Contract: PSC-3.1.5
    """
    in_force = (s for s in suspensions if in_force_at(s, now))
    return frozenset[Scope]().union(*(s.scopes for s in in_force))


def in_force_at(suspension: Suspension, now: datetime) -> bool:
    """A suspension holds from its start up to, and not at, its planned or early end."""
    ended = suspension.ended_at is not None and suspension.ended_at <= now
    expired = suspension.ends_at is not None and suspension.ends_at <= now
    return suspension.started_at <= now and not ended and not expired


def is_written(origin: Origin) -> bool:
    """Whether what was said by this channel counts as written."""
    return origin.channel in WRITTEN
