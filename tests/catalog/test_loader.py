"""Mistakes in catalogue files: each is named with its file, its field, why, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telco.catalog.errors import CatalogueError, Problem
from telco.catalog.loader import SourceFile, build, load_directory, parse, read_directory
from tests.catalog.conftest import OPERATOR


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return {file.name: file.content.decode() for file in read_directory(OPERATOR)}


def problems_of(files: dict[str, str]) -> list[Problem]:
    """Load files and return what is wrong with them."""
    with pytest.raises(CatalogueError) as refused:
        build(parse(SourceFile(name, text.encode()) for name, text in files.items()))
    return list(refused.value.problems)


def changed(files: dict[str, str], name: str, old: str, new: str) -> dict[str, str]:
    """The operator's files, with the first `old` of one of them replaced."""
    assert old in files[name], old
    return {**files, name: files[name].replace(old, new, 1)}


PLANS, SERVICES, LISTS = "plans_kcell.toml", "services.toml", "price_lists.toml"
START = "plan[kcell-start v1]"

MISTAKES = [
    # money
    (PLANS, 'fee = "2790.00"', "fee = 2790.00", f"{START}.fee", 'is a float; write it as a string: "2790.0"'),
    (PLANS, 'fee = "2790.00"', "fee = 2790", f"{START}.fee", "is not a string; write tenge with at most two"),
    (PLANS, 'fee = "2790.00"', 'fee = "-1.00"', f"{START}.fee", "is below zero; prices are zero or more"),
    (PLANS, 'fee = "2790.00"', 'fee = "2,790"', f"{START}.fee", 'is not an amount: "2,790"; write tenge'),
    (PLANS, 'fee = "2790.00"', 'fee = "2790.005"', f"{START}.fee", "at most two decimals"),
    (PLANS, 'fee = "2790.00"', 'fee = "NaN"', f"{START}.fee", "is not an amount"),
    (PLANS, 'fee = "2790.00"', 'fee = "100000000.01"', f"{START}.fee", "is more than 100000000 tenge"),
    (PLANS, 'step = "100 kB"', 'step = "99999 GB"', f"{START}.rates[6].step", "is too large: its price"),
    (PLANS, 'price = "15.00"', "price = 15.5", f"{START}.rates[2].price", 'is a float; write it as a string: "15.5"'),
    (PLANS, 'price = "15.00"', 'price = "-0.01"', f"{START}.rates[2].price", "is below zero"),
    (PLANS, 'limit = "20000.00"', 'limit = "200000.00"', "plan[kcell-status v1].credit.limit", "is above the ceiling"),
    # keys and forms
    (PLANS, "fee =", "fees =", f"{START}.fee", "is missing; add it"),
    (PLANS, "fee =", "fees =", f"{START}.fees", "is an unknown key; did you mean fee?"),
    (PLANS, 'to = ["on_net"], price', 'two = ["on_net"], price', f"{START}.rates[1].two", "did you mean to?"),
    (PLANS, 'en = "Kcell Start"', 'eng = "Kcell Start"', f"{START}.name.eng", "did you mean en?"),
    ("regulation.toml", "[[figure]]", "[[figur]]", "figur", "is an unknown table; did you mean figure?"),
    (PLANS, "[[price_list]]", "[price_list]", "price_list", "must be a list of tables: write [[price_list]]"),
    (PLANS, "version = 1", 'version = "1"', f"{START}.version", "is not a whole number"),
    (PLANS, "version = 1", "version = 0", "plan[kcell-start v0].version", "greater than or equal to 1"),
    (PLANS, "from = 2025-01-01", 'from = "yesterday"', f"{START}.from", "is not a day; write it like 2026-01-01"),
    (PLANS, "from = 2025-01-01", "from = 2025-01-01T00:00:00", f"{START}.from", "is a moment; write a day"),
    (PLANS, "from = 2025-01-01", "from = 20250101", f"{START}.from", "is not a day"),
    (PLANS, 'settlement = "prepaid"', 'settlement = "later"', f"{START}.settlement", "must be 'prepaid' or 'credit'"),
    (PLANS, 'number = "1"', "number = 1", f"{START}.number", "is not a string; put it in quotes"),
    (PLANS, 'number = "1"', 'number = "*1#"', f"{START}.number", "is '*1#', which is not of the form"),
    (PLANS, 'keywords = ["START", "СТАРТ"]', "keywords = []", f"{START}.keywords", "is empty; give at least one"),
    (PLANS, 'code = "kcell-start"', 'code = "Kcell Start"', "plan[Kcell Start v1].code", "is 'Kcell Start', which"),
    (PLANS, 'ru = "Kcell Старт"', 'ru = "a\\u0000b"', f"{START}.name.ru", "has control characters"),
    (PLANS, "proration = true", 'proration = "yes"', "plan[kcell-business v1].proration", "is neither true nor false"),
    (PLANS, "10 GB", "10GB", f"{START}.allowances[1].quantity", "write a number, a space and one of B, kB, MB"),
    (SERVICES, '"7 days"', '"a week"', "service[data-1gb v1].lasts", 'is not a term: write it like "24 hours"'),
    # what does not exist
    (PLANS, 'code = "data.any"', 'code = "data.all"', f"{START}.allowances[1].code", "is not an allowance; known are"),
    (PLANS, '["international", "roaming"]', '["world"]', f"{START}.price_lists", "world is not a price list"),
    (PLANS, 'brand = "kcell"', 'brand = "beeline"', f"{START}.brand", "beeline is not a brand; known are activ, kcell"),
    (PLANS, 'to = ["on_net"]', 'to = ["moon"]', f"{START}.rates[1].to", "moon is not a destination; known are"),
    (PLANS, 'band = "night"', 'band = "day"', "plan[kcell-free v1].rates[2].band", "not among the plan's bands"),
    (LISTS, 'places = ["near"]', 'places = ["mars"]', "price_list[roaming v1].rates[1].places", "mars is not a place"),
    (
        LISTS,
        'to = ["russia"]',
        'to = ["third_country"]',
        "price_list[international v1].rates[1].to",
        "not a destination",
    ),
    (SERVICES, 'plans = ["kcell-start"', 'plans = ["kcell-x"', "service[roaming-travel v1].plans", "not a plan of its"),
    (SERVICES, '["kcell", "activ"]', '["kcell", "x"]', "service[data-1gb v1].brands", "x is not a brand"),
    (
        "plans_activ.toml",
        'then = "activ-week"',
        'then = "kcell-start"',
        "plan[activ-spring v1].then",
        "not a plan of the",
    ),
    (
        "roaming.toml",
        'zone = "near"',
        'zone = "nowhere"',
        "roaming[roaming v1].countries[1].zone",
        "not among the zones",
    ),
    # units
    (PLANS, 'price = "15.00", per = "min"', 'price = "15.00", per = "MB"', f"{START}.rates[2].per", "unit of voice"),
    (PLANS, 'step = "100 kB"', 'step = "1 s"', f"{START}.rates[6].step", 'write it like "1 MB" or "kB"'),
    (PLANS, '"10 GB"', '"10 min"', f"{START}.allowances[1].quantity", "is not in bytes, the unit of data.any"),
    (
        PLANS,
        'price = "10.00", per = "MB", step = "100 kB"',
        'price = "0.000001", per = "GB", step = "1 B"',
        f"{START}.rates[6].step",
        "less than a millionth of a tiyn",
    ),
    (
        "allowances.toml",
        'unit = "seconds"',
        'unit = "bytes"',
        "allowance[voice.onnet v1].pays[1].service",
        "not counted",
    ),
    # contradictions
    (PLANS, "version = 2", "version = 1", START, "is already declared in plans_kcell.toml"),
    (PLANS, "from = 2026-01-01", "from = 2025-01-01", "plan[kcell-start v2].from", "must be after 2025-01-01"),
    (
        PLANS,
        "from = 2025-01-01",
        "from = 2025-01-01\nuntil = 2026-01-01",
        "plan[kcell-start v2].from",
        "overlaps version 1",
    ),
    (PLANS, "from = 2025-01-01", "from = 2025-01-01\nuntil = 2024-01-01", f"{START}.until", "is before its first day"),
    (PLANS, '"FREE"', '"START"', "plan[kcell-free v1].keywords", "start already orders plan[kcell-start v1]"),
    (PLANS, 'number = "2"', 'number = "1"', "plan[kcell-free v1].number", "1 already orders plan[kcell-start v1]"),
    (SERVICES, '"SMS100"', '"start"', "service[sms-100 v1].keywords", "start already orders plan[kcell-start v1]"),
    (
        PLANS,
        'to = ["mobile", "fixed"]',
        'to = ["mobile", "on_net"], fee = "paid"',
        f"{START}.rates[3]",
        "same usage as",
    ),
    (PLANS, 'settlement = "prepaid"', 'settlement = "credit"', f"{START}.credit", "belongs to plans with settlement"),
    (
        PLANS,
        'fair_use = { allowance = "data.fairuse"',
        'fair_use = { allowance = "data.any"',
        "plan[kcell-unlim v1].fair_use.allowance",
        "is not granted by the plan",
    ),
    (PLANS, "until = 07:00:00", "until = 23:00:00", "plan[kcell-free v1].bands[1].until", "is its beginning"),
    (PLANS, 'fee_anchor = "calendar"', 'fee_anchor = "calendar"\ninterval = "week"#', "", "is not TOML"),
    (
        "plans_activ.toml",
        'interval = "week"',
        'interval = "week"\nfee_anchor = "calendar"',
        "plan[activ-week v1].fee_anchor",
        "only with a fee by the month",
    ),
    ("plans_activ.toml", 'lasts = "3 months"', "", "plan[activ-spring v1].then", "and lasts go together"),
    (
        "plans_activ.toml",
        "until = 2026-05-31",
        "until = 2026-02-28",
        "plan[activ-spring v1].joining.until",
        "before its",
    ),
    (
        "plans_activ.toml",
        "from = 2026-03-01",
        "from = 2026-01-01",
        "plan[activ-spring v1].joining.from",
        "own first day",
    ),
    (
        LISTS,
        "deny = true",
        'deny = true, price = "1.00"',
        "price_list[international v1].rates[9].deny",
        "contradicts the",
    ),
    (
        LISTS,
        'price = "45.00", ',
        "",
        "price_list[international v1].rates[1].price",
        "is missing; add it, or deny = true",
    ),
    (LISTS, "from = 2024-01-01", "from = 2025-06-01", "plan[kcell-start v1].price_lists", "begins only on 2025-06-01"),
    (SERVICES, 'lasts = "7 days"', "", "service[data-1gb v1].kind", "a pack is paid once"),
    (SERVICES, 'interval = "30 days"', 'lasts = "30 days"', "service[russia-calls v1].lasts", "is for packs"),
    (SERVICES, 'kind = "content"', 'kind = "feature"', "service[music-day v1].provider", "belongs to content"),
    (SERVICES, 'share_percent = "60"', 'share_percent = "101"', "service[music-day v1].provider.share_percent", "100"),
    (
        SERVICES,
        'rates = [{ service = "voice"',
        'rates = [{ service = "content"',
        "service[russia-calls v1].rates[1].service",
        "content is priced by",
    ),
    (
        SERVICES,
        'price = "390.00"',
        'price = "390.00"\nevent_price = "1.00"',
        "service[data-1gb v1].event_price",
        "content only",
    ),
    (
        "numbering.toml",
        "home = true",
        "home = false",
        "numbering[numbering v1].operators",
        "exactly one must have home",
    ),
    ("numbering.toml", '"775", "778"', '"775", "701"', "numbering[numbering v1]", "prefix 7701 has two destinations"),
    (
        "numbering.toml",
        'code = "activ"',
        'code = "a-mobile"',
        "numbering[numbering v1].operators",
        "a-mobile must begin with two letters",
    ),
    ("numbering.toml", '"9090"', '"101"', "numbering[numbering v1].free", "number 101 is declared twice"),
    (
        "numbering.toml",
        'code = "world"',
        'code = "europe"',
        "numbering[numbering v1].zones",
        "europe is declared twice",
    ),
    (
        "numbering.toml",
        'code = "world"',
        'code = "any"',
        "numbering[numbering v1].zones",
        "word of the catalogue itself",
    ),
    ("roaming.toml", '["437"]', '["250"]', "roaming[roaming v1].countries", "network 250 is declared twice"),
    ("roaming.toml", 'country = "KG"', 'country = "RU"', "roaming[roaming v1].countries", "RU is declared twice"),
    ("roaming.toml", 'code = "board"', 'code = "home"', "roaming[roaming v1].zones", "word of the catalogue itself"),
    (
        "portions.toml",
        'access = ["gsm"]',
        'access = ["lte"]',
        "portions[portions v1].sizes",
        "data over gsm has 0 sizes",
    ),
    (
        "portions.toml",
        'least = "50 kB"',
        'least = "1 MB"',
        "portions[portions v1].sizes[1].least",
        "more than the portion",
    ),
    ("portions.toml", '"30 s"', '"30 MB"', "portions[portions v1].sizes[5].least", "not in the unit of voice"),
]


@pytest.mark.clause("PSC-2.8")
@pytest.mark.parametrize(
    ("file", "old", "new", "path", "why"),
    MISTAKES,
    ids=[f"{path}-{why[:30]}" for _, _, _, path, why in MISTAKES],
)
def test_each_mistake_is_named_with_file_field_and_why(
    files: dict[str, str], file: str, old: str, new: str, path: str, why: str
) -> None:
    problems = problems_of(changed(files, file, old, new))
    assert any(p.file.startswith(("plans_", file)) and p.path == path and why in p.why for p in problems), problems


def test_problems_of_all_files_are_told_at_once(files: dict[str, str]) -> None:
    wrong = changed(files, PLANS, 'fee = "2790.00"', "fee = 2790.0")
    wrong = changed(wrong, SERVICES, "price =", "cost =")
    wrong["numbering.toml"] += "\nbroken"
    problems = problems_of(wrong)
    assert {problem.file for problem in problems} == {PLANS, SERVICES, "numbering.toml"}
    assert len(problems) == 4  # the float; price missing and cost unknown; not TOML
    report = str(CatalogueError(problems))
    assert report.startswith("The catalogue has 4 problems; nothing was published.")
    assert "\n  plans_kcell.toml: plan[kcell-start v1].fee: is a float; write it as a string" in report


def test_problems_between_declarations_are_told_at_once(files: dict[str, str]) -> None:
    wrong = changed(files, PLANS, 'brand = "kcell"', 'brand = "x"')
    wrong = changed(wrong, SERVICES, 'code = "data.any"', 'code = "x"')
    wrong = changed(wrong, "roaming.toml", 'zone = "near"', 'zone = "x"')
    assert {problem.file for problem in problems_of(wrong)} == {PLANS, SERVICES, "roaming.toml"}


@pytest.mark.parametrize(
    ("name", "path"),
    [("numbering.toml", "numbering"), ("roaming.toml", "roaming"), ("portions.toml", "portions")],
)
def test_what_every_catalogue_needs_is_asked_for(files: dict[str, str], name: str, path: str) -> None:
    (problem,) = problems_of({other: text for other, text in files.items() if other != name})
    assert (problem.path, problem.why) == (path, f"is missing; declare [[{path}]] in one of the files")


def test_the_regulators_figures_are_asked_for(files: dict[str, str]) -> None:
    problems = problems_of({other: text for other, text in files.items() if other != "regulation.toml"})
    assert [problem.path for problem in problems] == ["figure[mci]", "figure[vat]"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\xff\xfe[[plan]]", "is not UTF-8 at byte 0; save it as UTF-8"),
        (b"[[plan", "is not TOML"),
        (b"a = 1\na = 2", "is not TOML"),
        (b"a = " + b"[" * 5_000, "is not TOML"),
        (b"#" * 1_000_001, "is larger than 1000000 bytes; split it"),
        (b"plan = 1", "must be a list of tables: write [[plan]]"),
        (b"plan = [1]", "must be a list of tables: write [[plan]]"),
    ],
)
def test_files_that_cannot_be_read_are_named(content: bytes, why: str) -> None:
    with pytest.raises(CatalogueError) as refused:
        parse([SourceFile("bad.toml", content)])
    (problem,) = refused.value.problems
    assert problem.file == "bad.toml"
    assert why in problem.why


def test_a_directory_without_files_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(CatalogueError, match="must be a directory with 1 to 500"):
            load_directory(path)


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.toml").mkdir()
    with pytest.raises(CatalogueError, match=r"x\.toml: cannot be read: Is a directory"):
        load_directory(tmp_path)


@settings(max_examples=40)
@given(st.data())
def test_no_damage_to_a_file_ends_in_anything_but_a_report(data: st.DataObject) -> None:
    """Cut, doubled or overwritten anywhere, a file loads or is refused with a report."""
    sources = read_directory(OPERATOR)
    index = data.draw(st.integers(0, len(sources) - 1))
    content = sources[index].content
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + 200)))
    junk = data.draw(
        st.one_of(st.binary(max_size=20), st.sampled_from([b'"', b"[", b"=", b"-1", b"1e9", b"true", b"{}"]))
    )
    sources[index] = SourceFile(sources[index].name, content[:start] + junk + content[end:])
    report = None
    try:
        build(parse(sources))
    except CatalogueError as refused:
        report = refused.problems
    assert report is None or all(problem.why for problem in report)
