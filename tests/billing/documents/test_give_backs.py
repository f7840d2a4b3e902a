"""Fees given back in mid-period, on invoices, acts and in the state's system: they agree with what was charged."""

from __future__ import annotations

from datetime import date

import pytest

from telco.billing.documents import esf, rules
from telco.billing.documents.model import Kind, Supply
from telco.catalog.loader import SourceFile
from telco.kernel.i18n import Language
from telco.kernel.money import Tiyn, tenge
from telco.lab import einvoice_check
from telco.subscribers.model import ChangeTime, EndGround
from tests.billing.documents.conftest import BIN, FEE, Office
from tests.billing.documents.examples import document, item
from tests.billing.invoicing.conftest import pay
from tests.world import CLERK

NEW_PLAN = "kcell-business-more"
PLAN_FILE = """
[[plan]]
code = "kcell-business-more"
from = 2026-03-10
brand = "kcell"
audience = "company"
name = { kk = "Kcell Бизнес +", ru = "Kcell Бизнес +", en = "Kcell Business +" }
number = "58"
keywords = ["MORE"]
settlement = "credit"
fee = "8990.00"
interval = "month"
price_lists = ["international", "roaming"]
credit = { limit = "50000.00", ceiling = "1000000.00" }
rates = [
    { service = "voice", to = ["on_net", "mobile", "fixed"], price = "9.00", per = "min", step = "1 s" },
    { service = "sms", to = ["on_net", "mobile"], price = "7.00", per = "SMS" },
    { service = "data", price = "5.00", per = "MB", step = "1 kB" },
]
[plan.summary]
kk = "8990 ₸/ай"
ru = "8990 ₸/мес"
en = "8,990 KZT a month"
"""


@pytest.mark.clause("PSC-4.3.2", "PSC-6.3.1", "PSC-1.1.2")
async def test_who_changes_plan_and_leaves_in_mid_period_is_invoiced_what_is_left(office: Office) -> None:
    """Joined on 2 March: 4829.03 for 30 days of 31. Changed on the 20th: the 11 days from the 21st come back,
    4990.00 * 11 / 31 = 1770.645, and 8990.00 are taken. 116.00 of calls. Left on the 25th: no fee comes back (PSC-6.5).

    4829.03 - 1770.65 + 8990.00 + 116.00 = 12164.38, with VAT of 12164.38 * 16 / 116 = 1677.8455.
    """
    world = office.world
    await world.catalog.publish([SourceFile("more.toml", PLAN_FILE.encode())], author="test")
    company = await office.company()
    await office.use(company, "call", 116_00, "revenue.voice", label="voice.mobile")
    await office.to(date(2026, 3, 20))
    quote = await world.subscribers.plans.quote(company.subscriber_id, NEW_PLAN, ChangeTime.NOW, CLERK)
    assert (quote.refund, quote.fee) == (Tiyn(1770_65), tenge(8990))
    await world.subscribers.plans.change(quote, CLERK)
    await office.to(date(2026, 3, 25))
    await world.subscribers.contracts.end(company.subscriber_id, EndGround.REFUSAL, CLERK)
    invoice = await office.invoice(company, date(2026, 4, 2))
    lines = await world.invoicing.lines(invoice.invoice_id)
    assert [(line.label, line.item, line.amount) for line in lines if line.amount] == [
        ("fee.plan", "kcell-business", FEE),
        ("fee.plan", NEW_PLAN, tenge(8990)),
        ("fee.refund", "kcell-business", -1770_65),
        ("voice.mobile", None, 116_00),
    ]
    assert (invoice.total, invoice.vat) == (Tiyn(12164_38), Tiyn(1677_85))
    assert await world.main(company) == -invoice.total
    await pay(world, company, "12164.38")
    assert await world.invoicing.open_invoices(company.account) == []
    act = await office.desk.documents.issue_act(invoice.invoice_id)
    paper, _ = await office.desk.documents.document(act.document_id)
    assert isinstance(paper.content, Supply)
    assert (paper.content.gross, paper.content.vat) == (invoice.total, invoice.vat)
    assert "Возврат абонентской платы" in [one.name.ru.partition(":")[0] for one in paper.content.items]
    assert (await office.desk.documents.render(act.document_id, Language.KK)).content


@pytest.mark.clause("PSC-4.5")
@pytest.mark.parametrize("kind", [Kind.INVOICE, Kind.ACT])
@pytest.mark.parametrize(("back", "lines"), [(11_600, 2), (990_000, 1)])
def test_the_state_gets_no_negative_lines(kind: Kind, back: int, lines: int) -> None:
    """8990.00 and 1234.56, less 116.00: off the larger. Less 9900.00: one line of what is left, 324.56."""
    items = (
        item(1, "Абонентская плата", 899_000, 124_000),
        item(2, "Вызовы", 123_456, 17_028),
        item(3, "Возврат абонентской платы", -back, -vat_of(back)),
    )
    made = document(kind, items=items)
    body = esf.to_body(made)
    form = esf.FORMS[kind]
    tree = einvoice_check.parse(body)
    assert einvoice_check.check(form, tree, tin=BIN, today=made.issued_on) == []
    assert f"WithTax>{esf.amount(899_000 + 123_456 - back)}</total" in body
    assert len(tree.findall(einvoice_check.FORMS[form].line)) == lines


def vat_of(gross: int) -> int:
    return round(gross * 16 / 116)


def test_what_was_only_given_back_at_a_rate_is_one_line() -> None:
    supply = rules.supply_of((item(1, "a", -11_600, -1_600), item(2, "b", -5_800, -800)), None)
    [line] = rules.netted(supply).items
    assert (line.gross, line.vat) == (-17_400, -2_400)
