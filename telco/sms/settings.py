"""Settings of the SMS transport. Every duration is in seconds."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from telco.sms.model import OutboundKind
from telco.sms.smpp.link import LinkSettings
from telco.sms.smpp.outcome import IdBase
from telco.sms.text import Alphabet


class Concatenation(StrEnum):
    """How the parts of a long message are marked."""

    UDH = "udh"
    """A user data header before the text: what every SMSC passes on."""
    SAR = "sar"
    """The sar_* optional parameters: the SMSC writes the header."""


class UssdDialect(BaseModel):
    """Which ussd_service_op a vendor's gateway uses for what; the values are the common ones of SMPP 3.4 gateways."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    begin: frozenset[int] = frozenset({0, 1})
    """The user dialled a code: PSSD and PSSR indication."""
    proceed: frozenset[int] = frozenset({18})
    """The user answered: USSR confirm."""
    end: frozenset[int] = frozenset({0x81})
    """The dialogue is over: release."""
    confirm: frozenset[int] = frozenset({16, 19})
    """A page of ours was shown; nothing to answer."""
    ask: int = Field(default=2, ge=0, le=255)
    """Show a page and wait for an answer: USSR request."""
    finish: int = Field(default=17, ge=0, le=255)
    """Show the last page: PSSR response."""
    service_type: str = Field(default="USSD", max_length=5)
    """The service_type of USSD messages."""
    session_tag: int = Field(default=0x1383, ge=0, le=0xFFFF)
    """The parameter that names the dialogue: its_session_info, or a vendor's own."""
    session_has_end_bit: bool = True
    """its_session_info keeps the end of the dialogue in its last bit; a vendor's own parameter is a plain number."""


class SenderLimit(BaseModel):
    """How much one number may send: `burst` at once, then `per_minute`."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    burst: int = Field(ge=1)
    """Messages at once."""
    per_minute: int = Field(ge=1)
    """Messages a minute after that."""


class SmsSettings(BaseModel):
    """The links to the operator's SMSC and how messages are kept, sent and limited."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    links: tuple[LinkSettings, ...] = (LinkSettings(),)
    """The links to the SMSC."""
    default_alphabet: Alphabet = Alphabet.GSM7
    """What data_coding 0 means to the SMSC."""
    concatenation: Concatenation = Concatenation.UDH
    """How the parts of a long message are marked."""
    response_id_base: IdBase = IdBase.AS_IS
    """How submit_sm_resp writes message ids."""
    receipt_id_base: IdBase = IdBase.AS_IS
    """How receipts write message ids."""
    temporary_statuses: frozenset[int] = frozenset()
    """A vendor's own command_status values after which a message is tried again."""
    receipts_for: frozenset[OutboundKind] = frozenset({OutboundKind.NOTICE, OutboundKind.BULK})
    """Kinds for which a delivery receipt is asked. A reply's reader is waiting for it anyway."""
    max_in_house: int = Field(default=2_000, ge=1)
    """Messages received and not yet answered; beyond it the SMSC is told to slow down (ESME_RTHROTTLED)."""
    max_in_hand: int = Field(default=400, ge=1)
    """Messages being answered at once; further ones wait to be stored, so that the SMSC's own window slows it down."""
    max_batch: int = Field(default=500, ge=1, le=5_000)
    """Messages stored or settled in one statement."""
    max_dialogues: int = Field(default=1_000, ge=1)
    """USSD requests being answered at once; beyond it the gateway is told to slow down."""
    bulk_share: float = Field(default=0.5, gt=0, le=1)
    """The part of the window that bulk messages may fill, so that a reply never waits for them."""
    poll_interval_s: float = Field(default=0.25, gt=0)
    """How often waiting messages of other processes and of finished pauses are looked for."""
    sweep_interval_s: float = Field(default=5.0, gt=0)
    """How often dead processes, expired messages and stray receipts are looked for."""
    throttle_pause_s: float = Field(default=0.5, gt=0)
    """A link's first pause after ESME_RTHROTTLED or ESME_RMSGQFUL; further ones double up to `throttle_pause_max_s`."""
    throttle_pause_max_s: float = Field(default=30.0, gt=0)
    """The longest such pause."""
    retry_delay_s: float = Field(default=5.0, ge=0)
    """How long a message waits after a temporary refusal; doubles with each try, up to ten minutes."""
    reply_valid_s: float = Field(default=600.0, gt=0)
    """How long a reply is worth delivering when its handler does not say."""
    max_parts: int = Field(default=10, ge=1, le=255)
    """The longest message that is sent, in parts; a longer text is cut."""
    part_wait_s: float = Field(default=900.0, gt=0)
    """How long the missing parts of a received message are waited for."""
    keep_s: float = Field(default=90 * 86_400.0, gt=0)
    """How long messages that are done are kept."""
    redelivery_window_s: float = Field(default=300.0, gt=0)
    """How long after a session's end an identical message is taken for a redelivery of one whose answer may be lost."""
    late_answer_s: float = Field(default=20.0, gt=0)
    """A message acknowledged later than this may have been given up and be sent again by the SMSC."""
    drain_timeout_s: float = Field(default=20.0, gt=0)
    """How long a stop waits for messages in hand to be answered."""
    handler_attempts: int = Field(default=3, ge=1)
    """How often a handler may fail on one message before it is put aside."""
    ussd_answer_s: float = Field(default=25.0, gt=0)
    """How long a gateway waits for a page."""
    ussd: UssdDialect = UssdDialect()
    """How the vendor's gateway uses ussd_service_op."""
    sms_limit: SenderLimit = SenderLimit(burst=20, per_minute=20)
    """What one number may send by SMS."""
    ussd_limit: SenderLimit = SenderLimit(burst=30, per_minute=60)
    """What one number may dial by USSD."""

    @property
    def reply_valid(self) -> timedelta:
        return timedelta(seconds=self.reply_valid_s)
