"""Where people are told: a chat, a program, a mail server; each keeps what it was sent."""

import asyncio
import json
import threading
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller


class Chat:
    """An address that takes JSON, as a chat's incoming webhook or a program does."""

    def __init__(self, *, knows_again: bool = False) -> None:
        """`knows_again` keeps what was told before out, by its run and task."""
        self.told: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.beats = 0
        self.answer = 200
        chat = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                said = json.loads(body)
                known = [one for one in chat.told if knows_again and all(one.get(n) == said.get(n) for n in said)]
                if chat.answer == 200 and not known:
                    chat.told.append(said)
                    chat.headers.append({"body": body.decode(), **dict(self.headers)})
                self._end()

            def do_GET(self) -> None:
                chat.beats += 1
                self._end()

            def _end(self) -> None:
                self.send_response(chat.answer)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/services/T000/B000/planted-chat-secret"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def texts(self) -> str:
        return "\n".join(one["text"] for one in self.told)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Mailbox:
    """A mail server that keeps what it takes."""

    def __init__(self, port: int) -> None:
        self.mails: list[Any] = []
        self.refused = ""
        self.port = port
        self._controller = Controller(self, hostname="127.0.0.1", port=port)
        self._controller.start()

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        await asyncio.sleep(0)
        if address == self.refused:
            return "550 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 known"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - the library's name
        self.mails.append(message_from_bytes(envelope.content))
        await asyncio.sleep(0)
        return "250 taken"

    def close(self) -> None:
        self._controller.stop()
