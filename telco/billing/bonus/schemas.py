"""Bodies of the bonus programme's API."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from telco.billing.bonus.model import BonusStatement, EarnedOperation
from telco.catalog.bonus import BonusProgramme, GiftKind
from telco.kernel.money import to_decimal
from telco.web.fields import ApiModel, MoneyOut, text

Ground = Annotated[str, text(200, field="ground"), Field(examples=["asked for at the office"])]


class MembershipIn(ApiModel):
    """A subscriber's wish, as an employee takes it."""

    ground: Ground
    """How it was asked for."""


class BucketOut(ApiModel):
    left: MoneyOut
    until: datetime | None


class RuleEarnedOut(ApiModel):
    rule: str
    earned: str
    """In tenge, exact: rounding comes with the month's credit."""


class MonthOut(ApiModel):
    month: date
    """Its first day."""
    rules: list[RuleEarnedOut]
    due: MoneyOut | None
    """After rounding and the caps, once the month is over."""


class BonusLineOut(ApiModel):
    at: datetime
    amount: MoneyOut
    """Negative for what was taken back."""
    what: str
    """`earned`, or the gift's code with its occasion."""
    op_id: str
    """The operation of the ledger."""


class BonusStatementOut(ApiModel):
    """Bonuses of the personal account that the number spends from."""

    msisdn: str
    member: bool
    joined_at: datetime | None
    tenure_from: date | None
    available: MoneyOut
    buckets: list[BucketOut]
    months: list[MonthOut]
    credits: list[BonusLineOut]
    gifts: list[BonusLineOut]

    @classmethod
    def of(cls, msisdn: str, statement: BonusStatement) -> BonusStatementOut:
        member = statement.member
        return cls(
            msisdn=msisdn,
            member=member is not None,
            joined_at=member.joined_at if member else None,
            tenure_from=member.tenure_from if member else None,
            available=statement.available,
            buckets=[BucketOut(left=bucket.left, until=bucket.until) for bucket in statement.buckets],
            months=[
                MonthOut(
                    month=month.month,
                    rules=[RuleEarnedOut(rule=one.rule, earned=exact_tenge(one.earned_e4)) for one in month.rules],
                    due=month.due,
                )
                for month in statement.months
            ],
            credits=[
                BonusLineOut(at=line.at, amount=line.amount, what="earned", op_id=line.op_id)
                for line in statement.credits
            ],
            gifts=[
                BonusLineOut(at=line.at, amount=line.amount, what=f"{line.gift} {line.occasion}", op_id=line.op_id)
                for line in statement.gifts
            ],
        )


class EarnedOperationOut(ApiModel):
    op_id: str
    at: datetime
    rule: str
    paid: MoneyOut
    """By the main balance; negative for a reversal."""
    earned: str

    @classmethod
    def of(cls, operation: EarnedOperation) -> EarnedOperationOut:
        return cls(
            op_id=operation.op_id,
            at=operation.at,
            rule=operation.rule,
            paid=operation.paid,
            earned=exact_tenge(operation.earned_e4),
        )


class ProofOut(ApiModel):
    """The operations of a day that earned bonuses."""

    msisdn: str
    day: date
    operations: list[EarnedOperationOut]


class TierOut(ApiModel):
    months: int
    """With the operator, at least."""
    percent: str


class EarnOut(ApiModel):
    code: str
    on: list[str]
    tiers: list[TierOut]
    month_cap: MoneyOut | None


class GiftOut(ApiModel):
    code: str
    kind: GiftKind
    amount: MoneyOut
    lasts: str
    months: int
    on: date | None


class ProgrammeOut(ApiModel):
    """The rules in force."""

    version: int
    effective_from: datetime
    pays: list[str]
    lasts: str
    month_cap: MoneyOut | None
    least: MoneyOut
    earn: list[EarnOut]
    gifts: list[GiftOut]

    @classmethod
    def of(cls, programme: BonusProgramme) -> ProgrammeOut:
        return cls(
            version=programme.version,
            effective_from=programme.effective_from,
            pays=sorted(programme.pays),
            lasts=str(programme.lasts),
            month_cap=programme.month_cap,
            least=programme.least,
            earn=[
                EarnOut(
                    code=rule.code,
                    on=sorted(rule.on),
                    tiers=[
                        TierOut(months=tier.months, percent=f"{to_decimal(tier.basis_points).normalize():f}")
                        for tier in rule.tiers
                    ],
                    month_cap=rule.month_cap,
                )
                for rule in programme.earn
            ],
            gifts=[
                GiftOut(
                    code=gift.code,
                    kind=gift.kind,
                    amount=gift.amount,
                    lasts=str(gift.lasts),
                    months=gift.months,
                    on=gift.on,
                )
                for gift in programme.gifts
            ],
        )


def exact_tenge(earned_e4: int) -> str:
    """Write ten-thousandths of a tiyn in tenge, without losing any."""
    return f"{Decimal(earned_e4).scaleb(-6):f}"
