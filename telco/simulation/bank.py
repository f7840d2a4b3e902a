"""The bank's side: files of the exchange format as a bank writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

OUR_ACCOUNT: Final = "KZ87345KZT1234567890"
PAYERS_ACCOUNT: Final = "KZ83765KZT0987654321"
CLOSED_ACCOUNT: Final = "KZ73722C000022222222"
"""What is sent there comes back."""
_CYRILLIC: Final = str.maketrans("әғқңөұүһіӘҒҚҢӨҰҮҺІ", "агкноуухиАГКНОУУХИ")
"""Banks write Kazakh names with Russian letters: the format's code page has no others."""


def register(amount: int, numbers: Sequence[str]) -> str:
    """Write a company's register: a sum in tiyn shared out over its numbers, the first takes what is left over."""
    part, over = divmod(amount, len(numbers))
    shares = [part + over, *[part] * (len(numbers) - 1)]
    rows = (f"{number};{Decimal(share) / 100:.2f}" for number, share in zip(numbers, shares, strict=True) if share)
    return "\n".join(["Номер;Сумма", *rows])


def bank_file(day: date, orders: Iterable[Mapping[str, Any]]) -> bytes:
    """Write the payment orders of a day: each has a number, payer's IIN or BIN and name, sum in tiyn, and purpose."""
    written = f"{day:%d.%m.%Y}"
    lines = ["1CClientBankExchange", "ВерсияФормата=1.03", "Кодировка=Windows", "Отправитель=Банк"]
    lines += [f"ДатаНачала={written}", f"ДатаКонца={written}", f"РасчСчет={OUR_ACCOUNT}"]
    lines += ["СекцияРасчСчет", f"ДатаНачала={written}", f"РасчСчет={OUR_ACCOUNT}", "КонецРасчСчет"]
    for order in orders:
        lines += [
            "СекцияДокумент=Платежное поручение",
            f"Номер={order['number']}",
            f"Дата={written}",
            f"Сумма={Decimal(order['amount']) / 100:.2f}",
            f"ПлательщикСчет={PAYERS_ACCOUNT}",
            f"Плательщик={order['name'].translate(_CYRILLIC)}",
            f"ПлательщикИНН={order['payer']}",
            f"ПолучательСчет={OUR_ACCOUNT}",
            f"ДатаПоступило={written}",
            f"НазначениеПлатежа={order['purpose']}",
            "КонецДокумента",
        ]
    return "\r\n".join([*lines, "КонецФайла", ""]).encode("cp1251")
