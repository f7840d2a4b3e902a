"""What the demo begins with, read from ``operator/people.toml``: numbers, people, payment cards to print."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from telco.billing.documents.model import Seller
from telco.billing.documents.schemas import RequisitesIn
from telco.kernel.i18n import Language
from telco.kernel.msisdn import Msisdn

OPERATOR: Final = Path(__file__).parent / "operator"
CATALOGUE: Final = OPERATOR / "catalog"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who accedes in the demo; `shown` is how the page calls the phone's owner."""

    shown: str
    msisdn: Msisdn
    iccid: str
    imsi: str
    brand: str
    plan: str
    language: Language
    iin: str
    full_name: str
    address: str
    document: str

    @property
    def sheet_number(self) -> str:
        """The number of the registration sheet: the same sheet again gives the same accession."""
        return f"demo-{self.msisdn}"

    def sheet(self) -> dict[str, Any]:
        """Return the registration sheet as the staff API takes it."""
        return {
            "sheet_number": self.sheet_number,
            "party": {
                "kind": "person",
                "iin_bin": self.iin,
                "full_name": self.full_name,
                "postal_address": self.address,
                "email": f"{self.msisdn}@example.kz",
                "contact_phone": f"+{self.msisdn}",
            },
            "plan": self.plan,
            "language": self.language,
            "msisdn": self.msisdn,
            "iccid": self.iccid,
            "identity_document": self.document,
        }

    def sim(self) -> dict[str, str]:
        """Return the card that is handed over, for the stock."""
        return {"iccid": self.iccid, "imsi": self.imsi, "kind": "sim"}


@dataclass(frozen=True, slots=True)
class Print:
    """Payment cards to print: `value` in tenge with two decimals."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class Beginning:
    """The demo operator before its first subscriber."""

    edition: dict[str, str]
    numbers: list[list[Msisdn]]
    people: list[Person]
    cards: list[Print]


def load(path: Path = OPERATOR / "people.toml") -> Beginning:
    """Read the file."""
    data = tomllib.loads(path.read_text("utf-8"))
    return Beginning(
        edition=data["edition"],
        numbers=[_range(block["first"], block["count"]) for block in data["numbers"]],
        people=[
            Person(**{**person, "msisdn": Msisdn(person["msisdn"]), "language": Language(person["language"])})
            for person in data["people"]
        ],
        cards=[Print(**block) for block in data["cards"]],
    )


def _range(first: str, count: int) -> list[Msisdn]:
    return [Msisdn(str(int(first) + step)) for step in range(count)]


def requisites(path: Path = OPERATOR / "requisites.toml") -> Seller:
    """Read what the demo operator's documents say of it, as the staff API takes it."""
    return RequisitesIn.model_validate(tomllib.loads(path.read_text("utf-8"))).seller()
