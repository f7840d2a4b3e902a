"""The SMSC's end: accepts connections and gives each a session. The lab's SMSC and the tests stand on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from telco.sms.smpp.pdu import Bind, Status
from telco.sms.smpp.session import Owner, Session, Timers


class SmppServer:
    """Listens for ESMEs: `authorize` says who may bind, `owner` takes their messages."""

    def __init__(
        self,
        owner: Owner,
        authorize: Callable[[Bind], Status],
        timers: Timers | None = None,
        *,
        system_id: str = "smsc",
    ) -> None:
        self.sessions: set[Session] = set()
        self._owner = owner
        self._authorize = authorize
        self._timers = timers or Timers()
        self._system_id = system_id
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port it listens on, once started."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 takes a free one."""
        self._server = await asyncio.get_running_loop().create_server(self._accept, host, port)

    def _accept(self) -> Session:
        session = Session(self._owner, self._timers, self._system_id, self._authorize)
        self.sessions.add(session)
        return session

    def forget(self, session: Session) -> None:
        """Drop a closed session; the owner calls it from `session_closed`."""
        self.sessions.discard(session)

    async def stop(self) -> None:
        """Stop listening, unbind every ESME and wait for the connections to end."""
        if self._server is not None:
            self._server.close()
        sessions = list(self.sessions)
        await asyncio.gather(*(session.unbind() for session in sessions))
        await asyncio.gather(*(session.closed.wait() for session in sessions))

    def drop(self) -> None:
        """Break every connection without a word, as a failed network would; keep listening."""
        for session in list(self.sessions):
            session.abort("dropped")
