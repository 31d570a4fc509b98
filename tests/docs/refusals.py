"""Reads the source for every code a failure can carry, with the sentence that goes with it."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tollbook.worklist.codes import CODES

SOURCE = Path(__file__).parents[2] / "src" / "tollbook"
NOT_OURS = ("simulators", "demo_company")
AREAS = (
    *("capture", "meter", "rate", "invoice", "tax", "post", "recognize", "reconcile"),
    *("masterdata", "worklist", "trace", "verify", "price", "run"),
    *("api", "config", "runtime", "sandbox", "storage"),
)
CODE = re.compile(rf"(?:{'|'.join(AREAS)})(?:\.[a-z_0-9]*[a-z0-9])+")
FILE_NAME = re.compile(r".*\.(?:py|toml|json|jsonl|lock|log|pid)")
# These are called with the last word of a code.
MASTER_DATA = ("problem", "Finding")
# What must happen next, by the kind of failure.
KINDS = {
    "Rejected": "correct it and try again",
    "Refused": "correct it and try again",
    "Blocked": "remove the obstacle, then try again",
    "Transient": "nothing happened: try again later",
    "Unknown": "find out what happened before trying again",
    "problem": "answer of the HTTP API",
    "Problem": "correct the file",
    "Finding": "correct the file",
    "Mark": "a person releases it",
}


@dataclass(frozen=True)
class Refusal:
    """A code, the kind of failure it comes with, and its sentence with `…` for what varies."""

    code: str
    kind: str
    sentence: str


# Marks a posting; nothing raises it.
HELD = Refusal("post.held_by_person", "Mark", "Somebody holds this posting: `tollbook post hold`.")


def codes_in_source() -> set[str]:
    """Return every text in the source that is a code and not the name of an audited act."""
    return {
        node.value
        for path in _files()
        for node in _outside_audits(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if CODE.fullmatch(node.value) and not FILE_NAME.fullmatch(node.value)
    }


def refusals() -> list[Refusal]:
    """Return what is refused to a caller and never becomes a work item, once a code."""
    found = {refusal.code: refusal for refusal in [HELD, *reversed(list(_all_refusals()))]}
    return [found[code] for code in sorted(found) if code not in CODES]


def _files() -> list[Path]:
    paths = sorted(SOURCE.rglob("*.py"))
    return [path for path in paths if path.relative_to(SOURCE).parts[0] not in NOT_OURS]


def _outside_audits(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk a tree, leaving out f-strings and the actions that go into the audit trail."""
    for node in ast.iter_child_nodes(tree):
        is_action = isinstance(node, ast.keyword) and node.arg == "action"
        is_audit = isinstance(node, ast.Call) and ast.unparse(node.func).endswith("_audit")
        if not (is_action or is_audit or isinstance(node, ast.JoinedStr)):
            yield node
            yield from _outside_audits(node)


def _all_refusals() -> Iterator[Refusal]:
    trees = [ast.parse(path.read_text()) for path in _files()]
    names = dict(pair for tree in trees for pair in _named_codes(tree))
    for tree in trees:
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from _of_function(function, names)


def _named_codes(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Constant):
            value = node.value.value
            if isinstance(value, str) and CODE.fullmatch(value):
                yield ast.unparse(node.target), value


def _of_function(
    function: ast.FunctionDef | ast.AsyncFunctionDef, names: dict[str, str]
) -> Iterator[Refusal]:
    texts: dict[str, str] = {}
    for node in sorted(ast.walk(function), key=lambda node: getattr(node, "lineno", 0)):
        if isinstance(node, ast.Assign):
            texts[ast.unparse(node.targets[0])] = _text(node.value)
        if isinstance(node, ast.Call):
            yield from _of_call(node, names, texts)


def _of_call(call: ast.Call, names: dict[str, str], texts: dict[str, str]) -> Iterator[Refusal]:
    kind = ast.unparse(call.func).rpartition(".")[2].removeprefix("_")
    kind = {"rejected": "Rejected"}.get(kind, kind)
    if kind not in KINDS:
        return
    for at, argument in enumerate(call.args[:2]):
        code = names.get(ast.unparse(argument)) or _text(argument)
        if kind in MASTER_DATA and re.fullmatch("[a-z_]+", code):
            code = f"masterdata.{code}"
        if CODE.fullmatch(code):
            said = call.args[at + 1] if len(call.args) > at + 1 else argument
            yield Refusal(code, _kind(kind, code), texts.get(ast.unparse(said)) or _text(said))
            return


def _kind(kind: str, code: str) -> str:
    return "Problem" if kind == "problem" and code.startswith("masterdata.") else kind


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values
        )
    return ""
