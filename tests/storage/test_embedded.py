"""The embedded server is started, found, killed and recovered for real, in homes under /tmp."""

import contextlib
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

import tollbook
from tollbook.errors import Blocked
from tollbook.storage import embedded, places
from tollbook.storage.accounts import SystemAccount, account_of_uid, can_traverse
from tollbook.storage.binaries import find_binaries, reachable_binaries

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act for other accounts")
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux process control")

PATIENCE_SECONDS = 15.0
ORDINARY_USER = account_of_uid(65534)
IMPORT_PATH = os.pathsep.join(
    str(Path(package.__file__ or "").parent.parent) for package in (tollbook, psycopg)
)

# Run by other processes: start a server, say how it went, then do what the last argument says.
STARTER = """
import sys, threading
from pathlib import Path
from tollbook.storage import embedded

def start():
    server = embedded.start(Path(sys.argv[1]), keep_running=sys.argv[2] == "keep")
    print(server.pid, server.adopted, server.socket_dir, flush=True)

if sys.argv[3] == "from-thread":
    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
else:
    start()
if sys.argv[3] != "leave":
    sys.stdin.read()
"""

BUSY_FOR_A_SECOND = b"""
do $$ declare finish timestamptz := clock_timestamp() + interval '1 second';
begin while clock_timestamp() < finish loop end loop; end $$
"""


def make_home() -> Iterator[Path]:
    """Make a home that every account can pass through; clean up its server and files later."""
    directory = Path(tempfile.mkdtemp(prefix="tollbook-test-", dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    clean(directory)


home = pytest.fixture(make_home, name="home")
shared_home = pytest.fixture(make_home, name="shared_home", scope="module")


@pytest.fixture
def used_home(shared_home: Path) -> Iterator[Path]:
    """A home with a stopped database that other tests used too: making one takes a while."""
    socket_dir = embedded.start(shared_home).socket_dir
    embedded.stop(shared_home)
    yield shared_home
    embedded.stop(shared_home, mode="immediate")
    shutil.rmtree(socket_dir, ignore_errors=True)


def clean(directory: Path) -> None:
    directory.chmod(0o755)
    place = places.existing_place(directory)
    if place is not None:
        embedded.stop(directory, mode="immediate")
        shutil.rmtree(place.socket_dir, ignore_errors=True)
        shutil.rmtree(place.directory, ignore_errors=True)
    shutil.rmtree(directory, ignore_errors=True)


def write(server: embedded.EmbeddedServer, number: int) -> None:
    with psycopg.connect(server.dsn) as connection:
        connection.execute("create table if not exists kept (number int)")
        connection.execute("insert into kept values (%s)", (number,))


def read(server: embedded.EmbeddedServer) -> list[int]:
    with psycopg.connect(server.dsn) as connection:
        return [row[0] for row in connection.execute("select number from kept order by number")]


def show(server: embedded.EmbeddedServer, setting: str) -> str:
    with psycopg.connect(server.dsn) as connection:
        row = connection.execute("select current_setting(%s)", (setting,)).fetchone()
        assert row is not None
        return str(row[0])


def run_starter(
    home: Path, *, keep: str, then: str, account: SystemAccount | None = None
) -> subprocess.Popen[str]:
    interpreter = sys.executable if account is None else interpreter_for(account)
    return subprocess.Popen(
        [interpreter, "-c", STARTER, str(home), keep, then],
        env={"PYTHONPATH": IMPORT_PATH, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def interpreter_for(account: SystemAccount) -> str:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in (Path(sys.executable), Path("/usr/bin") / version):
        if path.exists() and can_traverse(account, path.resolve().parent):
            return str(path)
    pytest.skip("the ordinary user can execute no Python of this version")


def answer_of(starter: subprocess.Popen[str]) -> tuple[int, bool, Path]:
    assert starter.stdout is not None
    pid, adopted, socket_dir = starter.stdout.readline().split()
    return int(pid), adopted == "True", Path(socket_dir)


def kill(starter: subprocess.Popen[str]) -> None:
    starter.kill()
    starter.communicate()


def processes_of(postmaster: int) -> list[int]:
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text()
    return [postmaster, *map(int, children.split())]


def comes_true(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        threading.Event().wait(0.01)
    return True


def test_a_first_start_makes_a_private_database_that_forgets_nothing(home: Path) -> None:
    (home / "postgres" / "pgdata.init-1").mkdir(parents=True)  # an earlier start was killed

    server = embedded.start(home, settings={"max_connections": "17"})

    assert not server.adopted
    assert show(server, "server_encoding") == "UTF8"
    assert show(server, "data_checksums") == show(server, "fsync") == "on"
    assert show(server, "listen_addresses") == ""
    assert show(server, "TimeZone") == "UTC"
    assert show(server, "max_connections") == "17"
    assert stat.S_IMODE(server.socket_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.data_dir.stat().st_mode) == 0o700
    assert len(str(server.socket_dir)) < 100
    assert not list((home / "postgres").glob("pgdata.init-*"))


def test_a_second_start_adopts_the_running_server(used_home: Path) -> None:
    first = embedded.start(used_home)

    second = embedded.start(used_home)

    assert (second.pid, second.dsn, second.adopted) == (first.pid, first.dsn, True)
    assert embedded.status(used_home) == second


def test_a_created_database_can_be_created_again(used_home: Path) -> None:
    server = embedded.start(used_home)

    embedded.create_database(server, 'books "2026"')
    embedded.create_database(server, 'books "2026"')

    with psycopg.connect(embedded.dsn_for(server, 'books "2026"')) as connection:
        assert connection.info.dbname == 'books "2026"'


def test_stop_and_start_keep_the_data(used_home: Path) -> None:
    write(embedded.start(used_home), 10)

    assert embedded.stop(used_home)
    assert embedded.status(used_home) is None
    assert not embedded.stop(used_home)
    server = embedded.start(used_home)

    assert not server.adopted
    assert 10 in read(server)


def test_nothing_runs_in_a_home_that_was_never_started(home: Path) -> None:
    assert embedded.status(home) is None
    assert not embedded.stop(home)
    assert list(home.iterdir()) == []


@needs_linux
def test_a_killed_server_loses_no_commit_and_recovers_by_itself(used_home: Path) -> None:
    server = embedded.start(used_home)
    for number in range(20, 23):
        write(server, number)
        for pid in processes_of(server.pid):
            # A child may see the postmaster go and leave before its turn.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

        server = embedded.start(used_home)

        assert not server.adopted
        assert set(range(20, number + 1)) <= set(read(server))


@needs_linux
def test_a_start_waits_for_the_busy_session_of_a_killed_postmaster(used_home: Path) -> None:
    server = embedded.start(used_home)
    write(server, 30)
    with contextlib.closing(psycopg.connect(server.dsn, autocommit=True)) as busy:
        session = busy.info.backend_pid
        busy_until = time.monotonic() + 1.0
        busy.pgconn.send_query(BUSY_FOR_A_SECOND)
        assert comes_true(lambda: is_busy(server, session))
        os.kill(server.pid, signal.SIGKILL)

        again = embedded.start(used_home)

        assert time.monotonic() >= busy_until
    assert again.pid != server.pid
    assert 30 in read(again)


def is_busy(server: embedded.EmbeddedServer, session: int) -> bool:
    with psycopg.connect(server.dsn) as connection:
        query = "select 1 from pg_stat_activity where pid = %s and state = 'active'"
        return connection.execute(query, (session,)).fetchone() is not None


@needs_linux
def test_a_server_that_dies_while_it_is_adopted_is_replaced(used_home: Path) -> None:
    server = embedded.start(used_home)
    os.kill(server.pid, signal.SIGSTOP)  # it says "ready" and answers nobody
    killer = threading.Timer(0.3, os.kill, (server.pid, signal.SIGKILL))
    killer.start()

    again = embedded.start(used_home)

    assert not again.adopted
    killer.join()


@needs_linux
@pytest.mark.parametrize("way", ["wait", "from-thread"])
def test_a_server_ends_with_the_process_that_started_it_and_not_earlier(
    home: Path, way: str
) -> None:
    starter = run_starter(home, keep="end", then=way)
    pid, _, _ = answer_of(starter)
    threading.Event().wait(0.1)  # the starting thread has ended; its process has not
    running = embedded.status(home)
    assert running is not None
    assert running.pid == pid

    kill(starter)

    assert comes_true(lambda: embedded.status(home) is None)
    log = home / "postgres" / "server.log"
    assert comes_true(lambda: "database system is shut down" in log.read_text())
    assert "received fast shutdown request" in log.read_text()


def test_a_server_that_is_to_keep_running_outlives_the_command_that_started_it(
    used_home: Path,
) -> None:
    starter = run_starter(used_home, keep="keep", then="leave")
    pid, _, _ = answer_of(starter)
    starter.communicate()

    server = embedded.start(used_home)

    assert (server.pid, server.adopted) == (pid, True)


def test_two_processes_that_start_at_once_share_one_server(home: Path) -> None:
    starters = [run_starter(home, keep="keep", then="wait") for _ in range(2)]

    answers = [answer_of(starter) for starter in starters]

    assert len({pid for pid, _, _ in answers}) == 1
    assert sorted(adopted for _, adopted, _ in answers) == [False, True]
    for starter in starters:
        starter.communicate()


@needs_root
def test_an_ordinary_user_runs_a_server_of_their_own(home: Path) -> None:
    os.chown(home, ORDINARY_USER.uid, ORDINARY_USER.gid)
    home.chmod(0o700)
    starter = run_starter(home, keep="end", then="wait", account=ORDINARY_USER)
    pid, adopted, socket_dir = answer_of(starter)

    server = embedded.start(home)  # root meets the user's server and leaves it the user's

    assert not adopted
    assert (server.pid, server.adopted, server.socket_dir) == (pid, True, socket_dir)
    assert {path.stat().st_uid for path in (home / "postgres").iterdir()} == {ORDINARY_USER.uid}
    assert Path(f"/proc/{pid}").stat().st_uid == ORDINARY_USER.uid
    kill(starter)
    assert comes_true(lambda: embedded.status(home) is None)


def owner(pid: int) -> int | None:
    """Return who runs a process; None when it ended meanwhile, as background workers do."""
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except FileNotFoundError:
        return None


@needs_root
def test_root_hands_the_server_to_an_unprivileged_account(used_home: Path) -> None:
    server = embedded.start(used_home)

    uids = {owner(pid) for pid in processes_of(server.pid)} - {None}
    status = Path(f"/proc/{server.pid}/status").read_text()

    assert uids == {server.data_dir.stat().st_uid}
    assert 0 not in uids
    assert re.search(r"^Groups:\s*$", status, re.MULTILINE)
    assert re.search(r"^CapEff:\s*0+$", status, re.MULTILINE)


@pytest.mark.parametrize("flaw", ["open to all", pytest.param("not ours", marks=needs_root)])
def test_a_socket_directory_that_others_can_enter_is_refused(used_home: Path, flaw: str) -> None:
    socket_dir = embedded.start(used_home).socket_dir
    embedded.stop(used_home)
    if flaw == "open to all":
        socket_dir.chmod(0o777)
    else:
        os.chown(socket_dir, ORDINARY_USER.uid, ORDINARY_USER.gid)
    found = socket_dir.stat()

    with pytest.raises(Blocked, match=re.escape(str(socket_dir))) as refusal:
        embedded.start(used_home)

    assert refusal.value.code == "storage.socket_directory"
    assert (socket_dir.stat().st_uid, socket_dir.stat().st_mode) == (found.st_uid, found.st_mode)
    assert embedded.status(used_home) is None


def test_a_server_whose_socket_was_cleaned_away_is_replaced(used_home: Path) -> None:
    first = embedded.start(used_home)
    write(first, 40)
    shutil.rmtree(first.socket_dir)

    second = embedded.start(used_home)

    assert (second.adopted, second.socket_dir) == (False, first.socket_dir)
    assert 40 in read(second)


def test_a_start_is_not_fooled_by_a_process_number_that_is_in_use_again(used_home: Path) -> None:
    server = embedded.start(used_home)
    embedded.stop(used_home)
    owner = server.data_dir.stat()
    uid = owner.st_uid if os.geteuid() == 0 else None
    stranger = subprocess.Popen(["/bin/sleep", "60"], user=uid)
    (server.data_dir / "postmaster.pid").write_text(
        f"{stranger.pid}\n{server.data_dir}\n1\n5432\n{server.socket_dir}\n\n  1 1\nready   \n"
    )

    try:
        assert embedded.status(used_home) is None
        assert not embedded.stop(used_home)
        again = embedded.start(used_home)
        assert not again.adopted
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@needs_root
def test_data_goes_elsewhere_when_the_account_cannot_reach_the_home(home: Path) -> None:
    home.chmod(0o700)

    server = embedded.start(home)
    write(server, 1)
    embedded.stop(home)
    home.chmod(0o755)  # the data stays where it is when the home opens later
    server = embedded.start(home)

    assert server.data_dir.is_relative_to(places.SHARED_STATE)
    assert read(server) == [1]
    assert list(home.iterdir()) == []


@needs_root
def test_data_that_the_account_can_no_longer_reach_is_not_replaced_by_new_data(home: Path) -> None:
    embedded.start(home)
    embedded.stop(home)
    home.chmod(0o700)

    with pytest.raises(Blocked, match="may not pass") as refusal:
        embedded.start(home)

    assert refusal.value.code == "storage.unreachable"
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


@needs_root
def test_programs_the_account_cannot_reach_are_copied_once(home: Path) -> None:
    installed = find_binaries(None, major=None)
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    package = installed.bin_dir.parent.parent
    for tree in (installed.bin_dir.parent, package.with_name(f"{package.name}.libs")):
        shutil.copytree(tree, closed / tree.relative_to(package.parent))
    hidden = find_binaries(
        closed / installed.bin_dir.relative_to(package.parent), major=installed.major
    )

    copied = reachable_binaries(hidden, ORDINARY_USER, store=home / "store")
    made_at = copied.bin_dir.stat().st_ctime_ns
    again = reachable_binaries(hidden, ORDINARY_USER, store=home / "store")
    server = embedded.start(home, bin_dir=copied.bin_dir)

    assert copied.bin_dir.is_relative_to(home / "store")
    assert again == copied
    assert copied.bin_dir.stat().st_ctime_ns == made_at
    assert Path(f"/proc/{server.pid}/exe").readlink() == copied.bin_dir / "postgres"
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def test_data_is_opened_only_by_programs_of_its_own_major_version() -> None:
    newest = find_binaries(None, major=None)

    assert find_binaries(newest.bin_dir, major=16).major == 16
    with pytest.raises(Blocked, match=rf"PostgreSQL 9.*{re.escape(newest.version)}") as refusal:
        find_binaries(None, major=9)
    assert refusal.value.code == "storage.version_mismatch"


@pytest.mark.parametrize(
    ("code", "bin_dir", "settings", "named"),
    [
        ("storage.no_binaries", Path("/nowhere"), {}, "/nowhere"),
        ("storage.reserved_setting", None, {"Port": "5433"}, "port"),
        ("storage.start_failed", None, {"no_such_setting": "1"}, "no_such_setting"),
    ],
)
def test_a_start_that_cannot_succeed_says_why(
    used_home: Path, code: str, bin_dir: Path | None, settings: dict[str, str], named: str
) -> None:
    with pytest.raises(Blocked, match=named) as refusal:
        embedded.start(used_home, bin_dir=bin_dir, settings=settings)

    assert refusal.value.code == code


def test_a_network_file_system_is_refused(home: Path) -> None:
    table = home / "mounts"
    table.write_text(f"/dev/sda / ext4 rw 0 0\nserver:/export {home} nfs4 rw 0 0\n")

    with pytest.raises(Blocked, match="nfs4") as refusal:
        places.refuse_network_file_system(home / "deep" / "inside", mounts=table)

    assert refusal.value.code == "storage.network_filesystem"
    places.refuse_network_file_system(home.parent / "elsewhere", mounts=table)


def test_the_innermost_and_latest_mount_decides_the_file_system() -> None:
    mounts = "a / ext4 rw\nb /data nfs rw\nc /data xfs rw\nd /my\\040share cifs rw\n"

    kinds = {
        path: places.file_system_kind(Path(path), mounts)
        for path in ("/home/x", "/data/x", "/database", "/my share/x")
    }

    assert list(kinds.values()) == ["ext4", "xfs", "ext4", "cifs"]


def test_the_log_is_rotated_when_it_is_large_and_three_old_ones_are_kept(home: Path) -> None:
    place = places.Place(directory=home, socket_dir=home, account=ORDINARY_USER)
    for number in range(5):
        place.log_file.write_text(f"{number}\n")
        os.truncate(place.log_file, places.LOG_BYTES_MAX + 1)
        os.close(places.open_log(place))

    kept = {path.name: path.read_text()[:1] for path in home.glob("server.log*")}

    assert kept == {"server.log": "", "server.log.1": "4", "server.log.2": "3", "server.log.3": "2"}
