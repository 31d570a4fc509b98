"""Which fields each record type has, of which kind, and which master data they point at."""

from typing import Final

# The value kinds. A reference is written "ref:<master kind>", a sublist "lines:<element table>".
TEXT: Final = "text"
NUMBER: Final = "number"
DATE: Final = "date"
FLAG: Final = "flag"
OBJECT: Final = "object"
COMPUTED: Final = "computed"  # accepted and ignored: the server works it out
NOT_MODELLED: Final = "not modelled"  # would change an amount here; refused rather than ignored

TRANSACTIONS: Final = ("invoice", "creditMemo", "journalEntry")
TYPE_CODES: Final = {"invoice": "CustInvc", "creditMemo": "CustCred", "journalEntry": "Journal"}
NUMBER_PREFIXES: Final = {"invoice": "INV", "creditMemo": "CM", "journalEntry": "JE"}
WRITABLE: Final = (*TRANSACTIONS, "customer")
CUSTOM_PREFIXES: Final = ("custbody_", "custcol_", "custentity_")

# Plural names of the master file and the admin door, and the record kind behind each.
MASTER_KINDS: Final = {
    "customers": "customer",
    "items": "item",
    "subsidiaries": "subsidiary",
    "currencies": "currency",
    "accountingPeriods": "accountingPeriod",
    "accounts": "account",
    "taxCodes": "salesTaxItem",
    "taxTypes": "taxType",
    "departments": "department",
    "classes": "classification",
    "locations": "location",
    "terms": "term",
    "nexuses": "nexus",
}
# A kind the books of a small company may not have at all: while it has no rows, any id passes.
OPTIONAL_KINDS: Final = frozenset(
    {
        "taxType",
        "department",
        "classification",
        "location",
        "term",
        "nexus",
        "form",
        "unitsType",
        "priceLevel",
        "revRecTemplate",
        "accountingBook",
        "category",
    }
)

LABELS: Final = {
    "entity": "Customer",
    "subsidiary": "Subsidiary",
    "currency": "Currency",
    "item": "Item",
    "amount": "Amount",
    "account": "Account",
}


def _of(kind: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), kind)


_DIMENSIONS: Final = {
    "department": "ref:department",
    "location": "ref:location",
    "class": "ref:classification",
}
_TRANSACTION: Final = {
    **_of(COMPUTED, "id links transactionNumber createdDate lastModifiedDate total refName"),
    **_of(TEXT, "externalId tranId memo"),
    **_of(DATE, "tranDate"),
    **_of(NUMBER, "exchangeRate"),
    **_of(OBJECT, "approvalStatus"),
    "subsidiary": "ref:subsidiary",
    "currency": "ref:currency",
    "postingPeriod": "ref:accountingPeriod",
    "createdFrom": "ref:transaction",
    **_DIMENSIONS,
}
_SALE: Final = {
    **_TRANSACTION,
    **_of(COMPUTED, "subtotal taxTotal discountTotal amountPaid amountRemaining status"),
    **_of(TEXT, "otherRefNum entityTaxRegNum subsidiaryTaxRegNum billAddress email"),
    **_of(DATE, "dueDate startDate endDate asOfDate taxPointDate"),
    **_of(FLAG, "taxPointDateOverride taxDetailsOverride taxRegOverride"),
    **_of(NOT_MODELLED, "discountItem discountRate installment"),
    "entity": "ref:customer",
    "account": "ref:account",
    "terms": "ref:term",
    "nexus": "ref:nexus",
    "customForm": "ref:form",
    "item": "lines:item",
    "taxDetails": "lines:taxDetails",
}

FIELDS: Final[dict[str, dict[str, str]]] = {
    "invoice": _SALE,
    "creditMemo": {
        **_SALE,
        **_of(COMPUTED, "applied unapplied"),
        **_of(FLAG, "autoApply"),
        "apply": "lines:apply",
    },
    "journalEntry": {
        **_TRANSACTION,
        **_of(FLAG, "approved isBookSpecific reversalDefer"),
        **_of(DATE, "reversalDate"),
        **_of(COMPUTED, "reversalEntry isReversal status"),
        **_of(NOT_MODELLED, "toSubsidiary void"),
        "accountingBook": "ref:accountingBook",
        "line": "lines:line",
    },
    "customer": {
        **_of(COMPUTED, "id links balance refName"),
        **_of(TEXT, "externalId entityId companyName firstName lastName email phone url"),
        **_of(TEXT, "vatRegNumber"),
        **_of(FLAG, "isPerson isInactive"),
        **_of(NUMBER, "creditLimit"),
        **_of(OBJECT, "taxItem"),
        "subsidiary": "ref:subsidiary",
        "currency": "ref:currency",
        "terms": "ref:term",
        "category": "ref:category",
        "receivablesAccount": "ref:account",
        "addressBook": "lines:addressBook",
    },
    "item": {
        **_of(COMPUTED, "grossAmt taxRate1 tax1Amt links refName"),
        **_of(NUMBER, "quantity rate amount line"),
        **_of(TEXT, "description taxDetailsReference"),
        **_of(DATE, "revRecStartDate revRecEndDate"),
        **_of(FLAG, "deferRevRec doNotCreateRevenueElement isTaxable"),
        "item": "ref:item",
        "account": "ref:account",
        "units": "ref:unitsType",
        "price": "ref:priceLevel",
        "taxCode": "ref:salesTaxItem",
        "revRecSchedule": "ref:revRecTemplate",
        **_DIMENSIONS,
    },
    "taxDetails": {
        **_of(COMPUTED, "netAmount grossAmount links refName"),
        **_of(NUMBER, "taxBasis taxRate taxAmount line"),
        **_of(TEXT, "taxDetailsReference lineName lineType details"),
        "taxType": "ref:taxType",
        "taxCode": "ref:salesTaxItem",
    },
    "apply": {
        **_of(COMPUTED, "due total refNum applyDate currency type links"),
        **_of(NUMBER, "amount line"),
        **_of(FLAG, "apply"),
        "doc": "ref:transaction",
    },
    "line": {
        **_of(COMPUTED, "links refName cleared"),
        **_of(NUMBER, "debit credit line"),
        **_of(TEXT, "memo"),
        **_of(DATE, "startDate endDate"),
        **_of(OBJECT, "schedule scheduleType"),
        **_of(FLAG, "eliminate"),
        **_of(NOT_MODELLED, "lineTaxCode lineTaxRate taxAccount tax1Amt"),
        "account": "ref:account",
        "entity": "ref:customer",
        **_DIMENSIONS,
    },
    "addressBook": {
        **_of(COMPUTED, "id links"),
        **_of(TEXT, "label"),
        **_of(FLAG, "defaultBilling defaultShipping"),
        **_of(OBJECT, "addressBookAddress"),
        **_of(NUMBER, "line"),
    },
}
