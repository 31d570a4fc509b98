"""Vector files: what is given, what is expected and why, read as the text that is written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from yaml.nodes import MappingNode, Node, SequenceNode

from tollbook.errors import Rejected

FILE_BYTES_MAX: Final = 10_000_000
SUFFIXES: Final = frozenset({".yaml", ".yml"})
_FILE_KEYS: Final = frozenset({"about", "kind", "given", "cases"})
_CASE_KEYS: Final = frozenset({"name", "why", "source", "kind", "given", "expect"})
_LOADER: Final[Any] = getattr(yaml, "CBaseLoader", yaml.BaseLoader)

# Nothing written: the value is left out, as if its key were not there.
_NULLS: Final = frozenset({"", "~", "null"})


@dataclass(frozen=True, slots=True)
class Case:
    """One vector: by `kind`, what is given comes to what is expected, because of `why`.

    Every scalar in `given` and `expect` is the text in the file: no digit passes through a float.
    """

    file: str
    line: int
    name: str
    why: str
    kind: str
    given: Mapping[str, Any]
    expect: Mapping[str, Any]
    source: str = ""


def read_paths(paths: list[Path]) -> list[Case]:
    """Read vector files, and all below directories; Rejected `vectors.*` names file and line."""
    files = [name for path in paths for name in _files(path)]
    if not files:
        raise Rejected(
            "vectors.no_files", f"There is no YAML file in {', '.join(map(str, paths))}."
        )
    return [case for file in files for case in read_cases(_text(file), str(file))]


def read_cases(text: bytes | str, file: str) -> Iterator[Case]:
    """Read the cases of one file; Rejected `vectors.malformed` names the line."""
    try:
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error)
        raise _malformed(file, mark.line + 1 if mark else 0, f"not YAML: {reason}") from error
    if root is None:
        return
    known = {}
    cases = root
    if isinstance(root, MappingNode):
        nodes = dict(_pairs(root, file))
        _check_keys(nodes, _FILE_KEYS, file, root)
        cases = nodes.pop("cases", root)
        known = {key: _plain(node, file) for key, node in nodes.items()}
    if not isinstance(cases, SequenceNode):
        raise _malformed(file, _line(cases), "a file has `cases:`, a list of cases")
    for node in cases.value:
        yield _case(node, known, file)


def _case(node: Node, known: Mapping[str, Any], file: str) -> Case:
    if not isinstance(node, MappingNode):
        raise _malformed(file, _line(node), "a case has `given:` and `expect:`")
    _check_keys(dict(_pairs(node, file)), _CASE_KEYS, file, node)
    said = _plain(node, file)
    for key, form in (("why", str), ("expect", dict)):
        if not isinstance(said.get(key), form):
            raise _malformed(file, _line(node), f"a case has `{key}:`")
    kind = said.get("kind") or known.get("kind")
    if not isinstance(kind, str):
        raise _malformed(file, _line(node), "a case has a `kind:`, or its file has one for all")
    given = {**known.get("given", {}), **said.get("given", {})}
    name = said.get("name") or said["why"]
    return Case(
        file, _line(node), name, said["why"], kind, given, said["expect"], said.get("source", "")
    )


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(name for name in path.rglob("*") if name.suffix in SUFFIXES)
    if not path.is_file():
        raise Rejected("vectors.no_files", f"There is no file {path}.")
    return [path]


def _text(file: Path) -> bytes:
    if file.stat().st_size > FILE_BYTES_MAX:
        raise _malformed(str(file), 0, f"it has more than {FILE_BYTES_MAX:,} bytes: divide it")
    return file.read_bytes()


def _plain(node: Node, file: str) -> Any:
    """Return what a node says as mappings, lists and texts."""
    if isinstance(node, MappingNode):
        found = {key: _plain(value, file) for key, value in _pairs(node, file)}
        return {key: value for key, value in found.items() if value is not None}
    if isinstance(node, SequenceNode):
        return [_plain(value, file) for value in node.value]
    is_quoted = getattr(node, "style", None) in {"'", '"'}
    return None if node.value in _NULLS and not is_quoted else node.value


def _pairs(node: MappingNode, file: str) -> Iterator[tuple[str, Node]]:
    seen = set()
    for key, value in node.value:
        if not isinstance(key.value, str) or key.value in seen:
            raise _malformed(file, _line(key), f"{key.value!r} is written twice")
        seen.add(key.value)
        yield key.value, value


def _check_keys(nodes: Mapping[str, Node], allowed: frozenset[str], file: str, node: Node) -> None:
    for key in sorted(nodes.keys() - allowed):
        raise _malformed(
            file, _line(node), f"{key!r} is not known here: there are {', '.join(sorted(allowed))}"
        )


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _malformed(file: str, line: int, reason: str) -> Rejected:
    place = f"{file}:{line}" if line else file
    return Rejected("vectors.malformed", f"{place}: {reason}.", cause=file)
