"""Rules over lines, tax, allowances, commitments and credit memos agree with the slow model."""

from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from commercial import slow_document as slow
from tollbook.vectors.case import Case, read_paths
from tollbook.vectors.check import compute

RUNS = 10_000
VECTORS = Path(__file__).parent.parent / "vectors" / "commercial"
MODES = ("half_up", "half_even", "down", "floor", "ceiling")


def money(chance: Random, most: int = 20_000) -> str:
    return f"{chance.randint(0, most) / Decimal(100):f}"


def run(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    return compute(Case("drawn", 0, "drawn", "drawn", kind, given, {}))


def minor(amount: Decimal) -> int:
    return int(amount * 100)


def rule(chance: Random, at: int) -> dict[str, Any]:
    kind = chance.choice(["discount", "discount", "minimum", "maximum"])
    drawn: dict[str, Any] = {"id": f"r{at}", "kind": kind}
    if chance.random() < 0.4:
        drawn["products"] = chance.sample(["a", "b", "c"], chance.randint(1, 2))
    drawn["applies_to"] = chance.choice(["all", "usage", "fixed"])
    if kind != "discount":
        drawn["without_usage"] = chance.choice(["bill", "skip"])
        return drawn | {"amount": money(chance, 40_000)}
    drawn["rounding"] = chance.choice(MODES)
    if chance.random() < 0.4:
        return drawn | {"amount": money(chance, 10_000)}
    drawn["percent"] = f"{chance.randint(1, 10_000) / Decimal(100):f}"
    drawn["base"] = chance.choice(["remaining", "gross"])
    return drawn | {"rounded": chance.choice(["total", "line"])}


def test_documents_come_to_the_same_as_cent_by_cent() -> None:
    chance = Random(4)
    for _ in range(RUNS):
        lines = [
            {"product": chance.choice("abc"), "kind": chance.choice(["usage", "fixed"]),
             "amount": money(chance)}
            for _ in range(chance.randint(0, 4))
        ]  # fmt: skip
        given = {
            "currency": "USD",
            "lines": lines,
            "adjustments": [rule(chance, at) for at in range(chance.randint(0, 3))],
        }

        found = run("invoice", given)

        expected = slow.document(given)
        assert [minor(line["net"]) for line in found["lines"]] == expected["net"], given
        assert [minor(line["net"]) for line in found["added"]] == expected["added"], given
        assert minor(found["net"]) == sum(expected["net"]) + sum(expected["added"])


def test_tax_comes_to_the_same_as_cent_by_cent() -> None:
    chance = Random(5)
    for _ in range(RUNS):
        sign = chance.choice(["", "", "-"])
        given = {
            "currency": "USD",
            "net": [sign + money(chance, 3000) for _ in range(chance.randint(1, 5))],
            "rates": {
                f"r{at}": f"0.{chance.randint(0, 25_000):05}" for at in range(chance.randint(1, 2))
            },
            "tax_rounding": chance.choice(["line", "document", "total"]),
            "tax_rounding_mode": chance.choice(["half_up", "half_even"]),
        }

        found = run("tax", given)

        expected = slow.taxes(given)
        assert [minor(line) for line in found["lines"]] == list(map(sum, expected)), given


def test_allowances_come_to_the_same_as_unit_by_unit() -> None:
    chance = Random(6)
    for _ in range(RUNS):
        usages = [str(chance.randint(0, 60)) for _ in range(chance.randint(1, 5))]
        roll_over = {"periods": str(chance.randint(0, 3))}
        if chance.random() < 0.5:
            roll_over["cap"] = str(chance.randint(0, 60))
        roll_over["use"] = chance.choice(["first", "last"])
        shared: dict[str, Any] = {"pool": str(chance.randint(0, 120)), "usages": usages}
        given = {
            "allowance": str(chance.randint(0, 50)),
            "usages": usages,
            "roll_over": roll_over,
        }

        found = run("allowance", given)["periods"]
        pooled = run("allowance", shared)
        part = run("allowance", {**shared, "order": "pro_rata"})

        assert found == slow.rolled(given), given
        assert (pooled["free"], pooled["left"]) == slow.pool(shared)
        assert sum(part["free"]) == min(Decimal(shared["pool"]), sum(map(Decimal, usages)))
        assert all(
            0 <= one <= Decimal(usage) for one, usage in zip(part["free"], usages, strict=True)
        )


def test_commitments_come_to_the_same_as_fractions() -> None:
    chance = Random(7)
    for _ in range(RUNS):
        given = {
            "currency": "USD",
            "amount": money(chance, 100_000),
            "overage_factor": f"{1 + chance.randint(0, 2000) / Decimal(1000):f}",
            "used": [money(chance, 60_000) for _ in range(chance.randint(1, 4))],
            "true_up": chance.choice(["each_period", "end"]),
        }

        periods = run("commitment", given)["periods"]

        found = [(minor(one["shortfall"]), minor(one["overage"])) for one in periods]
        assert found == slow.committed(given), given


def test_credit_memos_come_to_the_same_as_cent_by_cent() -> None:
    chance = Random(8)
    for _ in range(RUNS):
        net = chance.randint(1, 5000)
        lines = [{"net": f"{net / Decimal(100)}", "tax": money(chance, net // 4 + 1)}]
        left = net
        memos: list[dict[str, Any]] = []
        while left and len(memos) < 4:
            part = left if len(memos) == 3 else chance.randint(1, left)
            memos.append({"lines": [{"line": "1", "net": f"{part / Decimal(100)}"}]})
            left -= part
        given = {"currency": "USD", "lines": lines, "memos": memos}

        found = run("credit_memo", given)

        shown = [[minor(line["tax"]) for line in memo["lines"]] for memo in found["memos"]]
        assert shown == slow.credited(given), given
        assert (minor(found["left"]) == 0) == (left == 0) or left > 0


def test_there_are_vectors_of_every_kind() -> None:
    kinds = {case.kind for case in read_paths([VECTORS])}

    assert {"allowance", "commitment", "credit_memo", "invoice", "price", "tax"} <= kinds


@pytest.mark.parametrize("kind", ["invoice", "tax"])
def test_the_slow_model_agrees_with_every_vector_of_documents(kind: str) -> None:
    for case in read_paths([VECTORS / kind]):
        given = dict(case.given)
        if "error" in case.expect or given["currency"] not in {"USD", "EUR"}:
            continue
        if kind == "tax":
            given = {"tax_rounding": "line", "tax_rounding_mode": "half_up", **given}
            expected = [sum(line) for line in slow.taxes(given)]
            assert [minor(line) for line in compute(case)["lines"]] == expected, case.why
        elif all(set(line) <= {"amount", "product", "kind"} for line in given["lines"]) and (
            not {"discounts_used", "prices_include_tax"} & set(given)
        ):
            lines = [{"product": "", "kind": "usage", **line} for line in given["lines"]]
            expected = slow.document({"adjustments": [], **given, "lines": lines})["net"]
            assert [minor(line["net"]) for line in compute(case)["lines"]] == expected, case.why
