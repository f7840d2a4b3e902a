"""The staff's API of what a subscriber agreed to: secrets, consents, accounts, editions, the end."""

from __future__ import annotations

from telco.subscribers import errors as e
from telco.subscribers import schemas as s
from telco.subscribers import schemas_card as c
from telco.subscribers.http_common import declare, origin
from telco.subscribers.model import ConsentKind
from telco.subscribers.service import Subscribers
from telco.web.api import Api, ApiRequest
from telco.web.fields import MsisdnText
from telco.web.staff import Role


def contract_routes(api: Api, subscribers: Subscribers) -> None:
    """Declare the routes of identification, consents, accounts and the end."""
    _identification(api, subscribers)
    _accounts(api, subscribers)
    _end(api, subscribers)


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
    declare(
        api,
        "PUT",
        f"{base}/secret",
        "Set the PIN or code word",
        body=s.SecretIn,
        errors=[e.SubscriberUnknownError, e.SecretRefusedError],
    )(set_secret)
    declare(
        api,
        "POST",
        f"{base}/secret/check",
        "Identify by PIN or code word",
        body=s.SecretTryIn,
        response=s.SecretCheckOut,
    )(check)
    declare(api, "POST", f"{base}/secret/unlock", "Clear the tries", roles={Role.SUPERVISOR})(unlock)
    declare(
        api,
        "POST",
        f"{base}/consents",
        "Give a consent",
        body=s.ConsentIn,
        errors=[e.SubscriberUnknownError, e.ConsentGivenError],
    )(give)
    declare(
        api,
        "DELETE",
        f"{base}/consents/{{kind}}",
        "Withdraw a consent",
        response=s.EndedOut,
        errors=[e.SubscriberUnknownError, e.ConsentAbsentError, e.ObligationsOpenError],
    )(withdraw)


def _accounts(api: Api, subscribers: Subscribers) -> None:
    async def open_account(request: ApiRequest, msisdn: MsisdnText, body: s.AccountIn) -> c.PersonalAccountOut:
        subscriber = await subscribers.get(msisdn)
        account = await subscribers.contracts.open_account(
            subscriber.subscriber_id, body.name, origin(request, "application of the subscriber")
        )
        return c.PersonalAccountOut.model_validate(account)

    async def use_account(request: ApiRequest, msisdn: MsisdnText, body: c.AccountModel) -> None:
        subscriber = await subscribers.get(msisdn)
        await subscribers.contracts.use_account(
            subscriber.subscriber_id, body.ref(), origin(request, "application of the subscriber")
        )

    base = "/v1/subscribers/{msisdn}"
    declare(
        api,
        "POST",
        f"{base}/accounts",
        "Open one more personal account",
        body=s.AccountIn,
        response=c.PersonalAccountOut,
        status=201,
    )(open_account)
    declare(
        api,
        "PUT",
        f"{base}/account",
        "Spend from another account of the contract",
        body=c.AccountModel,
        errors=[e.SubscriberUnknownError, e.AccountUnknownError],
    )(use_account)


def _end(api: Api, subscribers: Subscribers) -> None:
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
    declare(
        api,
        "POST",
        f"{base}/edition-refusals",
        "Refuse a changed contract",
        body=s.EditionRefusalIn,
        response=s.EndedOut,
        errors=[e.SubscriberUnknownError, e.EditionError, e.EditionLateError],
    )(refuse_edition)
    declare(
        api,
        "POST",
        f"{base}/refusals",
        "End services on the subscriber's refusal",
        body=s.RefusalIn,
        response=s.StopOut,
        errors=[e.SubscriberUnknownError, e.StopDateError],
    )(refuse)
    declare(
        api,
        "POST",
        f"{base}/end",
        "End the contract on the operator's ground",
        body=s.ContractEndIn,
        roles={Role.SUPERVISOR},
    )(end_contract)
