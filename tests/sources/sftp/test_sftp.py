"""What an SFTP server has beyond other places: host keys, logins, renames."""

import os
from collections import Counter
from pathlib import Path

import asyncssh
import pytest

from sources.sftp.conftest import SftpRig, SftpServer
from tollbook.errors import Blocked, Failure, Rejected, Transient
from tollbook.sdk.drops.source import DropSource
from tollbook.sdk.source_conformance import Book, bodies, drain


def taken(source: DropSource, count: int) -> Counter[bytes]:
    book = Book()
    source.open(book.positions_of)
    drain(source, book, count)
    source.close()
    return book.bodies


def failure_of(source: DropSource) -> Failure:
    source.open(Book().positions_of)
    with pytest.raises(Failure) as caught:
        source.read(records_max=1, wait_seconds=0)
    source.close()
    return caught.value


def test_a_key_opens_instead_of_a_password(rig: SftpRig, sftp_server: SftpServer) -> None:
    rig.put(bodies(3))

    found = taken(rig.connect(password="", client_key=str(sftp_server.client_key)), 3)

    assert found == Counter(bodies(3))


def test_a_server_that_proves_itself_with_another_key_is_not_talked_to(rig: SftpRig) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()

    failure = failure_of(rig.connect(host_key=other))

    assert isinstance(failure, Blocked)
    assert failure.code == "capture.place_denied"


def test_a_source_says_how_the_server_proves_itself(rig: SftpRig) -> None:
    with pytest.raises(Rejected, match="host_key"):
        rig.connect(host_key="")


def test_any_server_is_accepted_only_when_that_is_asked_for(rig: SftpRig) -> None:
    rig.put(bodies(1))

    assert taken(rig.connect(host_key="", accept_any_host="true"), 1) == Counter(bodies(1))


def test_a_file_of_known_hosts_tells_it_too(
    rig: SftpRig, sftp_server: SftpServer, tmp_path: Path
) -> None:
    rig.put(bodies(1))
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{sftp_server.port} {sftp_server.host_key}\n")

    assert taken(rig.connect(host_key="", known_hosts=str(known)), 1) == Counter(bodies(1))


def test_a_wrong_password_blocks_the_source(rig: SftpRig) -> None:
    failure = failure_of(rig.connect(password="guess"))

    assert isinstance(failure, Blocked)


def test_a_directory_that_is_not_there_blocks_the_source(rig: SftpRig) -> None:
    assert failure_of(rig.connect(path="/nowhere")).code == "capture.no_such_place"


def test_a_server_that_does_not_answer_is_tried_again_later(rig: SftpRig) -> None:
    assert isinstance(failure_of(rig.connect(port="9")), Transient)


def test_files_that_were_taken_are_moved_with_their_folders(rig: SftpRig) -> None:
    (rig.path / "eu").mkdir()
    (rig.path / "eu" / "u.jsonl").write_bytes(bodies(1)[0])
    (rig.path / "eu" / "u.jsonl.manifest.json").write_bytes(b'{"rows": 1}')

    taken(rig.connect(when_done="move"), 1)

    left = sorted(str(p.relative_to(rig.path)) for p in rig.path.rglob("*") if p.is_file())
    assert left == ["_done/eu/u.jsonl", "_done/eu/u.jsonl.manifest.json"]


def test_an_upload_that_still_grows_is_left_alone(rig: SftpRig) -> None:
    path = rig.path / "u.jsonl"
    path.write_bytes(bodies(1)[0])
    source = rig.connect(complete_when="stable", stable_seconds="3600")
    source.open(Book().positions_of)

    assert list(source.read(records_max=1, wait_seconds=0)) == []
    source.close()
    os.utime(path, (1_700_000_000, 1_700_000_000))

    assert taken(rig.connect(complete_when="stable", stable_seconds="3600"), 1) == Counter(
        bodies(1)
    )
