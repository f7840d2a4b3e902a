"""What the SMSC's answers and receipts mean for a message."""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from telco.sms.model import OutboundState
from telco.sms.smpp.codec import number
from telco.sms.smpp.pdu import MESSAGE_TYPE, SMSC_RECEIPT, Message, Status, Tag


class Verdict(Enum):
    """What to do with a message after the SMSC's answer to its submit_sm."""

    ACCEPTED = "accepted"
    THROTTLED = "throttled"  # the link pauses, the message waits
    RETRY = "retry"  # the message waits, others go on
    FINAL = "final"  # it will never be accepted


_VERDICTS: dict[int, Verdict] = {
    Status.ROK: Verdict.ACCEPTED,
    Status.RTHROTTLED: Verdict.THROTTLED,
    Status.RMSGQFUL: Verdict.THROTTLED,
    Status.RSYSERR: Verdict.RETRY,
    Status.RINVBNDSTS: Verdict.RETRY,
    Status.RX_T_APPN: Verdict.RETRY,
}


def verdict(status: int, temporary: frozenset[int] = frozenset()) -> Verdict:
    """Judge a submit_sm_resp; `temporary` lists a vendor's own statuses that pass by themselves."""
    if status in temporary:
        return Verdict.RETRY
    return _VERDICTS.get(status, Verdict.FINAL)


class Receipt(NamedTuple):
    """What a delivery receipt says; `error` is the network's code as text, empty if none."""

    message_id: str
    state: OutboundState
    error: str = ""


_STATES: dict[int, OutboundState] = {
    1: OutboundState.ACCEPTED,  # enroute
    2: OutboundState.DELIVERED,
    3: OutboundState.EXPIRED,
    4: OutboundState.FAILED,  # deleted
    5: OutboundState.FAILED,  # undeliverable
    6: OutboundState.ACCEPTED,
    7: OutboundState.FAILED,  # unknown to the SMSC
    8: OutboundState.FAILED,  # rejected
}
_WORDS: dict[str, int] = {
    "ENROUTE": 1,
    "DELIVRD": 2,
    "EXPIRED": 3,
    "DELETED": 4,
    "UNDELIV": 5,
    "ACCEPTD": 6,
    "UNKNOWN": 7,
    "REJECTD": 8,
}
_TEXT = re.compile(r"\b(id|stat|err):\s*([^\s]*)", re.IGNORECASE)


def is_receipt(message: Message) -> bool:
    """Whether a deliver_sm reports on a message of ours instead of bringing one."""
    return message.esm_class & MESSAGE_TYPE != 0


def read_receipt(message: Message) -> Receipt | None:
    """Read a receipt from its parameters or, as most SMSCs write it, from its text; None when it says nothing final.

    Intermediate notifications and acknowledgements by the handset's user change nothing here.
    """
    if message.esm_class & MESSAGE_TYPE != SMSC_RECEIPT:
        return None
    fields = {key.lower(): value for key, value in _TEXT.findall(message.body.decode("latin-1"))}
    named = message.tlvs.get(Tag.RECEIPTED_MESSAGE_ID)
    message_id = named.split(b"\0")[0].decode("latin-1") if named else fields.get("id", "")
    code = number(message.tlvs, Tag.MESSAGE_STATE) or _WORDS.get(fields.get("stat", "").upper()[:7], 0)
    state = _STATES.get(code)
    if not message_id or state is None or state is OutboundState.ACCEPTED:
        return None
    network = message.tlvs.get(Tag.NETWORK_ERROR_CODE)
    error = str(int.from_bytes(network[1:3], "big")) if network and len(network) == 3 else fields.get("err", "")
    return Receipt(message_id, state, "" if error.strip("0") == "" else error[:16])


class IdBase(Enum):
    """How an SMSC writes a message id: as it is, or as a number; its answers and its receipts may differ."""

    AS_IS = "as_is"
    DECIMAL = "decimal"
    HEXADECIMAL = "hexadecimal"


def canonical_id(message_id: str, base: IdBase) -> str:
    """Make ids of answers and receipts comparable. As it is keeps every leading zero; numbers become decimal."""
    if base is IdBase.AS_IS:
        return message_id
    try:
        return str(int(message_id, 10 if base is IdBase.DECIMAL else 16))
    except ValueError:
        return message_id


@lru_cache(maxsize=1_024)
def validity(seconds: int) -> str:
    """Write how long a message is worth delivering as SMPP's relative time: at least a second, at most 30 days."""
    minutes, second = divmod(min(max(seconds, 1), 30 * 86_400), 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return f"0000{day:02d}{hour:02d}{minute:02d}{second:02d}000R"
