"""The staff's API of subscribers: what an employee does with a number in front of the customer."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from telco.kernel.iin_bin import IinBinError
from telco.subscribers import errors as e
from telco.subscribers import schemas as s
from telco.subscribers.http_registers import register_routes
from telco.subscribers.model import (
    Accession,
    Channel,
    ConsentKind,
    Origin,
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
from telco.web.staff import Role

_CLERKS = {Role.CLERK, Role.SUPERVISOR}
_READERS = {Role.CLERK, Role.SUPERVISOR, Role.ACCOUNTANT, Role.AUDITOR}
_TAGS = ["Subscribers"]
IinBin = Annotated[str, Field(pattern=r"^\d{12}$")]


def origin(request: ApiRequest, ground: str = "", channel: Channel = Channel.OFFICE) -> Origin:
    """Who acts: the caller, on the ground of ``X-Ground`` or, without it, of the document in the body."""
    return Origin(request.actor.actor, channel, request.ground or ground)


def routes(api: Api, subscribers: Subscribers) -> None:
    """Declare the routes of subscribers."""
    _accession(api, subscribers)
    _people(api, subscribers)
    _plans(api, subscribers)
    _services(api, subscribers)
    _suspensions(api, subscribers)
    _cards(api, subscribers)
    _identification(api, subscribers)
    _end(api, subscribers)
    register_routes(api, subscribers, origin)


def _declare(api: Api, method: str, path: str, summary: str, **more: Any) -> Any:
    """A route of this feature: its commands write their own audit rows in their transaction."""
    more.setdefault("roles", _CLERKS if method != "GET" else _READERS)
    more.setdefault("tags", _TAGS)
    more.setdefault("errors", [e.SubscriberUnknownError])
    return api.route(method, path, summary=summary, audit=False, **more)


def _accession(api: Api, subscribers: Subscribers) -> None:
    async def accede(request: ApiRequest, body: s.SheetIn) -> Answer:
        """The same sheet number with the same contents answers the first result with status 200."""
        accession = await subscribers.accede(body.sheet(origin(request, f"registration sheet {body.sheet_number}")))
        return Answer(accession_out(accession), status=200 if accession.replayed else 201)

    _declare(
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
            e.SheetDiffersError,
            e.NotEnoughMoneyError,
        ],
    )(accede)

    async def pass_on(request: ApiRequest, msisdn: MsisdnText, body: s.SheetIn) -> s.AccessionOut:
        """The new subscriber signs a sheet of his own; money and debts stay with the old one."""
        subscriber = await subscribers.get(msisdn)
        sheet = body.sheet(origin(request, f"registration sheet {body.sheet_number}"))
        return accession_out(await subscribers.accession.re_register(subscriber.subscriber_id, sheet))

    _declare(
        api,
        "POST",
        "/v1/subscribers/{msisdn}/re-registrations",
        "Pass a number to another person or company",
        body=s.SheetIn,
        response=s.AccessionOut,
        errors=[e.SubscriberUnknownError, e.NumbersLimitError, e.PlanUnfitError, e.NumberTemporaryError],
    )(pass_on)


def _people(api: Api, subscribers: Subscribers) -> None:
    async def read(request: ApiRequest, msisdn: MsisdnText) -> s.CardOut:
        """Needs ``X-Ground``: who looked, and why, is recorded with the look."""
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
    _declare(api, "GET", base, "All that is kept on a number", response=s.CardOut)(read)
    _declare(
        api,
        "GET",
        "/v1/parties/{kind}/{iin_bin}/numbers",
        "The numbers of an IIN or BIN",
        response=list[s.PartyNumberOut],
        errors=[e.GroundRequiredError],
    )(numbers)
    _declare(api, "POST", f"{base}/data", "Report changed data", body=s.DataChangeIn, response=s.DataChangeOut)(report)
    _declare(api, "PUT", f"{base}/language", "Choose the language", body=s.LanguageIn)(language)
    _declare(api, "PUT", f"{base}/user", "Note to whom the SIM is lent", body=s.UserNoteIn)(note)
    _declare(api, "POST", f"{base}/groups", "Join or leave a group of plans", body=s.GroupIn)(group)


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
    _declare(
        api,
        "POST",
        f"{base}/plan-quotes",
        "What a plan change costs, and when",
        body=s.PlanQuoteIn,
        response=s.PlanQuoteModel,
        errors=refusals,
    )(quote)
    _declare(
        api,
        "POST",
        f"{base}/plan-changes",
        "Change the plan as quoted",
        body=s.PlanQuoteModel,
        response=s.PlanQuoteModel,
        idempotent=True,
        errors=[*refusals, e.QuoteChangedError, e.NotEnoughMoneyError],
    )(change)
    _declare(
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
    _declare(
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
    _declare(
        api,
        "DELETE",
        f"{base}/services/{{service}}",
        "Switch a service off",
        errors=[e.SubscriberUnknownError, e.ServiceOffError],
    )(switch_off)
    _declare(api, "POST", f"{base}/stop-third-party", "Switch off all third-party services", response=s.CodesOut)(stop)


def _suspensions(api: Api, subscribers: Subscribers) -> None:
    async def suspend(request: ApiRequest, msisdn: MsisdnText, body: s.SuspensionIn) -> s.SuspensionOut:
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
        return s.SuspensionOut.model_validate(suspension)

    async def end(request: ApiRequest, suspension_id: Id, body: s.EndIn) -> s.BarredOut:
        """The answer names what other suspensions still forbid."""
        barred = await subscribers.resume(SuspensionId(suspension_id), origin(request, body.reason), reason=body.reason)
        return s.BarredOut(barred=sorted(barred))

    _declare(
        api,
        "POST",
        "/v1/subscribers/{msisdn}/suspensions",
        "Suspend services to a number",
        body=s.SuspensionIn,
        response=s.SuspensionOut,
        status=201,
        errors=[e.SubscriberUnknownError, e.SuspensionError, e.SuspensionOpenError],
    )(suspend)
    _declare(
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

    async def register(request: ApiRequest, msisdn: MsisdnText, body: s.DeviceIn) -> s.DeviceOut:
        subscriber = await subscribers.get(msisdn)
        device = await subscribers.devices.register(
            subscriber.subscriber_id, body.imei, origin(request, "registration of a device")
        )
        return s.DeviceOut.model_validate(device)

    async def unregister(
        request: ApiRequest, msisdn: MsisdnText, imei: Annotated[str, Field(pattern=r"^\d{15}$")]
    ) -> None:
        subscriber = await subscribers.get(msisdn)
        ground = origin(request, "application of the subscriber")
        await subscribers.devices.end(subscriber.subscriber_id, imei, ground, reason=ground.ground)

    base = "/v1/subscribers/{msisdn}"
    _declare(
        api,
        "POST",
        f"{base}/sim-swaps",
        "Put another SIM in",
        body=s.SimSwapIn,
        response=s.SimOut,
        errors=[e.SubscriberUnknownError, e.SimNotInStockError],
    )(swap)
    _declare(
        api,
        "POST",
        f"{base}/number-changes",
        "Change the number",
        body=s.NumberChangeIn,
        response=s.NumberOut,
        idempotent=True,
        errors=[e.SubscriberUnknownError, e.NumberNotFreeError, e.NoNumberLeftError, e.NotEnoughMoneyError],
    )(renumber)
    _declare(
        api,
        "POST",
        f"{base}/devices",
        "Register a device",
        body=s.DeviceIn,
        response=s.DeviceOut,
        status=201,
        errors=[e.SubscriberUnknownError, e.IdentityNumberError, e.DeviceKnownError],
    )(register)
    _declare(
        api,
        "DELETE",
        f"{base}/devices/{{imei}}",
        "End the registration of a device",
        errors=[e.SubscriberUnknownError, e.DeviceUnknownError],
    )(unregister)


def _identification(api: Api, subscribers: Subscribers) -> None:
    async def set_secret(request: ApiRequest, msisdn: MsisdnText, body: s.SecretIn) -> None:
        """Kept as a hash, never shown or logged."""
        subscriber = await subscribers.get(msisdn)
        await subscribers.identification.set(
            subscriber.subscriber_id,
            body.kind,
            body.secret.get_secret_value(),
            origin(request, "identity shown in the office"),
        )

    async def check(_: ApiRequest, msisdn: MsisdnText, body: s.SecretTryIn) -> s.SecretCheckOut:
        """Each call uses up a try; after the allowed tries the secret is locked for a while."""
        subscriber = await subscribers.get(msisdn)
        result = await subscribers.identification.check(subscriber.subscriber_id, body.secret.get_secret_value())
        return s.SecretCheckOut.model_validate(result)

    async def unlock(request: ApiRequest, msisdn: MsisdnText) -> None:
        subscriber = await subscribers.get(msisdn)
        await subscribers.identification.unlock(
            subscriber.subscriber_id, origin(request, "identity shown in the office")
        )

    async def give(request: ApiRequest, msisdn: MsisdnText, body: s.ConsentIn) -> None:
        subscriber = await subscribers.get(msisdn)
        await subscribers.consents.give(
            subscriber.subscriber_id, body.kind, origin(request, "written consent"), version=body.version
        )

    async def withdraw(request: ApiRequest, msisdn: MsisdnText, kind: ConsentKind) -> s.EndedOut:
        """Withdrawing the consent to data processing ends the party's numbers (PSC-6.7)."""
        subscriber = await subscribers.get(msisdn)
        ended = await subscribers.consents.withdraw(
            subscriber.subscriber_id, kind, origin(request, "written application")
        )
        return s.EndedOut(ended=ended)

    base = "/v1/subscribers/{msisdn}"
    _declare(
        api,
        "PUT",
        f"{base}/secret",
        "Set the PIN or code word",
        body=s.SecretIn,
        errors=[e.SubscriberUnknownError, e.SecretRefusedError],
    )(set_secret)
    _declare(
        api,
        "POST",
        f"{base}/secret/check",
        "Identify by PIN or code word",
        body=s.SecretTryIn,
        response=s.SecretCheckOut,
    )(check)
    _declare(api, "POST", f"{base}/secret/unlock", "Clear the tries", roles={Role.SUPERVISOR})(unlock)
    _declare(
        api,
        "POST",
        f"{base}/consents",
        "Give a consent",
        body=s.ConsentIn,
        errors=[e.SubscriberUnknownError, e.ConsentGivenError],
    )(give)
    _declare(
        api,
        "DELETE",
        f"{base}/consents/{{kind}}",
        "Withdraw a consent",
        response=s.EndedOut,
        errors=[e.SubscriberUnknownError, e.ConsentAbsentError, e.ObligationsOpenError],
    )(withdraw)


def _end(api: Api, subscribers: Subscribers) -> None:
    async def open_account(request: ApiRequest, msisdn: MsisdnText, body: s.AccountIn) -> s.PersonalAccountOut:
        subscriber = await subscribers.get(msisdn)
        account = await subscribers.contracts.open_account(
            subscriber.subscriber_id, body.name, origin(request, "application of the subscriber")
        )
        return s.PersonalAccountOut.model_validate(account)

    async def use_account(request: ApiRequest, msisdn: MsisdnText, body: s.AccountModel) -> None:
        subscriber = await subscribers.get(msisdn)
        await subscribers.contracts.use_account(
            subscriber.subscriber_id, body.ref(), origin(request, "application of the subscriber")
        )

    async def refuse_edition(request: ApiRequest, msisdn: MsisdnText, body: s.EditionRefusalIn) -> s.EndedOut:
        """Ends the contract (PSC-2.4)."""
        subscriber = await subscribers.get(msisdn)
        ended = await subscribers.contracts.refuse_edition(
            subscriber.subscriber_id, body.edition, origin(request, "written refusal")
        )
        return s.EndedOut(ended=ended)

    async def refuse(request: ApiRequest, msisdn: MsisdnText, body: s.RefusalIn) -> s.StopOut:
        """Services stop on the date of the application, not before it was made (PSC-6.3.1)."""
        subscriber = await subscribers.get(msisdn)
        stop_at = await subscribers.contracts.refuse(
            subscriber.subscriber_id, origin(request, "written refusal"), stop_at=body.stop_at
        )
        return s.StopOut(stop_at=stop_at)

    async def end_contract(request: ApiRequest, msisdn: MsisdnText, body: s.ContractEndIn) -> None:
        """On the operator's side; needs ``X-Ground``."""
        subscriber = await subscribers.get(msisdn)
        await subscribers.contracts.end(subscriber.subscriber_id, body.end_on, origin(request))

    base = "/v1/subscribers/{msisdn}"
    _declare(
        api,
        "POST",
        f"{base}/accounts",
        "Open one more personal account",
        body=s.AccountIn,
        response=s.PersonalAccountOut,
        status=201,
    )(open_account)
    _declare(
        api,
        "PUT",
        f"{base}/account",
        "Spend from another account of the contract",
        body=s.AccountModel,
        errors=[e.SubscriberUnknownError, e.AccountUnknownError],
    )(use_account)
    _declare(
        api,
        "POST",
        f"{base}/edition-refusals",
        "Refuse a changed contract",
        body=s.EditionRefusalIn,
        response=s.EndedOut,
        errors=[e.SubscriberUnknownError, e.EditionError, e.EditionLateError],
    )(refuse_edition)
    _declare(
        api,
        "POST",
        f"{base}/refusals",
        "End services on the subscriber's refusal",
        body=s.RefusalIn,
        response=s.StopOut,
        errors=[e.SubscriberUnknownError, e.StopDateError],
    )(refuse)
    _declare(
        api,
        "POST",
        f"{base}/end",
        "End the contract on the operator's ground",
        body=s.ContractEndIn,
        roles={Role.SUPERVISOR},
    )(end_contract)


# What the service's types look like on the wire


def accession_out(accession: Accession) -> s.AccessionOut:
    return s.AccessionOut.model_validate(accession)


def subscriber_out(subscriber: Subscriber) -> s.SubscriberOut:
    fields = {
        name: getattr(subscriber, name) for name in s.SubscriberOut.model_fields if name not in ("services", "barred")
    }
    fields["account"] = s.AccountModel.model_validate(subscriber.account)
    return s.SubscriberOut(**fields, services=sorted(subscriber.services), barred=sorted(subscriber.barred))


def card_out(card: Card) -> s.CardOut:
    party = card.party.data
    return s.CardOut(
        subscriber=subscriber_out(card.subscriber),
        party=s.PartyOut.model_validate(party),
        missing_data=list(card.missing_data),
        user_note=card.user_note,
        acceded_at=card.acceded_at,
        stop_at=card.stop_at,
        accounts=[s.PersonalAccountOut.model_validate(a) for a in card.accounts],
        numbers=[s.NumberUseOut.model_validate(n) for n in card.numbers],
        sims=[s.SimUseOut.model_validate(sim) for sim in card.sims],
        services=[s.ServiceOut.model_validate(service) for service in card.services],
        plan_changes=[s.PlanChangeOut.model_validate(change) for change in card.plan_changes],
        suspensions=[s.SuspensionOut.model_validate(suspension) for suspension in card.suspensions],
        consents=[s.ConsentOut.model_validate(consent) for consent in card.consents],
        data_changes=[s.PartyChangeOut.model_validate(change) for change in card.data_changes],
        editions=[s.EditionAnswerOut.model_validate(answer) for answer in card.editions],
        devices=[s.DeviceOut.model_validate(device) for device in card.devices],
        applications=[s.ApplicationOut.model_validate(application) for application in card.applications],
    )
