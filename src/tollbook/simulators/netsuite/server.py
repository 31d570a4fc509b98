"""The sockets: a threaded HTTP server on the loopback that can also hang up without a word."""

import socket
import struct
import threading
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlsplit

from tollbook.simulators.netsuite import demo
from tollbook.simulators.netsuite.admin import PREFIX, Admin, fill_master
from tollbook.simulators.netsuite.auth import Gate, credentials_from
from tollbook.simulators.netsuite.faults import Weather, settings_from
from tollbook.simulators.netsuite.service import Service
from tollbook.simulators.netsuite.state import Store
from tollbook.simulators.netsuite.wire import (
    Drop,
    JsonObject,
    Refusal,
    Reply,
    Request,
    problem,
)

HOST: Final = "127.0.0.1"
BODY_BYTES_MAX: Final = 104 * 1024 * 1024
WAITING_CONNECTIONS_MAX: Final = 1024
_LINGER_ZERO: Final = struct.pack("ii", 1, 0)  # close() then sends a reset


class Handler(BaseHTTPRequestHandler):
    """Reads requests from one connection and writes the answers."""

    protocol_version = "HTTP/1.1"
    server_version = "simulated-netsuite"
    sys_version = ""
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Serve the connection; a client that goes away is no event here."""
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Stay silent: the counters tell what happened."""

    def _serve(self) -> None:
        try:
            request = self._request()
        except Refusal as refusal:
            self.close_connection = True
            self._write(problem(refusal))
            return
        answer: Reply | Drop
        if request.path.startswith(PREFIX):
            answer = self._owner.admin.answer(request)
        else:
            answer = self._owner.service.answer(request)
        if isinstance(answer, Drop):
            self._drop(answer)
        else:
            self._write(answer)

    do_GET = _serve  # noqa: N815 - http.server looks for these names
    do_POST = _serve  # noqa: N815
    do_PUT = _serve  # noqa: N815
    do_PATCH = _serve  # noqa: N815
    do_DELETE = _serve  # noqa: N815
    do_HEAD = _serve  # noqa: N815

    @property
    def _owner(self) -> "Server":
        assert isinstance(self.server, Server)
        return self.server

    def _request(self) -> Request:
        if self.headers.get("Transfer-Encoding"):
            raise Refusal(411, "INVALID_HEADER", "The simulator needs a Content-Length.")
        text = self.headers.get("Content-Length", "0")
        if not text.isascii() or not text.isdigit():
            raise Refusal(400, "INVALID_HEADER", "The Content-Length is not a number.")
        if int(text) > BODY_BYTES_MAX:
            raise Refusal(413, "INVALID_CONTENT", "The request body is too large.")
        body = self.rfile.read(int(text))
        if len(body) < int(text):
            raise ConnectionResetError("the client left in the middle of its request")
        address = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(
            method=self.command,
            path=address.path,
            query=tuple(parse_qsl(address.query, keep_blank_values=True)),
            headers=headers,
            body=body,
            origin=f"http://{headers.get('host', self._owner.authority).lower()}",
        )

    def _write(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status != 204:
            self.send_header("Content-Type", reply.content_type)
            self.send_header("Content-Length", str(len(reply.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def _drop(self, drop: Drop) -> None:
        self.close_connection = True
        if drop.is_reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
            self._owner.resets.add(id(self.connection))


class Server(ThreadingHTTPServer):
    """Listens; one thread per connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = WAITING_CONNECTIONS_MAX

    def __init__(self, port: int, service: Service) -> None:
        """Bind to the loopback; port 0 lets the system choose."""
        self.service = service
        self.admin = Admin(service)
        self.resets: set[int] = set()
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__((HOST, port), Handler)
        self.authority = f"{HOST}:{self.server_port}"

    def server_bind(self) -> None:
        """Bind without the reverse name lookup of HTTPServer."""
        TCPServer.server_bind(self)
        self.server_name = HOST
        self.server_port = int(self.socket.getsockname()[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Hand a new connection to its own thread."""
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """End a connection: politely, or with a reset and nothing before it."""
        with self._lock:
            self._connections.discard(request)
            is_reset = id(request) in self.resets
            self.resets.discard(id(request))
        if is_reset:
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Count a mistake of the simulator itself, so that it cannot pass for a planned fault."""
        self.service.traffic.note("simulator_errors")
        super().handle_error(request, client_address)

    def hang_up(self) -> None:
        """End every connection that is still open."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class Simulator:
    """A simulated NetSuite account on its own port, for `with` or for the command line."""

    def __init__(
        self,
        *,
        state: str | Path | None = None,
        faults: JsonObject | None = None,
        seed: int = 0,
        port: int = 0,
        master: JsonObject | None = None,
        credentials: JsonObject | None = None,
    ) -> None:
        """Prepare a simulator; it listens from `start` or the `with` block on."""
        self._store = Store(state)
        self._service = _service(self._store, seed, copied(faults), copied(credentials))
        fill_master(self._store, copied(master))
        self._server = Server(port, self._service)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    @property
    def url(self) -> str:
        """Return the address to put in front of /services/rest and /_sim/."""
        return f"http://{self._server.authority}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering, hang up and close the state."""
        self._server.shutdown()
        self._server.server_close()
        self._service.stop()
        self._server.hang_up()
        self._store.close()

    def __enter__(self) -> Self:
        """Begin to answer."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop answering."""
        self.stop()


def copied(value: JsonObject | None) -> JsonObject | None:
    """Copy a configuration all the way down, with its numbers read exactly."""
    return None if value is None else {key: _exact(item) for key, item in value.items()}


def _exact(value: object) -> object:
    if isinstance(value, dict):
        return {key: _exact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(item) for item in value]
    return Decimal(str(value)) if isinstance(value, float) else value


def _service(
    store: Store, seed_number: int, faults: JsonObject | None, credentials: JsonObject | None
) -> Service:
    if faults is None:
        faults = store.setting("faults") or {}
    credentials = credentials or store.setting("credentials") or demo.CREDENTIALS
    settings = settings_from(faults)
    registered = credentials_from(credentials)
    store.put_setting("faults", faults)
    store.put_setting("credentials", credentials)
    # A restart continues the story of the seed instead of telling its beginning again.
    start = store.next_number("start", first=1)
    weather = Weather(settings, f"{seed_number}.{start}", store.count_fault)
    return Service(store, weather, Gate(registered))
