"""The street: the stages in the order in which usage becomes a reconciled entry.

Each stage reads what earlier ones stored, decides by pure functions, and writes its own tables in
one transaction. Stages pull; none calls the next.
"""

from typing import Final

STAGES: Final = (
    ("capture", "foreign event -> usage event, exactly once"),
    ("meter", "usage events -> hourly summaries -> metered usage"),
    ("rate", "metered usage and contracts -> charges, exact, with their working"),
    ("invoice", "charges -> draft invoices, credit memos by difference"),
    ("tax", "approved drafts -> taxed, numbered, issued invoices"),
    ("post", "issued invoices and journals -> documents in the ERP, once each"),
    ("recognize", "issued invoice lines -> revenue schedules -> journal entries"),
    ("reconcile", "all of the above -> control totals and variances"),
)
