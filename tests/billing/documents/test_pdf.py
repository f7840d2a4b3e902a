"""What is on paper, read back from the PDF."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

import pypdf
import pytest

from telco.billing.documents import canonical, rules
from telco.billing.documents.model import Buyer, Document, Kind, Reconciliation, Supply
from telco.billing.documents.pdf.layouts import to_pdf
from telco.billing.documents.pdf.sheet import CELL, Type, text_width, wrap
from telco.kernel.i18n import Language, Translator
from telco.kernel.money import Tiyn
from tests.billing.documents.examples import COMPANY, ISSUED, ITEMS, LETTERS, PERSON, document, item, statement

BLANK = "\N{NO-BREAK SPACE}"


def render(given: Document, language: Language, translator: Translator) -> bytes:
    return to_pdf(given, language, translator, canonical.digest(canonical.to_canonical(given)).hex())


def pages(content: bytes) -> list[str]:
    """The text of each page, with plain blanks."""
    reader = pypdf.PdfReader(io.BytesIO(content))
    return [page.extract_text().replace(BLANK, " ") for page in reader.pages]


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", Kind)
def test_a_document_is_the_same_bytes_every_time(kind: Kind, language: Language, translator: Translator) -> None:
    given = document(kind)
    read = canonical.from_canonical(canonical.to_canonical(given))
    assert read == given
    assert render(read, language, translator) == render(given, language, translator)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", Kind)
def test_the_fonts_are_embedded_in_part(kind: Kind, language: Language, translator: Translator) -> None:
    reader = pypdf.PdfReader(io.BytesIO(render(document(kind), language, translator)))
    fonts = reader.pages[0]["/Resources"]["/Font"]  # type: ignore[index]
    assert len(fonts) == 2
    for font in fonts.values():
        base = font.get_object()["/DescendantFonts"][0].get_object()
        assert "+OpenSans" in base["/BaseFont"]
        embedded = base["/FontDescriptor"].get_object()["/FontFile2"].get_object().get_data()
        assert 0 < len(embedded) < 40_000  # the whole font has 97,000
    assert reader.trailer["/Root"]["/Lang"] == language  # type: ignore[index]
    assert len(render(document(kind), language, translator)) < 60_000


@pytest.mark.parametrize("language", Language)
def test_every_kazakh_letter_is_printed(language: Language, translator: Translator) -> None:
    [page] = pages(render(document(Kind.INVOICE), language, translator))
    assert LETTERS in page


def test_an_invoice_says_what_is_owed_and_where_to_pay_it(translator: Translator) -> None:
    [page] = pages(render(document(Kind.INVOICE), Language.RU, translator))
    lines = page.splitlines()
    assert lines[:2] == ["Счёт-фактура № KC-2026-0000001", "от 2 марта 2026 г."]
    for text in (
        "АО «Коктем»", "БИН 990140000007", "БИН 000440000003", "серия 60001 № 0012345",
        "№ 417 от 02.02.2026", "02.02.2026 – 01.03.2026", "1 апреля 2026 г.", "KZ87 345K ZT12 3456 7890", "HSBKKZKX",
        "Абонентская плата", "7 750,00", "16 %", "1 240,00", "8 990,00", "122,33", "без НДС",
        # 8990.00 + 1234.56 + 10000.00 = 20224.56; VAT 1240.00 + 170.28 = 1410.28; without it 18814.28
        "18 814,28", "1 410,28", "20 224,56",
        "Двадцать тысяч двести двадцать четыре тенге 56 тиын", "страница 1 из 1",
    ):  # fmt: skip
        assert text in page, text


def test_an_invoice_says_what_was_paid_in_advance_and_what_is_left(translator: Translator) -> None:
    given = document(Kind.INVOICE)
    assert isinstance(given.content, Supply)
    given = replace(given, content=replace(given.content, advance=Tiyn(1_200_000)))
    [page] = pages(render(given, Language.RU, translator))
    # 20224.56 - 12000.00 = 8224.56
    for text in ("20 224,56", "Оплачено авансом", "12 000,00", "8 224,56",
                 "Восемь тысяч двести двадцать четыре тенге 56 тиын"):  # fmt: skip
        assert text in page, text
    assert "Оплачено авансом" not in pages(render(document(Kind.INVOICE), Language.RU, translator))[0]


def test_sums_are_written_as_each_language_does(translator: Translator) -> None:
    given = document(Kind.INVOICE)
    assert "20,224.56" in pages(render(given, Language.EN, translator))[0]
    kazakh = pages(render(given, Language.KK, translator))[0]
    assert "20 224,56" in kazakh
    assert "Жиырма мың екі жүз жиырма төрт теңге 56 тиын" in kazakh
    assert "2026 жылғы 2 наурыз" in kazakh


def test_an_act_states_services_only_and_is_signed_by_both(translator: Translator) -> None:
    [page] = pages(render(document(Kind.ACT), Language.RU, translator))
    assert "Рассрочка" not in page
    for text in ("Акт оказанных услуг № ACT-2026-0000001", "Исправляет и заменяет № ACT-2026-0000000",
                 "адрес заказчика", "KC-2026-0000001", "10 224,56", "Сдал (исполнитель)",
                 "Принял (заказчик)"):  # fmt: skip
        assert text in page, text
    assert page.count("М.П.") == 2


@pytest.mark.parametrize(
    ("closing", "said"),
    [
        (400_000, "Задолженность заказчика перед оператором: 4 000,00 тенге."),
        (-400_000, "Задолженность оператора перед заказчиком: 4 000,00 тенге."),
        (0, "Взаимной задолженности нет."),
    ],
)
def test_a_reconciliation_says_who_owes_whom(closing: int, said: str, translator: Translator) -> None:
    given = document(Kind.RECONCILIATION)
    assert isinstance(given.content, Reconciliation)
    content = replace(given.content, closing=Tiyn(closing))
    assert said in pages(render(replace(given, content=content), Language.RU, translator))[0]


@pytest.mark.parametrize(("buyer", "seals"), [(COMPANY, 2), (PERSON, 1)])
def test_only_companies_have_a_place_for_their_seal(buyer: Buyer, seals: int, translator: Translator) -> None:
    given = replace(document(Kind.RECONCILIATION), buyer=buyer)
    assert pages(render(given, Language.RU, translator))[0].count("М.П.") == seals


def test_a_refund_order_names_the_payee(translator: Translator) -> None:
    [page] = pages(render(document(Kind.REFUND_ORDER), Language.RU, translator))
    for text in ("Распоряжение о возврате денег № RFO-2026-0000001", "ИИН 900101300017", "№ 318 от 27.02.2026",
                 "29 марта 2026 г.", "12 345,50", "Конец договора", "Банковский перевод"):  # fmt: skip
        assert text in page, text


def test_a_long_table_repeats_its_head_and_loses_no_line(translator: Translator) -> None:
    lines = 400
    given = replace(document(Kind.STATEMENT), content=statement(lines))
    found = pages(render(given, Language.RU, translator))
    assert len(found) > 5
    for number, page in enumerate(found, 1):
        assert page.count("Дата и время") == 1
        assert f"страница {number} из {len(found)}" in page
        assert ("STM-2026-0000001 · 2 марта 2026 г." in page) == (number > 1)
    text = "\n".join(found)
    balances = [entry.balance for entry in statement(lines).entries]
    assert all(f"{balance // 100:,}".replace(",", " ") + f",{balance % 100:02d}" in text for balance in balances)
    assert text.count("Вызов внутри сети, 77017654321") == lines * 9 // 10


def test_a_row_is_never_torn(translator: Translator) -> None:
    """A name that fills many lines moves to the next page as a whole."""
    long = "Очень длинное наименование услуги, " * 12
    given = document(Kind.INVOICE, items=tuple(item(number, f"{long}{number:03d}", 116, 16) for number in range(1, 41)))
    found = pages(render(given, Language.RU, translator))
    assert len(found) > 3
    for page in found:
        assert page.count("Очень длинное наименование") % 12 == 0
    assert all(f"{number:03d}" in "\n".join(found) for number in range(1, 41))


class Run(NamedTuple):
    """A piece of text and where it stands: its baseline from below and its beginning from the left, in points."""

    y: float
    x: float
    size: float
    text: str

    @property
    def end(self) -> float:
        """Its right edge, or less where it is bold."""
        return self.x + text_width(self.text, Type(self.size)) * 72 / 25.4


def runs(content: bytes) -> list[list[Run]]:
    """What stands on each page, without what is blank."""
    found: list[list[Run]] = []
    for page in pypdf.PdfReader(io.BytesIO(content)).pages:
        here: list[Run] = []

        def take(text: str, _: Any, matrix: list[float], __: Any, size: float, here: list[Run] = here) -> None:
            if text.strip():
                here.append(Run(matrix[5], matrix[4], size, text.strip("\n")))

        page.extract_text(visitor_text=take)
        found.append(here)
    return found


@pytest.mark.parametrize("language", Language)
def test_large_sums_do_not_run_into_each_other(language: Language, translator: Translator) -> None:
    items = (item(1, "Аренда каналов", 9_999_999_999_999, 1_379_310_344_827, quantity="123456789012.345"),)
    entries = statement(1).entries
    most = Tiyn(-12_345_678_901_200)
    wide = replace(entries[0], quantity=Decimal("123456789012.5"), amount=most, balance=most)
    given = document(Kind.INVOICE, items=items)
    for one in (given, replace(document(Kind.STATEMENT), content=replace(statement(1), entries=(wide,), closing=most))):
        [page] = runs(render(one, language, translator))
        lines = {run.y: sorted(other for other in page if other.y == run.y) for run in page}
        for line in lines.values():
            for left, right in pairwise(line):
                assert left.end <= right.x, (left, right)


def test_signatures_stay_above_the_foot_however_long_the_names(translator: Translator) -> None:
    """Wherever on a page they begin."""
    buyer = replace(COMPANY, name="Ж" * 200)
    for count in range(18, 32):
        items = tuple(item(number, "Вызовы", 11_600, 1_600) for number in range(1, count))
        for page in runs(render(document(Kind.ACT, buyer=buyer, items=items), Language.RU, translator)):
            *text, foot = sorted({run.y for run in page}, reverse=True)
            assert min(text) - foot > 18, count  # points; the foot is a line and 5 mm below what it belongs to


@pytest.mark.parametrize("width", range(20, 80, 5))
def test_a_sum_is_never_broken(width: float) -> None:
    sum_of = f"1{BLANK}234{BLANK}567,00"
    assert any(sum_of in line for line in wrap(f"Ещё не выписано: {sum_of} тенге; не входит", width, CELL))


@pytest.mark.parametrize("width", [8.0, 20.0, 60.0])
@pytest.mark.parametrize("text", ["Ы" * 200, "слово " * 40, "a b", "", "77011234567", LETTERS * 3])
def test_wrapped_lines_fit_and_keep_every_letter(text: str, width: float) -> None:
    lines = wrap(text, width, CELL)
    assert all(text_width(line, CELL) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_what_the_font_cannot_write_shows_as_a_question_mark(translator: Translator) -> None:
    buyer = replace(COMPANY, name="Name \U0001f600 ₸ 漢字 end")
    [page] = pages(render(document(Kind.INVOICE, buyer=buyer), Language.EN, translator))
    assert "Name ? ? ?? end" in page


def test_a_document_of_an_empty_period_says_so(translator: Translator) -> None:
    given = replace(document(Kind.STATEMENT), content=statement(0))
    assert "За период движений не было." in pages(render(given, Language.RU, translator))[0]


def test_names_are_data_not_markup(translator: Translator) -> None:
    """What would break out of a PDF string or of our templates is printed as it is."""
    name = "(ТОО) \\ <b> {sum} %PDF ** endstream"
    [page] = pages(render(document(Kind.INVOICE, buyer=replace(COMPANY, name=name)), Language.RU, translator))
    assert name in page


def test_two_rates_of_vat_stand_apart(translator: Translator) -> None:
    """A rate that changed in the period: 112.00 at 12 % has 12.00, 116.00 at 16 % has 16.00."""
    items = (item(1, "До", 11_200, 1_200, percent="12"), item(2, "После", 11_600, 1_600))
    supply = rules.supply_of(items, ISSUED + timedelta(days=30))
    assert [(str(group.vat_percent), group.vat) for group in supply.groups] == [("16", 1_600), ("12", 1_200)]
    [page] = pages(render(document(Kind.INVOICE, items=items), Language.RU, translator))
    assert "НДС 16 %" in page
    assert "НДС 12 %" in page
    assert len(ITEMS) == 3
