"""A company's own login: OpenID Connect, authorization code flow with PKCE.

https://openid.net/specs/openid-connect-core-1_0.html, RFC 7636, and RFC 9700 for what to watch out for.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import httpx2
import jwt
import structlog

from roomkeeper.configuration.dashboard import LoginService
from roomkeeper.errors import RoomkeeperError
from roomkeeper.remote import fetched, trusted

log = structlog.get_logger("login")

_SIGNED_BY = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_KEPT = ("state", "nonce", "verifier", "then")
_NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_LEEWAY = 60  # seconds that clocks may differ
_TIMEOUT = 15.0  # seconds


class LoginRefused(RoomkeeperError):
    """The login service did not say who it is, or nobody who may come in."""


class Login:
    """Logs people in by the company's service. `address` is where it sends them back to."""

    def __init__(self, service: LoginService, address: str) -> None:
        self._service, self._back = service, f"{address}/login/oidc/callback"
        self._known: dict[str, Any] = {}

    async def begin(self, then: str) -> tuple[str, str]:
        """Give where to send the browser, and what it has to keep until it is back. Raises LoginRefused."""
        endpoints = await self._discover()
        kept = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")} | {"then": then}
        challenge = base64.urlsafe_b64encode(hashlib.sha256(kept["verifier"].encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self._service.client_id,
            "redirect_uri": self._back,
            "scope": " ".join(self._service.scopes),
            "state": kept["state"],
            "nonce": kept["nonce"],
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        packed = base64.urlsafe_b64encode(json.dumps(kept).encode()).decode()
        joint = "&" if "?" in endpoints["authorization_endpoint"] else "?"
        return f"{endpoints['authorization_endpoint']}{joint}{urlencode(asked)}", packed

    async def end(self, given: Mapping[str, str], packed: str) -> tuple[str, str, str]:
        """Find out who came back: name, role, and where they were going. Raises LoginRefused."""
        kept = _unpacked(packed)
        if "error" in given:
            raise LoginRefused(f"The login service refused: {given['error'][:100]}")
        if not kept or not hmac.compare_digest(given.get("state", "").encode(), kept["state"].encode()):
            raise LoginRefused("The login was not begun in this browser, or too long ago", remedy="Begin it again.")
        claims = await self._claims(given.get("code", ""), kept)
        address = claims.get("email") if claims.get("email_verified") is True else None
        name = str(address or claims.get("preferred_username") or claims["sub"])
        role = role_of(self._service, claims)
        if not role:
            log.warning("nobody who may come in", name=name)
            raise LoginRefused(f"{name} may not come in", remedy="An administrator lists who may, under `dashboard`.")
        return name, role, kept["then"]

    async def _claims(self, code: str, kept: Mapping[str, str]) -> Mapping[str, Any]:
        endpoints = await self._discover()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "code_verifier": kept["verifier"],
        }
        ours = (self._service.client_id, self._service.client_secret.get_secret_value())
        in_body = endpoints.get("token_endpoint_auth_methods_supported") == ["client_secret_post"]
        if in_body:
            form |= {"client_id": ours[0], "client_secret": ours[1]}
        said = await self._asked("POST", endpoints["token_endpoint"], data=form, auth=None if in_body else ours)
        keys = await self._asked("GET", endpoints["jwks_uri"])
        try:
            token = str(said["id_token"])
            header = jwt.get_unverified_header(token)
            known = jwt.PyJWKSet.from_dict(keys).keys
            fitting = [one for one in known if header.get("kid") == one.key_id] if header.get("kid") else known
            claims: dict[str, Any] = jwt.decode(
                token,
                fitting[0].key,
                algorithms=_SIGNED_BY,
                audience=self._service.client_id,
                issuer=endpoints["issuer"],
                leeway=_LEEWAY,
                options={"require": ["exp", "iat", "sub"]},
            )
        except (jwt.PyJWTError, KeyError, IndexError, TypeError) as error:
            log.warning("the login service's word cannot be trusted", reason=f"{type(error).__name__}: {error}")
            raise LoginRefused("What the login service says cannot be verified; the log says why") from error
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), kept["nonce"].encode()):
            raise LoginRefused("What the login service says belongs to another login", remedy="Begin it again.")
        return claims

    async def _discover(self) -> dict[str, Any]:
        if not self._known:
            found = await self._asked("GET", f"{self._service.issuer}/.well-known/openid-configuration")
            if str(found.get("issuer", "")).rstrip("/") != self._service.issuer:
                raise LoginRefused(f"The login service calls itself {found.get('issuer')}", remedy="Correct `issuer`.")
            if missing := [name for name in _NEEDED if not found.get(name)]:
                raise LoginRefused(f"The login service does not say its {', '.join(missing)}")
            self._known = found
        return self._known

    async def _asked(self, method: str, url: str, **given: Any) -> dict[str, Any]:  # noqa: ANN401 - httpx's
        try:
            async with httpx2.AsyncClient(verify=trusted(), timeout=_TIMEOUT) as http:
                answer = await fetched(http, method, url, **given)
                answer.raise_for_status()
                found = answer.json()
        except (httpx2.HTTPError, ValueError) as error:
            log.warning("the login service does not answer", url=url, reason=type(error).__name__)
            raise LoginRefused("The login service does not answer as it should", remedy="Try again later.") from error
        return found if isinstance(found, dict) else {}


def role_of(service: LoginService, claims: Mapping[str, Any]) -> str:
    """Say what the claims make of somebody: operator, viewer, or nothing.

    An address counts only if the service says that it was verified; where it never says so, use another claim.
    """
    if service.claim == "email" and claims.get("email_verified") is not True:
        log.warning("the login service does not say that the address is verified", remedy="Use another `claim`.")
        return ""
    value = claims.get(service.claim)
    has = {_key(str(one)) for one in (value if isinstance(value, list) else [value]) if one}
    if has & {_key(one) for one in service.operators}:
        return "operator"
    return "viewer" if has & {_key(one) for one in service.viewers} else ""


def _key(value: str) -> bytes:
    """Give what two have in common that are one: the letters of ASCII in whatever case.

    Folding all letters would make one of different people: the sign for Kelvin is a k then.
    """
    return value.encode("utf-8", "surrogatepass").lower()


def _unpacked(packed: str) -> dict[str, str]:
    """Read what the browser kept; nothing if it is not whole."""
    try:
        found = json.loads(base64.urlsafe_b64decode(packed.encode()))
    except ValueError:
        return {}
    is_whole = isinstance(found, dict) and all(isinstance(found.get(name), str) and found[name] for name in _KEPT)
    return {name: str(value) for name, value in found.items()} if is_whole else {}
