"""Compares a file with what its trailer and its manifest say, before any row of it is taken."""

from typing import IO

from tollbook.sdk.drops.control_totals import add_up, check_trailer
from tollbook.sdk.drops.manifest import Promise, check_totals, needs_rows
from tollbook.sdk.drops.rows import FileRule, read_rows


def check_contents(file: IO[bytes], name: str, rule: FileRule, promise: Promise | None) -> None:
    """Refuse a file whose rows are not those that its trailer or a manifest says; reads it whole.

    Raises Rejected with the code of what differs.
    """
    trailer = rule.trailer
    if trailer is None and (promise is None or not needs_rows(promise)):
        return
    names = [*(trailer.summed if trailer else ()), *(promise.sums if promise else ())]
    totals = add_up(read_rows(file, name, rule), names, rule.marks)
    if trailer is not None:
        check_trailer(totals)
    if promise is not None:
        check_totals(promise, totals)
    file.seek(0)
