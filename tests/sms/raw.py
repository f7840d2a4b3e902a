"""Peers made of octets: they do what a test says, right or wrong."""

from __future__ import annotations

import asyncio

from telco.sms.smpp import codec
from telco.sms.smpp.pdu import Command, Frame, Status

PATIENCE_S = 10.0


class Raw:
    """A peer made of octets."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._framer = codec.Framer(1_000_000)
        self._frames: list[Frame] = []

    def write(self, octets: bytes) -> None:
        self._writer.write(octets)

    async def read(self) -> Frame | None:
        """The next PDU, or None at the end of the connection."""
        async with asyncio.timeout(PATIENCE_S):
            while not self._frames:
                try:
                    octets = await self._reader.read(65_536)
                except ConnectionError:
                    return None
                if not octets:
                    return None
                self._frames = self._framer.feed(octets)
        return self._frames.pop(0)

    async def ask(self, octets: bytes) -> Frame:
        self.write(octets)
        frame = await self.read()
        assert frame is not None
        return frame

    async def close(self) -> None:
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return


class Centre:
    """A raw SMSC that does with each connection what the test says."""

    def __init__(self, port: int = 0) -> None:
        self._listen_on = port
        self.connections: asyncio.Queue[Raw] = asyncio.Queue()
        self._server: asyncio.Server | None = None
        self._raws: list[Raw] = []

    async def __aenter__(self) -> Centre:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._listen_on)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for peer in self._raws:
            await peer.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Raw(reader, writer)
        self._raws.append(peer)
        self.connections.put_nowait(peer)

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def accept(self) -> Raw:
        async with asyncio.timeout(PATIENCE_S):
            return await self.connections.get()

    async def bind(self, status: Status = Status.ROK) -> Raw:
        """Take a connection and answer its bind."""
        peer = await self.accept()
        frame = await peer.read()
        assert frame is not None
        assert codec.decode_bind(frame).command is Command.BIND_TRANSCEIVER
        peer.write(codec.encode_bind_response(frame.command, status, frame.sequence, "smsc"))
        return peer
