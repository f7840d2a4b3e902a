"""Additional services: switched on and off by the subscriber's request, each with its price and allowances."""

from __future__ import annotations

from telco.catalog.model import ServiceOffer
from telco.kernel.i18n import Text
from telco.kernel.ids import SubscriberId
from telco.kernel.money import Tiyn
from telco.kernel.names import clean_text
from telco.subscribers import money, periods, store, store_services
from telco.subscribers.desk import Desk, Filing, Work
from telco.subscribers.errors import ServiceOffError, ServiceUnfitError, SuspendedError
from telco.subscribers.fees import Fees, service_fee
from telco.subscribers.model import ActiveService, Origin, Scope, ServiceOrder, Subscription
from telco.subscribers.periods import Period
from telco.subscribers.store import Q


class Services:
    """Use cases of additional services."""

    def __init__(self, desk: Desk, fees: Fees) -> None:
        self._desk = desk
        self._fees = fees

    async def switch_on(self, subscriber_id: SubscriberId, code: str, origin: Origin, request_id: str) -> ServiceOrder:
        """Switch a service on, take its price and grant its allowances, all or nothing.

        `request_id` names the request (the message's or the web request's id): the same again gives the first result
        and takes nothing. A pack can be bought again under another id.

        Raises (the first that applies):
            SubscriberUnknownError, UnknownServiceError
            ServiceUnfitError: not offered now, or not for this plan.
            SuspendedError: the number, or third-party services on it, are suspended.
            ServiceOnError: already on.
            NotEnoughMoneyError

        Contract: PSC-3.1.11, PSC-3.2.15, PSC-1.1.5
        """
        request_id = clean_text(request_id, field="request_id", max_length=100)

        async def body(work: Work) -> ServiceOrder:
            subscription = await store.lock_subscription(work.conn, subscriber_id)
            known = await store_services.service_by_request(work.conn, subscriber_id, request_id)
            if known is not None:
                work.outcome = "switched on before"
                return ServiceOrder(known, Tiyn(0), replayed=True)
            offer = self._desk.catalogue().service(code, work.now)
            self._check_fit(work, subscription, offer)
            await _check_barred(work, subscription, offer)
            order = await self._order(work, subscription, offer, request_id)
            work.outcome = f"{code} on"
            work.details = {"service": code, "charged_tiyn": order.charged}
            return order

        filing = Filing("service_on", "", code[:64], origin, subscriber_id)
        return await self._desk.carry_out("switch_service_on", filing, body)

    def _check_fit(self, work: Work, subscription: Subscription, offer: ServiceOffer) -> None:
        catalogue = self._desk.catalogue()
        if not catalogue.is_offered(offer, work.now):
            raise ServiceUnfitError(service=offer.code, why=Text("it is no longer offered"))
        plan = catalogue.plan_version(subscription.plan_code, subscription.plan_version)
        if not offer.fits(plan):
            raise ServiceUnfitError(service=offer.code, why=Text("it does not fit the plan {plan}", plan=plan.code))

    async def _order(
        self, work: Work, subscription: Subscription, offer: ServiceOffer, request_id: str
    ) -> ServiceOrder:
        period = periods.first_service_period(offer, work.today)
        service = await store_services.add_service(
            work.conn,
            subscription.subscriber_id,
            offer,
            period,
            request_id=request_id,
            now=work.now,
            until=offer.lasts.end(work.now) if offer.lasts is not None else None,
            next_fee_at=None,
        )
        await self._pay(work, subscription, service, offer, period)
        await work.emit(
            "service_on",
            subscription.subscriber_id,
            {
                "msisdn": subscription.msisdn,
                "language": subscription.language,
                "code": offer.code,
                "channel": work.origin.channel,
                "price_tiyn": period.fee,
            },
        )
        return ServiceOrder(service, period.fee, replayed=False)

    async def _pay(
        self,
        work: Work,
        subscription: Subscription,
        service: ActiveService,
        offer: ServiceOffer,
        period: Period,
    ) -> None:
        payer = store.Payer(subscription.msisdn, subscription.language, subscription.account, subscription.settlement)
        due = service_fee(service, payer, offer, period, first=True)
        op = self._fees.operation(due, work.now, forced=False)
        outcome = None if op is None else await money.carry_out(self._desk.ledger, work, op, due.amount)
        await self._fees.mark(work.conn, due, outcome, work.now)

    async def switch_off(self, subscriber_id: SubscriberId, code: str, origin: Origin) -> ActiveService:
        """Switch a service off at once. What was paid for it is not refunded; unused allowances stay until their end.

        Raises:
            SubscriberUnknownError, ServiceOffError

        Contract: PSC-3.1.11, PSC-3.2.15, PSC-6.5
        """

        async def body(work: Work) -> ActiveService:
            subscription = await store.lock_subscription(work.conn, subscriber_id)
            service = await store_services.lock_service_on(work.conn, subscriber_id, code)
            if service is None:
                raise ServiceOffError(service=code[:64])
            (off,) = await self._end(work, subscription, [service])
            return off

        filing = Filing("service_off", "", code[:64], origin, subscriber_id)
        return await self._desk.carry_out("switch_service_off", filing, body)

    async def stop_third_party(self, subscriber_id: SubscriberId, origin: Origin) -> list[str]:
        """Switch off every third-party service of a number and return their codes; none is an answer too.

        Contract: PSC-3.2.15
        """

        async def body(work: Work) -> list[str]:
            subscription = await store.lock_subscription(work.conn, subscriber_id)
            on = await store_services.services_on(work.conn, subscriber_id, work.now)
            ended = await self._end(work, subscription, [service for service in on if service.third_party])
            codes = sorted(service.code for service in ended)
            work.outcome = ", ".join(codes) or "none was on"
            return codes

        filing = Filing("stop_third_party", "", "", origin, subscriber_id)
        return await self._desk.carry_out("stop_third_party", filing, body)

    async def _end(self, work: Work, subscription: Subscription, services: list[ActiveService]) -> list[ActiveService]:
        ids = [service.service_id for service in services]
        ended = await store_services.switch_off(work.conn, ids, work.now)
        for service in ended:
            await work.emit(
                "service_off",
                subscription.subscriber_id,
                {
                    "msisdn": subscription.msisdn,
                    "language": subscription.language,
                    "code": service.code,
                    "channel": work.origin.channel,
                },
            )
        return ended

    async def on(self, subscriber_id: SubscriberId) -> list[ActiveService]:
        """The services that a number has now, in the order in which they were switched on."""
        async with self._desk.db.acquire() as conn:
            return await store_services.services_on(conn, subscriber_id, self._desk.clock.now())

    async def end_lapsed(self, limit: int = 1_000) -> int:
        """Mark packs and timed services whose term is over as ended; a job calls it. Reads do not wait for it."""
        return len(await self._desk.db.fetch(Q.end_lapsed_services, self._desk.clock.now(), limit))


async def _check_barred(work: Work, subscription: Subscription, offer: ServiceOffer) -> None:
    found = await store.find_by_ids(work.conn, [subscription.subscriber_id], work.now)
    subscriber = found.get(subscription.subscriber_id)
    needed = (Scope.THIRD_PARTY,) if offer.provider is not None else ()
    if subscriber is None or not subscriber.allows(*needed):
        raise SuspendedError()
