"""Read bodies that a customer wrote as a template at the vendor's: often broken JSON, with keys of their own. Pure.

What a customer's customer wrote (a subject, a company's name) may stand in them unescaped, close its quotation, and add
fields of its own. So a field that comes twice, in whatever spelling, with different values, says nothing.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from roomkeeper import outside

_ID = re.compile(
    r"""(?:^|[{,\[&])\s{0,20}["']?(?:ticket|issue)[_\s-]?(?:id|number)["']?\s{0,20}[:=]\s{0,20}["']?(\d{1,20})""",
    re.IGNORECASE,
)
_BARE_ID = re.compile(  # of the ticket itself: at the beginning, after another field, or in an object called so
    r"""(?:^\s{0,20}\{|,|["'](?:ticket|issue)["']\s{0,20}:\s{0,20}\{)"""
    r"""\s{0,20}["']?id["']?\s{0,20}:\s{0,20}["']?(\d{1,20})""",
    re.IGNORECASE,
)
_EVENT = re.compile(r"""["'](?:event|event_?type|action)["']\s{0,20}:\s{0,20}["']([^"']{1,80})""", re.IGNORECASE)
_TRIGGERED = re.compile(  # of which it says what, and from what to what (facts/vendors.md 2)
    r"""["']triggered_?event["']\s{0,20}:\s{0,20}["']([^"']{1,80})""", re.IGNORECASE
)
_KINDS = ("event", "eventtype", "action", "triggeredevent", "webhookevent")
_NUMBERS = ("ticketid", "ticketnumber", "ticketticketid", "issueid", "id")
_OTHER = re.compile(r"comment|repl(?:y|ied)|updat|delet|reopen|solv|\b(?:note|clos|merg)")
_THING = r"(?:ticket|issue|request|incident|case)"
#: What may also be said of a new one: `ticket created and assigned`, `new change request`.
_PERHAPS = re.compile(
    r"chang|escalat|transition|approv|reject|archiv|attach|breach|overdue|restor|respond|remov|satisf|remind"
    r"|\b(?:edit|(?:re|un)?assign)|\b(?:mov|shar|rat)(?:ed|ing)\b|\b(?:un)?(?:link|tag)"
    r"|\b(?:pending|on hold|spam|sla)\b"
    rf"|\b{_THING} (?:(?:is|was|has been) )?complet|^completed$|\btask completed\b|\bmessage received\b"
    r"|\b(?:ticket|customer|agent|requester) response\b"
)
#: Words between: `new change request`, but not `new tag on ticket`.
_BETWEEN = r"(?:(?!(?:for|on|in|of|to|at|by|from|with)\b)\w{1,20} ){0,2}"
_CREATED = re.compile(
    rf"\b{_THING} (?:(?:is|was|has been) )?(?:creat(?:ed|ion)|opened|received|submitted|raised)\b"
    rf"|\b(?:new|creat(?:e|ed)) {_BETWEEN}{_THING}\b|^created(?:$| and\b)"
)
#: A rule's title that says what happened: `Ticket updated`.
_DEED = re.compile(rf"^(?:the |a )?{_THING} (?:is |was |has been )?\w{{1,20}}ed$")
_FIELD = re.compile(r"\s{0,20}[\w.%+\[\]-]{1,100}=")  # what a form begins with
_COMMENT = re.compile(r"comment|reply", re.IGNORECASE)
_DEEP = 6  # levels that are looked into
_SHOWN = 80  # characters of what a stranger wrote that are repeated
_LONGEST = 300  # characters of a value that is read out of broken JSON


@dataclass(frozen=True)
class Told:
    """What a body says: every scalar under its path in one spelling, but for the names that contradict themselves.

    `fault` says what is wrong with the body, empty if nothing.
    """

    body: Mapping[str, Any]
    fields: Mapping[str, str]
    ambiguous: frozenset[str] = frozenset()
    fault: str = ""

    @property
    def why_unusable(self) -> str:
        """Why nobody can tell what is meant; empty if it is clear."""
        return self._why_no_ticket or self._why_ambiguous

    def first(self, *names: str) -> str:
        """Give the first of these fields that is there; nothing if one of them contradicts itself."""
        if self.ambiguous.intersection(names):
            return ""
        return next((self.fields[name] for name in names if self.fields.get(name)), "")

    @property
    def triggered(self) -> str:
        """What Freshdesk says that happened, wherever in the body it stands; nothing if it says several things."""
        said = {value for name, value in self.fields.items() if name.endswith("triggeredevent") and value}
        return said.pop() if len(said) == 1 else ""

    def only(self, *names: str) -> str:
        """Give what these fields say, if they say one thing: who asks, or how urgent it is, is not to be added."""
        said = {self.fields[name] for name in names if self.fields.get(name)}
        return self.first(*names) if len(said) == 1 else ""

    @property
    def names_a_ticket(self) -> bool:
        """Whether a field that says so holds a ticket's number, or several."""
        return any(self.fields.get(name) or name in self.ambiguous for name in _NUMBERS if name != "id")

    @property
    def ticket(self) -> str:
        """The ticket's number: by a field that says so, or a bare `id`; empty if there is none, or several."""
        said = self.numbers
        return said.pop() if len(said) == 1 and not self._unclear(_NUMBERS) else ""

    @property
    def _why_no_ticket(self) -> str:
        if self.ticket:
            return ""
        unclear = self._unclear(_NUMBERS)
        if unclear or len(self.numbers) > 1:
            named = ", ".join(f"`{name}`" for name in unclear) or "different fields"
            return (
                f"ambiguous: {named} name several tickets, as when a subject adds fields of its own; let the body "
                "consist of the ticket's id only"
            )
        given = next((self.fields[name] for name in _NUMBERS if self.fields.get(name)), "")
        if given:
            unfilled = ": the placeholder was not filled in" if "{{" in given else ""
            return f"a ticket's id is a number, and this is {given[:_SHOWN]!r}{unfilled}: send `ticket_id`"
        return f"no field holds a ticket's id{self.fault}: send `ticket_id`"

    @property
    def why_not_created(self) -> str:
        """Why the body tells of no new ticket, if it names what happened; empty if it does not, or if it is one.

        `type` is often the ticket's own, so only a comment counts there.
        """
        kinds = [self.fields.get(name, "") for name in _KINDS]
        trigger = self.fields.get("trigger", "")
        if " " not in trigger or _DEED.search(_words(trigger)):  # else it is the title that somebody gave the rule
            kinds.append(trigger)
        said = next((one for one in kinds if tells_of_another(one)), "")
        if not said and _COMMENT.search(self.fields.get("type", "")[:_LONGEST]):
            said = self.fields["type"]
        return f"{said[:_SHOWN]!r} is not a new ticket" if said else ""

    @property
    def _why_ambiguous(self) -> str:
        unclear = ", ".join(f"`{name}`" for name in self._unclear(_KINDS))
        return f"ambiguous: {unclear} says twice, and differently, what happened" if unclear else ""

    @property
    def numbers(self) -> set[str]:
        """Take the ids that are named; a bare one is something else's where the ticket is an object of its own."""
        names = [name for name in _NUMBERS if name != "id" or not isinstance(self.body.get("ticket"), dict)]
        read = [re.fullmatch(r"#?(\d{1,20})(?:\.0)?", self.fields.get(name, "")) for name in names]
        return {one[1] for one in read if one is not None}

    def _unclear(self, names: Collection[str]) -> list[str]:
        return sorted(self.ambiguous.intersection(names))


def told(body: bytes, *, inside: str = "") -> Told:
    """Read JSON, or a form, or at least the ticket's id; `inside` names the object that may be around it all."""
    text = outside.decoded(body)
    try:
        document = outside.document(text, strict=False)
    except outside.Unreadable as error:
        if text.lstrip()[:1] == "<":
            return Told({}, {}, fault=" (the body is XML: have it sent as JSON)")
        return _of_form(text) or _of_broken(text, f" (the body {error})")
    if not isinstance(document.value, dict):
        return Told({}, {}, fault=" (the body is not a JSON object)")
    inner = document.value.get(inside)
    if not isinstance(inner, dict):
        return of(document.value, document.repeated)
    within = of(inner, document.repeated)
    beside = of({name: value for name, value in document.value.items() if name != inside}, document.repeated)
    if inside in document.repeated or beside.numbers - {within.ticket} or beside.ambiguous.intersection(_NUMBERS):
        return Told(inner, {}, frozenset({"ticketid"}))
    return within


def of(body: Mapping[str, Any], repeated: Collection[str] = ()) -> Told:
    """Take what an object says; `repeated` are the names that it, or one in it, has twice."""
    fields: dict[str, str] = {}
    ambiguous: set[str] = set()
    twice = {outside.spelled(name) for name in repeated}
    level: list[tuple[str, Mapping[str, Any]]] = [("", body)]
    for _ in range(_DEEP):
        deeper: list[tuple[str, Mapping[str, Any]]] = []
        for path, node in level:
            for name, value in node.items():
                here = path + outside.spelled(str(name))
                if outside.spelled(str(name)) in twice:
                    ambiguous.add(here)
                if isinstance(value, dict):
                    deeper.append((here, value))
                elif isinstance(value, str | int | float) and not isinstance(value, bool):
                    said = str(value).strip()
                    if fields.setdefault(here, said) != said:
                        ambiguous.add(here)
        level = deeper
    return Told(body, {name: said for name, said in fields.items() if name not in ambiguous}, frozenset(ambiguous))


def salvaged(body: bytes, names: Collection[str]) -> dict[str, str]:
    """Read some fields out of JSON that is broken; one that is there twice, and differently, is left out."""
    text = outside.decoded(body)
    found = {}
    for name in names:
        pattern = rf'"{re.escape(name)}"\s{{0,20}}:\s{{0,20}}(?:"([^"\\]{{0,{_LONGEST}}})"|(\d{{1,20}}))'
        values = {one[0] or one[1] for one in re.findall(pattern, text)}
        if len(values) == 1:
            found[name] = outside.cleaned(values.pop())
    return found


def tells_of_another(kind: str) -> bool:
    """Whether a kind of event is another one than a new ticket: `ticketUpdated`, `comment_added`; by whole words."""
    words = _words(kind)
    return bool(_OTHER.search(words) or (_PERHAPS.search(words) and not _CREATED.search(words)))


def tells_of_creation(kind: str) -> bool:
    """Whether a kind of event says that it is a new ticket."""
    return bool(_CREATED.search(_words(kind)))


def _words(kind: str) -> str:
    return re.sub(r"[^a-z]+", " ", re.sub(r"([a-z])([A-Z])", r"\1 \2", kind[:_LONGEST]).lower())


def _of_form(text: str) -> Told | None:
    lines = text.split("\n")
    whole = "&".join(lines) if all(_FIELD.match(one) for one in lines) else text  # or a field a line
    pairs = parse_qsl(whole) if _FIELD.match(text) else []
    form = {name: outside.cleaned(value) for name, value in pairs}
    different = {name for name, value in pairs if outside.cleaned(value) != form[name]}
    return of(form, different) if form else None


def _of_broken(text: str, fault: str) -> Told:
    numbers, kinds = set(_ID.findall(text)), set(_EVENT.findall(text))
    if len(numbers) != 1 or not numbers.issuperset(_BARE_ID.findall(text)):  # which of them is the sender's word?
        return Told({}, {}, frozenset({"ticketid"} if numbers else ()), fault)
    fields = {"ticketid": numbers.pop()}
    unclear = frozenset({"event"} if len({one.lower() for one in kinds}) > 1 else ())
    if kinds and not unclear:
        fields["event"] = outside.cleaned(kinds.pop())
    triggered = set(_TRIGGERED.findall(text))
    if len(triggered) > 1:
        unclear |= {"triggeredevent"}
    elif triggered:
        fields["triggeredevent"] = outside.cleaned(triggered.pop())
    return Told({"ticket_id": fields["ticketid"], "not_json": True}, fields, unclear, fault)
