"""What the catalogue refuses, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from telco.kernel.errors import DomainError


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong in a catalogue file: where, and what to do."""

    file: str
    path: str
    """Path of the field, such as ``plan[kcell-start v1].rates[3].price``."""
    why: str

    def __str__(self) -> str:
        return f"{self.file}: {self.path}: {self.why}" if self.path else f"{self.file}: {self.why}"


class CatalogueError(DomainError):
    """The catalogue has {count} problems; nothing was published. Correct them and publish again: {report}"""

    code = "catalogue_refused"
    status = 422
    problems: tuple[Problem, ...]
    count: int
    report: str

    def __init__(self, problems: Iterable[Problem], **_: object) -> None:
        ordered = tuple(sorted(set(problems)))
        report = "".join(f"\n  {problem}" for problem in ordered)
        super().__init__(problems=ordered, count=len(ordered), report=report)


class UnknownPlanError(DomainError):
    """There is no plan {plan} at that time. Ask for the list of plans and choose from it."""

    code = "unknown_plan"
    status = 404
    plan: str


class UnknownServiceError(DomainError):
    """There is no service {service} at that time. Ask for the list of services and choose from it."""

    code = "unknown_service"
    status = 404
    service: str


class UnknownDevicePlanError(DomainError):
    """There is no device plan {plan} at that time. Ask for the list of device plans and choose from it."""

    code = "unknown_device_plan"
    status = 404
    plan: str


class PlanInUseError(DomainError):
    """Plan {plan} cannot be closed: it still has {subscribers} subscribers. Move them to another plan first."""

    code = "plan_in_use"
    plan: str
    subscribers: int


class StillOfferedError(DomainError):
    """Plan {plan} cannot be closed: it is still offered. Withdraw it first."""

    code = "plan_still_offered"
    plan: str


class PlanClosedError(DomainError):
    """{plan} is already closed. Nothing was changed."""

    code = "plan_closed"
    plan: str


class NotPublishedError(DomainError):
    """The catalogue is empty. Publish the operator's catalogue files first."""

    code = "catalogue_empty"
    status = 503


class AnnouncementTooLateError(DomainError):
    """A withdrawal is announced before it takes effect; choose a later moment than {moment}."""

    code = "announcement_too_late"
    status = 422
    moment: str


class NoFigureError(DomainError):
    """The figure {figure} is not known for {day}. Publish it in regulation.toml."""

    code = "no_figure"
    status = 500
    figure: str
    day: str
