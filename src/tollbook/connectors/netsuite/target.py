"""NetSuite as a posting target."""

from collections.abc import Mapping
from typing import Final

from tollbook.connectors.netsuite.client import NetSuiteClient
from tollbook.connectors.netsuite.mapping import (
    RECORDS,
    Application,
    Json,
    applied,
    is_pending,
    payload,
    receipt,
)
from tollbook.errors import Failure, Rejected
from tollbook.records.posting import FinanceDocument, PendingRemote, Receipt
from tollbook.sdk.auth import (
    Authorizer,
    CertificateClient,
    CertificateTokens,
    SignedRequests,
    TokenPair,
)
from tollbook.sdk.http import ANSWER_SECONDS, HttpClient
from tollbook.sdk.manifest import read_capabilities
from tollbook.sdk.outcomes import no_answer, not_executed
from tollbook.sdk.target import Capabilities
from tollbook.values.clock import Clock, SystemClock

PACKAGE: Final = "tollbook.connectors.netsuite"
GRANT_PATH: Final = "/services/rest/auth/oauth2/v1/token"
SCOPE: Final = "rest_webservices"
_TOKEN_PAIR: Final = ("consumer_key", "consumer_secret", "token", "token_secret")
_CERTIFICATE: Final = ("client_id", "certificate_id", "private_key")


class NetSuiteTarget:
    """Posts documents into one NetSuite account."""

    def __init__(self, client: NetSuiteClient, capabilities: Capabilities) -> None:
        self._client = client
        self._capabilities = capabilities

    @property
    def capabilities(self) -> Capabilities:
        """What NetSuite can do."""
        return self._capabilities

    def send(self, document: FinanceDocument) -> Receipt | PendingRemote:
        """Create the document, then read back what NetSuite made of it."""
        period = self._client.period_on(document.accounting_date, company=document.company)
        body = payload(document, period, self._application(document))
        self._client.create(RECORDS[document.kind], body, document)
        try:
            found = self.look_up(document)
        except Failure as failure:
            raise no_answer(f"created, but not read back: {failure.message}") from failure
        if found is None:
            raise no_answer("created, but not found under its key")
        return found

    def look_up(self, document: FinanceDocument) -> Receipt | PendingRemote | None:
        """Find the document by its external id, with its totals, period and customer."""
        found = self._client.find(RECORDS[document.kind], document.key)
        if found is None:
            return None
        if is_pending(found):
            return PendingRemote(str(found["id"]))
        return self._read(document, found)

    def close(self) -> None:
        """Release connections."""
        self._client.close()

    def _application(self, document: FinanceDocument) -> Application | None:
        if document.kind != "credit_memo" or not document.corrects_key:
            return None
        invoice = self._client.find(RECORDS["invoice"], document.corrects_key)
        if invoice is None:
            raise not_executed(f"the invoice {document.corrects_key} is not in NetSuite yet")
        return applied(document, invoice)

    def _read(self, document: FinanceDocument, found: Json) -> Receipt:
        customer = None
        if "entity" in found:
            customer = self._client.customer_key(str(found["entity"]["id"]))
        month = self._client.month_of(str(found["postingPeriod"]["id"]))
        return receipt(document, found, period=month, customer=customer)


def connect(options: Mapping[str, str], clock: Clock | None = None) -> NetSuiteTarget:
    """Open a target from its settings; Rejected names what is missing or wrong.

    Needs `account` and either a token pair (consumer_key, consumer_secret, token, token_secret) or
    a certificate (client_id, certificate_id, private_key as PEM). `url` replaces the account's own
    address; `answer_seconds` bounds each call.
    """
    account = _required(options, ("account",))[0]
    host = account.lower().replace("_", "-")
    url = options.get("url") or f"https://{host}.suitetalk.api.netsuite.com"
    chosen = clock or SystemClock()
    http = HttpClient(
        chosen, answer_seconds=float(options.get("answer_seconds", str(ANSWER_SECONDS)))
    )
    authorizer = _authorizer(options, account=account, url=url, http=http, clock=chosen)
    return NetSuiteTarget(NetSuiteClient(url, http, authorizer), read_capabilities(PACKAGE))


def _authorizer(
    options: Mapping[str, str], *, account: str, url: str, http: HttpClient, clock: Clock
) -> Authorizer:
    if "client_id" in options:
        client_id, certificate_id, private_key = _required(options, _CERTIFICATE)
        client = CertificateClient(client_id, certificate_id, private_key, url + GRANT_PATH, SCOPE)
        return CertificateTokens(client, http, clock)
    return SignedRequests(TokenPair(account, *_required(options, _TOKEN_PAIR)), clock)


def _required(options: Mapping[str, str], names: tuple[str, ...]) -> list[str]:
    missing = [name for name in names if not options.get(name)]
    if missing:
        raise Rejected(
            "config.target", f"A NetSuite target needs {', '.join(missing)} in its settings."
        )
    return [options[name] for name in names]
