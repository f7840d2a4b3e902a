"""A bank for tests: it takes a client's payment orders and tells in statements what became of them.

It imitates a bank of Kazakhstan as far as a client's files show one: orders in ``1CClientBankExchange`` are read
strictly and taken whole or not at all, while there is money; a transfer to an account that is closed comes back two
days later under the bank's own reference; a statement of a day is written in either form.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

_IBAN = re.compile(r"KZ\d{2}[0-9A-Z]{16}", re.ASCII)
_SUM = re.compile(r"[0-9]{1,13}\.[0-9]{2}", re.ASCII)
_ORDER = "СекцияДокумент=Платежное поручение"
_END = "КонецДокумента"
_PURPOSE_CODE = re.compile(r"[0-9]{3}", re.ASCII)
_KBE = re.compile(r"[12][1-9]", re.ASCII)
"""Residence and sector of the economy."""
_FIELDS = ("Номер", "Дата", "Сумма", "ПлательщикСчет", "ПолучательСчет", "Получатель", "ПолучательБИН_ИИН")
RETURN_DAYS = 2
MOST_TEXT = 65
"""Characters of a line of MT940."""


class OrdersRefusedError(Exception):
    """The bank does not take a file of orders."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened on the client's account. Sums are in tiyn; a negative one was debited."""

    day: date
    reference: str
    """The bank's own."""
    amount: int
    number: str
    order_day: date
    other: str
    purpose: str


class LabBank:
    """A bank that keeps one account of a client. Transfers to `closed` accounts come back."""

    def __init__(self, account: str, balance: int, closed: Collection[str] = ()) -> None:
        self._account = account
        self._opening = balance
        self._closed = frozenset(closed)
        self._known: set[tuple[str, str]] = set()
        self.entries: list[Entry] = []

    def take(self, raw: bytes, day: date) -> int:
        """Execute a file of orders on a day and return how many they are.

        Raises:
            OrdersRefusedError: one of them cannot be read, came before, or there is no money for all; none is executed.
        """
        orders = [self._read(fields) for fields in _sections(raw)]
        names = {(order["Номер"], order["Дата"]) for order in orders}
        if not orders or len(names) < len(orders) or names & self._known:
            raise OrdersRefusedError("no order, or one that came before")
        if sum(_tiyn(order["Сумма"]) for order in orders) > self.balance(day):
            raise OrdersRefusedError("not enough money")
        self._known |= names
        for order in orders:
            self._execute(order, day)
        return len(orders)

    def _read(self, fields: Mapping[str, str]) -> Mapping[str, str]:
        for field in _FIELDS:
            if not fields.get(field):
                raise OrdersRefusedError(f"{field} is missing")
        if fields["ПлательщикСчет"] != self._account or not _is_iban(fields["ПолучательСчет"]):
            raise OrdersRefusedError("a wrong account")
        if _SUM.fullmatch(fields["Сумма"]) is None or _tiyn(fields["Сумма"]) == 0:
            raise OrdersRefusedError("a wrong sum")
        if _PURPOSE_CODE.fullmatch(fields.get("КодНазначенияПлатежа", "")) is None:
            raise OrdersRefusedError("a wrong purpose code")
        for side in ("Плательщик", "Получатель"):
            if not _may_be(fields.get(f"{side}КБЕ", ""), fields.get(f"{side}БИН_ИИН", "")):
                raise OrdersRefusedError(f"a wrong code of the {side}")
        return fields

    def _execute(self, order: Mapping[str, str], day: date) -> None:
        amount, other = _tiyn(order["Сумма"]), order["ПолучательСчет"]
        made, purpose = _day(order["Дата"]), order.get("НазначениеПлатежа", "")
        self.entries.append(Entry(day, self._reference(), -amount, order["Номер"], made, other, purpose))
        if other in self._closed:
            back, reference = day + timedelta(days=RETURN_DAYS), self._reference()
            purpose = f"Возврат: {purpose}. Счет закрыт"
            self.entries.append(Entry(back, reference, amount, reference, back, other, purpose))

    def _reference(self) -> str:
        return f"B{len(self.entries) + 1:06d}"

    def balance(self, day: date) -> int:
        """Return what is on the account at the end of a day, in tiyn."""
        return self._opening + sum(entry.amount for entry in self.entries if entry.day <= day)

    def exchange(self, day: date) -> bytes:
        """Write what happened on a day in the exchange format, Windows-1251."""
        lines = ["1CClientBankExchange", "ВерсияФормата=1.03", "Кодировка=Windows", "Отправитель=Bank"]
        lines += [f"РасчСчет={self._account}", "СекцияРасчСчет", f"РасчСчет={self._account}", "КонецРасчСчет"]
        for entry in self._of(day):
            debited = entry.amount < 0
            sides = (self._account, entry.other) if debited else (entry.other, self._account)
            lines += [_ORDER, f"Номер={entry.number}", f"Дата={entry.order_day:%d.%m.%Y}"]
            lines += [f"Сумма={Decimal(abs(entry.amount)) / 100:.2f}"]
            lines += [f"ПлательщикСчет={sides[0]}", f"ПолучательСчет={sides[1]}"]
            lines += [f"{'ДатаСписано' if debited else 'ДатаПоступило'}={day:%d.%m.%Y}"]
            lines += [f"НазначениеПлатежа={entry.purpose}", _END]
        return "\r\n".join([*lines, "КонецФайла", ""]).encode("cp1251")

    def mt940(self, day: date) -> bytes:
        """Write the same as MT940: the days of value and booking, the bank's reference, no number of an order."""
        opening, closing = self.balance(day - timedelta(days=1)), self.balance(day)
        lines = [f":20:{day:%y%m%d}", f":25:{self._account}", ":28C:1/1", f":60F:C{day:%y%m%d}KZT{_comma(opening)}"]
        for entry in self._of(day):
            mark = "D" if entry.amount < 0 else "RD"
            lines.append(f":61:{day:%y%m%d%m%d}{mark}{_comma(abs(entry.amount))}NTRFNONREF//{entry.reference}")
            text = f"{entry.other} {entry.purpose}"
            first, *rest = [text[at : at + MOST_TEXT] for at in range(0, len(text), MOST_TEXT)]
            lines += [f":86:{first}", *rest]
        return "\r\n".join([*lines, f":62F:C{day:%y%m%d}KZT{_comma(closing)}", "-", ""]).encode()

    def _of(self, day: date) -> list[Entry]:
        return [entry for entry in self.entries if entry.day == day]


def _sections(raw: bytes) -> list[dict[str, str]]:
    lines = raw.decode("cp1251").split("\r\n")
    if lines[0] != "1CClientBankExchange" or lines[-2:] != ["КонецФайла", ""]:
        raise OrdersRefusedError("not a whole file")
    found: list[dict[str, str]] = []
    inside = False
    for line in lines:
        if line == _ORDER:
            found.append({})
        inside = line != _END and (inside or line == _ORDER)
        if inside and line != _ORDER:
            key, _, value = line.partition("=")
            found[-1][key] = value
    return found


def _may_be(kbe: str, iin_bin: str) -> bool:
    """Whether a code may be of a person or company: people are households, and a company's number has its residence."""
    if _KBE.fullmatch(kbe) is None:
        return False
    match iin_bin[4:5]:
        case "4" | "5" as kind:
            return kbe[0] == {"4": "1", "5": "2"}[kind] and kbe[1] != "9"
        case _:
            return kbe[1] == "9"


def _is_iban(text: str) -> bool:
    turned = text[4:] + text[:4]
    return _IBAN.fullmatch(text) is not None and int("".join(str(int(c, 36)) for c in turned)) % 97 == 1


def _tiyn(text: str) -> int:
    return int(text.replace(".", ""))


def _comma(amount: int) -> str:
    return f"{amount // 100},{amount % 100:02d}"


def _day(text: str) -> date:
    day, month, year = text.split(".")
    return date(int(year), int(month), int(day))
