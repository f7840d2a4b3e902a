"""docs/catalogue.md lists what the demo operator sells, as the files declare it."""

from __future__ import annotations

import tomllib
from pathlib import Path

from telco.catalog.catalogue import Catalogue
from telco.catalog.model import Plan, ServiceOffer
from telco.kernel.money import format_money
from tests.catalog.conftest import AT

BEGIN, END = "<!-- offers -->\n", "<!-- /offers -->"


def offers_table(operator: Catalogue) -> str:
    """The section of the page between its marks."""
    lines = ["| plan | menu | keywords | for | price |", "| --- | --- | --- | --- | --- |"]
    lines += [_plan_line(plan) for plan in sorted(operator.plans(AT), key=lambda plan: plan.brand, reverse=True)]
    lines += ["", "| service | menu | keywords | kind | price |", "| --- | --- | --- | --- | --- |"]
    lines += [_service_line(offer) for offer in operator.services(AT)]
    return "\n".join(lines) + "\n"


def _plan_line(plan: Plan) -> str:
    fee = f"{format_money(plan.fee)} a {plan.fee_interval}" if plan.fee else "no fee"
    return f"| `{plan.code}` | {plan.number} | {_words(plan)} | {plan.audience}, {plan.settlement} | {fee} |"


def _service_line(offer: ServiceOffer) -> str:
    price = format_money(offer.price)
    if offer.event_price is not None:
        price = f"{format_money(offer.event_price)} an event"
    elif offer.fee_interval is not None:
        price += f" every {offer.fee_interval}"
    elif offer.lasts is not None:
        price += f" for {offer.lasts}"
    return f"| `{offer.code}` | {offer.number} | {_words(offer)} | {offer.kind} | {price} |"


def _words(item: Plan | ServiceOffer) -> str:
    return ", ".join(item.keywords)


def test_the_page_lists_what_the_operator_sells(operator: Catalogue, root: Path) -> None:
    page = (root / "docs" / "catalogue.md").read_text("utf-8")
    section = page[page.index(BEGIN) + len(BEGIN) : page.index(END)]
    assert section == offers_table(operator)


def test_the_pages_examples_are_toml(root: Path) -> None:
    page = (root / "docs" / "catalogue.md").read_text("utf-8")
    examples = [block.split("```", 1)[0] for block in page.split("```toml\n")[1:]]
    assert examples
    for example in examples:
        assert tomllib.loads(example)
