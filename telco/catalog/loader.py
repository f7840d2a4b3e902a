"""Reads catalogue files, collecting every problem of every file, and builds the catalogue from them."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from telco.catalog import convert
from telco.catalog.catalogue import Catalogue, Timeline, timeline
from telco.catalog.checks import check
from telco.catalog.errors import CatalogueError, Problem
from telco.catalog.items import Item
from telco.catalog.schemas import (
    KINDS,
    AllowanceTypeDoc,
    BonusDoc,
    DevicePlanDoc,
    FigureDoc,
    NumberingDoc,
    PlanDoc,
    PortionsDoc,
    PriceListDoc,
    RoamingDoc,
    ServiceDoc,
)

MAX_FILE_BYTES = 1_000_000
MAX_FILES = 500


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A catalogue file as it was given: its name, for messages, and its bytes."""

    name: str
    content: bytes


def load_directory(path: Path) -> Catalogue:
    """Build the catalogue that the TOML files of a directory declare.

    Raises:
        CatalogueError: with every problem of every file.
    """
    return build(parse(read_directory(path)))


def read_directory(path: Path) -> list[SourceFile]:
    """Read the TOML files of a directory, in order of name.

    Raises:
        CatalogueError: no directory, no files, too many, or one that cannot be read.
    """
    try:
        paths = sorted(path.glob("*.toml")) if path.is_dir() else []
        if not 0 < len(paths) <= MAX_FILES:
            why = f"must be a directory with 1 to {MAX_FILES} catalogue files (*.toml)"
            raise CatalogueError([Problem(str(path), "", why)])
        return [SourceFile(file.name, file.read_bytes()) for file in paths]
    except OSError as error:
        why = f"cannot be read: {error.strerror}"
        raise CatalogueError([Problem(str(error.filename or path), "", why)]) from None


def parse(files: Iterable[SourceFile]) -> list[Item]:
    """Read the declarations of files.

    Raises:
        CatalogueError: with everything that is not written as the catalogue is, over all files.
    """
    return sifted(declared for file in files for declared in _parse_file(file))


def sifted(found: Iterable[Item | Problem]) -> list[Item]:
    """Return the items.

    Raises:
        CatalogueError: there are problems among them.
    """
    found = list(found)
    problems = [declared for declared in found if isinstance(declared, Problem)]
    if problems:
        raise CatalogueError(problems)
    return [declared for declared in found if isinstance(declared, Item)]


def build(
    items: Iterable[Item],
    *,
    edition: int = 0,
    withdrawn: Mapping[tuple[str, str], datetime] | None = None,
    closed: Mapping[tuple[str, str], datetime] | None = None,
) -> Catalogue:
    """Check declarations against each other and build the catalogue.

    Raises:
        CatalogueError: with everything that does not fit together.
    """
    items = list(items)
    problems = check(items)
    if problems:
        raise CatalogueError(problems)
    documents = [item.document for item in items]
    types = {d.code: convert.allowance_type(d) for d in documents if isinstance(d, AllowanceTypeDoc)}
    return Catalogue(
        edition=edition,
        allowances=types.values(),
        plans=_by_code(convert.plan(d, types) for d in documents if isinstance(d, PlanDoc)),
        services=_by_code(convert.service(d, types) for d in documents if isinstance(d, ServiceDoc)),
        price_lists=_by_code(convert.price_list(d) for d in documents if isinstance(d, PriceListDoc)),
        numbering=timeline(convert.numbering(d) for d in documents if isinstance(d, NumberingDoc)),
        roaming=timeline(convert.roaming(d) for d in documents if isinstance(d, RoamingDoc)),
        portions=timeline(convert.portions(d) for d in documents if isinstance(d, PortionsDoc)),
        figures=_by_code(convert.figure(d) for d in documents if isinstance(d, FigureDoc)),
        bonus=timeline(convert.bonus(d) for d in documents if isinstance(d, BonusDoc)),
        device_plans=_by_code(convert.device_plan(d) for d in documents if isinstance(d, DevicePlanDoc)),
        withdrawn=withdrawn,
        closed=closed,
    )


def _by_code(versions: Iterable[Any]) -> dict[str, Timeline[Any]]:
    grouped: dict[str, list[Any]] = {}
    for version in versions:
        grouped.setdefault(version.code, []).append(version)
    return {code: timeline(same) for code, same in grouped.items()}


def _parse_file(file: SourceFile) -> Iterator[Item | Problem]:
    if len(file.content) > MAX_FILE_BYTES:
        yield Problem(file.name, "", f"is larger than {MAX_FILE_BYTES} bytes; split it")
        return
    try:
        tables = tomllib.loads(file.content.decode("utf-8"))
    except UnicodeDecodeError as error:
        yield Problem(file.name, "", f"is not UTF-8 at byte {error.start}; save it as UTF-8")
        return
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        yield Problem(file.name, "", f"is not TOML: {error}")
        return
    for kind, declarations in tables.items():
        if kind not in KINDS:
            yield Problem(file.name, kind, _unknown(kind, KINDS, "table"))
        elif not isinstance(declarations, list) or not all(isinstance(d, dict) for d in declarations):
            yield Problem(file.name, kind, f"must be a list of tables: write [[{kind}]]")
        else:
            for index, raw in enumerate(declarations, 1):
                yield from parse_declaration(file.name, kind, index, raw)


def parse_declaration(file: str, kind: str, index: int, raw: dict[str, Any]) -> Iterator[Item | Problem]:
    """Validate the `index`-th declaration of a kind in a file: the item, or everything that is wrong with it."""
    try:
        document = KINDS[kind].model_validate(raw)
        yield Item(kind, document.code, document.version, document, file)
    except ValidationError as error:
        code = raw.get("code")
        label = f"{kind}[{code} v{raw.get('version', 1)}]" if isinstance(code, str) else f"{kind}[{index}]"
        for details in error.errors(include_url=False):
            yield Problem(file, label + _path(details["loc"]), _explain(details, KINDS[kind]))


def _path(loc: tuple[int | str, ...]) -> str:
    """Write where a field is; list places count from one, as one reads a file."""
    return "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in loc)


_EXPLANATIONS = {
    "missing": "is missing; add it",
    "string_type": "is not a string; put it in quotes",
    "int_type": "is not a whole number; write it without quotes and decimals",
    "bool_type": "is neither true nor false; write it without quotes",
    "string_too_short": "is empty; write something",
    "too_short": "is empty; give at least one",
    "tuple_type": "is not a list; write it in square brackets",
    "model_type": "is not a table; write its keys in braces or under their own heading",
    "date_from_datetime_parsing": "is not a day; write it like 2026-01-01, without quotes",
    "date_parsing": "is not a day; write it like 2026-01-01, without quotes",
    "date_type": "is not a day; write it like 2026-01-01, without quotes",
    "time_parsing": "is not a time of day; write it like 06:00:00, without quotes",
    "time_type": "is not a time of day; write it like 06:00:00, without quotes",
}


def _explain(details: ErrorDetails, model: type[BaseModel]) -> str:
    kind = details["type"]
    if kind == "extra_forbidden":
        return _unknown(str(details["loc"][-1]), _keys(_model_at(model, details["loc"][:-1])), "key")
    if kind in ("enum", "literal_error"):
        return f"must be {details['ctx']['expected']}, not {_shown(details['input'])}"
    if kind == "string_pattern_mismatch":
        return f"is {_shown(details['input'])}, which is not of the form {details['ctx']['pattern']}"
    known = _EXPLANATIONS.get(kind)
    return known if known is not None else details["msg"][:1].lower() + details["msg"][1:]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _unknown(name: str, known: Iterable[str], what: str) -> str:
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
    return f"is an unknown {what}; {hint}"


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> type[BaseModel]:
    """Return the model of the table at `loc` within a table of `model`."""
    for part in loc:
        if isinstance(part, str):
            fields = {field.alias or name: field for name, field in model.model_fields.items()}
            model = _model_in(fields[part].annotation) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
