"""The staff's API of subscribers: what an employee does with a number in front of the customer."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from telco.kernel.iin_bin import IinBinError
from telco.subscribers import errors as e
from telco.subscribers import schemas as s
from telco.subscribers import schemas_card as c
from telco.subscribers.http_common import declare, origin
from telco.subscribers.http_contract import contract_routes
from telco.subscribers.http_registers import register_routes
from telco.subscribers.model import (
    Accession,
    PartyData,
    PartyKind,
    PlanQuote,
    Subscriber,
    SuspensionId,
)
from telco.subscribers.people import Card
from telco.subscribers.service import Subscribers
from telco.web.api import Answer, Api, ApiRequest
from telco.web.fields import Code, Id, MsisdnText

IinBin = Annotated[str, Field(pattern=r"^\d{12}$")]


def routes(api: Api, subscribers: Subscribers) -> None:
    """Declare the routes of subscribers."""
    _accession(api, subscribers)
    _people(api, subscribers)
    _plans(api, subscribers)
    _services(api, subscribers)
    _suspensions(api, subscribers)
    _cards(api, subscribers)
    _devices(api, subscribers)
    contract_routes(api, subscribers)
    register_routes(api, subscribers)


def _accession(api: Api, subscribers: Subscribers) -> None:
    async def accede(request: ApiRequest, body: s.SheetIn) -> Answer:
        """The same sheet number with the same contents answers the first result with status 200."""
        accession = await subscribers.accede(body.sheet(origin(request, f"registration sheet {body.sheet_number}")))
        return Answer(accession_out(accession), status=200 if accession.replayed else 201)

    declare(
        api,
        "POST",
        "/v1/accessions",
        "Register a registration sheet",
        body=s.SheetIn,
        response=s.AccessionOut,
        status=201,
        errors=[
            IinBinError,
            e.PartyDataError,
            e.PartyNameDiffersError,
            e.NumbersLimitError,
            e.PlanUnfitError,
            e.NumberNotFreeError,
            e.NoNumberLeftError,
            e.SimNotInStockError,
            e.NoEsimLeftError,
            e.SheetDiffersError,
            e.NotEnoughMoneyError,
        ],
    )(accede)

    async def pass_on(request: ApiRequest, msisdn: MsisdnText, body: s.SheetIn) -> s.AccessionOut:
        """The new subscriber signs a sheet of his own; money and debts stay with the old one."""
        subscriber = await subscribers.get(msisdn)
        sheet = body.sheet(origin(request, f"registration sheet {body.sheet_number}"))
        return accession_out(await subscribers.accession.re_register(subscriber.subscriber_id, sheet))

    declare(
        api,
        "POST",
        "/v1/subscribers/{msisdn}/re-registrations",
        "Pass a number to another person or company",
        body=s.SheetIn,
        response=s.AccessionOut,
        errors=[e.SubscriberUnknownError, e.NumbersLimitError, e.PlanUnfitError, e.NumberTemporaryError],
    )(pass_on)


def _people(api: Api, subscribers: Subscribers) -> None:
    async def read(request: ApiRequest, msisdn: MsisdnText) -> c.CardOut:
        """Needs ``X-Ground``: who looked, and why, is recorded with the look. After the end of its contract the
        number's last subscriber is shown until somebody else has it."""
        return card_out(await subscribers.people.card(msisdn, origin(request)))

    async def numbers(request: ApiRequest, kind: PartyKind, iin_bin: IinBin) -> list[s.PartyNumberOut]:
        """Needs ``X-Ground``."""
        party = PartyData(kind, iin_bin, "")
        found = await subscribers.people.numbers_of(party, origin(request))
        return [s.PartyNumberOut(subscriber_id=i, msisdn=number, plan_code=plan) for i, number, plan in found]

    async def report(request: ApiRequest, msisdn: MsisdnText, body: s.DataChangeIn) -> s.DataChangeOut:
        """Fields left out have not changed."""
        subscriber = await subscribers.get(msisdn)
        change = await subscribers.people.report_change(
            subscriber.subscriber_id,
            body.party.data(),
            origin(request, "report of the subscriber"),
            changed_on=body.changed_on,
        )
        return s.DataChangeOut(fields=list(change.fields), late=change.late)

    async def language(request: ApiRequest, msisdn: MsisdnText, body: s.LanguageIn) -> None:
        subscriber = await subscribers.get(msisdn)
        ground = origin(request, "wish of the subscriber")
        await subscribers.set_language(subscriber.subscriber_id, body.language, ground)

    async def note(request: ApiRequest, msisdn: MsisdnText, body: s.UserNoteIn) -> None:
        """The user gets no rights (PSC-1.1.15)."""
        subscriber = await subscribers.get(msisdn)
        ground = origin(request, "wish of the subscriber")
        await subscribers.people.note_user(subscriber.subscriber_id, body.note, ground)

    async def group(request: ApiRequest, msisdn: MsisdnText, body: s.GroupIn) -> None:
        subscriber = await subscribers.get(msisdn)
        await subscribers.people.join_group(subscriber.subscriber_id, body.group, origin(request), member=body.member)

    base = "/v1/subscribers/{msisdn}"
    declare(api, "GET", base, "All that is kept on a number", response=c.CardOut)(read)
    declare(
        api,
        "GET",
        "/v1/parties/{kind}/{iin_bin}/numbers",
        "The numbers of an IIN or BIN",
        response=list[s.PartyNumberOut],
        errors=[e.GroundRequiredError],
    )(numbers)
    declare(api, "POST", f"{base}/data", "Report changed data", body=s.DataChangeIn, response=s.DataChangeOut)(report)
    declare(api, "PUT", f"{base}/language", "Choose the language", body=s.LanguageIn)(language)
    declare(api, "PUT", f"{base}/user", "Note to whom the SIM is lent", body=s.UserNoteIn)(note)
    declare(api, "POST", f"{base}/groups", "Join or leave a group of plans", body=s.GroupIn)(group)


def _plans(api: Api, subscribers: Subscribers) -> None:
    async def quote(request: ApiRequest, msisdn: MsisdnText, body: s.PlanQuoteIn) -> s.PlanQuoteModel:
        """Changes nothing; the answer is sent back to confirm it."""
        subscriber = await subscribers.get(msisdn)
        found = await subscribers.quote_plan(
            subscriber.subscriber_id, body.plan, body.when, origin(request, "question of the subscriber")
        )
        return s.PlanQuoteModel.model_validate(found)

    async def change(request: ApiRequest, msisdn: MsisdnText, body: s.PlanQuoteModel) -> s.PlanQuoteModel:
        """The body is the quote that the subscriber confirmed."""
        subscriber = await subscribers.get(msisdn)
        confirmed = PlanQuote(**(body.model_dump(exclude={"fee", "refund"})), fee=body.fee, refund=body.refund)
        if confirmed.subscriber_id != subscriber.subscriber_id:
            raise e.QuoteChangedError()
        done = await subscribers.change_plan(confirmed, origin(request, "application of the subscriber"))
        return s.PlanQuoteModel.model_validate(done)

    async def cancel(request: ApiRequest, msisdn: MsisdnText) -> None:
        subscriber = await subscribers.get(msisdn)
        await subscribers.plans.cancel_change(
            subscriber.subscriber_id, origin(request, "application of the subscriber")
        )

    base = "/v1/subscribers/{msisdn}"
    refusals = [e.SubscriberUnknownError, e.PlanSameError, e.PlanUnfitError]
    declare(
        api,
        "POST",
        f"{base}/plan-quotes",
        "What a plan change costs, and when",
        body=s.PlanQuoteIn,
        response=s.PlanQuoteModel,
        errors=refusals,
    )(quote)
    declare(
        api,
        "POST",
        f"{base}/plan-changes",
        "Change the plan as quoted",
        body=s.PlanQuoteModel,
        response=s.PlanQuoteModel,
        idempotent=True,
        errors=[*refusals, e.QuoteChangedError, e.NotEnoughMoneyError],
    )(change)
    declare(
        api,
        "DELETE",
        f"{base}/plan-changes",
        "Give up the plan change that waits",
        errors=[e.SubscriberUnknownError, e.NoPlanChangeError],
    )(cancel)


def _services(api: Api, subscribers: Subscribers) -> None:
    async def switch_on(request: ApiRequest, msisdn: MsisdnText, body: s.ServiceIn) -> s.ServiceOrderOut:
        subscriber = await subscribers.get(msisdn)
        order = await subscribers.switch_service_on(
            subscriber.subscriber_id,
            body.service,
            origin(request, "application of the subscriber"),
            request.operation_id,
        )
        return s.ServiceOrderOut.model_validate(order)

    async def switch_off(request: ApiRequest, msisdn: MsisdnText, service: Code) -> None:
        subscriber = await subscribers.get(msisdn)
        await subscribers.switch_service_off(
            subscriber.subscriber_id, service, origin(request, "application of the subscriber")
        )

    async def stop(request: ApiRequest, msisdn: MsisdnText) -> s.CodesOut:
        subscriber = await subscribers.get(msisdn)
        ground = origin(request, "application of the subscriber")
        return s.CodesOut(services=await subscribers.stop_third_party(subscriber.subscriber_id, ground))

    base = "/v1/subscribers/{msisdn}"
    declare(
        api,
        "POST",
        f"{base}/services",
        "Switch a service on",
        body=s.ServiceIn,
        response=s.ServiceOrderOut,
        status=201,
        idempotent=True,
        errors=[
            e.SubscriberUnknownError,
            e.ServiceUnfitError,
            e.SuspendedError,
            e.ServiceOnError,
            e.NotEnoughMoneyError,
        ],
    )(switch_on)
    declare(
        api,
        "DELETE",
        f"{base}/services/{{service}}",
        "Switch a service off",
        errors=[e.SubscriberUnknownError, e.ServiceOffError],
    )(switch_off)
    declare(api, "POST", f"{base}/stop-third-party", "Switch off all third-party services", response=s.CodesOut)(stop)


def _suspensions(api: Api, subscribers: Subscribers) -> None:
    async def suspend(request: ApiRequest, msisdn: MsisdnText, body: s.SuspensionIn) -> c.SuspensionOut:
        """Takes effect at once, without notice (PSC-3.1.5)."""
        subscriber = await subscribers.get(msisdn)
        suspension = await subscribers.suspend(
            subscriber.subscriber_id,
            body.suspend_on,
            origin(request, body.reason),
            reason=body.reason,
            scopes=body.scopes,
            reference=body.reference or "",
            ends_at=body.ends_at,
        )
        return c.SuspensionOut.model_validate(suspension)

    async def end(request: ApiRequest, suspension_id: Id, body: s.EndIn) -> s.BarredOut:
        """The answer names what other suspensions still forbid."""
        barred = await subscribers.resume(SuspensionId(suspension_id), origin(request, body.reason), reason=body.reason)
        return s.BarredOut(barred=sorted(barred))

    declare(
        api,
        "POST",
        "/v1/subscribers/{msisdn}/suspensions",
        "Suspend services to a number",
        body=s.SuspensionIn,
        response=c.SuspensionOut,
        status=201,
        errors=[e.SubscriberUnknownError, e.SuspensionError, e.SuspensionOpenError],
    )(suspend)
    declare(
        api,
        "POST",
        "/v1/suspensions/{suspension_id}/end",
        "End a suspension",
        body=s.EndIn,
        response=s.BarredOut,
        errors=[e.SuspensionUnknownError],
    )(end)


def _cards(api: Api, subscribers: Subscribers) -> None:
    async def swap(request: ApiRequest, msisdn: MsisdnText, body: s.SimSwapIn) -> s.SimOut:
        """The number stays (PSC-1.1.28)."""
        subscriber = await subscribers.get(msisdn)
        sim = await subscribers.swap_sim(
            subscriber.subscriber_id, origin(request, body.reason), iccid=body.iccid, reason=body.reason
        )
        return s.SimOut.model_validate(sim)

    async def renumber(request: ApiRequest, msisdn: MsisdnText, body: s.NumberChangeIn) -> s.NumberOut:
        """The old number is withdrawn and rests before anybody else gets it (PSC-2.11)."""
        subscriber = await subscribers.get(msisdn)
        number = await subscribers.numbers.change(
            subscriber.subscriber_id,
            origin(request, "application of the subscriber"),
            msisdn=body.msisdn,
            category=body.category,
            holder=body.reserved_by or "",
        )
        return s.NumberOut(msisdn=number)

    base = "/v1/subscribers/{msisdn}"
    declare(
        api,
        "POST",
        f"{base}/sim-swaps",
        "Put another SIM in",
        body=s.SimSwapIn,
        response=s.SimOut,
        errors=[e.SubscriberUnknownError, e.SimNotInStockError, e.NoEsimLeftError],
    )(swap)
    declare(
        api,
        "POST",
        f"{base}/number-changes",
        "Change the number",
        body=s.NumberChangeIn,
        response=s.NumberOut,
        idempotent=True,
        errors=[e.SubscriberUnknownError, e.NumberNotFreeError, e.NoNumberLeftError, e.NotEnoughMoneyError],
    )(renumber)


def _devices(api: Api, subscribers: Subscribers) -> None:
    async def register(request: ApiRequest, msisdn: MsisdnText, body: s.DeviceIn) -> c.DeviceOut:
        subscriber = await subscribers.get(msisdn)
        device = await subscribers.devices.register(
            subscriber.subscriber_id, body.imei, origin(request, "registration of a device")
        )
        return c.DeviceOut.model_validate(device)

    async def unregister(
        request: ApiRequest, msisdn: MsisdnText, imei: Annotated[str, Field(pattern=r"^\d{15}$")]
    ) -> None:
        subscriber = await subscribers.get(msisdn)
        ground = origin(request, "application of the subscriber")
        await subscribers.devices.end(subscriber.subscriber_id, imei, ground, reason=ground.ground)

    base = "/v1/subscribers/{msisdn}"
    declare(
        api,
        "POST",
        f"{base}/devices",
        "Register a device",
        body=s.DeviceIn,
        response=c.DeviceOut,
        status=201,
        errors=[e.SubscriberUnknownError, e.IdentityNumberError, e.DeviceKnownError],
    )(register)
    declare(
        api,
        "DELETE",
        f"{base}/devices/{{imei}}",
        "End the registration of a device",
        errors=[e.SubscriberUnknownError, e.DeviceUnknownError],
    )(unregister)


# What the service's types look like on the wire


def accession_out(accession: Accession) -> s.AccessionOut:
    return s.AccessionOut.model_validate(accession)


def subscriber_out(subscriber: Subscriber) -> c.SubscriberOut:
    fields = {
        name: getattr(subscriber, name) for name in c.SubscriberOut.model_fields if name not in ("services", "barred")
    }
    fields["account"] = c.AccountModel.model_validate(subscriber.account)
    return c.SubscriberOut(**fields, services=sorted(subscriber.services), barred=sorted(subscriber.barred))


def card_out(card: Card) -> c.CardOut:
    party = card.party.data
    return c.CardOut(
        subscriber=subscriber_out(card.subscriber),
        party=c.PartyOut.model_validate(party),
        missing_data=list(card.missing_data),
        user_note=card.user_note,
        acceded_at=card.acceded_at,
        stop_at=card.stop_at,
        ended_at=card.ended_at,
        end_ground=card.end_ground,
        accounts=[c.PersonalAccountOut.model_validate(a) for a in card.accounts],
        numbers=[c.NumberUseOut.model_validate(n) for n in card.numbers],
        sims=[c.SimUseOut.model_validate(sim) for sim in card.sims],
        services=[c.ServiceOut.model_validate(service) for service in card.services],
        plan_changes=[c.PlanChangeOut.model_validate(change) for change in card.plan_changes],
        suspensions=[c.SuspensionOut.model_validate(suspension) for suspension in card.suspensions],
        consents=[c.ConsentOut.model_validate(consent) for consent in card.consents],
        data_changes=[c.PartyChangeOut.model_validate(change) for change in card.data_changes],
        editions=[c.EditionAnswerOut.model_validate(answer) for answer in card.editions],
        devices=[c.DeviceOut.model_validate(device) for device in card.devices],
        applications=[c.ApplicationOut.model_validate(application) for application in card.applications],
    )
