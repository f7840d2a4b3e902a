"""Accession: a registration sheet or an electronic message makes a subscriber with a number, a card and a plan."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from typing import Any

from telco.catalog.model import Plan, Settlement
from telco.kernel.ids import AccountRef, ContractId, SubscriberId
from telco.kernel.money import Tiyn
from telco.kernel.msisdn import Msisdn
from telco.kernel.names import clean_text
from telco.subscribers import contracts, money, numbers, plans, rules, store, store_numbers, store_records
from telco.subscribers.desk import Desk, Filing, Work
from telco.subscribers.errors import (
    ChannelRefusedError,
    NumberNotFreeError,
    NumbersLimitError,
    NumberTemporaryError,
    PartyNameDiffersError,
    PlanUnfitError,
    SheetDiffersError,
)
from telco.subscribers.fees import Fees
from telco.subscribers.model import (
    ACCESSION_BY_MESSAGE,
    Accession,
    Channel,
    ConsentKind,
    Edition,
    NumberState,
    Party,
    PartyKind,
    RegistrationSheet,
    Sim,
    Subscription,
)

_TEXT_FIELDS = {
    "request_id": 100,
    "category": 32,
    "account_name": 64,
    "reserved_by": 64,
    "region": 16,
    "identity_document": 100,
    "temporary_for_porting": 64,
    "user_note": 200,
    "message": 2_000,
}
_FROM_A_PHONE = frozenset({Channel.SMS, Channel.USSD, Channel.IVR})
_REQUIRED = frozenset({"request_id", "category", "account_name"})


class AccessionDesk:
    """Use cases of accession."""

    def __init__(self, desk: Desk, fees: Fees) -> None:
        self._desk = desk
        self._fees = fees

    async def accede(self, sheet: RegistrationSheet) -> Accession:
        """Register a signed registration sheet. The contract is in force from now on.

        The plan's first fee is taken and its allowances are granted; when the prepaid balance is not enough the plan
        waits for payment. The same sheet again gives the first result.

        Raises (the first that applies):
            ChannelRefusedError, TextRefusedError, IinBinError, PartyDataError, IdentityNumberError: form of the sheet.
            SheetDiffersError: the sheet's number is already registered with other contents.
            PartyNameDiffersError, NumbersLimitError, ContractUnknownError, AccountUnknownError: who accedes.
            UnknownPlanError, PlanUnfitError: the plan is not for this subscriber or not now.
            NumberNotFreeError, NoNumberLeftError, SimNotInStockError, NoEsimLeftError: number and card.
            NotEnoughMoneyError: the initial payment does not cover the price of the number.

        Contract: PSC-2.3, PSC-2.5, PSC-1.1.18, PSC-3.2.2, PSC-3.2.7, FUP-11
        """
        if sheet.origin.channel is not Channel.OFFICE:
            raise ChannelRefusedError(channel=sheet.origin.channel)
        return await self._register(sheet, complete=True)

    async def accede_by_message(self, sheet: RegistrationSheet) -> Accession:
        """Accede by SMS, USSD, IVR, e-mail, cabinet, site, app or electronic document.

        Who sends a message from a phone accedes with the starter pack in it, on a prepaid plan, and gives name and IIN;
        address and e-mail can follow. The message is kept as it came. Errors as `accede`.

        Contract: PSC-2.3, PSC-1.1.30, PSC-3.2.2
        """
        if sheet.origin.channel not in ACCESSION_BY_MESSAGE:
            raise ChannelRefusedError(channel=sheet.origin.channel)
        if sheet.origin.channel in _FROM_A_PHONE and (sheet.msisdn is None or sheet.iccid is not None):
            raise ValueError("a message from a phone names its own number and no card")
        return await self._register(sheet, complete=False)

    async def _register(self, sheet: RegistrationSheet, *, complete: bool) -> Accession:
        filing = Filing("accession", sheet.msisdn or sheet.party.iin_bin[:20], f"{sheet.plan_code[:64]}", sheet.origin)
        checked: list[RegistrationSheet] = []

        async def body(work: Work) -> Accession:
            if not checked:
                checked.append(check_sheet(sheet, complete=complete))
            return await self._accede(work, checked[0])

        return await self._desk.carry_out("accede", filing, body)

    async def _accede(self, work: Work, sheet: RegistrationSheet) -> Accession:
        party = await store.lock_party(work.conn, sheet.party, work.now)
        work.party_id = party.party_id
        known = await self._replay(work, sheet)
        if known is not None:
            return known
        party, plan = await self._entitle(work, party, sheet)
        msisdn, sim = await _number_and_card(work, sheet)
        edition = await store_records.current_edition(work.conn, work.now)
        contract_id, account = await self._contract_and_account(work, sheet, party, edition)
        subscription = await store.add_subscription(
            work.conn,
            contract_id=contract_id,
            party=party,
            account=account,
            msisdn=msisdn,
            brand=plan.brand,
            language=sheet.language,
            device_kind=sheet.device_kind,
            region=sheet.region,
            settlement=plan.settlement,
            plan=(plan.code, plan.version),
            user_note=sheet.user_note,
            now=work.now,
            today=work.today,
        )
        work.subscriber_id = subscription.subscriber_id
        await _hand_out(work, sheet, subscription, sim)
        await _keep_proof(work, sheet, subscription, edition)
        await self._take_payment(work, sheet, subscription)
        await money.pay_for_number(self._desk.ledger, work, subscription, msisdn)
        return await self._begin(work, sheet, subscription, plan, sim.iccid)

    async def re_register(self, subscriber_id: SubscriberId, sheet: RegistrationSheet) -> Accession:
        """Pass a number with its SIM to another person or company, who signs a registration sheet for it.

        The new subscriber gets a contract, a personal account and a plan of his own; the number, the card and
        suspensions stay. Money and debts stay with the old subscriber; his services, secret, devices and consents end.

        Raises: as `accede`, and
            SubscriberUnknownError
            NumberTemporaryError: the number stands in for one that is being ported, and the donor has not confirmed.

        Contract: PSC-3.1.5.9, PSC-7.3, FUP-11
        """
        if sheet.origin.channel is not Channel.OFFICE:
            raise ChannelRefusedError(channel=sheet.origin.channel)
        checked = check_sheet(sheet, complete=True)

        async def body(work: Work) -> Accession:
            party = await store.lock_party(work.conn, checked.party, work.now)
            known = await self._replay(work, checked)
            return known or await self._pass_on(work, subscriber_id, party, checked)

        filing = Filing("re_registration", "", sheet.plan_code[:64], sheet.origin, subscriber_id)
        return await self._desk.carry_out("re_register", filing, body)

    async def _pass_on(
        self, work: Work, subscriber_id: SubscriberId, party: Party, sheet: RegistrationSheet
    ) -> Accession:
        old = await store.lock_subscription(work.conn, subscriber_id)
        number = await store_numbers.number(work.conn, old.msisdn)
        if number is not None and number.state is NumberState.TEMPORARY:
            raise NumberTemporaryError(msisdn=old.msisdn)
        party, plan = await self._entitle(work, party, sheet)
        edition = await store_records.current_edition(work.conn, work.now)
        contract_id, account = await self._contract_and_account(work, sheet, party, edition)
        await contracts.end_personal(work, subscriber_id, "re-registered")
        await store_numbers.pass_on(work.conn, old, work.now, "re-registration")
        subscription = await store.change_owner(work.conn, subscriber_id, contract_id, party, account, sheet)
        await work.conn.execute(store.Q.end_idle_contract, old.contract_id, work.now)
        card = (await store_numbers.sim_history(work.conn, subscriber_id))[-1]
        payload: dict[str, object] = {
            "msisdn": old.msisdn,
            "from_party": old.party_id,
            "shard": old.account.shard,
            "account_id": old.account.account_id,
            "ground": "re_registered",
        }
        await work.emit("re_registered", subscriber_id, payload)
        await _keep_proof(work, sheet, subscription, edition)
        await self._take_payment(work, sheet, subscription)
        return await self._begin(work, sheet, subscription, plan, card.iccid)

    async def _entitle(self, work: Work, party: Party, sheet: RegistrationSheet) -> tuple[Party, Plan]:
        """Make sure that this party may have one more number, on this plan."""
        party = await _admit(work, party, sheet)
        catalogue = self._desk.catalogue()
        plan = catalogue.plan(sheet.plan_code, work.now)
        await plans.check_fit(
            catalogue,
            plan,
            work,
            party_id=party.party_id,
            kind=party.data.kind,
            device=sheet.device_kind,
            region=sheet.region,
        )
        if plan.settlement is Settlement.CREDIT and not work.origin.manual:
            raise PlanUnfitError(plan=plan.code, why=plans.CREDIT_IN_OFFICE)
        return party, plan

    async def _replay(self, work: Work, sheet: RegistrationSheet) -> Accession | None:
        row = await store.sheet(work.conn, sheet.request_id)
        if row is None:
            return None
        if row["request_sha256"] != sheet_sha256(sheet):
            raise SheetDiffersError(request_id=sheet.request_id)
        subscription = store.to_subscription(row)
        work.subscriber_id = subscription.subscriber_id
        work.outcome = "registered before"
        return _accession(subscription, row["iccid"], Tiyn(0), replayed=True)

    async def _contract_and_account(
        self, work: Work, sheet: RegistrationSheet, party: Party, edition: Edition
    ) -> tuple[ContractId, AccountRef]:
        """Open the contract and personal account, or use the ones that the sheet names. Contract: PSC-1.1.12"""
        contract_id = sheet.contract_id
        if contract_id is None:
            contract_id = await store.add_contract(work.conn, party.party_id, work.now)
        else:
            await store.lock_contract(work.conn, contract_id, party.party_id)
        manner = "sheet" if sheet.origin.channel is Channel.OFFICE else "message"
        await store_records.answer_edition(
            work.conn,
            contract_id,
            edition.edition,
            accepted=True,
            manner=manner,
            channel=sheet.origin.channel,
            now=work.now,
        )
        if sheet.account is not None:
            await store.check_account(work.conn, sheet.account, contract_id)
            return contract_id, sheet.account
        account = await self._desk.ledger.open_account(work.conn)
        await store.add_account(work.conn, account, contract_id, sheet.account_name, work.now)
        return contract_id, account

    async def _take_payment(self, work: Work, sheet: RegistrationSheet, subscription: Subscription) -> None:
        if sheet.initial_payment:
            await money.take_initial_payment(self._desk.ledger, work, subscription, sheet)

    async def _begin(
        self,
        work: Work,
        sheet: RegistrationSheet,
        subscription: Subscription,
        plan: Plan,
        iccid: str,
    ) -> Accession:
        """Take the first fee and say what was given."""
        joined = await self._fees.join(work, subscription, plan)
        accession = _accession(joined.subscription, iccid, joined.fee, replayed=False)
        work.details = {"msisdn": accession.msisdn, "plan": plan.code, "sheet": sheet.request_id}
        work.outcome = f"{accession.msisdn}, plan {plan.code} {accession.plan_state}"
        await work.emit(
            "acceded",
            subscription.subscriber_id,
            {
                "msisdn": accession.msisdn,
                "plan": plan.code,
                "plan_state": accession.plan_state,
                "language": subscription.language,
                "channel": sheet.origin.channel,
            },
        )
        return accession


def check_sheet(sheet: RegistrationSheet, *, complete: bool) -> RegistrationSheet:
    """Check the form of everything on a sheet and return it normalised.

    Raises:
        TextRefusedError, IinBinError, PartyDataError, IdentityNumberError
    """
    texts: dict[str, Any] = {
        name: clean_text(value, field=name, max_length=length)
        for name, length in _TEXT_FIELDS.items()
        if (value := getattr(sheet, name)) or name in _REQUIRED
    }
    return replace(
        sheet,
        party=rules.check_party(sheet.party, complete=complete),
        iccid=sheet.iccid and rules.parse_iccid(sheet.iccid),
        **texts,
    )


def sheet_sha256(sheet: RegistrationSheet) -> bytes:
    """Digest of what a sheet asks for, whoever types it in and by which channel."""
    contents = asdict(sheet)
    del contents["origin"]
    return hashlib.sha256(json.dumps(contents, sort_keys=True, default=str).encode()).digest()


async def _admit(work: Work, party: Party, sheet: RegistrationSheet) -> Party:
    """Let the party have one more number, and complete its data by the sheet's.

    Raises:
        PartyNameDiffersError: somebody else is registered under this IIN or BIN.
        NumbersLimitError: a person has as many numbers as one may have.

    Contract: FUP-11, PSC-3.1.5.9
    """
    if not rules.same_name(party.data.full_name, sheet.party.full_name):
        raise PartyNameDiffersError()
    if party.data.kind is PartyKind.PERSON:
        limit = (await work.terms())["numbers_per_person"]
        if await store.count_numbers(work.conn, party.party_id) >= limit:
            raise NumbersLimitError(limit=limit)
    news = replace(sheet.party, full_name=party.data.full_name)
    await store.change_party(work.conn, party, news, changed_on=work.today, now=work.now, late=False)
    return await store.party(work.conn, party.party_id)


async def _number_and_card(work: Work, sheet: RegistrationSheet) -> tuple[Msisdn, Sim]:
    """Choose number and card: a starter pack's belong together; without either, any free number and an eSIM."""
    msisdn = sheet.msisdn
    if msisdn is not None and sheet.iccid is None:
        packed = await store_numbers.pack_sim(work.conn, msisdn)
        if packed is None and sheet.origin.channel in _FROM_A_PHONE:
            raise NumberNotFreeError(msisdn=msisdn)
        return msisdn, packed or await store_numbers.pick_esim(work.conn)
    if sheet.iccid is None:
        number = await store_numbers.pick(work.conn, sheet.category)
        return number, await store_numbers.pick_esim(work.conn)
    if msisdn is None:
        msisdn = await store_numbers.pack_number(work.conn, sheet.iccid)
    if msisdn is None:
        msisdn = await store_numbers.pick(work.conn, sheet.category)
    return msisdn, await store_numbers.lock_stock_sim(work.conn, sheet.iccid, msisdn)


async def _hand_out(work: Work, sheet: RegistrationSheet, subscription: Subscription, sim: Sim) -> None:
    subscriber_id = subscription.subscriber_id
    holder = numbers.pack_holder(sim.iccid) if sim.pack_msisdn is not None else sheet.reserved_by
    await numbers.give(
        work,
        subscriber_id,
        subscription.msisdn,
        holder=holder or "",
        porting_ref=sheet.temporary_for_porting,
        reason="accession",
    )
    await store_numbers.put_in(
        work.conn, subscriber_id, sim, now=work.now, reason="accession", author=work.origin.author
    )


async def _keep_proof(work: Work, sheet: RegistrationSheet, subscription: Subscription, edition: Edition) -> None:
    """Keep the sheet or message, and the consents that accession gives.

    Contract: PSC-1.1.18, PSC-3.1.9, PSC-3.1.13, PSC-3.2.10
    """
    body = asdict(sheet)
    await store.add_sheet(
        work.conn,
        request_id=sheet.request_id,
        sha256=sheet_sha256(sheet),
        subscriber_id=subscription.subscriber_id,
        edition=edition.edition,
        channel=sheet.origin.channel,
        signed_at=work.now,
        author=sheet.origin.author,
        body=json.loads(json.dumps(body, default=str)),
    )
    consents = [ConsentKind.PERSONAL_DATA, ConsentKind.PHOTO]
    consents += [ConsentKind.MARKETING] if sheet.marketing else []
    consents += [ConsentKind.BONUS] if sheet.bonus_programme else []
    await store_records.give_consents(
        work.conn,
        subscription.party_id,
        subscription.subscriber_id,
        consents,
        version=edition.edition,
        channel=sheet.origin.channel,
        now=work.now,
    )


def _accession(subscription: Subscription, iccid: str, fee: Tiyn, *, replayed: bool) -> Accession:
    return Accession(
        subscriber_id=SubscriberId(subscription.subscriber_id),
        contract_id=subscription.contract_id,
        party_id=subscription.party_id,
        msisdn=subscription.msisdn,
        account=subscription.account,
        iccid=iccid,
        plan_code=subscription.plan_code,
        plan_version=subscription.plan_version,
        plan_state=subscription.plan_state,
        first_fee=fee,
        replayed=replayed,
    )
