"""Octets to PDUs and back.

The four PDUs that every message costs (deliver_sm, submit_sm and their responses) are read and written here with
`struct`; session PDUs and data_sm go through smpplib's tables, after a check of the lengths that smpplib leaves out.
The tests hold both against each other and against a second library. Why two ways: docs/decisions/0002-smpp-codec.md.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Final

from smpplib import command as smpplib_command
from smpplib import consts, exceptions, smpp
from smpplib.ptypes import ostr

from telco.sms.smpp.pdu import (
    HEADER_OCTETS,
    MAX_PDU_OCTETS,
    NO_TLVS,
    Address,
    Bind,
    Command,
    Frame,
    Message,
    PduError,
    Status,
    Tag,
)

_HEADER: Final = struct.Struct(">IIII")
_TLV: Final = struct.Struct(">HH")
_MAX_SHORT_MESSAGE = 254
_MAX_TLVS = 64
_NUL = b"\0"
_LIMITS = {"service_type": 5, "address": 20, "time": 16, "message_id": 64}


class FramingError(PduError):
    """The stream cannot be cut into PDUs any more; the session has to end."""

    def __init__(self, reason: str, sequence: int) -> None:
        super().__init__(Status.RINVCMDLEN, reason)
        self.sequence = sequence


class Framer:
    """Cuts a stream of octets into PDUs, however they arrive."""

    def __init__(self, max_octets: int = MAX_PDU_OCTETS) -> None:
        self._rest = b""
        self._max_octets = max_octets
        self.broken: FramingError | None = None

    def feed(self, data: bytes) -> list[Frame]:
        """Return the PDUs that `data` completes; after a wrong command_length set `broken` and read no further."""
        if self.broken is not None:
            return []
        octets = self._rest + data if self._rest else data
        frames: list[Frame] = []
        position, size = 0, len(octets)
        while size - position >= HEADER_OCTETS:
            length, command, status, sequence = _HEADER.unpack_from(octets, position)
            if not HEADER_OCTETS <= length <= self._max_octets:
                self.broken = FramingError(f"command_length {length}", sequence)
                break
            if size - position < length:
                break
            frames.append(Frame(command, status, sequence, octets[position + HEADER_OCTETS : position + length]))
            position += length
        self._rest = octets[position:]
        return frames


def encode_header(command: int, status: int, sequence: int) -> bytes:
    """Write a PDU without a body: unbind, enquire_link, generic_nack, a refusal."""
    return _HEADER.pack(HEADER_OCTETS, command, status, sequence)


def encode_response(command: int, status: int, sequence: int, message_id: str = "") -> bytes:
    """Write submit_sm_resp or deliver_sm_resp (whose message_id is empty)."""
    body = message_id.encode("ascii") + _NUL
    return _HEADER.pack(HEADER_OCTETS + len(body), command, status, sequence) + body


def decode_message_id(body: bytes) -> str:
    """Read the message_id of a response as it is, leading zeros and all; a refusal may have no body."""
    end = body.find(_NUL)
    text = body if end < 0 else body[:end]
    if len(text) > _LIMITS["message_id"]:
        raise PduError(Status.RINVMSGID, "message_id is too long")
    return text.decode("latin-1")


def encode_message(command: int, sequence: int, message: Message) -> bytes:
    """Write deliver_sm or submit_sm; a body over 254 octets goes out as message_payload."""
    source, destination, body = message.source, message.destination, message.body
    tlvs = message.tlvs
    if len(body) > _MAX_SHORT_MESSAGE:
        tlvs, body = {**tlvs, Tag.MESSAGE_PAYLOAD: body}, b""
    parts = (
        message.service_type.encode("ascii"),
        bytes((0, source.ton, source.npi)),
        source.digits.encode("latin-1"),
        bytes((0, destination.ton, destination.npi)),
        destination.digits.encode("latin-1"),
        bytes((0, message.esm_class, message.protocol_id, message.priority)),
        message.schedule.encode("ascii"),
        _NUL,
        message.validity.encode("ascii"),
        bytes((0, message.registered_delivery, 0, message.data_coding, 0, len(body))),
        body,
        _encode_tlvs(tlvs) if tlvs else b"",
    )
    octets = b"".join(parts)
    return _HEADER.pack(HEADER_OCTETS + len(octets), command, 0, sequence) + octets


def _encode_tlvs(tlvs: Mapping[int, bytes]) -> bytes:
    return b"".join(_TLV.pack(tag, len(value)) + value for tag, value in tlvs.items())


def decode_message(body: bytes) -> Message:
    """Read the body of deliver_sm or submit_sm.

    Raises:
        PduError: it is truncated, a field is longer than the standard allows, or lengths contradict each other.
    """
    try:
        a = body.index(_NUL)
        b = body.index(_NUL, a + 3)
        c = body.index(_NUL, b + 3)
        esm_class, protocol_id, priority = body[c + 1], body[c + 2], body[c + 3]
        d = body.index(_NUL, c + 4)
        e = body.index(_NUL, d + 1)
        registered_delivery, data_coding, length = body[e + 1], body[e + 3], body[e + 5]
    except (ValueError, IndexError):
        raise PduError(Status.RINVPARLEN, "the body is truncated") from None
    start = e + 6
    end = start + length
    if a > _LIMITS["service_type"]:
        raise PduError(Status.RINVSERTYP, "service_type is too long")
    if b - a - 3 > _LIMITS["address"]:
        raise PduError(Status.RINVSRCADR, "source_addr is too long")
    if c - b - 3 > _LIMITS["address"]:
        raise PduError(Status.RINVDSTADR, "destination_addr is too long")
    if d - c - 4 > _LIMITS["time"] or e - d - 1 > _LIMITS["time"]:
        raise PduError(Status.RINVPARLEN, "a time is too long")
    if end > len(body):
        raise PduError(Status.RINVMSGLEN, f"sm_length {length} is more than the {len(body) - start} octets there are")
    octets = body[start:end]
    tlvs = NO_TLVS
    if end < len(body):
        tlvs = decode_tlvs(body, end)
        if not octets:
            octets = tlvs.get(Tag.MESSAGE_PAYLOAD, b"")
    return Message(
        Address(body[a + 3 : b].decode("latin-1"), body[a + 1], body[a + 2]),
        Address(body[b + 3 : c].decode("latin-1"), body[b + 1], body[b + 2]),
        octets,
        data_coding,
        esm_class,
        body[:a].decode("latin-1"),
        protocol_id,
        priority,
        body[c + 4 : d].decode("latin-1"),
        body[d + 1 : e].decode("latin-1"),
        registered_delivery,
        tlvs,
    )


def decode_tlvs(body: bytes, position: int) -> dict[int, bytes]:
    """Read optional parameters from `position` on, known or not; of a repeated one the first counts."""
    tlvs: dict[int, bytes] = {}
    size = len(body)
    while position < size:
        if position + 4 > size:
            raise PduError(Status.RINVOPTPARSTREAM, "an optional parameter is truncated")
        tag, length = _TLV.unpack_from(body, position)
        position += 4
        if position + length > size:
            raise PduError(Status.RINVOPTPARSTREAM, f"optional parameter {tag:#06x} is longer than the PDU")
        if len(tlvs) == _MAX_TLVS:
            raise PduError(Status.RINVOPTPARSTREAM, "too many optional parameters")
        tlvs.setdefault(tag, body[position : position + length])
        position += length
    return tlvs


def number(tlvs: Mapping[int, bytes], tag: Tag) -> int | None:
    """Read an integer parameter of any width up to four octets; None when it is not there or empty."""
    value = tlvs.get(tag)
    return int.from_bytes(value, "big") if value and len(value) <= 4 else None


class _Sequence:
    """What smpplib asks of a client: the number of the next PDU."""

    def __init__(self, sequence: int) -> None:
        self.sequence = sequence

    def next_sequence(self) -> int:
        return self.sequence


def _name(command: int) -> str:
    return Command(command).name.lower()


def encode_bind(bind: Bind, sequence: int) -> bytes:
    """Write a bind request."""
    pdu = smpp.make_pdu(
        _name(bind.command),
        client=_Sequence(sequence),
        system_id=bind.system_id,
        password=bind.password,
        system_type=bind.system_type,
    )
    octets: bytes = pdu.generate()
    return octets


def encode_bind_response(command: int, status: int, sequence: int, system_id: str) -> bytes:
    """Write the answer to a bind; a refusal has no body."""
    if status != Status.ROK:
        return encode_header(command | 0x80000000, status, sequence)
    body = system_id.encode("ascii") + _NUL
    return _HEADER.pack(HEADER_OCTETS + len(body), command | 0x80000000, status, sequence) + body


def decode_bind(frame: Frame) -> Bind:
    """Read a bind request.

    Raises:
        PduError: it is truncated.
    """
    pdu = _parse(frame)
    command = Command(frame.command)
    text = [getattr(pdu, field).decode("latin-1") for field in ("system_id", "password", "system_type")]
    return Bind(command, text[0], text[1], text[2], pdu.interface_version)


def decode_data(frame: Frame) -> Message:
    """Read data_sm as a message: its body is message_payload.

    Raises:
        PduError: it is truncated or carries no payload.
    """
    pdu = _parse(frame)
    tlvs = decode_tlvs(frame.body, _layout(pdu, frame.body))
    if Tag.MESSAGE_PAYLOAD not in tlvs:
        raise PduError(Status.RMISSINGOPTPARAM, "data_sm without message_payload")
    return Message(
        Address(pdu.source_addr.decode("latin-1"), pdu.source_addr_ton, pdu.source_addr_npi),
        Address(pdu.destination_addr.decode("latin-1"), pdu.dest_addr_ton, pdu.dest_addr_npi),
        tlvs[Tag.MESSAGE_PAYLOAD],
        pdu.data_coding,
        pdu.esm_class,
        pdu.service_type.decode("latin-1"),
        registered_delivery=pdu.registered_delivery,
        tlvs=tlvs,
    )


def _parse(frame: Frame) -> Any:
    pdu = smpp.make_pdu(_name(frame.command), client=_Sequence(frame.sequence), allow_unknown_opt_params=True)
    end = _layout(pdu, frame.body)
    try:
        pdu.parse_params(frame.body[:end])
    except (exceptions.PDUError, exceptions.UnknownCommandError, struct.error) as error:
        raise PduError(Status.RINVPARLEN, f"smpplib refuses it: {error}") from error
    return pdu


def _layout(pdu: smpplib_command.Command, body: bytes) -> int:
    """Check that every mandatory field is there and within its maximum; return where optional parameters begin.

    smpplib reads a truncated body without complaint and trusts every length.
    """
    position = 0
    for field in pdu.params_order:
        parameter = pdu.params[field]
        if field in consts.OPTIONAL_PARAMS:
            break
        if parameter.type is int:
            position += parameter.size
        elif parameter.type is ostr:
            raise PduError(Status.RINVPARLEN, f"{field} is not a field of {pdu.command}")
        else:
            end = body.find(_NUL, position)
            if end < 0 or end - position >= parameter.max:
                raise PduError(Status.RINVPARLEN, f"{field} is not terminated within {parameter.max} octets")
            position = end + 1
        if position > len(body):
            raise PduError(Status.RINVPARLEN, f"the body ends before {field}")
    return position
