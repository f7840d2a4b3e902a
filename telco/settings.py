"""Every setting of the service, from environment variables, by feature.

``TELCO_<GROUP>_<NAME>`` sets ``settings.<group>.<name>``. Secrets have no default: the demo makes its own, production
gives them, and `missing` says which are not there. docs/settings.md is written by `render_settings`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from enum import Enum, StrEnum
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings, SettingsConfigDict

from telco.billing.model import TrustTerms
from telco.email.settings import EmailSettings
from telco.kernel.errors import DomainError
from telco.kernel.i18n import Language
from telco.kernel.log import LogFormat
from telco.kernel.money import tenge, to_decimal
from telco.sms.call_me import CallMeLimits
from telco.sms.command import Codes
from telco.sms.settings import SmsSettings
from telco.sms.smpp.link import LinkSettings
from telco.web.fields import Money
from telco.web.pipeline import Limits

PREFIX = "TELCO_"
MIN_PEPPER_CHARACTERS = 32


class SettingsError(DomainError):
    """The settings cannot be used: {why}"""

    code = "settings"
    status = 500
    why: str


class Mode(StrEnum):
    """What the service runs for."""

    PRODUCTION = "production"
    """Real subscribers: every secret and server is named."""
    DEMO = "demo"
    """The lab: servers and secrets are made on the spot."""


class Group(BaseModel):
    """The settings of one feature."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class DatabaseSettings(Group):
    """PostgreSQL, where everything is kept."""

    url: SecretStr | None = None
    """Address of the database: ``postgresql://user:password@host:5432/telco``."""
    min_connections: int = Field(default=2, ge=1, le=1_000)
    """Connections kept open by a process."""
    max_connections: int = Field(default=20, ge=12, le=1_000)
    """Connections a process opens at most; below 12 its listeners and jobs would leave none to commands."""
    timeout_s: float = Field(default=120, gt=0, le=3_600)
    """How long a statement may take before the database counts as gone."""


class RedisSettings(Group):
    """Redis or Valkey, for what may be lost: dialogues, one-time codes, rate limits."""

    url: SecretStr | None = None
    """Address of the server: ``redis://:password@host:6379/0``."""
    timeout_s: float = Field(default=0.5, gt=0, le=10)
    """Seconds to wait for an answer; without one the service goes on without Redis."""


class HttpSettings(Group):
    """The HTTP server: API, documents, health, metrics."""

    host: str = Field(default="127.0.0.1", min_length=1, max_length=255)
    """Address to listen on; 0.0.0.0 for all."""
    port: int = Field(default=8080, ge=0, le=65535)
    """Port to listen on; 0 for any free one."""
    public_url: str | None = Field(default=None, pattern=r"^https?://[^/\s]+(/[^\s]*[^/\s])?$")
    """How callers reach the service, for the documents: ``https://api.example.kz``."""
    language: Language = Language.EN
    """Language of errors for callers that send no Accept-Language."""
    max_body_bytes: int = Field(default=262_144, ge=1_024, le=64_000_000)
    """Largest body of a request, bytes."""
    max_header_bytes: int = Field(default=8_190, ge=1_024, le=65_536)
    """Longest request line and longest header, bytes each."""
    max_headers: int = Field(default=64, ge=16, le=512)
    """Most headers of a request."""
    header_timeout_s: float = Field(default=10.0, gt=0, le=600)
    """Seconds from the opening of a connection to the end of its first headers."""
    body_timeout_s: float = Field(default=10.0, gt=0, le=600)
    """Seconds from the end of the headers to the end of the body."""
    handler_timeout_s: float = Field(default=30.0, gt=0, le=600)
    """Seconds a command may take before the caller is told to try again."""
    idle_timeout_s: float = Field(default=75.0, gt=0, le=3_600)
    """Seconds a kept connection may stay silent."""
    shutdown_timeout_s: float = Field(default=35.0, gt=0, le=1_200)
    """Seconds a stop waits for requests in flight; longer than `handler_timeout_s`."""

    @property
    def limits(self) -> Limits:
        """What a request may cost, for the server."""
        return Limits(**{name: getattr(self, name) for name in Limits.__dataclass_fields__})


class StaffSettings(Group):
    """Those who call the API."""

    pepper: SecretStr | None = None
    """Secret that keys the digests of API keys: at least 32 random characters. Changing it revokes every key."""


class CardSettings(Group):
    """Payment cards."""

    pepper: SecretStr | None = None
    """Secret that keys the digests of card codes: at least 32 random characters. Changing it voids unused cards."""


class TrustSettings(Group):
    """Services given against the next top-up (PSC-3.1.6)."""

    amount: Money = tenge("500")
    """Services given, tenge."""
    price: Money = tenge("75")
    """Price of the service itself, taken at the next top-up, tenge."""
    usable_days: int = Field(default=3, ge=1, le=60)
    """Days in which it can be used."""
    highest_balance: Money = tenge("100")
    """Given only while the main balance is at most this, tenge."""
    lowest_balance: Money = tenge("0")
    """Not given below this main balance, tenge; negative for a debt."""
    least_tenure_days: int = Field(default=30, ge=0, le=3_650)
    """Days since accession before it is given."""

    @property
    def terms(self) -> TrustTerms:
        """The conditions, for the feature."""
        return TrustTerms(**{name: getattr(self, name) for name in type(self).model_fields})


class ChargingSettings(Group):
    """Sessions of the network."""

    keep_days: int = Field(default=35, ge=7, le=3_650)
    """Days for which an ended session is kept, so that a repeated report gets the first answer; what it cost stays."""


class BonusSettings(Group):
    """The bonus programme (PSC-3.1.9)."""

    keep_days: int = Field(default=120, ge=101, le=3_650)
    """Days for which what each day earned is kept; older ones are kept as sums by month."""


class CallMeSettings(Group):
    """Requests to be called back."""

    per_day: int = Field(default=5, ge=0, le=1_000)
    """Requests a number may make in a calendar day."""
    per_month: int = Field(default=30, ge=0, le=10_000)
    """Requests a number may make in a calendar month."""

    @property
    def limits(self) -> CallMeLimits:
        """The limits, for the feature."""
        return CallMeLimits(per_day=self.per_day, per_month=self.per_month)


class CodesSettings(Group):
    """What subscribers dial and write to; docs/codes.md shows the defaults."""

    root: str = Field(default=Codes().root, pattern=r"^[0-9]{2,6}$")
    """USSD service code of the menu, and the number that SMS commands are sent to."""
    aliases: dict[str, str] = dict(Codes().aliases)
    """Other service codes and the menu path of each, as JSON."""
    registration: str = Field(default=Codes().registration, pattern=r"^[0-9]{2,6}$")
    """The service code among `aliases` that the owner of a starter pack dials to become a subscriber."""
    helpdesk: dict[str, str] = dict(Codes().helpdesk)
    """Free helpdesk number by brand, as JSON."""
    content: dict[str, str] = dict(Codes().content)
    """Numbers of content services and the service of each, as JSON: STOP sent there ends it."""
    helpdesk_from_anywhere: str = Field(default=Codes().helpdesk_from_anywhere, min_length=3, max_length=20)
    """Helpdesk number that can be called from abroad and from other networks."""

    @property
    def codes(self) -> Codes:
        """The codes, for the feature."""
        return Codes(**{name: getattr(self, name) for name in type(self).model_fields})


class LedgerSettings(Group):
    """Balances and holds."""

    shards: int = Field(default=4, ge=1, le=64)
    """Shards that new accounts are spread over, each with its own lane. An account keeps the shard it was opened in."""


class SmsGroup(SmsSettings):
    """SMS and USSD."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    links: tuple[LinkSettings, ...] = ()
    """Links to the operator's SMSC, as JSON: ``[{"name": "smsc-1", "host": "...", "system_id": "...", ...}]``."""


class RefundsSettings(Group):
    """Money back to subscribers (PSC-6.4, 7.7)."""

    purpose_code: str = Field(default="859", pattern=r"^[0-9]{3}$")
    """Payment purpose code (КНП) of the orders given to the bank: three digits, by default those of services."""


class EinvoiceSettings(Group):
    """The state's e-invoice system. Without an address documents wait in the queue."""

    url: str | None = Field(default=None, pattern=r"^https?://[^/\s]+(/[^\s]*)?$")
    """Address that the names of its services are appended to: ``https://esf.gov.kz:8443/esf-web/ws/api1``."""
    signer_url: str | None = Field(default=None, pattern=r"^https?://[^/\s]+(/[^\s]*)?$")
    """Address of the signing service, which keeps the operator's key of the National Certification Authority."""
    tin: str | None = Field(default=None, pattern=r"^[0-9]{12}$")
    """The operator's BIN there."""
    login: str | None = Field(default=None, max_length=100)
    """The operator's user there."""
    password: SecretStr | None = None
    """Password of that user."""
    timeout_s: float = Field(default=30.0, gt=0, le=600)
    """Seconds to wait for an answer; a document whose answer is lost is looked for before it is sent again."""


class LogSettings(Group):
    """The log, on standard error."""

    format: LogFormat = LogFormat.JSON
    """``json`` for collectors, ``console`` for people."""
    level: str = Field(default="info", pattern=r"^(debug|info|warning|error)$")
    """The least important lines written: `debug`, `info`, `warning` or `error`."""


class Settings(BaseSettings):
    """The settings of a process, fixed at its start."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="_",
        env_nested_max_split=1,
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        nested_model_default_partial_update=True,
    )

    mode: Mode = Mode.PRODUCTION
    """What the service runs for."""
    database: DatabaseSettings = DatabaseSettings()
    redis: RedisSettings = RedisSettings()
    http: HttpSettings = HttpSettings()
    staff: StaffSettings = StaffSettings()
    ledger: LedgerSettings = LedgerSettings()
    cards: CardSettings = CardSettings()
    trust: TrustSettings = TrustSettings()
    charging: ChargingSettings = ChargingSettings()
    bonus: BonusSettings = BonusSettings()
    email: EmailSettings = EmailSettings()
    callme: CallMeSettings = CallMeSettings()
    sms: SmsGroup = SmsGroup()
    codes: CodesSettings = CodesSettings()
    refunds: RefundsSettings = RefundsSettings()
    einvoice: EinvoiceSettings = EinvoiceSettings()
    log: LogSettings = LogSettings()


class Missing(NamedTuple):
    """A variable that has to be set, or set otherwise, before the service can start."""

    variable: str
    why: str


def load(**overrides: Any) -> Settings:
    """Read the settings from the environment; `overrides` (by field) win over it.

    Raises:
        SettingsError: a value is wrong, or a variable with our prefix means nothing; every one is named.
    """
    wrong = [f"{name} is not a setting (see docs/settings.md)" for name in unknown(os.environ)]
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        flaws = (flaw for flaw in error.errors(include_input=False) if flaw["type"] != "extra_forbidden")
        wrong += [f"{_variable(flaw['loc'])}: {flaw['msg']}" for flaw in flaws]
    except ValueError as error:  # a value that should be JSON and is not
        wrong.append(f"{error}: {error.__cause__}"[:300])
    if wrong:
        raise SettingsError(why="; ".join(wrong))
    return settings


def unknown(environment: Mapping[str, str]) -> list[str]:
    """Name the variables that look like ours and mean nothing: most often a mistyped name."""
    known = {entry.variable for entry in _entries()}
    return sorted(name for name in environment if name.upper().startswith(PREFIX) and name.upper() not in known)


def missing(settings: Settings) -> list[Missing]:
    """List what production needs and is not set, for ``telco serve --check``; nothing is missing in the demo."""
    if settings.mode is Mode.DEMO:
        return []
    found = [
        Missing(_variable(path), _why(path))
        for path, value in (
            (("database", "url"), settings.database.url),
            (("redis", "url"), settings.redis.url),
            (("staff", "pepper"), settings.staff.pepper),
            (("cards", "pepper"), settings.cards.pepper),
        )
        if value is None
    ]
    for group, secret in (("staff", settings.staff.pepper), ("cards", settings.cards.pepper)):
        if secret is not None and len(secret.get_secret_value()) < MIN_PEPPER_CHARACTERS:
            found.append(Missing(_variable((group, "pepper")), f"at least {MIN_PEPPER_CHARACTERS} characters"))
    if not settings.sms.links:
        found.append(Missing(_variable(("sms", "links")), _why(("sms", "links"))))
    for place, link in enumerate(settings.sms.links):
        if "password" not in link.model_fields_set:
            found.append(Missing(_variable(("sms", "links", place, "password")), "the bind's password"))
    if settings.email.host is not None and settings.email.sender is None:
        found.append(Missing(_variable(("email", "sender")), _why(("email", "sender"))))
    if settings.einvoice.url is not None:
        for name in ("signer_url", "tin", "login", "password"):
            if getattr(settings.einvoice, name) is None:
                found.append(Missing(_variable(("einvoice", name)), _why(("einvoice", name))))
    if settings.http.shutdown_timeout_s <= settings.http.handler_timeout_s:
        found.append(Missing(_variable(("http", "shutdown_timeout_s")), "longer than TELCO_HTTP_HANDLER_TIMEOUT_S"))
    if settings.database.min_connections > settings.database.max_connections:
        found.append(Missing(_variable(("database", "min_connections")), "at most TELCO_DATABASE_MAX_CONNECTIONS"))
    return found


def _variable(location: tuple[str | int, ...]) -> str:
    """Name the variable of a field; a place within a JSON value is named after it."""
    variable = PREFIX + "_".join(str(part).upper() for part in location[:2])
    return variable + "".join(f".{part}" for part in location[2:])


def _why(location: tuple[str, str]) -> str:
    group = Settings.model_fields[location[0]].annotation
    assert isinstance(group, type)
    assert issubclass(group, BaseModel)
    return group.model_fields[location[1]].description or ""


class Entry(NamedTuple):
    """One variable as the documents show it."""

    group: str
    variable: str
    default: str
    meaning: str


def _entries() -> Iterator[Entry]:
    for name, field in Settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            for inner, part in kind.model_fields.items():
                yield Entry(name, _variable((name, inner)), _default(part), _meaning(part))
        else:
            yield Entry("", _variable((name,)), _default(field), _meaning(field))


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value in (None, "", PydanticUndefined) or isinstance(value, SecretStr):
        return ""
    if Money.__origin__ is field.annotation:  # type: ignore[attr-defined]
        return f"`{to_decimal(value):.2f}`"
    return f"`{_written(value)}`"


def _written(value: Any) -> str:
    if isinstance(value, BaseModel):
        return value.model_dump_json()
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple | frozenset):
        items = sorted(_written(item) for item in value)
        return "[" + ", ".join(f'"{item}"' if not item.isdigit() else item for item in items) + "]"
    if isinstance(value, Mapping):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _meaning(field: FieldInfo) -> str:
    text = " ".join((field.description or "").split()).replace("``", "`").replace("|", r"\|")
    kind = field.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        text += " One of " + ", ".join(f"`{member.value}`" for member in kind) + "."
    return text


def _parts(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of a field whose value is JSON: an object, or a list of objects."""
    kind: Any = field.annotation
    if get_origin(kind) is tuple:
        kind = get_args(kind)[0]
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def render_settings() -> str:
    """Write docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "Environment variables, read once at the start. Secrets have no default; `telco serve --check` lists what is",
        "missing and refuses names it does not know. Times are in seconds, sizes in bytes, money in tenge. A value",
        "that is a list or an object is JSON. This page is generated from telco/settings.py.",
    ]
    lines += ["", "## General", "", *_HEAD]
    lines += [_row(entry) for entry in _entries() if not entry.group]
    for name, field in Settings.model_fields.items():
        group = _parts(field)
        if group is not None:
            lines += ["", f"## {name.capitalize()}", "", (group.__doc__ or "").strip(), "", *_HEAD]
            lines += [_row(entry) for entry in _entries() if entry.group == name]
            lines += _inner_tables(name, group)
    return "\n".join(lines) + "\n"


_HEAD = ("| variable | default | meaning |", "| --- | --- | --- |")


def _row(entry: Entry) -> str:
    return f"| `{entry.variable}` | {entry.default} | {entry.meaning} |"


def _inner_tables(name: str, group: type[BaseModel]) -> Iterator[str]:
    for inner, field in group.model_fields.items():
        parts = _parts(field)
        if parts is not None:
            yield from ("", f"Fields of `{_variable((name, inner))}`:", "")
            yield from ("| field | default | meaning |", "| --- | --- | --- |")
            for part, described in parts.model_fields.items():
                yield f"| `{part}` | {_default(described)} | {_meaning(described)} |"
