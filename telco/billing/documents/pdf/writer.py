"""One document in one language on its way to paper: what every kind of document has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta

from telco.billing.documents.model import BuyerKind, Document, Kind, Reference
from telco.billing.documents.pdf import style
from telco.billing.documents.pdf.sheet import (
    BODY,
    FOOT,
    GUTTER,
    INNER,
    LABEL,
    LEFT,
    STRONG,
    SUBTITLE,
    TITLE,
    TOTAL,
    Align,
    Ink,
    Sheet,
    Type,
    text_width,
    wrap,
)
from telco.billing.documents.words import amount_in_words
from telco.kernel.calendar import ZONE
from telco.kernel.i18n import Language, Text, Translator
from telco.kernel.money import Tiyn

_COLUMN = (INNER - GUTTER) / 2
_SUM_WIDTH = 34.0
_SUM_LABEL = 60.0


_TITLES: Mapping[Kind, str] = {
    Kind.INVOICE: Text("Invoice No. {number}").msgid,
    Kind.CREDIT_NOTE: Text("Credit note No. {number}").msgid,
    Kind.ACT: Text("Act of services rendered No. {number}").msgid,
    Kind.EINVOICE: Text("E-invoice No. {number}").msgid,
    Kind.STATEMENT: Text("Itemised statement No. {number}").msgid,
    Kind.REFUND_ORDER: Text("Refund order No. {number}").msgid,
    Kind.RECONCILIATION: Text("Act of reconciliation No. {number}").msgid,
}


def title_of(document: Document) -> Text:
    """Name a document, as its reader does."""
    return Text(_TITLES[document.kind], number=document.number)


def about_earlier(kind: Kind, earlier: Reference, day: str) -> Text:
    """Say which earlier document, of a day, one of a kind is about, and why."""
    about = {"number": earlier.number, "day": day, "reason": earlier.reason}
    if kind is Kind.CREDIT_NOTE:
        return Text("Lowers invoice No. {number} dated {day}. Reason: {reason}", **about)
    return Text("Corrects and replaces No. {number} dated {day}. Reason: {reason}", **about)


class Writer:
    """Writes the parts that documents share, and knows the language."""

    def __init__(self, document: Document, language: Language, translator: Translator, sha256: str) -> None:
        self.document = document
        self.language = language
        self._translator = translator
        self._sha256 = sha256
        self.title = self.say(title_of(document))
        self.sheet = Sheet(
            title=self.title,
            language=language,
            author=document.seller.name.in_(language),
            created_at=datetime.combine(document.issued_on, time.min, tzinfo=ZONE),
            identity=sha256,
        )
        self.sheet.running_head(f"{self.title} · {self.day(document.issued_on)}")

    def say(self, text: Text) -> str:
        return self._translator.render(text, self.language)

    def money(self, amount: int) -> str:
        return style.money(amount, self.language)

    def tenge(self, amount: int) -> str:
        """Write a sum with its currency, which the font has no sign of."""
        return self.say(Text("{sum} tenge", sum=self.money(amount)))

    def day(self, value: date) -> str:
        return style.long_day(value, self.language)

    # The top

    def heading(self) -> None:
        """The title, the day, what it corrects, and whose it is."""
        sheet, document = self.sheet, self.document
        sheet.paragraph(self.title, TITLE, after=0.8)
        sheet.paragraph(self.say(Text("dated {day}", day=self.day(document.issued_on))), SUBTITLE, after=1.6)
        if document.corrects is not None:
            text = about_earlier(document.kind, document.corrects, self.day(document.corrects.issued_on))
            sheet.paragraph(self.say(text), STRONG, after=1.6)
        sheet.rule(sheet.y, Ink.STRONG, weight=0.5)
        sheet.skip(4)

    def parties(self, seller_is: Text, buyer_is: Text) -> None:
        """Both sides, beside each other."""
        seller, buyer = self.document.seller, self.document.buyer
        left = [
            seller.name.in_(self.language),
            self.say(Text("BIN {number}", number=seller.bin)),
            seller.address.in_(self.language),
            self.say(Text("Phone {number}", number=seller.phone)),
        ]
        if seller.vat_certificate is not None:
            vat = seller.vat_certificate
            said = Text(
                "VAT certificate: series {series} No. {number} dated {day}",
                series=vat.series,
                number=vat.number,
                day=style.day(vat.issued_on),
            )
            left.append(self.say(said))
        number = Text("BIN {number}", number=buyer.iin_bin)
        if buyer.kind is BuyerKind.PERSON:
            number = Text("IIN {number}", number=buyer.iin_bin)
        right = [buyer.name, self.say(number), buyer.address or ""]
        sheet = self.sheet
        top = sheet.y
        heights = []
        for x, label, lines in ((LEFT, seller_is, left), (LEFT + _COLUMN + GUTTER, buyer_is, right)):
            sheet.y = top
            sheet.put(x, sheet.y, self.say(label), LABEL)
            sheet.y += LABEL.line + 0.6
            for place, line in enumerate(line for line in lines if line):
                sheet.y += sheet.lines(x, _COLUMN, line, STRONG if place == 0 else BODY) + 0.3
            heights.append(sheet.y - top)
        sheet.y = top + max(heights) + 3

    def basis(self, more: Sequence[tuple[str, str]] = (), *, bank: bool = False) -> None:
        """Under what the services were given, and other facts; `bank` adds where to pay."""
        document = self.document
        basis = document.basis
        pairs = [
            (
                self.say(Text("Contract")),
                self.say(Text("No. {number} dated {day}", number=basis.contract, day=style.day(basis.contract_on))),
            ),
            (self.say(Text("Personal account")), basis.account),
        ]
        if basis.msisdn is not None:
            pairs.append((self.say(Text("Number")), f"+{basis.msisdn}"))
        if document.period is not None:
            last = document.period.end - timedelta(days=1)
            pairs.append(
                (self.say(Text("Period")), f"{style.day(document.period.start)} – {style.day(last)}"),
            )
        pairs += more
        if bank:
            pairs += self._bank()
        self.sheet.facts(pairs)
        self.sheet.skip(3)

    def _bank(self) -> list[tuple[str, str]]:
        bank = self.document.seller.bank
        return [
            (self.say(Text("Beneficiary's bank")), bank.name.in_(self.language)),
            (self.say(Text("BIK")), bank.bik),
            (self.say(Text("Account (IIK)")), style.iban(bank.iban)),
            (self.say(Text("KBe")), bank.kbe),
        ]

    # The bottom

    def sums(self, lines: Sequence[tuple[str, int]], total: tuple[str, int]) -> None:
        """Sums under the right-hand edge of a table, the last one large."""
        sheet = self.sheet
        sheet.need(len(lines) * BODY.line + TOTAL.line + 8)
        sheet.skip(2.5)
        x = LEFT + INNER - _SUM_WIDTH - _SUM_LABEL
        for label, amount in lines:
            sheet.put(x, sheet.y, label, BODY, Align.RIGHT, _SUM_LABEL)
            self._sum(x, amount, BODY)
            sheet.skip(BODY.line + 0.5)
        sheet.skip(0.6)
        line = max(_SUM_WIDTH + text_width(total[0], TOTAL) + 2, _SUM_WIDTH + _SUM_LABEL - 14)
        sheet.rule(sheet.y, Ink.STRONG, x=LEFT + INNER - line, width=line, weight=0.3)
        sheet.skip(1.2)
        sheet.put(x, sheet.y, total[0], TOTAL, Align.RIGHT, _SUM_LABEL)
        self._sum(x, total[1], TOTAL)
        sheet.skip(TOTAL.line + 3)

    def _sum(self, x: float, amount: int, kind: Type) -> None:
        """Write a sum beside its label, which begins at `x`."""
        gap, edge = 2.0, 1.2
        x, width = x + _SUM_LABEL + gap, _SUM_WIDTH - gap - edge
        self.sheet.put(x, self.sheet.y, self.money(amount), kind, Align.RIGHT, width, fit=True)

    def in_words(self, label: Text, amount: Tiyn) -> None:
        """A sum in words under its label."""
        sheet = self.sheet
        sheet.need(14)
        sheet.put(LEFT, sheet.y, self.say(label), LABEL)
        sheet.skip(LABEL.line + 0.4)
        sheet.paragraph(amount_in_words(amount, self.language), STRONG, after=4)

    def signatures(self, left: tuple[Text, str], right: tuple[Text, str], *, both_seal: bool = False) -> None:
        """Two lines to sign on, side by side: a heading, and who signs under the line.

        The operator's seal is on the left; `both_seal` where the other side has one as well.
        """
        sheet = self.sheet
        width = _COLUMN * 0.88
        names = max(len(wrap(name, width, LABEL)) for _, name in (left, right)) * LABEL.line
        height = STRONG.line + 7.8 + names + 2.5 + FOOT.line
        sheet.need(3 + height)
        sheet.skip(3)
        top = sheet.y
        for place, (heading, name) in enumerate((left, right)):
            x = LEFT + place * (_COLUMN + GUTTER)
            sheet.y = top
            sheet.put(x, sheet.y, self.say(heading), STRONG)
            sheet.y += STRONG.line + 7
            sheet.rule(sheet.y, Ink.GREY, x=x, width=width)
            sheet.y += 0.8
            sheet.y += sheet.lines(x, width, name, LABEL)
            if place == 0 or both_seal:
                sheet.put(x, sheet.y + 2.5, self.say(Text("Place of the seal")), FOOT)
        sheet.y = top + height

    def finish(self) -> bytes:
        """End the document. The foot names the data that it was made of, so that a printout can be checked."""
        page_of = self.say(Text("page {page} of {pages}", page="{page}", pages="{pages}"))
        return self.sheet.finish(f"{self.document.number} · SHA-256 {self._sha256[:16]}", page_of)
