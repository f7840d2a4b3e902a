"""The ledger as readers see it: an account's buckets, and the lines of its statement."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from telco.kernel.ids import AccountRef
from telco.kernel.units import Unit
from telco.ledger.model import Kind


class BucketView(NamedTuple):
    """A bucket as it is. `available` is what could be taken now: balance less holds, plus credit limit."""

    bucket_no: int
    code: str
    unit: Unit
    balance: int
    held: int
    available: int
    initial: int
    priority: int
    valid_from: datetime
    valid_until: datetime | None
    origin: str


class AccountView(NamedTuple):
    """An account's buckets, the main balance first."""

    account: AccountRef
    buckets: tuple[BucketView, ...]
    credit_limit: int
    low_mark: int | None

    @property
    def main(self) -> int:
        """The main balance, in tiyn; negative for a debt."""
        return self.buckets[0].balance

    @property
    def available_money(self) -> int:
        """What all money buckets could pay now, in tiyn."""
        return sum(bucket.available for bucket in self.buckets if bucket.unit is Unit.MONEY)


class StatementLine(NamedTuple):
    """What an operation moved in one bucket: negative when it was taken."""

    bucket_no: int
    code: str
    unit: Unit
    amount: int


class StatementEntry(NamedTuple):
    """One operation as the subscriber sees it."""

    op_id: str
    at: datetime
    kind: Kind
    contra: str
    lines: tuple[StatementLine, ...]
    cost_tiyn: int
    main_after: int
    details: dict[str, Any]
