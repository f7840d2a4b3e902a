"""What must hold within the bonus programme's rules and the terms of device sales."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from telco.catalog.bonus import GiftKind
from telco.catalog.errors import Problem
from telco.catalog.items import Item
from telco.catalog.schemas import BonusDoc, DevicePlanDoc, EarnDoc, GiftDoc


def check_bonus(item: Item, doc: BonusDoc) -> Iterator[Problem]:
    """Find what contradicts itself: something earned twice, tiers without order, gifts without an occasion."""
    for field, codes in (("earn", [rule.code for rule in doc.earn]), ("gifts", [gift.code for gift in doc.gifts])):
        for code in _repeated(codes):
            yield item.problem(field, f"{code} is declared twice; give each a code of its own")
    for code in _repeated(doc.pays):
        yield item.problem("pays", f"{code} is named twice; keep one")
    for code in _repeated(on for rule in doc.earn for on in rule.on):
        yield item.problem("earn", f"{code} earns twice; name it in one rule only")
    for index, rule in enumerate(doc.earn, 1):
        yield from _earn(item, f"earn[{index}]", rule)
    for index, gift in enumerate(doc.gifts, 1):
        yield from _gift(item, f"gifts[{index}]", gift, doc)
    if doc.least == 0:
        yield item.problem("least", "is zero; the least that can be credited is 0.01")


def _earn(item: Item, path: str, rule: EarnDoc) -> Iterator[Problem]:
    if (rule.percent is None) == (not rule.tiers):
        yield item.problem(f"{path}.percent", "and tiers exclude each other; give one of them")
    for months in _repeated(str(tier.months) for tier in rule.tiers):
        yield item.problem(f"{path}.tiers", f"two begin after {months} months; keep one")
    for position, tier in enumerate(rule.tiers, 1):
        if tier.percent == 0:
            yield item.problem(f"{path}.tiers[{position}].percent", "is zero; leave the tier out")
    if rule.percent == 0:
        yield item.problem(f"{path}.percent", "is zero; leave the rule out")
    if rule.month_cap == 0:
        yield item.problem(f"{path}.month_cap", "is zero, so nothing is ever earned; leave the rule out")


def _gift(item: Item, path: str, gift: GiftDoc, doc: BonusDoc) -> Iterator[Problem]:
    if gift.amount == 0:
        yield item.problem(f"{path}.amount", "is zero; leave the gift out")
    if (gift.kind is GiftKind.DAY) != (gift.on is not None):
        yield item.problem(f"{path}.on", "belongs to gifts of the kind day, and every such gift has one")
    elif gift.on is not None and not doc.effective_from <= gift.on <= (doc.effective_until or gift.on):
        yield item.problem(f"{path}.on", "is not among the days of this version; correct one of them")


def check_device_plan(item: Item, doc: DevicePlanDoc) -> Iterator[Problem]:
    """Find what contradicts itself in the terms of a device sale."""
    if doc.least_price > doc.most_price:
        yield item.problem("least_price", "is above most_price; correct one of them")
    if doc.least_price == 0:
        yield item.problem("least_price", "is zero; nothing is sold for nothing")
    if doc.down_percent == 100:
        yield item.problem("down_percent", "is the whole price; nothing is left to be paid in parts")
    for months in _repeated(str(count) for count in doc.months):
        yield item.problem("months", f"{months} is named twice; keep one")


def _repeated(values: Iterable[str]) -> list[str]:
    return sorted(value for value, count in Counter(values).items() if count > 1)
