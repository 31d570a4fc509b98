"""Read back from the ERPs what they hold of a month's documents."""

from collections.abc import Mapping

from tollbook.errors import Blocked
from tollbook.flow.post.posting import Posting
from tollbook.flow.post.store import listed
from tollbook.records.posting import Receipt
from tollbook.sdk.target import Target
from tollbook.storage.database import Database
from tollbook.values.period import Month


def read_back(
    database: Database, targets: Mapping[str, Target], month: Month
) -> dict[str, Receipt]:
    """Ask each ERP for every document of a month that was sent; return receipts by document id.

    Whatever our record says, only what the ERP answers now counts. Raises Blocked when a target is
    not configured, and what the target raises when it cannot be asked.
    """
    with database.transaction() as connection:
        postings = listed(connection, month=month, limit=1_000_000)
    receipts = {}
    for posting in postings:
        receipt = _ask(posting, targets)
        if receipt is not None:
            receipts[posting.document_id] = receipt
    return receipts


def _ask(posting: Posting, targets: Mapping[str, Target]) -> Receipt | None:
    if posting.payload is None:
        return None
    if posting.target not in targets:
        raise Blocked(
            "post.target_not_configured",
            f"Documents were posted to {posting.target}, which is not configured here: add "
            f"[targets.{posting.target}] to tollbook.toml.",
        )
    answer = targets[posting.target].look_up(posting.payload)
    return answer if isinstance(answer, Receipt) and answer.state == "posted" else None
