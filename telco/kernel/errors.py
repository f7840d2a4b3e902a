"""The base of every error that telco tells somebody.

A subclass states a stable `code`, its HTTP `status`, and, as its docstring, a sentence that tells the person what is
wrong and what to do, with its typed fields in braces. One table in each face (HTTP, SMS, IVR) turns it into an answer.
"""

from __future__ import annotations

import inspect
from typing import Any, ClassVar


class DomainError(Exception):
    """The request cannot be carried out."""

    code: ClassVar[str] = "domain_error"
    status: ClassVar[int] = 409
    message: ClassVar[str]
    registry: ClassVar[dict[str, type[DomainError]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "code" not in cls.__dict__:
            return  # an abstract group of errors
        paragraph = inspect.cleandoc(cls.__doc__ or "").split("\n\n", 1)[0]
        cls.message = " ".join(paragraph.split())
        known = DomainError.registry.setdefault(cls.code, cls)
        if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(f"error code {cls.code!r} names both {known.__qualname__} and {cls.__qualname__}")

    def __init__(self, **fields: Any) -> None:
        self.fields: dict[str, Any] = fields
        for name, value in fields.items():
            setattr(self, name, value)
        super().__init__(self.message.format_map(fields))

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.fields))


def _rebuild(kind: type[DomainError], fields: dict[str, Any]) -> DomainError:
    return kind(**fields)


DomainError.message = "The request cannot be carried out."
