"""Makes a source of a directory of an SFTP server from its options."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

from tollbook.connectors.sftp.place import SftpPlace, WhenDone
from tollbook.connectors.sftp.session import Login, Session
from tollbook.errors import Rejected
from tollbook.sdk.drops.options import Options
from tollbook.sdk.drops.rule import read_drop_rule
from tollbook.sdk.drops.settling import FOREIGN_CLOCK, CompleteWhen, Settling
from tollbook.sdk.drops.source import DropSource
from tollbook.values.clock import Clock

POLL_SECONDS: Final = 5
PORT: Final = 22


def connect(given: Mapping[str, str], clock: Clock) -> DropSource:
    """Make the source; Rejected when an option is wrong."""
    options = Options(given)
    host = options.required("host")
    port = options.number("port", PORT, at_least=1, at_most=65_535)
    username = options.required("username")
    root = options.text("path", ".")
    login = Login(
        host,
        port,
        username,
        options.text("password"),
        options.text("client_key"),
        options.text("passphrase"),
        _known_hosts(options, host, port),
    )
    if not (login.password or login.client_key):
        raise _wrong("give a password or a client_key")
    settling = Settling(
        clock, options.number("stable_seconds", 2, at_most=86_400), leeway=FOREIGN_CLOCK
    )
    complete_when = cast(
        "CompleteWhen", options.choice("complete_when", ("stable", "renamed", "marker"))
    )
    when_done = cast("WhenDone", options.choice("when_done", ("keep", "move")))
    spool_directory = options.text("spool_directory")
    rule = read_drop_rule(options, poll_seconds=POLL_SECONDS)
    options.refuse_others()
    place = SftpPlace(
        Session(login),
        root,
        settling,
        identity=f"sftp://{username}@{host}:{port}/{root.lstrip('/')}",
        complete_when=complete_when,
        when_done=when_done,
        spool_directory=spool_directory,
    )
    return DropSource(place, rule, clock)


def _known_hosts(options: Options, host: str, port: int) -> bytes | None:
    """Return what tells that the server is the right one; None only if that was asked for."""
    host_key = options.text("host_key")
    file = options.text("known_hosts")
    if options.flag("accept_any_host"):
        return None
    if host_key:
        name = host if port == PORT else f"[{host}]:{port}"
        return f"{name} {host_key}\n".encode()
    if not file:
        raise _wrong(
            "give host_key (its public key, like 'ssh-ed25519 AAAA...') or known_hosts (a file): "
            "else anybody could stand in for the server"
        )
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise _wrong(f"known_hosts cannot be read: {error}") from error


def _wrong(why: str) -> Rejected:
    return Rejected("config.source_option", f"The source's options are wrong: {why}.")
