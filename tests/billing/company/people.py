"""Companies with numbers, for tests."""

from __future__ import annotations

from telco.kernel.i18n import Language
from telco.kernel.msisdn import Msisdn
from telco.subscribers import rules
from telco.subscribers.model import DeviceKind, PartyData, PartyKind, RegistrationSheet, SimKind, Subscriber
from tests.world import CLERK, World


async def company_number(world: World, iin_bin: str, plan: str) -> Subscriber:
    """Accede a number of a company, on a contract and account of its own."""
    serial = next(world._serials)
    msisdn = Msisdn(f"7701{serial:07d}")
    iccid = f"897010{serial:012d}"
    iccid += rules.luhn_digit(iccid)
    await world.subscribers.numbers.add([msisdn], "ordinary", CLERK)
    await world.subscribers.sims.add(iccid, f"40101{serial:010d}", SimKind.SIM, CLERK)
    sheet = RegistrationSheet(
        request_id=f"company-{serial}",
        party=PartyData(PartyKind.COMPANY, iin_bin, "Алтын ЖШС", "Алматы, Абай 2", "altyn@example.kz", "77011112233"),
        plan_code=plan,
        language=Language.RU,
        device_kind=DeviceKind.M2M if plan == "kcell-m2m" else DeviceKind.PHONE,
        origin=CLERK,
        msisdn=msisdn,
        iccid=iccid,
    )
    accession = await world.subscribers.accede(sheet)
    found = await world.subscribers.find(accession.msisdn)
    assert found is not None
    return found
