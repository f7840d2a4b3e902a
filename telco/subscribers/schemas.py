"""Bodies of the subscribers API: what commands take and answer."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import Field, SecretStr

from telco.kernel.i18n import Language
from telco.kernel.ids import ContractId
from telco.kernel.money import Tiyn
from telco.subscribers.model import (
    ChangeTime,
    Channel,
    CheckStatus,
    ConsentKind,
    DeviceKind,
    EndGround,
    Ground,
    NumberState,
    Origin,
    PartyData,
    PartyKind,
    PlanState,
    RegistrationSheet,
    Scope,
    SecretKind,
    SimKind,
)
from telco.subscribers.schemas_card import AccountModel, ServiceOut
from telco.web.fields import ApiModel, Code, Id, Moment, Money, MoneyOut, MsisdnText, text

PLAN_CODE = Field(examples=["kcell-start"])
SERVICE_CODE = Field(examples=["data-1gb"])


class PartyModel(ApiModel):
    """Who a subscriber is."""

    kind: PartyKind
    iin_bin: Annotated[str, Field(pattern=r"^\d{12}$", examples=["900101300017"])]
    """A person's IIN or a company's BIN."""
    full_name: Annotated[str, text(200, field="full_name"), Field(examples=["Әлиев Асқар Серікұлы"])]
    postal_address: Annotated[str | None, Field(max_length=400, examples=["Алматы, Абай даңғылы 10, 5"])] = None
    email: Annotated[str | None, Field(max_length=254, examples=["askar@example.kz"])] = None
    contact_phone: Annotated[str | None, Field(max_length=32, examples=["+7 727 258 83 00"])] = None

    def data(self) -> PartyData:
        """What is not given stays as it is, or is still to be given."""
        return PartyData(self.kind, self.iin_bin, self.full_name, self.postal_address, self.email, self.contact_phone)


class SheetPartyModel(PartyModel):
    """Who a subscriber is, with all that a registration sheet needs."""

    postal_address: Annotated[str, Field(max_length=400, examples=["Алматы, Абай даңғылы 10, 5"])]
    email: Annotated[str, Field(max_length=254, examples=["askar@example.kz"])]
    contact_phone: Annotated[str, Field(max_length=32, examples=["+7 727 258 83 00"])]


class SheetIn(ApiModel):
    """A signed registration sheet."""

    sheet_number: Annotated[str, text(100, field="sheet_number"), Field(examples=["RS-2026-000001"])]
    """The sheet's own number: the same sheet again gives the first result."""
    party: SheetPartyModel
    plan: Annotated[Code, PLAN_CODE]
    language: Language
    msisdn: MsisdnText | None = None
    """A number of the pool; without it any free one of `category`, or the starter pack's."""
    category: Annotated[str, text(32, field="category")] = "ordinary"
    iccid: Annotated[str | None, Field(pattern=r"^\d{18,20}$")] = None
    """The card handed over; without it the starter pack's, or an eSIM."""
    reserved_by: Annotated[str, text(64, field="reserved_by")] | None = None
    """Who keeps the number reserved."""
    contract_id: Id | None = None
    account: AccountModel | None = None
    account_name: Annotated[str, text(64, field="account_name")] = "main"
    device_kind: DeviceKind = DeviceKind.PHONE
    region: Annotated[str | None, Field(pattern=r"^[A-Z]{2}-[A-Z0-9]{1,3}$", examples=["KZ-75"])] = None
    identity_document: Annotated[str, text(100, field="identity_document"), Field(examples=["ID 012345678"])]
    """The document whose original was shown."""
    initial_payment: Money = Tiyn(0)
    marketing: bool = True
    bonus_programme: bool = True
    user_note: Annotated[str, text(200, field="user_note")] | None = None
    temporary_for_porting: Annotated[str, text(64, field="temporary_for_porting")] | None = None

    def sheet(self, origin: Origin) -> RegistrationSheet:
        return RegistrationSheet(
            request_id=self.sheet_number,
            party=self.party.data(),
            plan_code=self.plan,
            language=self.language,
            origin=origin,
            msisdn=self.msisdn,
            category=self.category,
            iccid=self.iccid,
            reserved_by=self.reserved_by,
            contract_id=None if self.contract_id is None else ContractId(self.contract_id),
            account=None if self.account is None else self.account.ref(),
            account_name=self.account_name,
            device_kind=self.device_kind,
            region=self.region,
            identity_document=self.identity_document,
            initial_payment=self.initial_payment,
            marketing=self.marketing,
            bonus_programme=self.bonus_programme,
            temporary_for_porting=self.temporary_for_porting,
            user_note=self.user_note,
        )


class AccessionOut(ApiModel):
    """What an accession gave."""

    subscriber_id: int
    contract_id: int
    party_id: int
    msisdn: str
    account: AccountModel
    iccid: str
    plan_code: str
    plan_version: int
    plan_state: PlanState
    first_fee: MoneyOut
    replayed: bool


class PartyNumberOut(ApiModel):
    """A number of a party."""

    subscriber_id: int
    msisdn: str
    plan_code: str


class DataChangeIn(ApiModel):
    """What changed in a subscriber's data."""

    party: PartyModel
    changed_on: Annotated[date, Field(examples=["2026-03-01"])]
    """The day on which it changed."""


class DataChangeOut(ApiModel):
    """What was changed, and whether it was reported late."""

    fields: list[str]
    late: bool


class LanguageIn(ApiModel):
    """The language that the service speaks to a number."""

    language: Language


class PlanQuoteIn(ApiModel):
    """A plan that somebody thinks of."""

    plan: Annotated[Code, PLAN_CODE]
    when: ChangeTime = ChangeTime.NEXT_PERIOD


class PlanQuoteModel(ApiModel):
    """What a plan change costs and when it happens: send it back as it is to confirm it."""

    subscriber_id: Id
    from_plan: str
    to_plan: Annotated[str, PLAN_CODE]
    to_version: Annotated[int, Field(ge=1, le=1_000_000)]
    when: ChangeTime
    effective_at: Moment
    fee: Money
    refund: Money
    services_ending: tuple[str, ...]
    volumes_end: bool


class ServiceIn(ApiModel):
    """A service to switch on."""

    service: Annotated[Code, SERVICE_CODE]


class ServiceOrderOut(ApiModel):
    """A service that was switched on."""

    service: ServiceOut
    charged: MoneyOut
    replayed: bool


class CodesOut(ApiModel):
    """Services that were switched off."""

    services: list[str]


class SuspensionIn(ApiModel):
    """A suspension to make."""

    suspend_on: Ground
    """The ground of the contract (PSC-3.1.5)."""
    reason: Annotated[str, text(500, field="reason")]
    scopes: tuple[Scope, ...] = ()
    """What is taken away; empty for what goes with the ground."""
    reference: Annotated[str, text(100, field="reference")] | None = None
    """The law, demand, case or invoice."""
    ends_at: Moment | None = None


class EndIn(ApiModel):
    """Why something ends."""

    reason: Annotated[str, text(500, field="reason")]


class BarredOut(ApiModel):
    """What other suspensions still forbid."""

    barred: list[Scope]


class SimSwapIn(ApiModel):
    """A card to put in."""

    iccid: Annotated[str | None, Field(pattern=r"^\d{18,20}$")] = None
    """Without it, an eSIM."""
    reason: Annotated[str, text(200, field="reason")]


class SimOut(ApiModel):
    """A card."""

    iccid: str
    imsi: str
    kind: SimKind


class SimIn(ApiModel):
    """A card for the stock."""

    iccid: Annotated[str, Field(pattern=r"^\d{18,20}$", examples=["8999701000000000018"])]
    imsi: Annotated[str, Field(pattern=r"^\d{15}$", examples=["401020000000001"])]
    kind: SimKind
    pack_msisdn: MsisdnText | None = None
    """The number of a starter pack."""


class SimAddedOut(ApiModel):
    """A card in stock."""

    sim_id: int


class NumberChangeIn(ApiModel):
    """A number to change to."""

    msisdn: MsisdnText | None = None
    category: Annotated[str, text(32, field="category")] = "ordinary"
    reserved_by: Annotated[str, text(64, field="reserved_by")] | None = None


class NumberOut(ApiModel):
    """A number."""

    msisdn: str


class PoolNumberOut(ApiModel):
    """A number of the pool."""

    msisdn: str
    category: str
    price: MoneyOut
    state: NumberState


class NumberStandingOut(PoolNumberOut):
    """Where a number of the pool stands. What is over may still be shown until a job comes by."""

    reserved_by: str | None
    reserved_until: datetime | None
    quarantined_until: datetime | None


class NumbersIn(ApiModel):
    """Numbers for the pool."""

    msisdns: Annotated[list[MsisdnText], Field(min_length=1, max_length=10_000)]
    category: Annotated[str, text(32, field="category")] = "ordinary"


class AddedOut(ApiModel):
    """How many were new."""

    added: int


class CategoryPriceIn(ApiModel):
    """The price of a category of numbers."""

    price: Annotated[Money, Field(ge=0)]


class TermIn(ApiModel):
    """A figure from a day on."""

    valid_from: Annotated[date, Field(examples=["2026-07-01"])]
    value: Annotated[int, Field(ge=0, le=2_000_000_000)]


class TermOut(ApiModel):
    """A figure of the contract, and since when it holds."""

    name: str
    valid_from: date
    value: int


class TermsOut(ApiModel):
    """The figures in force today and those of coming days, by name and day."""

    terms: list[TermOut]


class ReservationIn(ApiModel):
    """For whom a number is kept."""

    holder: Annotated[str, text(64, field="holder"), Field(examples=["office-7/ticket-31"])]


class ReservationOut(ApiModel):
    """Until when a number is kept."""

    reserved_until: datetime


class SecretIn(ApiModel):
    """A PIN or code word."""

    kind: SecretKind
    secret: Annotated[SecretStr, Field(min_length=4, max_length=64)]


class SecretTryIn(ApiModel):
    """What the caller says the PIN or code word is."""

    secret: Annotated[SecretStr, Field(min_length=1, max_length=64)]


class SecretCheckOut(ApiModel):
    """How identification went."""

    status: CheckStatus
    tries_left: int
    locked_until: datetime | None


class ConsentIn(ApiModel):
    """A consent given."""

    kind: ConsentKind
    version: Annotated[str, text(64, field="version"), Field(examples=["2026-1"])]


class EndedOut(ApiModel):
    """Numbers whose service ended."""

    ended: list[str]


class DeviceIn(ApiModel):
    """A device to register."""

    imei: Annotated[str, Field(pattern=r"^\d{15}$", examples=["490154203237518"])]


class AccountIn(ApiModel):
    """A personal account to open."""

    name: Annotated[str, text(64, field="name"), Field(examples=["data only"])]


class RefusalIn(ApiModel):
    """A subscriber's written refusal of services."""

    stop_at: Moment | None = None
    """The date in the application; without it, now."""


class StopOut(ApiModel):
    """When services stop."""

    stop_at: datetime


class ContractEndIn(ApiModel):
    """A ground on which a contract ends."""

    end_on: EndGround


class EditionIn(ApiModel):
    """An edition of the contract to publish."""

    edition: Annotated[str, text(64, field="edition"), Field(examples=["2026-1"])]
    url: Annotated[str, text(400, field="url"), Field(examples=["https://www.example.kz/contract/2026-1"])]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Digest of the published document."""


class EditionOut(ApiModel):
    """A published edition."""

    edition: str
    published_at: datetime
    refusable_until: datetime
    url: str


class EditionRefusalIn(ApiModel):
    """An edition that a subscriber refuses in writing."""

    edition: Annotated[str, text(64, field="edition")]


class ApplicationIn(ApiModel):
    """An application on paper or by phone, to be decided."""

    applicant: MsisdnText
    kind: Annotated[str, text(64, field="kind"), Field(examples=["refund"])]
    text: Annotated[str, text(2000, field="text")]
    channel: Channel = Channel.OFFICE


class ApplicationIdOut(ApiModel):
    """A registered application."""

    application_id: int


class DecisionIn(ApiModel):
    """The outcome of an application."""

    granted: bool
    outcome: Annotated[str, text(500, field="outcome")]


class UserNoteIn(ApiModel):
    """To whom the SIM is lent; null to remove the note."""

    note: Annotated[str, text(200, field="note")] | None


class GroupIn(ApiModel):
    """Membership of a group that plans may be limited to."""

    group: Annotated[str, text(64, field="group")]
    member: bool = True
