"""A line to Tryton that breaks on request: the call arrives and is carried out, its answer is not."""

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import urlsplit

SECONDS = 60


class CuttingProxy:
    """Forwards each call; the answer of a chosen one is lost after Tryton has given it."""

    def __init__(self, url: str) -> None:
        upstream = urlsplit(url).netloc
        self._method = b""
        self._spared = 0
        self.lost = 0
        proxy = self

        class Line(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                connection = http.client.HTTPConnection(upstream, timeout=SECONDS)
                connection.request("POST", self.path, body, dict(self.headers))
                answer = connection.getresponse()
                said = answer.read()
                connection.close()
                if proxy.is_cut(body):
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(said)))
                self.send_header(
                    "Content-Encoding", answer.headers["Content-Encoding"] or "identity"
                )
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Line)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where Tryton seems to be."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def lose_next(self, method: str, *, after: int = 0) -> None:
        """Lose the answer of the next call of an RPC method, after letting some of them through."""
        self._method = f'"model.{method}"'.encode()
        self._spared = after

    def is_cut(self, body: bytes) -> bool:
        """Tell whether the answer to this call is the one to lose, once."""
        if not self._method or self._method not in body:
            return False
        if self._spared:
            self._spared -= 1
            return False
        self._method = b""
        self.lost += 1
        return True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
