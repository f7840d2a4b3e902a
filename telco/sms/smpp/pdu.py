"""The vocabulary of SMPP 3.4: commands, statuses, parameters, and what a message carries."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import NamedTuple

HEADER_OCTETS = 16
MAX_PDU_OCTETS = 70_000
"""A message_payload of 64 KiB and its fields; a longer command_length is nonsense or an attack."""
MAX_SEQUENCE = 0x7FFFFFFF
INTERFACE_VERSION = 0x34
RESPONSE = 0x80000000


class Command(IntEnum):
    GENERIC_NACK = 0x80000000
    BIND_RECEIVER = 0x00000001
    BIND_TRANSMITTER = 0x00000002
    QUERY_SM = 0x00000003
    SUBMIT_SM = 0x00000004
    SUBMIT_SM_RESP = 0x80000004
    DELIVER_SM = 0x00000005
    DELIVER_SM_RESP = 0x80000005
    UNBIND = 0x00000006
    UNBIND_RESP = 0x80000006
    REPLACE_SM = 0x00000007
    CANCEL_SM = 0x00000008
    BIND_TRANSCEIVER = 0x00000009
    BIND_TRANSCEIVER_RESP = 0x80000009
    OUTBIND = 0x0000000B
    ENQUIRE_LINK = 0x00000015
    ENQUIRE_LINK_RESP = 0x80000015
    SUBMIT_MULTI = 0x00000021
    ALERT_NOTIFICATION = 0x00000102
    DATA_SM = 0x00000103
    DATA_SM_RESP = 0x80000103


BINDS = frozenset((Command.BIND_RECEIVER, Command.BIND_TRANSMITTER, Command.BIND_TRANSCEIVER))


class Status(IntEnum):
    """command_status, as far as telco sends or tells apart; a vendor's own values stay plain integers."""

    ROK = 0x00
    RINVMSGLEN = 0x01
    RINVCMDLEN = 0x02
    RINVCMDID = 0x03
    RINVBNDSTS = 0x04
    RALYBND = 0x05
    RSYSERR = 0x08
    RINVSRCADR = 0x0A
    RINVDSTADR = 0x0B
    RINVMSGID = 0x0C
    RBINDFAIL = 0x0D
    RINVPASWD = 0x0E
    RINVSYSID = 0x0F
    RMSGQFUL = 0x14
    RINVSERTYP = 0x15
    RINVESMCLASS = 0x43
    RSUBMITFAIL = 0x45
    RTHROTTLED = 0x58
    RINVEXPIRY = 0x62
    RX_T_APPN = 0x64
    RX_P_APPN = 0x65
    RX_R_APPN = 0x66
    RQUERYFAIL = 0x67
    RINVOPTPARSTREAM = 0xC0
    RINVPARLEN = 0xC2
    RMISSINGOPTPARAM = 0xC3
    RINVOPTPARAMVAL = 0xC4
    RDELIVERYFAILURE = 0xFE
    RUNKNOWNERR = 0xFF


class Tag(IntEnum):
    """Optional parameters that telco reads or writes."""

    RECEIPTED_MESSAGE_ID = 0x001E
    USER_MESSAGE_REFERENCE = 0x0204
    SAR_MSG_REF_NUM = 0x020C
    SAR_TOTAL_SEGMENTS = 0x020E
    SAR_SEGMENT_SEQNUM = 0x020F
    NETWORK_ERROR_CODE = 0x0423
    MESSAGE_PAYLOAD = 0x0424
    MESSAGE_STATE = 0x0427
    USSD_SERVICE_OP = 0x0501
    ITS_SESSION_INFO = 0x1383


UDHI = 0x40
"""esm_class: the body begins with a user data header."""
MESSAGE_TYPE = 0x3C
"""esm_class: the bits that tell a message from the receipts."""
SMSC_RECEIPT = 0x04
WANTS_RECEIPT = 0x01
"""registered_delivery: tell the final outcome, good or bad."""

NO_TLVS: Mapping[int, bytes] = MappingProxyType({})


class Address(NamedTuple):
    """Digits or letters with their type of number and numbering plan."""

    digits: str
    ton: int = 1
    npi: int = 1


class Message(NamedTuple):
    """What deliver_sm, submit_sm and data_sm have in common; `body` is short_message or message_payload."""

    source: Address
    destination: Address
    body: bytes
    data_coding: int = 0
    esm_class: int = 0
    service_type: str = ""
    protocol_id: int = 0
    priority: int = 0
    schedule: str = ""
    validity: str = ""
    registered_delivery: int = 0
    tlvs: Mapping[int, bytes] = NO_TLVS


class Frame(NamedTuple):
    """A PDU whose length has been checked, its body unread."""

    command: int
    status: int
    sequence: int
    body: bytes


class Bind(NamedTuple):
    """Who asks to be bound, and how."""

    command: Command
    system_id: str
    password: str
    system_type: str = ""
    interface_version: int = INTERFACE_VERSION


class PduError(Exception):
    """A PDU that cannot be read: `status` is what its sender is told."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(f"{reason} ({status.name})")
        self.status = status
        self.reason = reason
