"""Documentation is executed: python blocks run, shell blocks run and say what the page says."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import conninfo

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
PID = re.compile(r'"pid":(\d+)|\A(\d+)\n?\Z')
SHELL_SECONDS = 240


def pages_with(language: str) -> list[Path]:
    return [
        page
        for page in sorted(DOCS.rglob("*.md"))
        if any(block["language"] == language for block in BLOCK.finditer(page.read_text()))
    ]


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Path]:
    """Give an empty directory with the sources in it; end what a page has left running."""
    (tmp_path / "src").symlink_to(ROOT / "src")
    yield tmp_path
    for file in [*tmp_path.glob("*.json"), *tmp_path.glob("*.pid")]:
        for found in PID.finditer(file.read_text()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(found[1] or found[2]), signal.SIGTERM)


@pytest.mark.parametrize("page", pages_with("python"), ids=lambda page: page.name)
def test_every_python_block_of_a_page_runs(page: Path) -> None:
    namespace: dict[str, object] = {}

    for block in BLOCK.finditer(page.read_text()):
        if block["language"] == "python":
            exec(compile(block["body"], str(page), "exec"), namespace)


@pytest.mark.parametrize("page", pages_with("sh"), ids=lambda page: page.name)
def test_a_page_runs_and_prints_what_it_says(page: Path, dsn: str, workplace: Path) -> None:
    """Run the `sh` blocks in order; each line of a `text` block must be in the output before it.

    `...` stands for anything inside a line.
    """
    text = page.read_text()
    if "curl " in text and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    environment = surroundings(dsn, workplace)
    said = ""

    for block in BLOCK.finditer(text):
        if block["language"] == "sh":
            said = run(block["body"], workplace, environment)
        elif block["language"] == "text":
            missing = [line for line in lines(block["body"]) if not is_said(line, said)]
            assert missing == [], f"not in:\n{said}"


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in [*DOCS.rglob("*.md"), *ROOT.glob("*.md")]
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]

    assert broken == []


def test_every_page_is_reached_from_the_index() -> None:
    index = (DOCS / "README.md").read_text()

    missing = [
        str(page.relative_to(DOCS))
        for page in sorted(DOCS.rglob("*.md"))
        if page.parent != DOCS / "adr" and page.name != "README.md"
        if f"]({page.relative_to(DOCS)})" not in index
    ]

    assert missing == []


def surroundings(dsn: str, workplace: Path) -> dict[str, str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return {
        **os.environ,
        "COLUMNS": "200",
        "DATABASE_URL": conninfo.make_conninfo(dsn),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TOLLBOOK_ACTOR": "guide",
        "TOLLBOOK_API_PORT": str(port),
        "TOLLBOOK_HOME": str(workplace),
    }


def run(script: str, workplace: Path, environment: dict[str, str]) -> str:
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=workplace,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SHELL_SECONDS,
        check=False,
    )
    assert ran.returncode == 0, f"{script}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


def lines(body: str) -> list[str]:
    return [line.strip() for line in body.splitlines() if line.strip()]


def is_said(line: str, said: str) -> bool:
    pattern = ".*".join(re.escape(part.strip()) for part in line.split("..."))
    return re.search(pattern, said) is not None
