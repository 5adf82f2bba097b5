"""Receives what a pretend portal delivers, and answers as it is told: each hook by the last part of its address."""

import contextlib
import json
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: What the n-th request is answered, 0 for a connection that is cut.
Rule = Callable[[int], int]


class Receiver(ThreadingHTTPServer):
    """Answers 200 unless a rule for the method and the hook says otherwise; remembers what came."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, rules: dict[tuple[str, str], Rule]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.rules, self.came = rules, Counter[tuple[str, str]]()
        self.told: dict[str, Counter[str]] = defaultdict(Counter)  # by hook and trigger
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: Any) -> None:
        """Whoever cut a connection was told to."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def log_message(self, *_: Any) -> None:
        """Say nothing: the tests look at what came."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = self.command, self.path.split("?")[0].rsplit("/", 1)[-1]
        if self.command == "POST":
            self.server.told[asked[1]][json.loads(body)["event"]["trigger"]] += 1
        self.server.came[asked] += 1
        status = self.server.rules.get(asked, lambda _: 200)(self.server.came[asked])
        if not status:
            self.close_connection = True
            return
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", f"{self.server.url}/hook/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_POST = _answer  # noqa: N815 - as the base class asks for them


@contextlib.contextmanager
def receiver(rules: dict[tuple[str, str], Rule]) -> Iterator[Receiver]:
    """Listen on a free port until the end."""
    with Receiver(rules) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
