"""The composition root: settings in, a running service out. The only module that knows every other."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import aiohttp
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from telco import __version__
from telco.billing import http as billing_http
from telco.billing import jobs as billing_jobs
from telco.billing.bonus import http as bonus_http
from telco.billing.bonus import jobs as bonus_jobs
from telco.billing.bonus.service import Bonuses
from telco.billing.cards import PaymentCards
from telco.billing.collection import http as collection_http
from telco.billing.collection import jobs as collection_jobs
from telco.billing.collection.mail import DebtMail
from telco.billing.collection.service import Collection
from telco.billing.company import contact_http
from telco.billing.company import http as company_http
from telco.billing.company import jobs as company_jobs
from telco.billing.company.together import Companies
from telco.billing.documents import http as documents_http
from telco.billing.documents import jobs as documents_jobs
from telco.billing.documents.desk import DocumentDesk
from telco.billing.documents.einvoice import EInvoiceSystem
from telco.billing.documents.esf_soap import EsfSoap, HttpSigner
from telco.billing.documents.mail import DocumentMail
from telco.billing.documents.refund_orders import RefundOrders
from telco.billing.fees import FeeRunner
from telco.billing.instalments import http as instalments_http
from telco.billing.instalments import jobs as instalments_jobs
from telco.billing.instalments.bureau import CreditBureaus
from telco.billing.instalments.port_out import PortOutCheck
from telco.billing.instalments.service import Instalments
from telco.billing.invoicing import http as invoicing_http
from telco.billing.invoicing import jobs as invoicing_jobs
from telco.billing.invoicing.limits import CreditLimits
from telco.billing.invoicing.service import Invoicing
from telco.billing.obligations import OpenObligations
from telco.billing.payments import http as payments_http
from telco.billing.payments import jobs as payments_jobs
from telco.billing.payments import terminal_http
from telco.billing.payments.ways import WaysIn
from telco.billing.refunds import http as refunds_http
from telco.billing.refunds import jobs as refunds_jobs
from telco.billing.refunds.notices import RefundNotices
from telco.billing.refunds.ways import WaysOut
from telco.billing.statements import Statements
from telco.billing.trust import TrustPayments
from telco.catalog import http as catalog_http
from telco.catalog.service import CatalogService
from telco.charging import http as charging_http
from telco.charging import jobs as charging_jobs
from telco.charging.service import Charging
from telco.commands import menu
from telco.db import upkeep as outbox_upkeep
from telco.db.jobs import JobRunner
from telco.db.migrations import require_current
from telco.db.outbox import Dispatcher
from telco.db.pool import Connection, Database
from telco.email import jobs as email_jobs
from telco.email.service import Email
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock, SystemClock
from telco.kernel.i18n import Translator
from telco.kernel.ids import AccountRef, SubscriberId
from telco.kernel.msisdn import Msisdn
from telco.ledger import jobs as ledger_jobs
from telco.ledger.service import Ledger
from telco.settings import DatabaseSettings, EinvoiceSettings, Settings, SettingsError
from telco.sms import jobs as sms_jobs
from telco.sms.call_me import CallMe
from telco.sms.command import Services
from telco.sms.faces import SubscriberFaces
from telco.sms.model import Inbound, OutboundKind, Reply, UssdReply, UssdRequest
from telco.sms.notices import LONG, Notices
from telco.sms.service import SmsService
from telco.subscribers import http as subscribers_http
from telco.subscribers import jobs as subscribers_jobs
from telco.subscribers.model import Obligation
from telco.subscribers.service import Subscribers
from telco.web import jobs as web_jobs
from telco.web.api import Api
from telco.web.health import Health, database_check, redis_check
from telco.web.server import RunningServer, create_app, start_server

log = structlog.get_logger(__name__)


class App:
    """The service of one process. `open` connects and builds it, `start` also serves, `stop` undoes both in order."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self.calendar = Calendar()
        self.translator = Translator.load()
        self._closing = contextlib.AsyncExitStack()

    async def open(self) -> None:
        """Connect to PostgreSQL and put the features together; nothing is served yet.

        Redis need not be there: /ready says so, and the service goes on charging.

        Raises:
            SettingsError: a setting that is needed is missing.
            SchemaBehindError: the database is older than this version.
        """
        settings, clock = self.settings, self.clock
        self.database = await self._closing.enter_async_context(self._open_database())
        async with self.database.acquire() as connection:
            await require_current(connection)
        self.redis = await self._closing.enter_async_context(self._open_redis())
        self.catalog = CatalogService(self.database, clock)
        self.ledger = Ledger(self.database, clock, shards=settings.ledger.shards)
        self._closing.push_async_callback(self.ledger.stop)
        self.subscribers = Subscribers(
            self.database,
            clock,
            self.calendar,
            self.catalog.current,
            self.ledger,
            obligations=self._obligations,
            joined_credit=self._joined_credit,
        )
        self._build_billing()
        system = await self._closing.enter_async_context(_einvoice_system(settings.einvoice))
        self.documents = DocumentDesk(
            self.database, clock, self.calendar, self.translator, self.invoicing, self.catalog.current, system
        )
        self.charging = Charging(self.database, clock, self.ledger, self.subscribers, self.catalog.current)
        self._build_messages()
        self._build_background()

    def _open_database(self) -> contextlib.AbstractAsyncContextManager[Database]:
        given = self.settings.database
        if given.url is None:
            raise SettingsError(why="set TELCO_DATABASE_URL")
        return _connected(given.url.get_secret_value(), given)

    def _open_redis(self) -> contextlib.AbstractAsyncContextManager[Redis]:
        given = self.settings.redis
        if given.url is None:
            raise SettingsError(why="set TELCO_REDIS_URL")
        return _redis(given.url.get_secret_value(), given.timeout_s)

    def _build_billing(self) -> None:
        settings, clock = self.settings, self.clock
        if settings.cards.pepper is None:
            raise SettingsError(why="set TELCO_CARDS_PEPPER")
        pepper = settings.cards.pepper.get_secret_value().encode()
        self.trust = TrustPayments(self.database, clock, self.ledger, self.subscribers, settings.trust.terms)
        self.invoicing = Invoicing(
            self.database, clock, self.calendar, self.ledger, self.subscribers, self.catalog.current
        )
        self.collection = Collection(
            self.database,
            clock,
            self.calendar,
            self.ledger,
            self.subscribers,
            self.invoicing,
            email=settings.email.enabled,
        )
        self.email = Email(self.database, clock, settings.email)
        self.limits = CreditLimits(self.database, clock, self.ledger, self.catalog.current)
        self.cards = PaymentCards(self.database, clock, self.calendar, self.ledger, self.trust, self.invoicing, pepper)
        self.instalments = Instalments(
            self.database, clock, self.calendar, self.catalog.current, self.ledger, self.subscribers
        )
        self.obligations = OpenObligations(self.ledger, self.trust, self.instalments)
        self.port_out = PortOutCheck(self.database, self.subscribers, self.obligations)
        self.bonuses = Bonuses(self.database, clock, self.calendar, self.catalog.current, self.ledger, self.subscribers)
        self.bureaus = CreditBureaus(self.database, clock, self.calendar, self.ledger, self.subscribers, self.invoicing)
        self.fees = FeeRunner(self.database, clock, self.subscribers.fees)
        staff = settings.staff.pepper.get_secret_value() if settings.staff.pepper else ""  # serving demands one
        self.ways_in = WaysIn(
            self.database,
            clock,
            self.calendar,
            self.ledger,
            self.subscribers,
            self.trust,
            self.invoicing,
            staff.encode(),
        )
        self.ways_out = WaysOut(
            self.database,
            clock,
            self.calendar,
            self.ledger,
            self.trust,
            self.invoicing,
            self._obligations,
            self.catalog.current,
            self.ways_in,
            settings.refunds.purpose_code,
        )
        self.companies = Companies(
            self.database, clock, self.calendar, self.ledger, self.invoicing, self.ways_in, staff.encode()
        )

    async def _obligations(self, connection: Connection, accounts: Sequence[AccountRef]) -> list[Obligation]:
        """Billing stands on subscribers, whose withdrawal of consent asks back what is owed."""
        return await self.obligations.of(connection, accounts)

    async def _joined_credit(
        self, connection: Connection, account: AccountRef, subscriber_id: SubscriberId, at: datetime
    ) -> None:
        await self.invoicing.join(connection, account, subscriber_id, at)

    def _build_messages(self) -> None:
        """SMS and USSD: the transport hands messages to the faces, whose commands send messages themselves."""
        settings, clock = self.settings, self.clock
        self.sms = SmsService(self.database, clock, self.redis, settings.sms, self._answer_sms, self._answer_ussd)
        call_me = CallMe(self.database, clock, self.calendar, self.translator, self.sms, settings.callme.limits)
        services = Services(
            self.bonuses,
            call_me,
            self.cards,
            self.catalog,
            self.collection,
            self.instalments,
            self.invoicing,
            self.ledger,
            self.limits,
            Statements(
                self.database,
                clock,
                self.calendar,
                self.ledger,
                self.subscribers,
                self.email,
                self.translator,
                self.documents.documents,
            ),
            self.subscribers,
            self.trust,
        )
        self._faces = SubscriberFaces(
            menu(),
            services,
            database=self.database,
            subscribers=self.subscribers,
            translator=self.translator,
            clock=clock,
            redis=self.redis,
            enqueue=self.sms.enqueue,
            codes=settings.codes.codes,
        )
        self.notices = Notices(
            clock,
            self.translator,
            self.subscribers,
            self.catalog.current,
            self.sms.enqueue_all,
            self.sms.withdraw,
            self.collection.sms_from,
            settings.codes.codes,
        )

    async def _answer_sms(self, inbound: Inbound) -> Reply | None:
        return await self._faces.answer_sms(inbound)

    async def _answer_ussd(self, request: UssdRequest) -> UssdReply | None:
        return await self._faces.answer_ussd(request)

    async def _send_notice(self, connection: Connection, to: Msisdn, text: str, key: str) -> None:
        """Queue a notice for somebody who need not be a subscriber; it waits for the day as others do."""
        await self.sms.enqueue(
            connection,
            to,
            text,
            sender=self.settings.codes.codes.root,
            kind=OutboundKind.NOTICE,
            dedupe_key=key,
            valid_for=LONG,
            not_before=await self.collection.sms_from(connection),
        )

    def _build_background(self) -> None:
        self.outbox = Dispatcher(self.database, self.clock)
        self.outbox.subscribe("billing.credited", self.fees.on_credited)
        self.outbox.subscribe("subscribers.resumed", self.fees.on_resumed)
        self.collection.subscribe_to(self.outbox)
        self.outbox.subscribe("billing.invoice_issued", self.documents.duties.on_invoice_issued)
        self.outbox.subscribe("billing.invoice_lowered", self.documents.duties.on_invoice_lowered)
        refund_orders = RefundOrders(self.database, self.calendar, self.documents.documents, self.ways_out.refunds)
        self.outbox.subscribe("refunds.ordered", refund_orders.on_ordered)
        DocumentMail(self.database, self.translator, self.documents.documents, self.email).subscribe_to(self.outbox)
        DebtMail(self.database, self.translator, self.email).subscribe_to(self.outbox)
        self.notices.subscribe_to(self.outbox)
        self.bonuses.membership.subscribe_to(self.outbox)
        self.instalments.subscribe_to(self.outbox)
        self.ways_out.subscribe_to(self.outbox)
        RefundNotices(self.database, self.translator, self._send_notice).subscribe_to(self.outbox)
        self.jobs = JobRunner(self.database, self.clock)
        for job in (
            *outbox_upkeep.jobs(self.outbox),
            *ledger_jobs.jobs(self.ledger, self.clock),
            *subscribers_jobs.jobs(self.subscribers),
            *billing_jobs.jobs(self.fees, self.trust),
            *invoicing_jobs.jobs(self.invoicing),
            *collection_jobs.jobs(self.collection),
            *payments_jobs.jobs(self.ways_in.transfers),
            *bonus_jobs.jobs(self.bonuses, keep_days=self.settings.bonus.keep_days),
            *instalments_jobs.jobs(self.instalments, self.bureaus),
            *refunds_jobs.jobs(self.ways_out.closing, self.ways_out.payouts),
            *company_jobs.jobs(self.companies.payments),
            *documents_jobs.jobs(self.documents),
            *charging_jobs.jobs(self.charging, keep_days=self.settings.charging.keep_days),
            *email_jobs.jobs(self.email),
            *sms_jobs.jobs(self.database, self.sms, self.notices),
            *web_jobs.jobs(self.database, self.clock),
        ):
            self.jobs.add(job)

    def api(self) -> Api:
        """Declare every route of the service."""
        api = Api(title="telco", version=__version__, description="The business side of a mobile operator.")
        catalog_http.routes(api, self.catalog.current, self.clock)
        subscribers_http.routes(api, self.subscribers)
        billing_http.routes(api, self.cards, self.subscribers, self.ledger)
        payments_http.routes(api, self.ways_in, self.cards)
        invoicing_http.routes(api, self.invoicing, self.limits, self.subscribers)
        bonus_http.routes(api, self.bonuses, self.subscribers)
        instalments_http.routes(api, self.instalments, self.port_out, self.bureaus, self.subscribers)
        collection_http.routes(api, self.collection, self.subscribers)
        refunds_http.routes(api, self.ways_out)
        company_http.routes(api, self.companies, self.translator)
        documents_http.routes(api, self.documents)
        charging_http.routes(api, self.charging)
        return api

    async def start(self) -> RunningServer:
        """Open, if `open` was not called before, and serve: HTTP, the SMSC's links, the outbox, scheduled jobs.

        Raises:
            PortInUseError: another process listens on the port.
            SettingsError: a setting that is needed is missing.
        """
        try:
            if not hasattr(self, "database"):
                await self.open()
            return await self._serve()
        except BaseException:
            await self.stop()
            raise

    async def _serve(self) -> RunningServer:
        """Begin with what others stand on; what takes new work comes last, and so is the first to stop."""
        await self._run(self.catalog)
        await self._run(self.outbox)
        await self._run(self.email)
        server = await self._serve_http()
        self._closing.push_async_callback(self._faces.stop)
        await self._run(self.sms)
        await self._run(self.jobs)
        log.info("service_started", url=server.url)
        return server

    async def _run(self, part: CatalogService | Dispatcher | Email | SmsService | JobRunner) -> None:
        await part.start()
        self._closing.push_async_callback(part.stop)

    async def _serve_http(self) -> RunningServer:
        settings = self.settings
        if settings.staff.pepper is None:
            raise SettingsError(why="set TELCO_STAFF_PEPPER")
        health = Health()
        health.add("postgresql", database_check(self.database), required=True)
        health.add("redis", redis_check(self.redis), required=False)
        health.add("smsc", self._check_links, required=False)
        health.add("outbox", self._check_outbox, required=False)
        web = create_app(
            self.api(),
            db=self.database,
            redis=self.redis,
            clock=self.clock,
            translator=self.translator,
            pepper=settings.staff.pepper.get_secret_value(),
            health=health,
            limits=settings.http.limits,
            default_language=settings.http.language,
            public_url=settings.http.public_url,
        )
        terminal_http.add_routes(web, self.ways_in, self.translator)
        contact_http.add_routes(web, self.companies, self.translator)
        server = await start_server(web, settings.http.host, settings.http.port)
        self._closing.push_async_callback(server.stop)
        return server

    async def _check_links(self) -> str | None:
        health = self.sms.health
        return None if health.links_bound else f"none of {health.links} links to the SMSC is bound"

    async def _check_outbox(self) -> str | None:
        return None if self.outbox.running else "no events are dispatched: notices do not leave"

    async def stop(self) -> None:
        """Take nothing new, finish what is in hand, close: nothing acknowledged is lost."""
        await self._closing.aclose()
        log.info("service_stopped")


@contextlib.asynccontextmanager
async def _connected(url: str, given: DatabaseSettings) -> AsyncIterator[Database]:
    database = await Database.connect(
        url, min_size=given.min_connections, max_size=given.max_connections, timeout_s=given.timeout_s
    )
    try:
        yield database
    finally:
        await database.close()


@contextlib.asynccontextmanager
async def _einvoice_system(settings: EinvoiceSettings) -> AsyncIterator[EInvoiceSystem | None]:
    """The state's e-invoice system, where its address is known; without it documents wait in the queue."""
    if settings.url is None:
        yield None
        return
    if settings.signer_url is None or settings.tin is None or settings.login is None or settings.password is None:
        raise SettingsError(why="TELCO_EINVOICE_URL needs SIGNER_URL, TIN, LOGIN and PASSWORD beside it")
    timeout = aiohttp.ClientTimeout(total=settings.timeout_s)
    async with aiohttp.ClientSession(timeout=timeout) as client:
        yield EsfSoap(
            client,
            settings.url,
            tin=settings.tin,
            login=settings.login,
            password=settings.password.get_secret_value(),
            signer=HttpSigner(client, settings.signer_url),
        )


@contextlib.asynccontextmanager
async def _redis(url: str, timeout_s: float) -> AsyncIterator[Redis]:
    client = Redis.from_url(url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s)
    try:
        yield client
    finally:
        with contextlib.suppress(RedisError, OSError):
            await client.aclose()
