"""Payment orders as the bank's client program reads them: the exchange format ``1CClientBankExchange`` 1.03.

The encoding is Windows-1251, which banks take. It has no letters for eight sounds of Kazakh; they are written with
their Russian neighbours, as bank statements show names, and the IIN or BIN says who is meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from telco.billing.refunds.model import Payer, Refund
from telco.billing.refunds.rules import kbe_of
from telco.kernel.money import json_money

_NEIGHBOURS = str.maketrans("ӘәҒғҚқҢңӨөҰұҮүҺһ", "АаГгКкНнОоУуУуХх")
_KIND = "Платежное поручение"


def payment_orders(payer: Payer, refunds: Sequence[Refund], made_at: datetime, purpose_code: str) -> bytes:
    """Write one payment order for each refund, in the bank's format; `made_at` is shown as it is given.

    The order's number is the refund's id, so that the bank's answer names it. `purpose_code` is the three digits (КНП)
    that every payment in Kazakhstan has.
    """
    day = _day(made_at.date())
    lines = [
        "1CClientBankExchange",
        "ВерсияФормата=1.03",
        "Кодировка=Windows",
        "Отправитель=telco",
        f"ДатаСоздания={day}",
        f"ВремяСоздания={made_at:%H:%M:%S}",
        f"ДатаНачала={day}",
        f"ДатаКонца={day}",
        f"РасчСчет={payer.iban}",
        f"Документ={_KIND}",
        *(line for refund in refunds for line in _order(payer, refund, day, purpose_code)),
        "КонецФайла",
        "",
    ]
    return "\r\n".join(lines).translate(_NEIGHBOURS).encode("cp1251", errors="replace")


def _order(payer: Payer, refund: Refund, day: str, purpose_code: str) -> list[str]:
    assert refund.amount is not None
    fields = {
        "Номер": str(refund.refund_id),
        "Дата": day,
        "Сумма": json_money(refund.amount),
        "ПлательщикСчет": payer.iban,
        "Плательщик": payer.name,
        "ПлательщикБИН_ИИН": payer.bin,
        "ПлательщикКБЕ": payer.kbe,
        "ПлательщикБанк1": payer.bank,
        "ПлательщикБИК": payer.bic,
        "ПолучательСчет": refund.payee.iban or "",
        "Получатель": refund.applicant,
        "ПолучательБИН_ИИН": refund.iin_bin,
        "ПолучательКБЕ": refund.payee.kbe or kbe_of(refund.iin_bin),
        "ПолучательБИК": refund.payee.bic or "",
        "КодНазначенияПлатежа": purpose_code,
        "НазначениеПлатежа": purpose(refund),
    }
    return [f"СекцияДокумент={_KIND}", *(f"{key}={value}" for key, value in fields.items() if value), "КонецДокумента"]


def purpose(refund: Refund) -> str:
    """What the order is for; the reference comes back with a returned transfer."""
    return f"Возврат остатка денег по заявлению {refund.reference}. Без НДС"


def _day(day: date) -> str:
    return f"{day:%d.%m.%Y}"
