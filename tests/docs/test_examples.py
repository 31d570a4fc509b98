"""Documentation is executed: python blocks run, shell blocks run and say what the page says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from psycopg import conninfo

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL_SECONDS = 240

PAGES_WITH_PYTHON = [
    page
    for page in sorted(DOCS.rglob("*.md"))
    if any(block["language"] == "python" for block in BLOCK.finditer(page.read_text()))
]


@pytest.mark.parametrize("page", PAGES_WITH_PYTHON, ids=lambda page: page.name)
def test_every_python_block_of_a_page_runs(page: Path) -> None:
    namespace: dict[str, object] = {}

    for block in BLOCK.finditer(page.read_text()):
        if block["language"] == "python":
            exec(compile(block["body"], str(page), "exec"), namespace)


def test_the_tour_runs_and_prints_what_it_says(dsn: str, tmp_path: Path) -> None:
    """Run the `sh` blocks of the tour in one shell; each `text` block lists what was printed.

    A line of a `text` block must be in the output of the block before it; `...` stands for
    anything inside a line.
    """
    environment = {
        **os.environ,
        "DATABASE_URL": conninfo.make_conninfo(dsn),
        "TOLLBOOK_HOME": str(tmp_path),
        "TOLLBOOK_ACTOR": "guide",
        "COLUMNS": "200",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    said = ""

    for block in BLOCK.finditer((DOCS / "tour.md").read_text()):
        if block["language"] == "sh":
            ran = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block["body"]],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=SHELL_SECONDS,
                check=False,
            )
            assert ran.returncode == 0, f"{block['body']}\n{ran.stdout}\n{ran.stderr}"
            said = ran.stdout
        elif block["language"] == "text":
            for line in filter(None, map(str.strip, block["body"].splitlines())):
                pattern = ".*".join(re.escape(part.strip()) for part in line.split("..."))
                assert re.search(pattern, said), f"{line!r} is not in:\n{said}"


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in [*DOCS.rglob("*.md"), *ROOT.glob("*.md")]
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]

    assert broken == []
