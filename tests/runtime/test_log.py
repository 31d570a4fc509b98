"""Log lines are structured, and secrets never reach them."""

import json

import pytest

from tollbook.observe.log import HIDDEN, configure, hide_secrets, logger


def test_a_line_says_when_who_and_what(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json")

    logger("worker").warning("job_failed", job="deliver", reason="no answer")

    line = json.loads(capsys.readouterr().err)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "job_failed",
        "job": "deliver",
        "level": "warning",
        "part": "worker",
        "reason": "no answer",
    }


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure("text")

    logger("worker").info("delivered", count=2)

    line = capsys.readouterr().err
    assert "delivered" in line
    assert "count=2" in line
    assert "\x1b" not in line


@pytest.mark.parametrize(
    "field",
    ["password", "client_secret", "access_token", "Authorization", "api_keys", "TOLLBOOK_API_KEYS"],
)
def test_a_field_that_is_named_secret_is_hidden_however_deep(field: str) -> None:
    event = {"event": "x", field: "s3cret", "sent": {"headers": [{field: ["s3cret"]}]}}

    shown = hide_secrets(None, "info", event)

    assert "s3cret" not in repr(shown)
    assert shown[field] == HIDDEN


@pytest.mark.parametrize(
    "text",
    [
        "cannot connect to postgresql://tollbook:s3cret@db.example/tollbook",
        "host=db user=tollbook password=s3cret dbname=tollbook",
        "host=db password='s3cret' dbname=tollbook",
        "401 for Authorization: Bearer s3cret",
    ],
)
def test_a_secret_inside_a_text_is_hidden_and_the_rest_stays(text: str) -> None:
    shown = hide_secrets(None, "info", {"event": "failed", "reason": text})

    assert "s3cret" not in shown["reason"]
    assert shown["reason"] == text.replace("'s3cret'", "s3cret").replace("s3cret", HIDDEN)


def test_a_secret_in_a_traceback_is_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json")

    try:
        raise RuntimeError("no route to postgresql://tollbook:s3cret@db/tollbook")
    except RuntimeError:
        logger("api").exception("request_met_a_bug")

    said = capsys.readouterr().err
    assert "s3cret" not in said
    assert "no route to postgresql://tollbook:(hidden)@db/tollbook" in said
    assert "Traceback" in json.loads(said)["exception"]


def test_what_is_not_secret_stays() -> None:
    event = {"event": "delivered", "count": 2, "turns": {"posted": 2}, "ids": ["pst_1"]}

    assert hide_secrets(None, "info", dict(event)) == event
