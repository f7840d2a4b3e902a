"""Documents made by hand, for what renders them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from telco.billing.documents import rules
from telco.billing.documents.model import (
    Basis,
    Buyer,
    BuyerKind,
    Document,
    Entry,
    Item,
    Kind,
    Named,
    Period,
    Reconciliation,
    Reference,
    Refund,
    Statement,
    Turn,
    Words,
)
from telco.kernel.money import Tiyn
from tests.billing.documents.conftest import COMPANY_BIN, seller

LETTERS = "ӘҒҚҢӨҰҮҺІәғқңөұүһі"
COMPANY = Buyer(BuyerKind.COMPANY, f"ТОО «Ұшқын {LETTERS}»", COMPANY_BIN, "г. Астана, пр. Мәңгілік Ел, 55")
PERSON = Buyer(BuyerKind.PERSON, "Айгүл Серікқызы", "900101300017", None)
BASIS = Basis("417", date(2026, 2, 2), "2:417", "77011234567")
PERIOD = Period(date(2026, 2, 2), date(2026, 3, 2))
ISSUED = date(2026, 3, 2)


def item(number: int, name: str, gross: int, vat: int, *, percent: str | None = "16", quantity: str = "1") -> Item:
    rate = None if percent is None else Decimal(percent)
    return Item(
        number,
        "revenue.plan",
        Words(f"{name} (kk)", name, f"{name} (en)"),
        None,
        Decimal(quantity),
        Words("қызмет", "услуга", "service"),
        Tiyn(gross - vat),
        rate,
        Tiyn(vat),
        Tiyn(gross),
    )


ITEMS = (
    item(1, "Абонентская плата", 899_000, 124_000),  # 8990 * 16 / 116 = 1240.00
    item(2, "Вызовы", 123_456, 17_028, quantity="122.33"),  # 1234.56 * 16 / 116 = 170.28
    item(3, "Рассрочка", 1_000_000, 0, percent=None),
)


def document(kind: Kind, *, buyer: Buyer = COMPANY, items: tuple[Item, ...] = ITEMS) -> Document:
    """A document of a kind."""
    supply = rules.supply_of(items, date(2026, 4, 1))
    base = Document(
        kind, f"{rules.SERIES.get(kind, kind)}-2026-0000001", ISSUED, seller(), buyer, BASIS, PERIOD, supply
    )
    match kind:
        case Kind.INVOICE:
            return replace(base, number="KC-2026-0000001")
        case Kind.CREDIT_NOTE:
            back = [replace(i, net=Tiyn(-i.net), vat=Tiyn(-i.vat), gross=Tiyn(-i.gross)) for i in items]
            lowered = Reference(1, Kind.INVOICE, "KC-2026-0000001", ISSUED, "вызовы не его")
            return replace(base, number="CRN-2026-0000001", content=rules.supply_of(back, None), corrects=lowered)
        case Kind.ACT:
            act = rules.only_supplies(supply)
            reference = Reference(1, Kind.ACT, "ACT-2026-0000000", ISSUED, "адрес заказчика")
            return replace(
                base, content=replace(act, due_on=None, invoice_number="KC-2026-0000001"), corrects=reference
            )
        case Kind.EINVOICE:
            return replace(base, content=replace(rules.only_supplies(supply), due_on=None))
        case Kind.STATEMENT:
            return replace(base, buyer=PERSON, content=statement(3))
        case Kind.RECONCILIATION:
            turns = (
                Turn(date(2026, 2, 2), Words.same("KC"), "KC-2026-0000001", Tiyn(1_500_000), Tiyn(0)),
                Turn(date(2026, 2, 9), Words.same("Платёж"), "117", Tiyn(0), Tiyn(1_200_000)),
            )
            owed = Reconciliation(Tiyn(100_000), turns, Tiyn(1_500_000), Tiyn(1_200_000), Tiyn(400_000), Tiyn(7_500))
            return replace(base, content=owed)
        case Kind.REFUND_ORDER:
            refund = Refund(
                Tiyn(1_234_550), "318", date(2026, 2, 27), date(2026, 3, 29), "Айгүл Серікқызы", "900101300017",
                "KZ87345KZT1234567890", "HSBKKZKX", Words("Шарттың соңы", "Конец договора", "End of the contract"),
            )  # fmt: skip
            return replace(base, buyer=PERSON, period=None, content=refund)


def statement(lines: int) -> Statement:
    """A statement of so many calls at 12.34 each, a payment every tenth line."""
    names = (
        Named("1", Words("Қоңырау", "Вызов внутри сети", "Call"), Words("мин", "мин", "min")),
        Named("2", Words("Төлем", "Платёж", "Payment"), Words("қызмет", "услуга", "service")),
    )
    begin, balance = datetime(2026, 2, 2, 6, tzinfo=UTC), 500_000
    entries = []
    for number in range(lines):
        paid = number % 10 == 9
        change = 100_000 if paid else -1_234
        balance += change
        entries.append(
            Entry(
                begin + timedelta(minutes=3 * number),
                "2" if paid else "1",
                None if paid else "77017654321",
                None if paid else Decimal("2.50"),
                Tiyn(change),
                Tiyn(balance),
            )
        )
    money_in = sum(entry.amount for entry in entries if entry.amount > 0)
    money_out = -sum(entry.amount for entry in entries if entry.amount < 0)
    return Statement(Tiyn(500_000), tuple(entries), names, Tiyn(money_in), Tiyn(money_out), Tiyn(balance))
