"""The types that bodies and parameters are made of, so that every face reads money, numbers and times alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from telco.kernel.errors import DomainError
from telco.kernel.iin_bin import Bin, Iin, parse_bin, parse_iin
from telco.kernel.money import MoneyFormatError, Tiyn, json_money, tenge
from telco.kernel.msisdn import Msisdn, parse_msisdn
from telco.kernel.names import clean_text

T = TypeVar("T")

INT64_MAX = 2**63 - 1
MAX_JSON_DEPTH = 32
_FIRST_YEAR, _LAST_YEAR = 1900, 2199


class ApiModel(BaseModel):
    """A body or an answer: frozen, without unknown fields, described by the strings under its attributes."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, from_attributes=True, allow_inf_nan=False
    )


def parsed_by(parse: Callable[[str], T]) -> BeforeValidator:
    """Make a kernel's parser a validator: its `DomainError` becomes the field's refusal, with its own code."""

    def validate(value: object) -> T:
        if not isinstance(value, str):
            raise PydanticCustomError("string_type", "Input should be a valid string")
        try:
            return parse(value)
        except DomainError as error:
            raise PydanticCustomError("refused", "{error}", {"error": error}) from None

    return BeforeValidator(validate)


_MONEY = re.compile(r"-?\d{1,14}(\.\d{1,2})?", re.ASCII)
"""`Decimal` reads more than this (exponents, underscores, digits of other scripts); money on the wire is plain."""
_MONEY_SCHEMA = {
    "type": "string",
    "pattern": r"^-?\d{1,14}(\.\d{1,2})?$",
    "examples": ["1250.00"],
    "description": "An amount in tenge (KZT), two decimals.",
}


def _money(value: object, info: ValidationInfo) -> Tiyn:
    if info.mode == "python" and isinstance(value, int) and not isinstance(value, bool):
        return Tiyn(value)  # from our own code, where money is whole tiyn; a body is read in JSON mode
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "Input should be a valid string")
    try:
        if not _MONEY.fullmatch(value):
            raise MoneyFormatError(text=value[:40])
        return tenge(value)
    except MoneyFormatError as error:
        raise PydanticCustomError("refused", "{error}", {"error": error}) from None


Money = Annotated[
    Tiyn,
    BeforeValidator(_money),
    PlainSerializer(json_money, return_type=str),
    WithJsonSchema(_MONEY_SCHEMA),
]
"""Money: whole tiyn inside, a string in tenge such as ``"1250.00"`` on the wire; a JSON number is refused."""


def _positive(value: Tiyn) -> Tiyn:
    if value <= 0:
        raise PydanticCustomError("greater_than", "Input should be greater than 0", {"gt": 0})
    return value


MoneyOut = Money
"""Money in an answer; the same type, under the name that says so."""

PositiveMoney = Annotated[Money, AfterValidator(_positive)]
"""Money to be moved: more than nothing."""

MsisdnText = Annotated[
    Msisdn,
    parsed_by(parse_msisdn),
    WithJsonSchema({"type": "string", "minLength": 7, "maxLength": 32, "examples": ["77011234567"]}),
]
"""A phone number as people write it; E.164 digits inside."""

IinText = Annotated[
    Iin,
    parsed_by(parse_iin),
    WithJsonSchema({"type": "string", "pattern": r"^\d{12}$", "examples": ["900101300017"]}),
]
"""A person's identification number (IIN)."""

BinText = Annotated[
    Bin,
    parsed_by(parse_bin),
    WithJsonSchema({"type": "string", "pattern": r"^\d{12}$", "examples": ["990140000007"]}),
]
"""A company's identification number (BIN)."""


def text(max_length: int, *, field: str = "text") -> Any:
    """Free text from people: ``Annotated[str, text(200)]``; trimmed, 1 to `max_length`, no control characters."""
    return parsed_by(lambda value: clean_text(value, field=field, max_length=max_length))


Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
"""A code of the catalogue, such as ``kcell-start``."""

Id = Annotated[int, Field(ge=1, le=INT64_MAX)]
"""An identity of ours."""


def _moment(value: datetime) -> datetime:
    if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        raise PydanticCustomError("out_of_range", "This value is out of range.")
    return value.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_moment)]
"""A point in time with its zone (RFC 3339), in the years 1900 to 2199; UTC inside."""


def _day(value: date) -> date:
    if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        raise PydanticCustomError("out_of_range", "This value is out of range.")
    return value


Day = Annotated[date, AfterValidator(_day)]
"""A calendar day, in the years 1900 to 2199: computing with it never leaves what a date can be."""


class Flaw(NamedTuple):
    """What is wrong with a value, and where."""

    location: tuple[str | int, ...]
    why: str


def hostile_values(value: object, location: tuple[str | int, ...] = ()) -> Iterator[Flaw]:
    """Find what no field of ours can mean: control characters, integers beyond 64 bits, bottomless nesting.

    PostgreSQL can store none of them; refusing them here keeps every feature from answering with an internal error.
    """
    if len(location) > MAX_JSON_DEPTH:
        yield Flaw(location[:4], "nested")
    elif isinstance(value, str):
        if not _is_clean(value):
            yield Flaw(location, "control_characters")
    elif isinstance(value, int):
        if not -INT64_MAX <= value <= INT64_MAX:
            yield Flaw(location, "out_of_range")
    elif isinstance(value, dict):
        for key, item in value.items():
            if not _is_clean(key):
                yield Flaw(location, "control_characters")
            yield from hostile_values(item, (*location, key))
    elif isinstance(value, list | tuple | set | frozenset):
        for index, item in enumerate(value):
            yield from hostile_values(item, (*location, index))


def _is_clean(value: str) -> bool:
    if value.isascii() and value.isprintable():
        return True
    return not any(
        (character < " " and character not in "\n\r\t") or character == "\x7f" or "\ud800" <= character <= "\udfff"
        for character in value
    )
