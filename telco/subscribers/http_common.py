"""What every route of this feature has in common: who acts, who may, and who writes the audit row."""

from __future__ import annotations

from typing import Any

from telco.subscribers import errors as e
from telco.subscribers.model import Channel, Origin
from telco.web.api import Api, ApiRequest
from telco.web.staff import Role

CLERKS = frozenset({Role.CLERK, Role.SUPERVISOR})
READERS = CLERKS | {Role.ACCOUNTANT, Role.AUDITOR}
_TAGS = ["Subscribers"]


def origin(request: ApiRequest, ground: str = "", channel: Channel = Channel.OFFICE) -> Origin:
    """Who acts: the caller, on the ground of ``X-Ground`` or, without it, of the document in the body."""
    return Origin(request.actor.actor, channel, request.ground or ground)


def declare(api: Api, method: str, path: str, summary: str, **more: Any) -> Any:
    """A route of this feature: its commands write their own audit rows in their transaction."""
    more.setdefault("roles", CLERKS if method != "GET" else READERS)
    more.setdefault("tags", _TAGS)
    more.setdefault("errors", [e.SubscriberUnknownError])
    return api.route(method, path, summary=summary, audit=False, **more)
