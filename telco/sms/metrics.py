"""What the SMS transport counts, for /metrics."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from telco.sms.model import InboundState, OutboundKind, OutboundState

RECEIVED = Counter("telco_sms_received_total", "Messages from handsets, by what became of them", ["outcome"])
REPLY_SECONDS = Histogram(
    "telco_sms_reply_seconds",
    "From a message's arrival to its answer being committed",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
SENT = Counter("telco_sms_sent_total", "submit_sm by what became of them", ["kind", "outcome"])
RECEIPTS = Counter("telco_sms_receipts_total", "Delivery receipts", ["state"])
USSD = Counter("telco_ussd_requests_total", "USSD requests, by what became of them", ["outcome"])
THROTTLED = Counter("telco_smpp_throttled_total", "Throttling, by who asked for it", ["by"])
IN_HOUSE = Gauge("telco_sms_in_house", "Messages received and not yet answered")
LINKS_BOUND = Gauge("telco_smpp_links_bound", "Links that are bound")

# A labelled child costs more to look up than to count: the hot path keeps its own.
RECEIVED_AS = {state: RECEIVED.labels(state.value) for state in InboundState}
SENT_AS = {(kind, state): SENT.labels(kind.value, state.value) for kind in OutboundKind for state in OutboundState}
