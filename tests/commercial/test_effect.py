"""What a change of terms or prices does to the money, told before it is decided."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from small_month import SmallMonth, command_line

CHEAPER = """
price_books:
  - id: usd
    version: 2
    currency: USD
    effective_from: 2023-06-01
    prices:
      - {product: large, model: unit, unit_price: "0.005"}
      - {product: small, model: unit, unit_price: "0.00333"}
      - {product: support, model: flat, amount: 1000}
"""


def charges(month: SmallMonth) -> list[str]:
    return month.ask("select charge_id from charge order by 1")


def test_a_price_fix_tells_its_effect_and_stores_nothing(
    month: SmallMonth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    month.later()
    before = charges(month)
    (tmp_path / "book.yaml").write_text(CHEAPER)

    told = command_line(month, tmp_path, monkeypatch)(
        "apply", "-f", str(tmp_path / "book.yaml"), "--dry-run", "--effect", "--json"
    )

    assert told.exit_code == 0, told.output
    effect = json.loads(told.output)["effect"]
    differences = {
        (change["customer_id"], change["product_id"], change["kind"]): (
            Decimal(change["amount_before"]),
            Decimal(change["amount_after"]),
        )
        for change in effect["changes"]
    }
    # 1501 large: 1000 x 0.01 + 501 x 0.0075 = 13.7575, then 1501 x 0.005 = 7.505. Beta's commitment
    # of 100 takes up what its usage loses; coral's credits pay less.
    assert differences["acme", "large", "usage"] == (Decimal("13.7575"), Decimal("7.505"))
    assert differences["acme", "support", "fixed"] == (Decimal(1200), Decimal(1000))
    assert differences["beta", "large", "commitment_shortfall"] == (Decimal("82.5"), Decimal(90))
    assert effect["months"] == ["2023-11"]
    assert charges(month) == before


def test_the_effect_is_shown_in_words_before_anybody_is_asked(
    month: SmallMonth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    month.later()
    (tmp_path / "book.yaml").write_text(CHEAPER)

    told = command_line(month, tmp_path, monkeypatch)(
        "apply", "-f", str(tmp_path / "book.yaml"), "--dry-run", "--effect"
    )

    assert "Difference: -" in told.output
    assert "Nothing is stored yet." in told.output


def test_a_change_from_next_year_has_no_effect_yet(
    month: SmallMonth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    month.later()
    (tmp_path / "book.yaml").write_text(CHEAPER.replace("2023-06-01", "2024-01-01"))

    told = command_line(month, tmp_path, monkeypatch)(
        "apply", "-f", str(tmp_path / "book.yaml"), "--dry-run", "--effect"
    )

    assert "No quantity and no charge changes." in told.output
