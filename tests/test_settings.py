"""Settings: each is documented, secrets have no default, and what is wrong or missing is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from telco.kernel.money import tenge
from telco.settings import Mode, Settings, SettingsError, load, missing, render_settings, unknown

PEPPER = "0123456789abcdef0123456789abcdef"
COMPLETE = {
    "TELCO_DATABASE_URL": "postgresql://telco:hidden@db/telco",
    "TELCO_REDIS_URL": "redis://cache/0",
    "TELCO_STAFF_PEPPER": PEPPER,
    "TELCO_CARDS_PEPPER": PEPPER,
    "TELCO_SMS_LINKS": '[{"name": "smsc-1", "host": "smsc", "password": "hidden"}]',
}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("TELCO_")]:
        monkeypatch.delenv(name)


def give(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_the_committed_page_is_the_generated_one(root: Path) -> None:
    assert (root / "docs" / "settings.md").read_text("utf-8") == render_settings()


def test_every_setting_says_what_it_means() -> None:
    rows = [line for line in render_settings().splitlines() if line.startswith("| `")]
    assert len(rows) > 40
    assert [row for row in rows if row.endswith("|  |")] == []


def test_production_needs_every_secret_and_server() -> None:
    assert [entry.variable for entry in missing(load())] == [
        "TELCO_DATABASE_URL",
        "TELCO_REDIS_URL",
        "TELCO_STAFF_PEPPER",
        "TELCO_CARDS_PEPPER",
        "TELCO_SMS_LINKS",
    ]
    assert all(entry.why for entry in missing(load()))


def test_the_demo_needs_nothing() -> None:
    assert missing(load(mode=Mode.DEMO)) == []


def test_nothing_is_missing_when_all_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, **COMPLETE)
    assert missing(load()) == []


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("TELCO_STAFF_PEPPER", "short", "TELCO_STAFF_PEPPER"),
        ("TELCO_HTTP_SHUTDOWN_TIMEOUT_S", "30", "TELCO_HTTP_SHUTDOWN_TIMEOUT_S"),
        ("TELCO_DATABASE_MIN_CONNECTIONS", "21", "TELCO_DATABASE_MIN_CONNECTIONS"),
        ("TELCO_SMS_LINKS", '[{"name": "a"}]', "TELCO_SMS_LINKS.0.password"),
    ],
)
def test_settings_that_cannot_work_together_are_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, named: str
) -> None:
    give(monkeypatch, **{**COMPLETE, variable: value})
    assert [entry.variable for entry in missing(load())] == [named]


def test_groups_and_names_may_have_underscores(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, TELCO_HTTP_MAX_BODY_BYTES="2048", TELCO_TRUST_AMOUNT="700.50", TELCO_SMS_MAX_BATCH="7")
    settings = load()
    assert settings.http.limits.max_body_bytes == 2048
    assert settings.trust.terms.amount == tenge("700.50")
    assert (settings.sms.max_batch, settings.sms.links) == (7, ())


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("TELCO_HTTP_PORT", "many", "TELCO_HTTP_PORT: "),
        ("TELCO_HTTP_PORT", "65536", "TELCO_HTTP_PORT: "),
        ("TELCO_TRUST_AMOUNT", "1.005", "TELCO_TRUST_AMOUNT: "),
        ("TELCO_MODE", "test", "TELCO_MODE: "),
        ("TELCO_REFUNDS_PURPOSE_CODE", "85", "TELCO_REFUNDS_PURPOSE_CODE: "),
        ("TELCO_SMS_LINKS", "[{", '"sms"'),
        ("TELCO_SMS_LINKS", '[{"port": "x"}]', "TELCO_SMS_LINKS.0.port: "),
        ("TELCO_HTTP_PROT", "1", "TELCO_HTTP_PROT is not a setting"),
        ("TELCO_HTPP_PORT", "1", "TELCO_HTPP_PORT is not a setting"),
    ],
)
def test_a_wrong_value_or_name_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str) -> None:
    give(monkeypatch, **{variable: value})
    with pytest.raises(SettingsError) as refused:
        load()
    assert said in str(refused.value)


def test_secrets_do_not_print(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, **COMPLETE)
    printed = repr(load()) + load().model_dump_json()
    assert "hidden" not in printed
    assert PEPPER not in printed


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().http.port = 1


def test_other_variables_are_not_ours() -> None:
    assert unknown({"PATH": "x", "TELCO_HTTP_PORT": "1", "telco_http_host": "x"}) == []
