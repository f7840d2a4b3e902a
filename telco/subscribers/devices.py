"""Registration of devices: IMEI with its owner and number."""

from __future__ import annotations

from telco.kernel.ids import SubscriberId
from telco.kernel.names import clean_text
from telco.subscribers import rules, store, store_records
from telco.subscribers.desk import Desk, Filing, Work
from telco.subscribers.errors import DeviceUnknownError
from telco.subscribers.model import Device, Origin
from telco.subscribers.store import Q


class Devices:
    """Use cases of registered devices."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def register(self, subscriber_id: SubscriberId, imei: str, origin: Origin) -> Device:
        """Register a device to a number and its owner. A number without one may be suspended on PSC-3.1.5.8.

        Raises:
            IdentityNumberError: wrong form or check digit.
            SubscriberUnknownError, DeviceKnownError

        Contract: PSC-3.2.16
        """
        imei = rules.parse_imei(imei)

        async def body(work: Work) -> Device:
            subscription = await store.lock_subscription(work.conn, subscriber_id)
            await store_records.register_device(work.conn, imei, subscription.party_id, subscriber_id, work.now)
            work.details = {"imei": imei}
            return Device(imei, subscription.party_id, subscriber_id, work.now)

        filing = Filing("register_device", "", imei, origin, subscriber_id)
        return await self._desk.carry_out("register_device", filing, body)

    async def end(self, subscriber_id: SubscriberId, imei: str, origin: Origin, *, reason: str) -> None:
        """End a registration: the device was sold, lost or registered by mistake.

        Raises:
            DeviceUnknownError: not registered to this number.

        Contract: PSC-3.2.16
        """
        reason = clean_text(reason, field="reason", max_length=200)

        async def body(work: Work) -> None:
            if await work.conn.fetchval(Q.end_device, imei, subscriber_id, work.now, reason) is None:
                raise DeviceUnknownError(imei=imei[:20])

        filing = Filing("end_device", "", f"{imei[:20]}: {reason}", origin, subscriber_id)
        await self._desk.carry_out("end_device", filing, body)

    async def of(self, subscriber_id: SubscriberId) -> list[Device]:
        """The devices registered to a number."""
        async with self._desk.db.acquire() as conn:
            return await store_records.devices(conn, subscriber_id)
