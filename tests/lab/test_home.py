"""The demo's directory: one demo at a time, secrets for their owner only, and nothing of others thrown away."""

from __future__ import annotations

import stat
from pathlib import Path

import psutil
import pytest

from telco.lab.cards import DemoCard
from telco.lab.home import Home, HomeInUseError
from telco.lab.world import home_of


def test_secrets_are_made_once_and_readable_for_the_owner_only(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.fresh
    home.recall()
    pepper = home.secret("staff_pepper")
    assert len(pepper) >= 32
    assert stat.S_IMODE((tmp_path / "demo.json").stat().st_mode) == 0o600
    again = Home(tmp_path)
    again.recall()
    assert not again.fresh
    assert again.secret("staff_pepper") == pepper
    assert again.secret("cards_pepper") != pepper


def test_an_empty_variable_names_no_directory() -> None:
    assert home_of("").directory == Path(".telco").absolute()


def test_keys_cards_and_batches_are_remembered(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.recall()
    home.keep_key("lab staff", "telco_x_y")
    home.keep_cards([DemoCard("000001000000", "12345678901234", "500.00", used=True)])
    assert home.next_batch() == "demo-1"
    again = Home(tmp_path)
    again.recall()
    assert again.key("lab staff") == "telco_x_y"
    assert again.key("nobody") is None
    assert again.cards == [DemoCard("000001000000", "12345678901234", "500.00", used=True)]
    assert again.next_batch() == "demo-2"


def test_a_second_demo_is_kept_out_while_the_first_runs(tmp_path: Path) -> None:
    with Home(tmp_path).locked(), pytest.raises(HomeInUseError, match="TELCO_HOME"), Home(tmp_path).locked():
        pass
    with Home(tmp_path).locked():
        pass


def test_starting_over_throws_away_what_the_demo_made_and_nothing_else(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.recall()
    (tmp_path / "redis").mkdir()
    (tmp_path / "clauses.json").write_text("{}")
    home.clear()
    assert {path.name for path in tmp_path.iterdir()} == {"clauses.json"}


def redis_servers(home: Home) -> list[int]:
    directory = str(home.redis.directory.resolve())
    return [
        process.pid
        for process in psutil.process_iter(["name", "cwd"])
        if process.info["name"] == "redis-server" and process.info["cwd"] == directory
    ]


def test_the_redis_of_a_killed_demo_is_ended(tmp_path: Path) -> None:
    killed = Home(tmp_path)
    killed.redis.start()
    try:
        assert len(redis_servers(killed)) == 1
        with Home(tmp_path).locked():
            assert redis_servers(killed) == []
    finally:
        killed.redis.stop()


def test_another_demos_redis_is_left_alone(tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    other.redis.start()
    try:
        with Home(tmp_path / "mine").locked():
            assert len(redis_servers(other)) == 1
    finally:
        other.redis.stop()
