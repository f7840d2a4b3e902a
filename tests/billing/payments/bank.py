"""Bank files for tests, as a bank writes them."""

from __future__ import annotations

from collections.abc import Mapping

from tests.billing.payments.conftest import OTHER_ACCOUNT, OUR_ACCOUNT

PERSON = "900101300017"
COMPANY = "990140000007"


def document(purpose: str, amount: str = "1000.00", number: str = "1", **changes: str | None) -> dict[str, str]:
    """A payment order from a person to us; a change to None leaves the field out."""
    fields: dict[str, str | None] = {
        "Номер": number,
        "Дата": "01.03.2026",
        "Сумма": amount,
        "ПлательщикСчет": OTHER_ACCOUNT,
        "Плательщик": "Серікқызы Айгүл".replace("і", "и").replace("қ", "к").replace("ү", "у"),
        "ПлательщикИНН": PERSON,
        "ПолучательСчет": OUR_ACCOUNT,
        "ДатаПоступило": "01.03.2026",
        "НазначениеПлатежа": purpose,
    }
    fields |= changes
    return {key: value for key, value in fields.items() if value is not None}


def text(*documents: Mapping[str, str], encoding: str = "Windows", account: str = OUR_ACCOUNT) -> str:
    lines = ["1CClientBankExchange", "ВерсияФормата=1.03", f"Кодировка={encoding}", "Отправитель=Банк"]
    lines += ["ДатаНачала=01.03.2026", "ДатаКонца=01.03.2026", f"РасчСчет={account}"]
    lines += ["СекцияРасчСчет", "ДатаНачала=01.03.2026", f"РасчСчет={account}", "КонецРасчСчет"]
    for fields in documents:
        lines.append("СекцияДокумент=Платежное поручение")
        lines += [f"{key}={value}" for key, value in fields.items()]
        lines.append("КонецДокумента")
    return "\r\n".join([*lines, "КонецФайла", ""])


def bank_file(*documents: Mapping[str, str], account: str = OUR_ACCOUNT) -> bytes:
    return text(*documents, account=account).encode("cp1251")
