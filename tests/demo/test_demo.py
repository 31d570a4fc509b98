"""The demo as a stranger runs it: from nothing, again, and after being killed."""

import contextlib
import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

VENV = Path(os.environ.get("TOLLBOOK_TRYTON") or Path(__file__).parents[2] / ".venv-tryton")
COMMAND = Path(sys.executable).parent / "tollbook"
SECONDS_MAX = 300
POSTING_SECONDS = 3
EQUAL = "All five agree, in total and document by document."
# The ERP's number, what it is, our number, and what was booked.
DOCUMENT = re.compile(
    r"^ +(NWI-\S+) +(invoice|credit memo|journal) +(\S+) .* posted +(.*?) *$", re.MULTILINE
)


def environment(home: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
    return {**kept, "TOLLBOOK_HOME": str(home), "TOLLBOOK_TRYTON": str(VENV.absolute())}


def tollbook(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(COMMAND), *arguments],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )


def start_and_kill(home: Path) -> None:
    """Kill the demo, its ERP and all else it started, at one blow, while it posts."""
    with subprocess.Popen(
        [str(COMMAND), "demo"],
        env=environment(home),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as started:
        assert started.stdout
        assert any(line.startswith("post ") for line in started.stdout), "it begins to post"
        with contextlib.suppress(subprocess.TimeoutExpired):
            started.wait(POSTING_SECONDS)
        os.killpg(started.pid, signal.SIGKILL)


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (VENV / "tollbook" / "serve.py").is_file() and not os.environ.get("CI"):
        pytest.skip(f"Tryton is not installed in {VENV}: make setup")
    return tmp_path_factory.mktemp("demo") / "home"


def test_the_demo_survives_a_kill_ends_with_equal_totals_and_changes_nothing_again(
    home: Path,
) -> None:
    start_and_kill(home)

    first = tollbook(home, "demo")
    again = tollbook(home, "demo")

    assert first.returncode == 0, first.stdout + first.stderr
    assert again.returncode == 0, again.stdout + again.stderr
    assert EQUAL in first.stdout
    assert EQUAL in again.stdout
    documents = DOCUMENT.findall(first.stdout)
    assert {kind for _, kind, _, _ in documents} == {"invoice", "journal"}
    assert [number for number, *_ in documents] == sorted(number for number, *_ in documents)
    assert DOCUMENT.findall(again.stdout) == documents
    assert "20,278 events generated: 0 accepted, 20,200 known already" in again.stdout
    assert "…" not in first.stdout, "no table is cut off"
    assert "What to try next" in first.stdout
    kept = [home / "tollbook.toml", home / "tryton" / "password", home / "tryton" / "trytond.conf"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}
    assert stat.S_IMODE((home / "tryton").stat().st_mode) == 0o700
