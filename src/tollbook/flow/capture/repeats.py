"""Parts the first arrival of each identity and day in a group from those that repeat it."""

from collections.abc import Sequence

from tollbook.flow.capture.admit import Admitted


def first_of_each(
    admitted: Sequence[tuple[int, Admitted]],
) -> tuple[list[tuple[int, Admitted]], list[tuple[int, Admitted]]]:
    """Part the first arrival of each identity and day, in their order, from the others."""
    digests = {one[1].digest: one for one in reversed(admitted)}
    first = [digests[digest] for digest in sorted(digests)]
    if len(first) == len(admitted):
        return first, []
    again = []
    other_days: dict[tuple[bytes, int], tuple[int, Admitted]] = {}
    for one in [one for one in admitted if digests[one[1].digest] is not one]:
        is_same_day = digests[one[1].digest][1].day_number == one[1].day_number
        if is_same_day or other_days.setdefault(one[1].key, one) is not one:
            again.append(one)
    if other_days:
        first = sorted([*first, *other_days.values()], key=_digest_of)
    return first, again


def _digest_of(one: tuple[int, Admitted]) -> bytes:
    return one[1].digest
