"""Says in words what was charged: the label of a rate, for statements and notices."""

from __future__ import annotations

from telco.catalog.numbering import Service
from telco.kernel.i18n import Text

_LABELS = {
    "voice.emergency": Text("Emergency call"),
    "voice.helpdesk": Text("Call to the helpdesk"),
    "voice.freephone": Text("Freephone call"),
    "voice.service": Text("Call to a service number"),
    "voice.on_net": Text("Call within the network"),
    "voice.mobile": Text("Call to another operator"),
    "voice.fixed": Text("Call to a landline"),
    "voice.incoming": Text("Incoming call"),
    "voice.roaming": Text("Call in roaming"),
    "sms.helpdesk": Text("SMS to the helpdesk"),
    "sms.service": Text("SMS to a service number"),
    "sms.on_net": Text("SMS within the network"),
    "sms.mobile": Text("SMS to another operator"),
    "sms.incoming": Text("Incoming SMS"),
    "sms.roaming": Text("SMS in roaming"),
    "data.roaming": Text("Data in roaming"),
}
_OTHERS = {
    Service.VOICE: Text("International call"),
    Service.SMS: Text("International SMS"),
    Service.DATA: Text("Mobile data"),
    Service.CONTENT: Text("Content service"),
}


def describe(label: str) -> Text:
    """Return what a rate's label says; one of a zone or class that the operator made is said by its service."""
    known = _LABELS.get(label)
    if known is not None:
        return known
    return _OTHERS[Service(label.partition(".")[0])]
