"""Rows come out of files as they were written, to the last digit, whatever packs them."""

import gzip
import io
import json
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet as pq

from tollbook.errors import Rejected
from tollbook.sdk.drops.batch import Batch
from tollbook.sdk.drops.control_totals import add_up
from tollbook.sdk.drops.csv_rows import CsvRule, read_csv
from tollbook.sdk.drops.json_lines import KEPT_BYTES_MAX, LINE_BYTES_MAX, read_json_lines
from tollbook.sdk.drops.options import Options
from tollbook.sdk.drops.rows import read_rows, read_rule
from tollbook.sdk.drops.unpack import unpack


def pack_zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(content)


def bodies(batches: Iterable[Batch]) -> list[bytes]:
    return [body for batch in batches for body in batch.bodies]


def read(name: str, content: bytes, **options: str) -> list[Any]:
    found = bodies(read_rows(io.BytesIO(content), name, read_rule(Options(options))))
    return [json.loads(body, parse_float=Decimal) for body in found]


def refused(name: str, content: bytes, **options: str) -> list[tuple[int, bytes, str]]:
    found = []
    before = 0
    for batch in read_rows(io.BytesIO(content), name, read_rule(Options(options))):
        for at, refusal in batch.refusals.items():
            found.append((before + at, batch.bodies[at], refusal.message))
        before += len(batch.bodies)
    return found


def cut(content: bytes, size: int) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


@given(
    st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line), max_size=20),
    st.sampled_from([b"\n", b"\r\n", b"\n\n"]),
    st.integers(1, 7),
)
def test_lines_are_the_same_however_the_blocks_are_cut(
    lines: list[bytes], end: bytes, size: int
) -> None:
    content = end.join(lines)
    expected = [
        line.rstrip(b"\r")
        for line in content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        if line.strip(b" \t\n\r\x0b\x0c")
    ]

    assert bodies(read_json_lines(cut(content, size))) == expected


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_lines_may_end_either_way_and_be_blank(end: bytes) -> None:
    content = b"\xef\xbb\xbf" + end + b"a" + end + b"  " + end + end + b"b"

    assert bodies(read_json_lines([content])) == [b"a", b"b"]


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b'\xef\xbb\xbf [{"n":1}, {"n":2}]\n', [{"n": 1}, {"n": 2}]),
        (b'{\n  "n": 1\n}\n', [{"n": 1}]),
        (b'{"n":1}\n{"n":2}\n', [{"n": 1}, {"n": 2}]),
        (b"", []),
    ],
    ids=["array", "one", "lines", "nothing"],
)
def test_a_json_file_may_be_an_array_one_record_or_lines(content: bytes, rows: list[Any]) -> None:
    assert read("u.json", content) == read("u.json.gz", gzip.compress(content)) == rows


def test_a_broken_array_is_damaged() -> None:
    with pytest.raises(Rejected, match="damaged"):
        read("u.json", b'[{"n":1}, {"n":')


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_delimiter_of_csv_is_the_one_its_first_line_shows(mark: str) -> None:
    content = f"a{mark}b{mark}c\n1{mark}2,5{mark}3\n".encode()
    content = content if mark != "," else b"a,b,c\n1,25,3\n"

    (row,) = read("u.csv", content)

    assert list(row) == ["a", "b", "c"]


def test_a_line_without_end_is_cut_and_the_next_one_is_whole() -> None:
    block = b"x" * (1 << 20)
    endless = [block] * (LINE_BYTES_MAX // len(block) + 3)

    first, second = bodies(read_json_lines([*endless, b"\n", b"{}\n"]))

    assert (len(first), second) == (KEPT_BYTES_MAX, b"{}")


@pytest.mark.parametrize("pack", [bytes, gzip.compress, pack_zstd], ids=["plain", "gz", "zst"])
def test_a_packed_file_is_the_same_file(pack: Any) -> None:
    content = b"".join(b'{"n":%d}\n' % n for n in range(50_000))

    assert read("u.jsonl", pack(content)) == [{"n": n} for n in range(50_000)]


@pytest.mark.parametrize("pack", [gzip.compress, pack_zstd], ids=["gz", "zst"])
def test_archives_that_were_joined_are_read_to_the_last(pack: Any) -> None:
    joined = pack(b"a\n") + pack(b"b\n") + pack(b"") + pack(b"c\n")

    assert b"".join(unpack(io.BytesIO(joined))) == b"a\nb\nc\n"


def test_padding_after_an_archive_is_no_damage() -> None:
    assert b"".join(unpack(io.BytesIO(gzip.compress(b"a") + bytes(512)))) == b"a"


@pytest.mark.parametrize("pack", [gzip.compress, pack_zstd], ids=["gz", "zst"])
def test_an_archive_that_lacks_even_one_byte_is_damaged(pack: Any) -> None:
    content = b"".join(b"%d\n" % (n * n) for n in range(2_000))
    whole = pack(content)

    for length in [*range(5, len(whole), 97), len(whole) - 1]:
        with pytest.raises(Rejected) as caught:
            list(unpack(io.BytesIO(whole[:length])))
        assert caught.value.code == "capture.object_damaged"


@pytest.mark.parametrize("pack", [gzip.compress, pack_zstd], ids=["gz", "zst"])
def test_an_archive_with_a_changed_byte_is_damaged(pack: Any) -> None:
    whole = bytearray(pack(b"".join(b"%d\n" % (n * n) for n in range(2_000))))
    whole[len(whole) // 2] ^= 0xFF

    if pack is gzip.compress:
        with pytest.raises(Rejected, match="damaged"):
            list(unpack(io.BytesIO(bytes(whole))))
    else:
        checked = zstandard.ZstdCompressor(write_checksum=True).compress(b"abc" * 1000)
        with pytest.raises(Rejected, match="damaged"):
            list(unpack(io.BytesIO(checked[:-1] + bytes([checked[-1] ^ 1]))))


@pytest.mark.parametrize("pack", [gzip.compress, pack_zstd], ids=["gz", "zst"])
def test_a_bomb_comes_out_in_small_blocks(pack: Any) -> None:
    bomb = pack(bytes(300_000_000))

    largest = max(map(len, unpack(io.BytesIO(bomb))))

    assert len(bomb) < 300_000
    assert largest <= 80_000_000


def test_a_cell_of_csv_stays_text_whatever_stands_in_it() -> None:
    cells = {
        "huge": "1e400",
        "nan": "NaN",
        "formula": '=HYPERLINK("http://evil")',
        "at": "@SUM(1+1)",
        "long": "0.1000000000000000055511151231257827",
        "zero_width": "cus\u200b_001",
        "lines": "two\r\nlines",
        "empty": "",
        "zeros": "007",
    }
    row = ",".join('"' + cell.replace('"', '""') + '"' for cell in cells.values())

    assert read("u.csv", (",".join(cells) + "\n" + row + "\n").encode()) == [cells]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
def test_csv_is_read_in_its_encoding_and_without_its_mark(encoding: str) -> None:
    content = 'Straße;Größe\r\n"a;b";"ö\nü"\r\n'.encode(encoding)

    found = read("u.csv", content, encoding=encoding.removesuffix("-sig"), csv_delimiter=";")

    assert found == [{"Straße": "a;b", "Größe": "ö\nü"}]


@given(
    st.lists(
        st.lists(
            st.text(
                st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=8
            ),
            min_size=2,
            max_size=2,
        ),
        max_size=8,
    ),
    st.integers(1, 9),
)
def test_csv_survives_the_way_there_and_back_however_its_blocks_are_cut(
    rows: list[list[str]], size: int
) -> None:
    written = "a,b\n" + "".join(
        ",".join('"' + cell.replace('"', '""') + '"' for cell in row) + "\r\n" for row in rows
    )

    found = bodies(read_csv(cut(written.encode(), size), CsvRule()))

    assert [list(json.loads(body).values()) for body in found] == rows


def test_rows_of_csv_that_cannot_be_read_are_told_with_their_bytes() -> None:
    content = b'a,b\n1,2\n1\n1,2,3\n"x"y,2\n\xff,2\n3,4\n'

    found = refused("u.csv", content)

    assert [(at, raw) for at, raw, _ in found] == [
        (1, b"1"),
        (2, b"1,2,3"),
        (3, b'"x"y,2'),
        (4, b"\xff,2"),
    ]
    assert "Row 2" in found[0][2]


def test_a_quote_that_is_never_closed_stops_the_file() -> None:
    batches = read_csv([b'a,b\n1,2\n"3,4\n5,6\n'], CsvRule())

    with pytest.raises(Rejected, match="not closed"):
        list(batches)


@pytest.mark.parametrize("header", [b"a,a\n", b"a,\n", b"a,b\x07\n"])
def test_columns_without_a_name_of_their_own_are_refused(header: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        read("u.csv", header + b"1,2\n")

    assert caught.value.code == "capture.bad_header"


def test_csv_without_a_header_gets_its_columns_from_the_options() -> None:
    content = b"# made by night\nx\t'1\t2'\n"

    found = read("u.tsv", content, columns="name, number", skip_lines="1", csv_quote="'")

    assert found == [{"name": "x", "number": "1\t2"}]


FIXED = {"format": "fixed", "columns": "customer:1-8, tokens:9-14"}


def test_fixed_width_is_cut_at_its_columns() -> None:
    content = "cus_001     10\nZoë     000020x\n".encode()

    assert read("u.dat", content, **FIXED) == [
        {"customer": "cus_001", "tokens": "10"},
        {"customer": "Zoë", "tokens": "000020"},
    ]


def test_a_record_of_fixed_width_that_is_too_short_is_told_with_its_bytes() -> None:
    content = b"cus_001     10\ncus_002\n"

    assert [(at, raw) for at, raw, _ in refused("u.dat", content, **FIXED)] == [(1, b"cus_002")]
    assert len(refused("u.dat", content, **FIXED, record_width="20")) == 2


def test_a_trailer_of_fixed_width_carries_rows_and_sums() -> None:
    options = {**FIXED, "trailer": "T", "trailer_columns": "rows:2-5, sum:tokens:6-14"}
    rule = read_rule(Options(options))
    content = b"cus_001     10\ncus_002     20\nT   2       30\n"

    found = add_up(read_rows(io.BytesIO(content), "u.dat", rule), ["tokens"])

    assert found.trailer is not None
    assert (found.trailer.rows, dict(found.trailer.sums)) == (2, {"tokens": Decimal(30)})
    assert (found.rows, dict(found.sums)) == (2, {"tokens": Decimal(30)})
    with pytest.raises(Rejected, match="follow the trailer"):
        list(read_rows(io.BytesIO(content + b"cus_003     10\n"), "u.dat", rule))


def parquet(table: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def test_a_hundred_thousand_decimals_of_parquet_are_the_same_to_the_last_digit() -> None:
    costs = [Decimal(n * 7_919).scaleb(-9) + Decimal(123456789012345678) for n in range(100_000)]
    counts = [2**63 - 1 - n for n in range(100_000)]
    table = pa.table(
        {
            "cost": pa.array(costs, pa.decimal128(38, 9)),
            "count": pa.array(counts, pa.int64()),
        }
    )

    found = read("u.parquet", parquet(table, row_group_size=30_000))

    assert [row["cost"] for row in found] == costs
    assert [row["count"] for row in found] == counts


def test_each_type_of_parquet_has_one_exact_form() -> None:
    zone = pa.timestamp("ns", "Europe/Berlin")
    instant = 1_700_000_000_123_456_789
    table = pa.table(
        {
            "instant": pa.array([instant, None], zone),
            "local": pa.array([instant, None], pa.timestamp("ns")),
            "day": pa.array([date(2023, 11, 16), None]),
            "f": pa.array([0.1, float("nan")]),
            "g": pa.array([1e22, float("-inf")]),
            "big": pa.array([2**64 - 1, 0], pa.uint64()),
            "word": pa.array(["a", "b"]).dictionary_encode(),
            "raw": pa.array([b"\x00\xff", None]),
            "tags": pa.array([["x"], []], pa.list_(pa.string())),
            "nested": pa.array([{"d": Decimal("1.10")}, None]),
            "yes": pa.array([True, None]),
        }
    )

    first, second = read("u.parquet", parquet(table))

    assert first == {
        "instant": "2023-11-14T22:13:20.123456789Z",
        "local": "2023-11-14T22:13:20.123456789",
        "day": "2023-11-16",
        "f": Decimal("0.1"),
        "g": Decimal("1e22"),
        "big": 2**64 - 1,
        "word": "a",
        "raw": "AP8=",
        "tags": ["x"],
        "nested": {"d": Decimal("1.10")},
        "yes": True,
    }
    assert (second["f"], second["g"], second["instant"]) == ("NaN", "-Infinity", None)


def test_parquet_that_cannot_be_told_exactly_is_refused() -> None:
    nested = pa.table({"a": pa.array([{"at": datetime(2023, 1, 1, tzinfo=UTC)}])})

    with pytest.raises(Rejected, match="flatten"):
        read("u.parquet", parquet(nested))


@pytest.mark.parametrize("length", [4, 100, -1])
def test_parquet_that_is_cut_is_damaged(length: int) -> None:
    whole = parquet(pa.table({"n": list(range(1_000))}))

    with pytest.raises(Rejected) as caught:
        read("u.parquet", whole[:length])

    assert caught.value.code == "capture.object_damaged"


def test_a_format_is_told_by_content_where_the_name_does_not() -> None:
    table = parquet(pa.table({"n": [1]}))

    assert read("usage-1", table) == read("usage-2", gzip.compress(b'{"n":1}\n')) == [{"n": 1}]


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b\x08"], ids=["nothing", "a little"])
def test_a_name_of_an_archive_on_hardly_any_bytes_is_damage(content: bytes) -> None:
    with pytest.raises(Rejected, match="ends in the middle"):
        read("u.jsonl.gz", content)
