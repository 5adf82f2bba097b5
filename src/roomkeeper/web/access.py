"""Access: who asks, and what they may. Everything that a page or the API shows goes through here.

Where a request comes from proves nothing: through a proxy or a forwarded port, the whole world is this machine. So
without a login in the configuration, only a link that was printed here opens the pages.
"""

import hashlib
import hmac
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from roomkeeper.configuration.config import Config
from roomkeeper.configuration.dashboard import LoginService, User
from roomkeeper.store.database import Store
from roomkeeper.web import sessions

COOKIE = "roomkeeper"
SECURE_COOKIE = f"__Host-{COOKIE}"  # a browser takes it over TLS only, and from no other name of this domain
CLOSED = (
    "Nobody can log in yet, so these pages are opened by a link: `roomkeeper serve` prints one when it starts, and "
    "`roomkeeper link` another. Each is good once. To give people a login: `roomkeeper password`, then `dashboard: "
    "users` in the configuration.\n"
)


@dataclass(frozen=True)
class Who:
    """Somebody, or a program. `word` is what their browser keeps; forms are bound to it."""

    name: str
    role: str
    by: str
    word: str = ""

    @property
    def may_act(self) -> bool:
        """Whether they may do more than look."""
        return self.role == "operator"

    @property
    def form_token(self) -> str:
        """What a form must bring back, so that no other site can send it."""
        return hmac.new(self.word.encode(), b"roomkeeper form", hashlib.sha256).hexdigest()


class Access:
    """Finds out who asks."""

    def __init__(self, config: Config, store: Store) -> None:
        self._config, self._store = config, store
        self.has_login = config.dashboard.has_login
        self._public = urlsplit(config.public_url or "").netloc
        self._by_tls = (config.public_url or "").startswith("https://")

    def of_page(self, request: Request) -> Who | None:
        """Tell who looks at a page; None if they have to log in, or may not come in. Raises StoreUnavailable."""
        word = self.word_of(request)
        row = sessions.find(self._store, word) if word else None
        if row is None:
            return None
        role = self._role(row)
        return Who(row.name, role, f"{row.name}, on the page", word) if role else None

    def of_api(self, request: Request) -> Who | None:
        """Tell which program calls the API: by its token."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            for one in self._config.dashboard.tokens:
                if hmac.compare_digest(one.token.get_secret_value().encode(), given.strip().encode()):
                    return Who(one.name, one.role, f"{one.name}, by token")
        return None

    def is_secure(self, request: Request) -> bool:
        """Whether browsers are to speak TLS only: they do now, or are told to by `public_url`."""
        return self._by_tls or request.url.scheme == "https"

    def word_of(self, request: Request) -> str:
        """Give the word that the browser keeps; empty if there is none. Over TLS, nobody else's host can plant one."""
        return request.cookies.get(_named(SECURE_COOKIE if self.is_secure(request) else COOKIE, request), "")

    def give_word(self, response: Response, request: Request, word: str, *, seconds: float | None = None) -> None:
        """Have the browser keep a session's word."""
        secure, age = self.is_secure(request), int(seconds) if seconds is not None else None
        name = _named(SECURE_COOKIE if secure else COOKIE, request)
        response.set_cookie(name, word, max_age=age, httponly=True, samesite="lax", secure=secure)

    def is_same_origin(self, request: Request) -> bool:
        """Whether a request was made by one of our own pages."""
        return is_same_origin(request, self._public)

    def is_forged(self, request: Request, who: Who, token: str) -> bool:
        """Whether a form was sent by another site, or is not one of this session's."""
        given = token.encode("utf-8", "replace")
        return not self.is_same_origin(request) or not hmac.compare_digest(given, who.form_token.encode())

    def _role(self, row: object) -> str:
        """Give the role of a session as it is now: a user may be gone, or have another password or role."""
        origin = str(getattr(row, "origin", ""))
        if origin == sessions.LINK:
            return "" if self.has_login else str(getattr(row, "role", ""))
        if origin.startswith("password "):
            user = next((one for one in self._config.dashboard.users if one.name == getattr(row, "name", "")), None)
            return user.role if user is not None and origin == origin_of(user) else ""
        service = self._config.dashboard.oidc
        return str(getattr(row, "role", "")) if service is not None and origin == origin_by(service) else ""


def is_same_origin(request: Request, public: str = "") -> bool:
    """Whether a request was made by a page of its own host, or of the `public` one: a proxy may have put another."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None and site not in {"same-origin", "none"}:
        return False
    if origin is not None:
        return urlsplit(origin).netloc in {request.headers.get("host"), public or None}
    return site is not None


def origin_of(user: User) -> str:
    """Say by what right a user's session exists: it ends when the password is changed."""
    return f"password {hashlib.sha256(user.password.get_secret_value().encode()).hexdigest()[:16]}"


def origin_by(service: LoginService) -> str:
    """Say by what right a session exists that a login service gave: it ends when who may come in is changed."""
    said = service.model_dump_json(exclude={"client_secret"})
    return f"oidc {hashlib.sha256(said.encode()).hexdigest()[:16]}"


def take_word(response: Response, request: Request) -> None:
    """Have the browser forget it."""
    response.delete_cookie(_named(COOKIE, request))
    response.delete_cookie(_named(SECURE_COOKIE, request), secure=True)


def _named(cookie: str, request: Request) -> str:
    """Name a cookie by the port, too: browsers keep one jar for all of a host's ports, and another may be ours."""
    return f"{cookie}-{request.url.port}" if request.url.port is not None else cookie
