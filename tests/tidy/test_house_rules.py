"""House rules that no linter knows."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "tollbook"
FILES = sorted(path for path in SOURCE.rglob("*.py"))
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 500
BANNED_NAMES = {"utils", "util", "helpers", "common", "misc", "manager", "base", "core"}
STAGE_README_HEADINGS = ["Owns", "Does not own", "Promises", "Clocks", "Fails by"]
# Durations and probabilities are not money; a float may appear only where those live.
FLOAT_MAY_APPEAR_IN = ("observe", "simulators", "runtime", "sdk", "connectors", "storage", "cli")
FLOAT_FILES = ("values/clock.py", "flow/post/policy.py")


def relative(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", FILES, ids=relative)
class TestEveryModule:
    def test_starts_with_one_sentence_on_what_it_is_for(self, path: Path) -> None:
        docstring = ast.get_docstring(ast.parse(path.read_text()))

        assert docstring
        assert docstring.split("\n\n")[0].rstrip().endswith(".")

    def test_keeps_functions_on_a_screen(self, path: Path) -> None:
        tree = ast.parse(path.read_text())

        long = [
            f"{node.name}: {(node.end_lineno or 0) - node.lineno + 1} lines"
            for node in functions(tree)
            if (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES_MAX
        ]

        assert long == []

    def test_is_not_too_long(self, path: Path) -> None:
        assert len(path.read_text().splitlines()) <= FILE_LINES_MAX

    def test_imports_at_the_top_only(self, path: Path) -> None:
        tree = ast.parse(path.read_text())

        inside = [
            node.name
            for node in functions(tree)
            for child in ast.walk(node)
            if isinstance(child, ast.Import | ast.ImportFrom)
        ]

        assert inside == []
        assert "TYPE_CHECKING" not in path.read_text()

    def test_has_a_name_that_says_what_it_holds(self, path: Path) -> None:
        assert not BANNED_NAMES & set(path.with_suffix("").parts)

    def test_has_no_float_near_money(self, path: Path) -> None:
        name = relative(path)
        if name.startswith(FLOAT_MAY_APPEAR_IN) or name in FLOAT_FILES:
            pytest.skip("durations and probabilities live here")
        tree = ast.parse(path.read_text())

        floats = [
            node.lineno
            for node in ast.walk(tree)
            if (isinstance(node, ast.Constant) and isinstance(node.value, float))
            or (isinstance(node, ast.Name) and node.id == "float")
        ]

        assert floats == []

    def test_rounds_nowhere_but_in_settle(self, path: Path) -> None:
        if relative(path) == "values/money.py" or relative(path).startswith("simulators/"):
            pytest.skip("the only door")
        tree = ast.parse(path.read_text())

        rounding = [
            node.lineno
            for node in ast.walk(tree)
            if (isinstance(node, ast.Attribute) and node.attr in {"quantize", "to_integral_value"})
            or (isinstance(node, ast.Name) and node.id == "round")
        ]

        assert rounding == []

    def test_reads_the_clock_only_through_a_clock(self, path: Path) -> None:
        if relative(path) == "values/clock.py":
            pytest.skip("the only door")

        found = re.findall(
            r"datetime\.now|utcnow|date\.today|time\.(?:time|monotonic|perf_counter|sleep)\(",
            path.read_text(),
        )

        assert found == []

    def test_leaves_nothing_unfinished(self, path: Path) -> None:
        assert not re.search(r"TODO|FIXME|XXX|NotImplementedError", path.read_text())


def test_every_stage_says_what_it_owns() -> None:
    for stage in sorted((SOURCE / "flow").iterdir()):
        if stage.is_dir() and stage.name != "__pycache__":
            text = (stage / "README.md").read_text()
            missing = [heading for heading in STAGE_README_HEADINGS if heading not in text]
            assert missing == [], stage.name


def test_a_systems_name_appears_only_in_its_connector_and_where_it_is_wired() -> None:
    allowed = ("connectors/", "simulators/", "cli/", "app.py", "demo_company/", "api/")
    found = [
        relative(path)
        for path in FILES
        if not relative(path).startswith(allowed)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value in {"netsuite", "tryton"}
    ]

    assert found == []
