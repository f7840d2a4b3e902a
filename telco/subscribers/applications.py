"""The register of applications: what reaches the operator on paper, by message or through the helpdesk."""

from __future__ import annotations

from telco.db.pool import Connection
from telco.kernel.ids import SubscriberId
from telco.kernel.msisdn import Msisdn
from telco.kernel.names import clean_text
from telco.subscribers import store_records
from telco.subscribers.desk import OUTCOME_LENGTH, Desk, Filing, Work
from telco.subscribers.model import Application, ApplicationId, ApplicationState, Origin

MAX_LISTED = 200


class Applications:
    """Use cases of applications that somebody has to decide; commands file their own, decided at once."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def register(self, applicant: Msisdn, kind: str, text: str, origin: Origin) -> ApplicationId:
        """Register an application to be decided, with its time and channel; anybody may apply, subscriber or not.

        Raises:
            TextRefusedError: the text is empty, longer than 2,000 characters or has control characters.

        Contract: PSC-1.1.7
        """
        kind = clean_text(kind, field="kind", max_length=64)
        text = clean_text(text, field="text", max_length=2_000)

        async def body(conn: Connection) -> ApplicationId:
            return await store_records.add_application(
                conn,
                subscriber_id=None,
                party_id=None,
                applicant=applicant,
                kind=kind,
                channel=origin.channel,
                author=origin.author,
                body=text,
                now=self._desk.clock.now(),
                state=ApplicationState.REGISTERED,
                outcome="",
                decided_by=None,
            )

        return await self._desk.db.transact("subscribers.register_application", body)

    async def decide(
        self, application_id: ApplicationId, origin: Origin, *, granted: bool, outcome: str
    ) -> Application:
        """Give an application its outcome, once.

        Raises:
            ApplicationUnknownError: unknown or decided.

        Contract: PSC-1.1.7
        """
        outcome = clean_text(outcome, field="outcome", max_length=OUTCOME_LENGTH)
        state = ApplicationState.DONE if granted else ApplicationState.REFUSED

        async def body(work: Work) -> Application:
            decided = await store_records.decide_application(
                work.conn, application_id, state, outcome, work.now, origin.author
            )
            work.subscriber_id = decided.subscriber_id
            work.details = {"application": application_id, "state": state}
            payload: dict[str, object] = {"application_id": application_id, "state": state}
            if decided.subscriber_id is not None:
                await work.emit("application_decided", decided.subscriber_id, payload)
            return decided

        filing = Filing("decide_application", "", str(application_id), origin)
        return await self._desk.carry_out("decide_application", filing, body)

    async def of(self, subscriber_id: SubscriberId, limit: int = 50) -> list[Application]:
        """A subscriber's applications, the newest first."""
        async with self._desk.db.acquire() as conn:
            return await store_records.applications(conn, subscriber_id, min(limit, MAX_LISTED))

    async def waiting(self, limit: int = 50) -> list[Application]:
        """Applications that wait for a decision, the oldest first."""
        async with self._desk.db.acquire() as conn:
            return await store_records.open_applications(conn, min(limit, MAX_LISTED))
