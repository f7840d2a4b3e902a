"""A light SMSC for the benchmark, in its own process: octets made beforehand, answers counted, nothing else.

It sends `count` messages, each from its own number, keeps `window` of them unanswered at most, takes the answers, and
prints one line of JSON: seconds from the first message to the last answer, and how often each number was answered.
"""

from __future__ import annotations

import asyncio
import json
import struct
import sys
from collections import Counter, deque
from typing import Any

import uvloop

from telco.sms.smpp.codec import encode_header, encode_message
from telco.sms.smpp.pdu import UDHI, Address, Command, Message, Status

_HEADER = struct.Struct(">IIII")
_REFUSED_PAUSE_S = 0.05
FIRST_NUMBER = 77_010_000_001
"""The one before it is the subscriber that all others are copies of: it alone gets notices of its accession."""


class Peer(asyncio.Protocol):
    """One bound link: messages out, answers in."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._rest = b""
        self._free = 0
        self._sent: dict[int, int] = {}
        self._sequence = 0
        self._transport: asyncio.Transport

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        position, end = 0, len(data)
        out: list[bytes] = []
        while end - position >= 16:
            length, command, status, sequence = _HEADER.unpack_from(data, position)
            if end - position < length:
                break
            if command == Command.SUBMIT_SM:
                self._work.answered(data, position + 16)
                out.append(_HEADER.pack(27, Command.SUBMIT_SM_RESP, 0, sequence) + b"%010d\0" % self._work.next_id())
            elif command == Command.DELIVER_SM_RESP:
                number = self._sent.pop(sequence)
                if status != Status.ROK:
                    self._work.refused(number)
                self._free += 1
            elif command == Command.BIND_TRANSCEIVER:
                out.append(_HEADER.pack(21, Command.BIND_TRANSCEIVER_RESP, 0, sequence) + b"peer\0")
                self._free = self._work.window
            elif command in (Command.ENQUIRE_LINK, Command.UNBIND):
                out.append(encode_header(command | 0x80000000, 0, sequence))
            position += length
        self._rest = data[position:]
        self._fill(out)
        if out:
            self._transport.write(b"".join(out))

    def _fill(self, out: list[bytes]) -> None:
        while self._free > 0 and (item := self._work.take()) is not None:
            number, pdu = item
            self._sequence += 1
            self._free -= 1
            self._sent[self._sequence] = number
            out.append(pdu[:12] + self._sequence.to_bytes(4, "big") + pdu[16:])


class Work:
    """The messages to send and what came back."""

    def __init__(self, count: int, window: int, text: str, code: str, spread: int) -> None:
        self.window = window
        self.done = asyncio.Event()
        self.answers: Counter[bytes] = Counter()
        self.refusals = 0
        self.parts = 0
        self.began_s = 0.0
        self.ended_s = 0.0
        self._count = count
        self._ids = 0
        self._complete = 0
        self._loop = asyncio.get_running_loop()
        self._waiting = deque(range(count))
        self._numbers = {str(FIRST_NUMBER + index).encode() for index in range(min(count, spread))}
        self._pdus = [_message(FIRST_NUMBER + index % spread, text, code) for index in range(count)]

    def take(self) -> tuple[int, bytes] | None:
        if not self._waiting:
            return None
        if not self.began_s:
            self.began_s = self._loop.time()
        index = self._waiting.popleft()
        return index, self._pdus[index]

    def refused(self, index: int) -> None:
        self.refusals += 1
        self._loop.call_later(_REFUSED_PAUSE_S, self._waiting.append, index)

    def next_id(self) -> int:
        self._ids += 1
        return self._ids

    def answered(self, data: bytes, position: int) -> None:
        """Count a submit_sm; of a long answer only the last part completes it."""
        a = data.index(0, position)
        b = data.index(0, a + 3)
        c = data.index(0, b + 3)
        self.parts += 1
        if data[c + 1] & UDHI:
            body = data.index(0, data.index(0, c + 4) + 1) + 6  # behind the two times and five octets
            if data[body + 4] != data[body + 5]:
                return
        number = data[b + 3 : c]
        if number not in self._numbers:
            return
        self.answers[number] += 1
        self._complete += 1
        if self._complete == self._count:
            self.ended_s = self._loop.time()
            self.done.set()


def _message(number: int, text: str, code: str) -> bytes:
    message = Message(Address(str(number)), Address(code, 3, 0), text.encode("ascii"))
    return encode_message(Command.DELIVER_SM, 0, message)


async def main(count: int, window: int, text: str, code: str, spread: int, timeout_s: float) -> None:
    """Listen, say on which port, work, and report."""
    work = Work(count, window, text, code, spread)
    server = await asyncio.get_running_loop().create_server(lambda: Peer(work), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    try:
        async with asyncio.timeout(timeout_s):
            await work.done.wait()
    except TimeoutError:
        work.ended_s = asyncio.get_running_loop().time()
    report = {
        "seconds": work.ended_s - work.began_s,
        "answers": work.answers.total(),
        "numbers": len(work.answers),
        "most": max(work.answers.values(), default=0),
        "refusals": work.refusals,
        "parts": work.parts,
    }
    print(json.dumps(report), flush=True)
    await asyncio.Event().wait()  # answers enquire_link and unbind until it is ended


if __name__ == "__main__":
    arguments = sys.argv[1:]
    uvloop.run(
        main(int(arguments[0]), int(arguments[1]), arguments[2], arguments[3], int(arguments[4]), float(arguments[5]))
    )
