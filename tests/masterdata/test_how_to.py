"""The examples of the how-to are read as they stand."""

import re
from pathlib import Path

import pytest

from tollbook.masterdata.documents import to_versions
from tollbook.masterdata.files import Reading, read_text

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "master-data.md"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", HOW_TO.read_text(), re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_can_be_read(text: str) -> None:
    reading = Reading()
    read_text(text, "how-to", reading)

    found = to_versions(reading.documents, reading.problems)

    assert found.problems == ()
    assert found.versions
