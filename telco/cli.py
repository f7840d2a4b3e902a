"""The command line: ``telco demo | serve | migrate | jobs | simulate | audit | bench | staff | catalog``."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from telco import settings as configuration
from telco.kernel import log, memory
from telco.kernel.errors import DomainError
from telco.settings import Settings

EXIT_OK = 0
EXIT_FINDINGS = 1
EXIT_USAGE = 2

Command = Callable[[argparse.Namespace, Settings], Coroutine[Any, Any, int]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0 done, 1 something was found or failed, 2 wrong usage or settings."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["bench"]:
        from telco import bench

        log.configure(log.LogFormat.CONSOLE, "warning")
        return bench.main(arguments[1:])
    if arguments[:1] == ["demo"]:
        return _demo(_parser().parse_args(arguments))
    if arguments[:1] == ["simulate"]:
        return _simulate(_parser().parse_args(arguments))
    parsed = _parser().parse_args(arguments)
    try:
        settings = configuration.load()
        log.configure(settings.log.format, settings.log.level)
        command: Command = parsed.command
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(command(parsed, settings))
    except KeyboardInterrupt:
        return EXIT_FINDINGS
    except Exception as error:
        sentence = _explained(error)
        if sentence is None:
            raise
        print(f"telco: {sentence}", file=sys.stderr)
        return EXIT_USAGE


def _explained(error: Exception) -> str | None:
    """Say what to do about an error that is not a defect of telco's; None for one that is."""
    match error:
        case DomainError():
            return str(error)
        case asyncpg.InvalidSchemaNameError() | asyncpg.UndefinedTableError() | asyncpg.UndefinedFunctionError():
            return "the database does not have this version's schema; run telco migrate"
        case asyncpg.PostgresError() | OSError():
            return f"the database cannot be used: {error}"
        case _:
            return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="telco", description="The business side of a mobile operator.")
    commands = parser.add_subparsers(dest="name", required=True)

    demo = commands.add_parser("demo", help="start everything on embedded servers with a simulated network")
    demo.add_argument("--fresh", action="store_true", help="forget the data of earlier runs")
    demo.add_argument("--once", action="store_true", help="play the first day and stop")

    simulate = commands.add_parser("simulate", help="live through many days on a simulated clock, audit each, report")
    simulate.add_argument("--subscribers", type=int, default=1_000, help="how many numbers (1000)")
    simulate.add_argument("--days", type=int, default=365, help="how many days, from 1 January 2026 (365)")
    simulate.add_argument("--seed", type=int, default=1, help="what everything random comes from (1)")
    simulate.add_argument("--home", type=Path, default=Path(".telco-simulation"), help="where its data and report are")
    simulate.add_argument("--fresh", action="store_true", help="forget an earlier run instead of going on with it")

    serve = commands.add_parser("serve", help="run the service on the servers that the settings name")
    serve.add_argument("--check", action="store_true", help="say what is missing in the settings, and stop")
    serve.set_defaults(command=_serve)

    migrate = commands.add_parser("migrate", help="bring the database to this version's schema")
    migrate.set_defaults(command=_migrate)

    audit = commands.add_parser("audit", help="recompute every balance from the journal, and look for missed deadlines")
    audit.set_defaults(command=_audit)

    jobs = commands.add_parser("jobs", help="list the scheduled jobs, or run what is due of one")
    jobs.add_argument("job", nargs="?", help="a job's name")
    jobs.set_defaults(command=_jobs)

    staff = commands.add_parser("staff", help="callers of the API")
    staff_commands = staff.add_subparsers(dest="staff_command", required=True)
    add = staff_commands.add_parser("add", help="make a caller and print its key, once")
    add.add_argument("caller")
    add.add_argument("--role", action="append", required=True, help="may be given several times")
    add.set_defaults(command=_staff_add)

    catalog = commands.add_parser("catalog", help="plans, services and prices")
    catalog_commands = catalog.add_subparsers(dest="catalog_command", required=True)
    for name, text in (("check", "say what is wrong in a directory of catalogue files"), ("publish", "publish it")):
        sub = catalog_commands.add_parser(name, help=text)
        sub.add_argument("directory", type=Path)
        sub.set_defaults(command=_catalog_check if name == "check" else _catalog_publish)

    commands.add_parser("bench", help="measure; see telco bench --help", add_help=False)
    return parser


def _demo(parsed: argparse.Namespace) -> int:
    from telco.lab import demo

    return demo.run(fresh=parsed.fresh, once=parsed.once)


def _simulate(parsed: argparse.Namespace) -> int:
    from telco.simulation import main as simulation
    from telco.simulation.model import Scenario

    if parsed.subscribers < 1 or parsed.days < 1:
        print("telco: simulate at least one subscriber for one day", file=sys.stderr)
        return EXIT_USAGE
    scenario = Scenario(parsed.subscribers, parsed.seed)
    return simulation.run(scenario=scenario, days=parsed.days, directory=parsed.home, fresh=parsed.fresh)


async def _serve(parsed: argparse.Namespace, settings: Settings) -> int:
    from telco.app import App

    found = configuration.missing(settings)
    for entry in found:
        print(f"missing: {entry.variable}: {entry.why}", file=sys.stderr)
    if parsed.check and not found:
        print("nothing is missing")
    if found or parsed.check:
        return EXIT_USAGE if found else EXIT_OK
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    app = App(settings)
    await app.start()
    memory.settle()
    try:
        await stop.wait()
    finally:
        await app.stop()
    return EXIT_OK


def _database_url(settings: Settings) -> str:
    if settings.database.url is None:
        raise configuration.SettingsError(why="set TELCO_DATABASE_URL")
    return settings.database.url.get_secret_value()


async def _migrate(_: argparse.Namespace, settings: Settings) -> int:
    from telco.db.migrations import migrate

    applied = await migrate(_database_url(settings))
    for migration in applied:
        print(f"applied {migration.version:04d} {migration.name}")
    print("the database is up to date" if not applied else f"{len(applied)} applied")
    return EXIT_OK


async def _audit(_: argparse.Namespace, settings: Settings) -> int:
    from telco.audits import audit_all
    from telco.db.pool import Database
    from telco.kernel.calendar import Calendar
    from telco.kernel.clock import SystemClock

    database = await Database.connect(_database_url(settings))
    try:
        findings = await audit_all(database, SystemClock().now(), Calendar())
    finally:
        await database.close()
    for finding in findings:
        print(finding.text)
    print("the audit found nothing" if not findings else f"{len(findings)} findings")
    return EXIT_FINDINGS if findings else EXIT_OK


async def _jobs(parsed: argparse.Namespace, settings: Settings) -> int:
    from telco.app import App

    app = App(settings)
    await app.open()
    try:
        runner = app.jobs
        if parsed.job is None:
            for job in runner.jobs:
                print(f"{job.name:32} every {job.every}")
            return EXIT_OK
        for job in runner.jobs:
            if job.name == parsed.job:
                print(f"{job.name}: {await runner.run_due(job)} runs")
                return EXIT_OK
        print(f"telco: there is no job named {parsed.job}", file=sys.stderr)
        return EXIT_USAGE
    finally:
        await app.stop()


async def _staff_add(parsed: argparse.Namespace, settings: Settings) -> int:
    from telco.db.pool import Database
    from telco.kernel.clock import SystemClock
    from telco.web.staff import create_principal, parse_roles

    if settings.staff.pepper is None:
        raise configuration.SettingsError(why="set TELCO_STAFF_PEPPER")
    pepper = settings.staff.pepper.get_secret_value()
    roles = parse_roles(parsed.role)
    database = await Database.connect(_database_url(settings))
    try:
        key = await database.transact(
            "staff.add",
            lambda conn: create_principal(conn, parsed.caller, roles, pepper=pepper, now=SystemClock().now()),
        )
    finally:
        await database.close()
    print(key)
    return EXIT_OK


async def _catalog_check(parsed: argparse.Namespace, _: Settings) -> int:
    from telco.catalog.loader import load_directory

    catalogue = load_directory(parsed.directory)
    print(f"{len(catalogue.plan_versions)} plans, {len(catalogue.service_versions)} services: nothing wrong")
    return EXIT_OK


async def _catalog_publish(parsed: argparse.Namespace, settings: Settings) -> int:
    from telco.catalog.service import CatalogService
    from telco.db.pool import Database
    from telco.kernel.clock import SystemClock

    database = await Database.connect(_database_url(settings))
    try:
        done = await CatalogService(database, SystemClock()).publish_directory(parsed.directory, author="cli")
    finally:
        await database.close()
    print(f"edition {done.edition}: {len(done.added)} new, {done.unchanged} as before")
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
