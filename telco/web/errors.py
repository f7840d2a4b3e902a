"""What the HTTP face itself refuses, before a feature sees the request.

Order of precedence (the first that applies is answered; tests/web/test_precedence.py holds it):

1.  ``shutting_down``                    the process is about to stop
2.  ``not_found``, ``method_not_allowed``  no such route
3.  ``payload_too_large``                declared length over the limit (a chunked body is counted at step 8)
4.  ``not_authenticated``                no key, an unknown key, a revoked key
5.  ``too_many_requests``                the key's rate
6.  ``not_permitted``                    the key's roles
7.  ``idempotency_key_missing``          the header is absent or malformed where the route needs it
8.  ``media_type``, ``payload_too_large``, ``malformed_json``  the body cannot be read
9.  ``invalid_request``                  parameters and body, every wrong field at once
10. ``idempotency_key_reused``, ``request_in_progress``  what is known of the key
11. the feature's own errors
"""

from __future__ import annotations

from telco.kernel.errors import DomainError


class RouteNotFoundError(DomainError):
    """There is nothing at this address. The list of addresses is at /docs."""

    code = "not_found"
    status = 404


class MethodNotAllowedError(DomainError):
    """This address does not take {method}; it takes {allowed}."""

    code = "method_not_allowed"
    status = 405
    method: str
    allowed: str


class PayloadTooLargeError(DomainError):
    """The body is larger than {limit_bytes} bytes. Send less at once."""

    code = "payload_too_large"
    status = 413
    limit_bytes: int


class NotAuthenticatedError(DomainError):
    """Send a valid API key in the header "Authorization: Bearer telco_...". An administrator gives keys out."""

    code = "not_authenticated"
    status = 401


class TooManyRequestsError(DomainError):
    """This key may make {limit_per_s} requests a second. Try again in {retry_after_s} s."""

    code = "too_many_requests"
    status = 429
    limit_per_s: int
    retry_after_s: int


class NotPermittedError(DomainError):
    """This key may not do that: it needs one of the roles {roles}."""

    code = "not_permitted"
    status = 403
    roles: str


class IdempotencyKeyMissingError(DomainError):
    """Send the header Idempotency-Key: 1 to 100 letters, digits or .:_- that name this request and no other."""

    code = "idempotency_key_missing"
    status = 400


class MediaTypeError(DomainError):
    """Send the body as application/json in UTF-8, without content coding."""

    code = "media_type"
    status = 415


class MalformedJsonError(DomainError):
    """The body is not JSON: {why}."""

    code = "malformed_json"
    status = 400
    why: str


class InvalidRequestError(DomainError):
    """The request has {count} wrong field(s); each is named in "fields" with what is expected."""

    code = "invalid_request"
    status = 422
    count: int


class IdempotencyKeyReusedError(DomainError):
    """The Idempotency-Key {key} was used for another request (different: {differs}). Use a new one."""

    code = "idempotency_key_reused"
    status = 422
    key: str
    differs: str


class RequestInProgressError(DomainError):
    """The request with Idempotency-Key {key} is still being carried out. Ask again in {retry_after_s} s."""

    code = "request_in_progress"
    status = 409
    key: str
    retry_after_s: int


class RequestTimeoutError(DomainError):
    """The request took longer than {timeout_s} s and was given up. Send it again with the same Idempotency-Key."""

    code = "request_timeout"
    status = 503
    timeout_s: int
    retry_after_s: int


class SlowBodyError(DomainError):
    """The body did not arrive within {timeout_s} s."""

    code = "slow_body"
    status = 408
    timeout_s: int


class OutcomeUnknownError(DomainError):
    """The service lost its database while it worked. Send the request again with the same Idempotency-Key."""

    code = "outcome_unknown"
    status = 503
    retry_after_s: int


class ShuttingDownError(DomainError):
    """This process is about to stop. Send the request again: another one will take it."""

    code = "shutting_down"
    status = 503
    retry_after_s: int


class InternalError(DomainError):
    """Something went wrong on our side. Tell the operator of the service this number: {error_id}."""

    code = "internal_error"
    status = 500
    error_id: str


class PortInUseError(DomainError):
    """Another process listens on {host}:{port}; stop it or set TELCO_HTTP_PORT."""

    code = "port_in_use"
    status = 500
    host: str
    port: int
