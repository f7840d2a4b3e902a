"""Every command of every feature, with the titles of the menus above them: the router and docs/codes.md are made of it.

``python -m telco.commands`` writes the page of codes.
"""

from __future__ import annotations

import sys

from telco.billing import account_commands as account
from telco.billing import commands as billing
from telco.billing.bonus import commands as bonus
from telco.billing.collection import commands as collection
from telco.billing.instalments import commands as instalments
from telco.catalog import commands as catalog
from telco.kernel.i18n import Text, Translator
from telco.sms import codes
from telco.sms import commands as sms
from telco.sms.command import Codes, Command
from telco.sms.menu import Menu
from telco.subscribers import accession_commands as accession
from telco.subscribers import commands as subscribers

TITLES = {
    "": Text("Menu"),
    "2": Text("Plan"),
    "3": Text("Services"),
    "6": Text("Payments and charges"),
    "8": Text("Settings and help"),
    "8*6": Text("Bonuses and devices"),
}

COMMANDS: tuple[Command, ...] = (
    billing.tell_balance,
    subscribers.tell_plan,
    subscribers.change_plan,
    subscribers.keep_plan,
    catalog.about_plan,
    subscribers.tell_services,
    subscribers.service_on,
    subscribers.service_off,
    subscribers.stop_all,
    catalog.about_service,
    billing.activate_card,
    billing.trust_payment,
    account.tell_due,
    account.tell_payments,
    billing.tell_charges,
    account.ask_limit,
    account.send_statement,
    sms.call_me,
    subscribers.choose_language,
    subscribers.set_pin,
    subscribers.stop_advertising,
    subscribers.get_advertising,
    sms.tell_help,
    accession.accede,
    bonus.tell_bonuses,
    bonus.join_bonuses,
    bonus.leave_bonuses,
    instalments.tell_instalments,
    collection.object_to_debt,
)


def menu() -> Menu:
    """The operator's menu and keywords."""
    return Menu(COMMANDS, TITLES)


def codes_page() -> str:
    """The page of codes as it has to be."""
    return codes.document(menu(), Codes(), Translator.load())


if __name__ == "__main__":
    sys.stdout.write(codes_page())
