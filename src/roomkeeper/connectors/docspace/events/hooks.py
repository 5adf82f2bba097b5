"""Look after the portal's webhook: one, enabled, with the right triggers and secret (facts/docspace.md 1.6, 1.7).

The portal disables a webhook after three days without a success, at once when its own name lookup fails or when it
wants https of an http address, and deletes one whose address is private. What it is told when a webhook is made, it
takes in part only: `ssl` and `enabled` come out true (recorded: hooks.create). So each answer is read.
"""

import secrets
import string
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from roomkeeper.connectors.docspace.events.trails import is_ours
from roomkeeper.contract.upkeep import Ailment, Hook, Registered, Upkeep
from roomkeeper.docspace import Portal
from roomkeeper.docspace.models import Webhook
from roomkeeper.docspace.webhooks import ANSWERED, NAME_LIMIT, mask, names
from roomkeeper.errors import Forbidden, NotThere, Rejected, RemoteError, RemoteFault, ScopeMissing

_TRUSTED = timedelta(days=3)  # without a success; then one failed connection disables it (1.7) (WebhookSender.cs)
_REFUSED = 401  # what we answer to a signature that does not fit (ours)
_LONGEST = 30  # characters of a secret (1.6) (recorded: hooks.create)
_SPECIAL = "-_.+"  # what needs no quotes wherever it is written
_ANSWER = (
    "The portal asks the address with HEAD before it accepts it: start `roomkeeper serve`, and make sure that "
    "`public_url` reaches it from the portal; then try again."
)
_IN_BETWEEN = (
    "Something in between changes what the portal sends, or a process with an older secret answers at that address: "
    "restart every `roomkeeper serve`, and look at the proxy. Or there is so much going on that the portal puts the "
    "former secret back each time that a delivery fails which began with it: then this passes when it is quieter. What "
    "was refused is found in its log meanwhile, and handled."
)
_BY_HAND = "Or do it on the portal: Developer Tools, Webhooks."


async def registered(portal: Portal, hook: Hook) -> list[Registered]:
    """List the portal's webhooks, as far as this account sees them. Raises RemoteError."""
    return [_shown(one, hook) for one in await portal.webhooks.all()]


async def ailments(portal: Portal, hook: Hook) -> list[Ailment]:
    """Say what is wrong with our webhook. Raises RemoteError."""
    return await _diagnosed(portal, *await _known(portal, hook), hook)


async def _diagnosed(portal: Portal, ours: Sequence[Webhook], former: Sequence[Webhook], hook: Hook) -> list[Ailment]:
    refused = await _refused(portal, ours[0]) if ours else 0
    found = diagnosed(ours, hook, refused=refused, now=datetime.now(UTC))
    if not former:
        return found
    what = f"webhook {former[0].id} {former[0].name!r} delivers to our former address, {hook.former}"
    moved = Ailment("moved", what, f"`roomkeeper webhooks repair` has it deliver to {hook.url}.")
    return [moved, *(one for one in found if one.key != "missing")]  # it is what is to be there


def diagnosed(ours: Sequence[Webhook], hook: Hook, *, refused: int, now: datetime) -> list[Ailment]:
    """Decide what is wrong with our webhooks, the one that is kept first. Pure."""
    if not ours:
        gone = (
            "is not on the portal: deleted there, or not made yet"
            if hook.was_there
            else "is not registered on the portal"
        )
        return [Ailment("missing", f"the webhook to {hook.url} {gone}", "`roomkeeper webhooks register` makes it.")]
    one, found = ours[0], list[Ailment]()
    name = f"webhook {one.id} {one.name!r}"
    if not one.enabled:
        failed = (
            f"{one.last_failure_on:%Y-%m-%d %H:%M}: {one.last_failure_content}"[:200] if one.last_failure_on else ""
        )
        why = f" (its last failure was {failed})" if failed else ""
        found.append(Ailment("disabled", f"{name} is disabled{why}", "`roomkeeper webhooks repair` enables it."))
    if one.ssl and not _is_https(hook):
        what = f"{name} wants https, and {hook.url} is http: the portal disables it at its first delivery"
        found.append(Ailment("ssl", what, "`roomkeeper webhooks repair` takes that off."))
    if one.triggers != mask(hook.types):
        key = "triggers" if hook.types - names(one.triggers) else "superfluous"
        found.append(Ailment(key, _about_triggers(name, one, hook), "`roomkeeper webhooks repair` sets them."))
    if one.target_id:
        what = f"{name} is for the entity {one.target_id} alone: nothing that happens in a room is told"
        found.append(Ailment("target", what, "`roomkeeper webhooks repair` makes it tell of everything."))
    # A delivery that is being retried goes on with the secret that it began with, and at its end the portal writes that
    # back, with all else that it read then (WebhookSender.cs; DbWorker.cs, UpdateWebhookConfig). So it is set again.
    if refused > hook.mark and not hook.is_settling:
        what = f"{name} signs with another secret than `webhook_secret`, so its deliveries are refused"
        found.append(Ailment("secret", what, "`roomkeeper webhooks repair` sets ours.", mark=refused))
    if refused and hook.is_marked_lately:
        again = f"{name} signs with another secret again, though it was set to ours twice within the hour"
        found.append(Ailment("secret again", again, _IN_BETWEEN))
    for twin in ours[1:]:
        what = f"webhook {twin.id} {twin.name!r} delivers to the same address: everything arrives twice"
        found.append(Ailment(f"twin {twin.id}", what, "`roomkeeper webhooks repair` deletes the superfluous one."))
    left = _days_left(one, now)
    if one.enabled and left is not None and left <= 1 and _fails(one):
        when = "at its next failure" if left <= 0 else f"in {left:.1f} days"
        what = f"{name} has had no success since {one.last_success_on or one.created_on}: the portal disables it {when}"
        found.append(Ailment("failing", what, f"Make sure that {hook.url} answers from outside."))
    return found


async def mend(portal: Portal, hook: Hook, *, twins: bool) -> list[Ailment]:
    """Put right what is wrong, as far as the key may; says what was wrong, and what still is. Raises RemoteError.

    A webhook that was never there is not made unasked.
    """
    ours, former = await _known(portal, hook)
    found = await _diagnosed(portal, ours, former, hook)
    mended: set[str] = set()
    keys = {one.key for one in found}
    try:
        if "moved" in keys and twins:  # asked for: a copy of the configuration on another machine must not take it
            await register(portal, hook)
            mended.add("moved")
        if "missing" in keys and hook.was_there:
            await register(portal, hook)
            mended.add("missing")
        if changes := keys & {"disabled", "ssl", "triggers", "superfluous", "target", "secret"}:
            await portal.webhooks.change(_put_right(ours[0], hook), hook.secret)
            mended |= changes
        for twin in ours[1:] if twins else []:
            await portal.webhooks.remove(twin.id)
            mended.add(f"twin {twin.id}")
    except (Rejected, Forbidden, ScopeMissing, RemoteFault) as error:
        return [_still(one, error) if one.key not in mended else _done(one) for one in found]
    return [_done(one) if one.key in mended else one for one in found]


async def register(portal: Portal, hook: Hook) -> int:
    """Make our webhook; the one that is there is put right instead, or else the one of our former address.

    Others that deliver to that are deleted. Gives its id. Raises RemoteError, NotThere.
    """
    if not hook.types:
        raise NotThere(
            f"No automation listens to {hook.connection}, so its webhook would have nothing to tell",
            remedy="Write an automation first (`on: file.uploaded`, for example).",
        )
    ours, former = await _known(portal, hook)
    known = [*ours, *former]
    wanted = _put_right(known[0] if known else _new(hook), hook)
    try:
        made = await (portal.webhooks.change if known else portal.webhooks.register)(wanted, hook.secret)
        for one in former if ours else former[1:]:
            await portal.webhooks.remove(one.id)
        if _differs(made, hook):
            made = await portal.webhooks.change(_put_right(made, hook), hook.secret)
    except (Rejected, RemoteFault) as error:
        error.remedy = _ANSWER
        raise
    if differing := _differs(made, hook):
        raise Rejected(
            f"The portal made webhook {made.id}, and keeps it otherwise than it was told: {', '.join(differing)}",
            remedy=f"Set that on the portal: Developer Tools, Webhooks, {made.name!r}.",
        )
    return made.id


def _differs(made: Webhook, hook: Hook) -> list[str]:
    """Name what a webhook has otherwise than it should."""
    wanted = _put_right(made, hook)
    fields = ("enabled", "ssl", "triggers", "target_id")
    return [f"{name} is {getattr(made, name)!r}" for name in fields if getattr(made, name) != getattr(wanted, name)]


async def remove(portal: Portal, hook: Hook) -> list[int]:
    """Delete our webhooks; gives their ids. Raises RemoteError."""
    gone = []
    ours, _ = await _known(portal, hook)
    for one in ours:
        await portal.webhooks.remove(one.id)
        gone.append(one.id)
    return gone


def new_secret() -> str:
    """Make a secret of every kind of character, as long as a portal takes it: so it meets any password policy (1.6)."""
    kinds = (string.ascii_lowercase, string.ascii_uppercase, string.digits, _SPECIAL)
    chosen = [secrets.choice(kind) for kind in kinds]
    every = "".join(kinds)
    chosen += [secrets.choice(every) for _ in range(_LONGEST - len(kinds))]
    secrets.SystemRandom().shuffle(chosen)
    return "".join(chosen)


async def _known(portal: Portal, hook: Hook) -> tuple[list[Webhook], list[Webhook]]:
    """Find our webhooks, and those that deliver to where we were before; the one that works best is the first."""
    long_ago = datetime.fromtimestamp(0, UTC)
    there = sorted(
        await portal.webhooks.all(),
        key=lambda one: (not one.enabled, long_ago - (one.last_success_on or long_ago), one.id),
    )
    former = [one for one in there if is_ours(one, hook.former)] if hook.former else []
    return [one for one in there if is_ours(one, hook.url)], former


async def _refused(portal: Portal, webhook: Webhook) -> int:
    """Give the id of the last delivery that was answered, if we refused it; else 0.

    While one is retried, for half a minute, and while others wait behind it, however many, the newest lines have no
    status yet: only those that have are asked for.
    """
    if webhook.status not in {0, _REFUSED}:
        return 0
    answered = (await portal.webhooks.log(webhook.id, only=ANSWERED, count=1)).rows
    return answered[0].id if answered and answered[0].status == _REFUSED else 0


def _new(hook: Hook) -> Webhook:
    return Webhook(id=0, name=f"Roomkeeper {hook.connection}"[:NAME_LIMIT], uri=hook.url)


def _put_right(webhook: Webhook, hook: Hook) -> Webhook:
    changed = {
        "uri": hook.url,
        "enabled": True,
        "ssl": _is_https(hook),
        "triggers": mask(hook.types),
        "target_id": None,
    }
    return webhook.model_copy(update=changed)


def _is_https(hook: Hook) -> bool:
    return hook.url.startswith("https://")


def _about_triggers(name: str, webhook: Webhook, hook: Hook) -> str:
    has = names(webhook.triggers)
    lacking, superfluous = sorted(hook.types - has), sorted(has - hook.types)
    if lacking:
        return f"{name} does not tell of {', '.join(lacking)}"
    return f"{name} tells of more than automations listen to: {', '.join(superfluous[:5])}"


def _fails(webhook: Webhook) -> bool:
    failed, succeeded = webhook.last_failure_on, webhook.last_success_on
    return failed is not None and (succeeded is None or failed > succeeded)


def _days_left(webhook: Webhook, now: datetime) -> float | None:
    since = webhook.last_success_on or webhook.created_on
    return (since + _TRUSTED - now) / timedelta(days=1) if since is not None else None


def _shown(webhook: Webhook, hook: Hook) -> Registered:
    success, left = webhook.last_success_on, _days_left(webhook, datetime.now(UTC))
    return Registered(
        id=webhook.id,
        name=webhook.name,
        url=webhook.uri,
        enabled=webhook.enabled,
        types=["*"] if webhook.triggers == 0 else sorted(names(webhook.triggers)),
        last_success=success.isoformat() if success is not None else None,
        days_left=round(max(0.0, left), 1) if left is not None else None,
        is_ours=is_ours(webhook, hook.url),
    )


def _done(ailment: Ailment) -> Ailment:
    return replace(ailment, mended=True)


def _still(ailment: Ailment, error: RemoteError) -> Ailment:
    remedy = f"It could not be mended: {error.message}. {error.remedy or _ANSWER} {_BY_HAND}"
    return replace(ailment, remedy=remedy)


UPKEEP = Upkeep(list=registered, ail=ailments, mend=mend, register=register, remove=remove, secret=new_secret)
