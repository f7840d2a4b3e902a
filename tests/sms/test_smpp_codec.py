"""The codec against two independent libraries, and against everything that is not SMPP."""

from __future__ import annotations

from typing import Any

import pytest
import smpp34
from hypothesis import given
from hypothesis import strategies as st
from smpplib import smpp

from telco.sms.smpp import codec
from telco.sms.smpp.pdu import (
    HEADER_OCTETS,
    MAX_PDU_OCTETS,
    Address,
    Bind,
    Command,
    Frame,
    Message,
    PduError,
    Status,
    Tag,
)

ascii_text = st.text(alphabet=st.characters(min_codepoint=0x21, max_codepoint=0x7E))
addresses = st.builds(
    Address, st.text(alphabet="0123456789+", max_size=20), st.integers(0, 6), st.sampled_from([0, 1, 3, 6, 8, 9])
)
messages = st.builds(
    Message,
    source=addresses,
    destination=addresses,
    body=st.binary(max_size=254),
    data_coding=st.integers(0, 255),
    esm_class=st.integers(0, 255),
    service_type=st.sampled_from(["", "CMT", "USSD"]),
    protocol_id=st.integers(0, 255),
    priority=st.integers(0, 3),
    validity=st.sampled_from(["", "000000001000000R"]),
    registered_delivery=st.integers(0, 31),
    schedule=st.just(""),
    tlvs=st.just({}),
)
commands = st.sampled_from([Command.DELIVER_SM, Command.SUBMIT_SM])


def frame_of(octets: bytes) -> Frame:
    frames = codec.Framer().feed(octets)
    assert len(frames) == 1
    return frames[0]


class Client:
    """What smpplib asks of its client."""

    sequence = 7

    def next_sequence(self) -> int:
        return self.sequence


def parsed(octets: bytes) -> Any:
    return smpp.parse_pdu(octets, client=Client(), allow_unknown_opt_params=True)


@given(commands, messages, st.integers(1, 0x7FFFFFFF))
def test_what_is_written_is_read_again(command: Command, message: Message, sequence: int) -> None:
    frame = frame_of(codec.encode_message(command, sequence, message))
    assert (frame.command, frame.status, frame.sequence) == (command, 0, sequence)
    assert codec.decode_message(frame.body) == message


@given(commands, messages)
def test_smpplib_reads_what_we_write(command: Command, message: Message) -> None:
    pdu = parsed(codec.encode_message(command, 7, message))
    assert pdu.command == command.name.lower()
    read = Message(
        Address(pdu.source_addr.decode(), pdu.source_addr_ton, pdu.source_addr_npi),
        Address(pdu.destination_addr.decode(), pdu.dest_addr_ton, pdu.dest_addr_npi),
        pdu.short_message or b"",
        pdu.data_coding,
        pdu.esm_class,
        pdu.service_type.decode(),
        pdu.protocol_id,
        pdu.priority_flag,
        pdu.schedule_delivery_time.decode(),
        pdu.validity_period.decode(),
        pdu.registered_delivery,
    )
    assert read == message


@given(commands, messages)
def test_we_write_octet_for_octet_what_smpplib_writes(command: Command, message: Message) -> None:
    pdu = smpp.make_pdu(
        command.name.lower(),
        client=Client(),
        service_type=message.service_type,
        source_addr_ton=message.source.ton,
        source_addr_npi=message.source.npi,
        source_addr=message.source.digits,
        dest_addr_ton=message.destination.ton,
        dest_addr_npi=message.destination.npi,
        destination_addr=message.destination.digits,
        esm_class=message.esm_class,
        protocol_id=message.protocol_id,
        priority_flag=message.priority,
        validity_period=message.validity,
        registered_delivery=message.registered_delivery,
        data_coding=message.data_coding,
        short_message=message.body,
    )
    assert codec.encode_message(command, 7, message) == pdu.generate()


@given(commands, messages)
def test_smpp34_reads_what_we_write(command: Command, message: Message) -> None:
    pdu = smpp34.decode(codec.encode_message(command, 7, message))
    assert isinstance(pdu, smpp34.SubmitSm | smpp34.DeliverSm)
    assert (pdu.command_id, pdu.sequence_number) == (command, 7)
    assert (pdu.source_addr, pdu.destination_addr) == (message.source.digits, message.destination.digits)
    assert pdu.short_message == message.body
    assert (pdu.data_coding, pdu.esm_class) == (message.data_coding, message.esm_class)
    assert pdu.validity_period == message.validity


def test_smpp34_s_parameters_are_read() -> None:
    tlvs = [
        smpp34.Tlv(0x0501, b"\x02"),
        smpp34.Tlv(0x1400, b"vendor"),
        smpp34.Tlv(0x001E, b"000123\0"),
    ]
    octets = smpp34.DeliverSm("77011234567", "5505", b"hi", tlvs=tlvs, sequence_number=3).encode()
    message = codec.decode_message(frame_of(octets).body)
    assert message.tlvs == {0x0501: b"\x02", 0x1400: b"vendor", 0x001E: b"000123\0"}
    assert codec.number(message.tlvs, Tag.USSD_SERVICE_OP) == 2


def test_smpplib_cannot_read_ussd_in_a_deliver_sm_and_we_can() -> None:
    message = Message(Address("77011234567"), Address("*166#", 0, 1), b"*166#", tlvs={Tag.USSD_SERVICE_OP: b"\x01"})
    octets = codec.encode_message(Command.DELIVER_SM, 7, message)
    with pytest.raises(KeyError):
        parsed(octets)
    assert codec.decode_message(frame_of(octets).body) == message


def test_a_long_body_goes_out_as_message_payload() -> None:
    message = Message(Address("1"), Address("2"), b"x" * 255)
    frame = frame_of(codec.encode_message(Command.SUBMIT_SM, 7, message))
    read = codec.decode_message(frame.body)
    assert read.body == message.body
    assert read.tlvs == {Tag.MESSAGE_PAYLOAD: message.body}


@pytest.mark.parametrize("message_id", ["", "0000012345", "0", "a" * 64])
def test_message_ids_are_kept_as_they_are(message_id: str) -> None:
    frame = frame_of(codec.encode_response(Command.SUBMIT_SM_RESP, 0, 9, message_id))
    assert codec.decode_message_id(frame.body) == message_id
    assert parsed(codec.encode_response(Command.SUBMIT_SM_RESP, 0, 9, message_id)).message_id.decode() == message_id


def test_a_refusal_needs_no_body_and_a_long_id_is_refused() -> None:
    assert codec.decode_message_id(b"") == ""
    assert codec.decode_message_id(b"no-end") == "no-end"
    with pytest.raises(PduError):
        codec.decode_message_id(b"a" * 65 + b"\0")


def test_binds_are_read_as_smpplib_writes_them() -> None:
    bind = Bind(Command.BIND_TRANSCEIVER, "telco", "secret", "ESME")
    octets = codec.encode_bind(bind, 5)
    assert smpp34.decode(octets).sequence_number == 5
    assert codec.decode_bind(frame_of(octets)) == bind
    with pytest.raises(PduError):
        codec.decode_bind(frame_of(octets)._replace(body=b"telco\0secret"))


def test_data_sm_is_a_message_with_a_payload() -> None:
    pdu = smpp.make_pdu(
        "data_sm",
        client=Client(),
        service_type="",
        source_addr="77011234567",
        destination_addr="5505",
        data_coding=0,
        message_payload=b"BAL",
    )
    frame = frame_of(pdu.generate())
    message = codec.decode_data(frame)
    assert (message.source.digits, message.destination.digits, message.body) == ("77011234567", "5505", b"BAL")
    with pytest.raises(PduError) as refused:
        codec.decode_data(frame._replace(body=frame.body[:-7]))
    assert refused.value.status is Status.RMISSINGOPTPARAM


WHOLE = codec.encode_message(
    Command.DELIVER_SM,
    7,
    Message(Address("77011234567"), Address("5505", 3, 0), b"hello", tlvs={Tag.SAR_MSG_REF_NUM: b"\0\1", 0x1400: b"v"}),
)


@pytest.mark.parametrize("length", range(HEADER_OCTETS, len(WHOLE)))
def test_a_body_cut_anywhere_is_refused_or_whole(length: int) -> None:
    """smpplib reads every one of these; only cuts between optional parameters leave a message."""
    body = WHOLE[HEADER_OCTETS:length]
    try:
        message = codec.decode_message(body)
    except PduError:
        return
    assert message.body == b"hello"


def test_smpplib_reads_a_truncated_body_without_complaint() -> None:
    """The defect that the checks before it make up for; when this fails, they may go."""
    pdu = parsed(codec.encode_message(Command.DELIVER_SM, 7, Message(Address("1"), Address("2"), b"hello"))[:-3])
    assert (pdu.sm_length, pdu.short_message) == (5, b"he")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", Status.RINVPARLEN),
        (b"\0", Status.RINVPARLEN),
        (b"123456\0" + WHOLE[HEADER_OCTETS + 1 :], Status.RINVSERTYP),
        (b"\0\1\1" + b"7" * 21 + b"\0\1\1" + b"5\0\0\0\0\0\0\0\0\0\0\0", Status.RINVSRCADR),
        (b"\0\1\1" + b"7\0\1\1" + b"5" * 21 + b"\0\0\0\0\0\0\0\0\0\0\0", Status.RINVDSTADR),
        (b"\0\1\1" + b"7\0\1\1" + b"5\0\0\0\0" + b"0" * 17 + b"\0\0\0\0\0\0\0", Status.RINVPARLEN),
        (b"\0\1\1" + b"7\0\1\1" + b"5\0\0\0\0\0\0\0\0\0\0\5hi", Status.RINVMSGLEN),
        (b"\0\1\1" + b"7\0\1\1" + b"5\0\0\0\0\0\0\0\0\0\0\0\5\1\0", Status.RINVOPTPARSTREAM),
        (b"\0\1\1" + b"7\0\1\1" + b"5\0\0\0\0\0\0\0\0\0\0\0\5\1\0\7x", Status.RINVOPTPARSTREAM),
        (b"\0\1\1" + b"7\0\1\1" + b"5\0\0\0\0\0\0\0\0\0\0\0" + b"\5\1\0\0" * 65, None),
    ],
)
def test_what_is_wrong_with_a_body_is_said(body: bytes, status: Status | None) -> None:
    if status is None:  # a repeated parameter counts once
        assert codec.decode_message(body).tlvs == {0x0501: b""}
        return
    with pytest.raises(PduError) as refused:
        codec.decode_message(body)
    assert refused.value.status is status


def test_too_many_parameters_are_refused() -> None:
    body = b"\0\1\1" + b"7\0\1\1" + b"5\0\0\0\0\0\0\0\0\0\0\0"
    tlvs = b"".join(tag.to_bytes(2, "big") + b"\0\0" for tag in range(0x1400, 0x1400 + 65))
    with pytest.raises(PduError):
        codec.decode_message(body + tlvs)


@given(st.binary(max_size=400))
def test_no_octets_break_the_readers(octets: bytes) -> None:
    for read in (codec.decode_message, codec.decode_message_id):
        try:
            read(octets)
        except PduError:
            continue
    for command in (Command.BIND_TRANSCEIVER, Command.DATA_SM):
        frame = Frame(command, 0, 1, octets)
        try:
            codec.decode_bind(frame) if command is Command.BIND_TRANSCEIVER else codec.decode_data(frame)
        except PduError:
            continue


@given(st.lists(messages, min_size=1, max_size=5), st.data())
def test_frames_are_found_however_the_stream_is_cut(sent: list[Message], data: st.DataObject) -> None:
    stream = b"".join(
        codec.encode_message(Command.DELIVER_SM, number, message) for number, message in enumerate(sent, start=1)
    )
    framer = codec.Framer()
    frames: list[Frame] = []
    position = 0
    while position < len(stream):
        step = data.draw(st.integers(1, len(stream) - position))
        frames += framer.feed(stream[position : position + step])
        position += step
    assert [frame.sequence for frame in frames] == list(range(1, len(sent) + 1))
    assert [codec.decode_message(frame.body) for frame in frames] == sent


@pytest.mark.parametrize("length", [0, 1, 15, MAX_PDU_OCTETS + 1, 0xFFFFFFFF])
def test_a_wrong_command_length_ends_the_stream(length: int) -> None:
    good = codec.encode_header(Command.ENQUIRE_LINK, 0, 1)
    bad = length.to_bytes(4, "big") + good[4:12] + (42).to_bytes(4, "big")
    framer = codec.Framer()
    assert [frame.sequence for frame in framer.feed(good + bad + good)] == [1]
    assert framer.broken is not None
    assert framer.broken.sequence == 42
    assert framer.feed(good) == []


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_no_stream_breaks_the_framer(chunks: list[bytes]) -> None:
    framer = codec.Framer()
    for chunk in chunks:
        framer.feed(chunk)
