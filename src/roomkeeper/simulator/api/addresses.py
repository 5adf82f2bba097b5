"""The addresses that people may come from (IpRestrictionsController.cs; an empty list is recorded: settings.version).

They are kept and shown; nobody is kept out here, for everybody comes from this machine, whose own addresses are always
let in (IPSecurity.cs, IsMyNetwork).
"""

import ipaddress
from typing import Any

from roomkeeper.simulator.api.request import Api, Routes
from roomkeeper.simulator.problems import ApiError, forbidden


def listed(api: Api) -> Any:
    _only_administrators(api)
    return [{"id": number, "tenantId": 1, **one} for number, one in enumerate(api.portal.addresses, start=1)]


def is_on(api: Api) -> Any:
    _only_administrators(api)
    return {"enable": api.portal.is_restricted}


def save(api: Api) -> Any:
    """Replace the list: single addresses only, and in force unless it is empty or that is asked otherwise."""
    _only_administrators(api)
    given = api.body.get("ipRestrictions") or []
    enable = api.body.get("enable")
    enable = bool(given) if enable is None else bool(enable)
    if enable and not given:
        raise ApiError(400, "Value does not fall within the expected range.", "System.ArgumentException")
    try:
        new = [{"ip": str(ipaddress.ip_address(one["ip"])), "forAdmin": bool(one.get("forAdmin"))} for one in given]
    except ValueError as error:
        raise ApiError(400, "IpRestrictions", "System.ArgumentException") from error
    api.portal.addresses, api.portal.is_restricted = new, enable
    return {"ipRestrictions": new, "enable": enable}


def _only_administrators(api: Api) -> None:
    if not api.user.is_admin:
        raise forbidden()


ROUTES: Routes = [
    ("GET", "/settings/iprestrictions", listed, "*"),
    ("PUT", "/settings/iprestrictions", save, "*"),
    ("GET", "/settings/iprestrictions/settings", is_on, "*"),
]
