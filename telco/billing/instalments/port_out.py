"""Whether a number may be ported out: asked when the other operator's request is checked.

Contract: PSC-7.2, PSC-7.4, PSC-7.5, PSC-7.P
"""

from __future__ import annotations

from telco.billing.instalments.model import PortOutAnswer, PortOutRefusal
from telco.billing.obligations import OpenObligations
from telco.db.pool import Database
from telco.kernel.money import Tiyn, json_money
from telco.kernel.msisdn import Msisdn
from telco.subscribers.model import Obligation, ObligationKind, by_system
from telco.subscribers.service import Subscribers


class PortOutCheck:
    """Checks requests to port numbers out."""

    def __init__(self, database: Database, subscribers: Subscribers, obligations: OpenObligations) -> None:
        self._database = database
        self._subscribers = subscribers
        self._obligations = obligations

    async def check(self, msisdn: Msisdn, *, owner: str | None = None) -> PortOutAnswer:
        """Say whether a number may leave now, with every reason why not.

        `owner` is the IIN or BIN that the recipient names; it must be the subscriber's. Debts (of credit settlement,
        roaming, trust payments) and devices that are not paid keep a number; one that an authority blocked cannot go.

        Contract: PSC-7.2, PSC-7.4, PSC-7.5
        """
        subscriber = await self._subscribers.find(msisdn)
        if subscriber is None:
            return PortOutAnswer(msisdn, (PortOutRefusal.UNKNOWN_NUMBER,), Tiyn(0), "")
        refusals = []
        if await self._subscribers.suspensions.blocks_porting(subscriber.subscriber_id):
            refusals.append(PortOutRefusal.BLOCKED_BY_AUTHORITY)
        if owner is not None:
            origin = by_system("portability", "request to port out")
            party = await self._subscribers.people.party(subscriber.party_id, origin)
            if party.data.iin_bin != owner:
                refusals.append(PortOutRefusal.OTHER_OWNER)
        async with self._database.acquire() as connection, connection.transaction():
            owed = await self._obligations.of(connection, [subscriber.account])
        kinds = {obligation.kind for obligation in owed}
        if kinds - {ObligationKind.DEVICE_INSTALMENTS}:
            refusals.append(PortOutRefusal.DEBT)
        if ObligationKind.DEVICE_INSTALMENTS in kinds:
            refusals.append(PortOutRefusal.DEVICE_INSTALMENTS)
        return PortOutAnswer(msisdn, tuple(refusals), Tiyn(sum(one.amount for one in owed)), _listed(owed))


def _listed(owed: list[Obligation]) -> str:
    return "; ".join(f"{one.kind} {one.reference} {json_money(one.amount)}" for one in owed)
