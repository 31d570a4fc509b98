"""Master data files: YAML read exactly, every value with its line."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path as FilePath
from re import compile as pattern
from typing import Any, ClassVar, Final

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from tollbook.masterdata.documents import SECTIONS
from tollbook.masterdata.problems import Document, Path, Place, Problem, suggestion

FILE_BYTES_MAX: Final = 10_000_000
SUFFIXES: Final = frozenset({".yaml", ".yml"})

_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_TAG: Final = "tag:yaml.org,2002:"


class ExactLoader(_Loader):  # type: ignore[misc]
    """Recognizes whole numbers, decimals, dates, true, false and null; all else is text.

    YAML 1.1 reads NO (Norway) as false, 0100 (a GL account) as 64 and 12:30 as 750; here they are
    the text that was written.
    """

    yaml_implicit_resolvers: ClassVar[dict[str, list[Any]]] = {}


for _tag, _expression, _starts in (
    ("int", r"[-+]?(?:0|[1-9][0-9]*(?:_[0-9]+)*)", "-+0123456789"),
    ("float", r"[-+]?(?:0|[1-9][0-9]*(?:_[0-9]+)*)\.[0-9]+", "-+0123456789"),
    ("timestamp", r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "0123456789"),
    ("bool", r"true|false", "tf"),
    ("null", r"null|~|", ["n", "~", ""]),
):
    ExactLoader.add_implicit_resolver(_TAG + _tag, pattern(rf"^(?:{_expression})$"), list(_starts))


@dataclass(slots=True)
class Reading:
    """The documents found in files, and what could not be read."""

    documents: list[Document] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read_directory(directory: FilePath) -> Reading:
    """Read every *.yaml and *.yml below a directory, or one file; every problem is reported."""
    reading = Reading()
    names = _yaml_files(directory)
    if not names:
        problem = f"There is no YAML file in {directory}: name a directory with *.yaml files."
        reading.problems.append(Problem(Place(str(directory)), "masterdata.no_files", problem))
    for name in names:
        source = name.name if name == directory else str(name.relative_to(directory))
        _read_file(name, source, reading)
    return reading


def _yaml_files(directory: FilePath) -> list[FilePath]:
    if directory.is_file():
        return [directory]
    return sorted(
        name for name in directory.rglob("*") if name.suffix in SUFFIXES and name.is_file()
    )


def _read_file(name: FilePath, source: str, reading: Reading) -> None:
    data = name.read_bytes()
    if len(data) > FILE_BYTES_MAX:
        message = f"The file has more than {FILE_BYTES_MAX:,} bytes: divide it."
        reading.problems.append(Problem(Place(source), "masterdata.file_too_large", message))
        return
    read_text(data, source, reading)


def read_text(data: bytes | str, source: str, reading: Reading) -> None:
    """Read YAML text into documents; `source` is the name that problems show."""
    try:
        for root in yaml.compose_all(data, Loader=ExactLoader):
            _read_root(root, source, reading)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = Place(source, mark.line + 1 if mark else 0)
        reason = getattr(error, "problem", None) or str(error)
        message = f"This is not valid YAML: {reason}."
        reading.problems.append(Problem(place, "masterdata.malformed_yaml", message))


def _read_root(root: Node | None, source: str, reading: Reading) -> None:
    if root is None or _is_null(root):
        return
    walk = _Walk(source, reading.problems)
    if not isinstance(root, MappingNode):
        walk.problem(root, "malformed", "A file has sections such as `customers:`, not a list.")
        return
    for section, node, key_node in walk.pairs(root):
        if section not in SECTIONS:
            hint = suggestion(section, sorted(SECTIONS))
            walk.problem(key_node, "unknown_key", f"{section!r} is not a section.{hint}")
        elif _is_null(node):
            continue
        elif not isinstance(node, SequenceNode):
            walk.problem(node, "malformed", f"{section} is a list: start each record with `- `.")
        else:
            reading.documents.extend(walk.documents(SECTIONS[section], node))


def _is_null(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.tag == _TAG + "null"


class _Walk:
    """One walk over the nodes of a file, which notes the line of each value."""

    def __init__(self, source: str, problems: list[Problem]) -> None:
        self._source = source
        self._problems = problems
        self._seen: set[int] = set()

    def problem(self, node: Node, code: str, message: str) -> None:
        """Note what is wrong at a node."""
        place = Place(self._source, node.start_mark.line + 1)
        self._problems.append(Problem(place, f"masterdata.{code}", message))

    def documents(self, kind: str, sequence: SequenceNode) -> Iterator[Document]:
        """Yield one document an element."""
        for node in sequence.value:
            if not isinstance(node, MappingNode):
                self.problem(node, "malformed", f"A {kind} is written as `id: ...` and more keys.")
                continue
            lines: dict[Path, int] = {}
            content = self._value(node, (), lines)
            yield Document(kind, content, self._source, lines)

    def pairs(self, node: MappingNode) -> Iterator[tuple[str, Node, Node]]:
        """Yield (key, value node, key node); a key that is there twice is a problem."""
        found: set[str] = set()
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, ScalarNode) else None
            if not isinstance(key, str):
                self.problem(key_node, "malformed", "A key is a word or a number.")
            elif key in found:
                self.problem(key_node, "duplicate_key", f"{key!r} is here twice: keep one.")
            else:
                found.add(key)
                yield key, value_node, key_node

    def _value(self, node: Node, path: Path, lines: dict[Path, int]) -> Any:
        lines[path] = node.start_mark.line + 1
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        if id(node) in self._seen:
            # Expanding references of references is how a small file fills a machine.
            self.problem(node, "alias", "Write the value out: references (*name) are not read.")
            return None
        self._seen.add(id(node))
        if isinstance(node, MappingNode):
            return {
                key: self._value(item, (*path, key), lines) for key, item, _ in self.pairs(node)
            }
        assert isinstance(node, SequenceNode)
        return [self._value(item, (*path, at), lines) for at, item in enumerate(node.value)]

    def _scalar(self, node: ScalarNode) -> Any:
        try:
            return _scalar(node.tag.removeprefix(_TAG), node.value)
        except (ArithmeticError, ValueError):
            self.problem(node, "wrong_value", f"{node.value!r} cannot be read as {node.tag}.")
            return None


def _scalar(tag: str, text: str) -> Any:
    match tag:
        case "str":
            return text
        case "int":
            return int(text)
        case "float":
            return Decimal(text.replace("_", ""))
        case "timestamp":
            return _day(text)
        case "bool":
            return text == "true"
        case "null":
            return None
        case _:
            raise ValueError(tag)


def _day(text: str) -> date | str:
    try:
        return date.fromisoformat(text)
    except ValueError:
        # 2023-02-30: whoever wants a day here says so, with the name of the field.
        return text
