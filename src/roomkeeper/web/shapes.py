"""The shapes of what the API answers, for its description: clients are made from it, and a test holds answers to it."""

from typing import Any, Literal

from pydantic import BaseModel, Field

State = Literal["waiting", "running", "done", "needs_attention", "cancelled"]
Moment = str  # ISO 8601, UTC


class Subject(BaseModel):
    """A room, file, ticket or deal."""

    id: int
    connection: str
    kind: str = Field(description="room, file, folder, ticket or deal.")
    number: str = Field(description="Its id at the service.")
    title: str


class Offer(BaseModel):
    """An order that makes sense now."""

    order: str
    label: str
    will: list[str] = Field(description="What it will do, in sentences.")
    question: str = Field(description="What a consent is to, given back with the order; empty of all others.")


class Action(BaseModel):
    """What somebody ordered."""

    id: int
    at: Moment
    by: str
    did: str
    run_id: int | None
    event_id: int | None
    automation: str | None


class RunLine(BaseModel):
    """A run in a list."""

    id: int
    automation: str
    state: State
    key: str = Field(description="Runs of one key take turns.")
    attempt: int
    events: list[int]
    made_at: Moment
    started_at: Moment | None = Field(description="Of the last attempt.")
    ended_at: Moment | None
    error: str | None
    remedy: str | None
    progress: str | None
    cancel_requested: bool
    asks: bool = Field(description="Whether it needs a person for a consent, and not because something failed.")
    undoes: int | None = Field(description="The run that it was made to undo.")
    about: list[str] | list[Subject]


class MadeCall(BaseModel):
    """A call to a service."""

    at: Moment
    method: str
    path: str
    status: int = Field(description="0 if there was no answer.")
    milliseconds: int
    error: str


class StepLine(BaseModel):
    """A step of a run."""

    name: str
    do: str
    position: int
    state: str = Field(description="running, done, skipped, failed, asks, cancelled or again.")
    started_at: Moment
    ended_at: Moment | None
    executions: int
    progress: str | None
    inputs: dict[str, Any] | None
    result: dict[str, Any] | None
    error: str | None
    remedy: str | None
    items: list[dict[str, Any]] = Field(description="What could not be done: item, reason, remedy.")
    plan: Any
    ask_until: Moment | None
    approved_at: Moment | None
    approved_by: str | None
    calls: list[MadeCall]


class Run(RunLine):
    """A run, whole."""

    text: dict[str, Any] = Field(description="The automation as it was when the run was made.")
    undone_by: int | None
    steps: list[StepLine]
    offers: list[Offer]
    actions: list[Action]


class EventLine(BaseModel):
    """An event in a list."""

    id: int
    connection: str
    type: str
    status: Literal["accepted", "duplicate", "ignored", "unusable", "refused"]
    received_at: Moment
    at: Moment
    subject: str
    actor: str
    reason: str
    duplicate_of: int | None
    state: str
    runs: list[int]


class Judged(BaseModel):
    """Whether an automation took an event, or why not."""

    automation: str
    took: bool
    because: str


class Event(EventLine):
    """An event, whole; secrets are left out."""

    facts: dict[str, Any]
    body: str | None
    head: dict[str, Any] | None
    delivery: str
    target: str | None
    found: str
    about: list[Subject]
    automations: list[Judged]
    repeats: int
    trusted: str
    offers: list[Offer]


class AutomationLine(BaseModel):
    """An automation, and how it did in the last seven days."""

    name: str
    on: str
    paused: bool
    paused_by: str
    paused_since: Moment | None
    done: int
    needs_attention: int
    runs: int
    seconds: float | None = Field(description="How long a run takes on average.")
    waiting: int = Field(description="Events that wait for a run.")
    last_run: int | None
    last_state: str
    last_at: Moment | None


class Automation(AutomationLine):
    """An automation with its text."""

    text: str


class Proof(BaseModel):
    """A night's proof of an automation."""

    day: str
    automation: str
    made_at: Moment
    counts: dict[str, int]
    complete: bool
    digest: str


class Alert(BaseModel):
    """Something that is wrong."""

    key: str
    what: str
    remedy: str


class ConnectionLine(BaseModel):
    """A connection and its health."""

    name: str
    type: str
    is_well: bool
    wrong: list[dict[str, str]]
    listened: bool
    webhook: str
    webhook_seen_at: Moment | None
    searched_at: Moment | None
    trouble: str
    last_event_at: Moment | None
    last_event: str


class Status(BaseModel):
    """How things stand."""

    sentence: str
    is_well: bool
    attention: list[RunLine]
    at_work: list[RunLine]
    paused: list[AutomationLine]
    counts: dict[str, Any]
    alerts: list[Alert]
    connections: list[ConnectionLine]
    budgets: dict[str, dict[str, int]]


class Tried(BaseModel):
    """What an automation would do."""

    applies: bool
    why: str
    steps: list[dict[str, Any]]


class RunGiven(BaseModel):
    """The run to look at after an order: of an undo, the one that undoes."""

    run: int


class EventGiven(BaseModel):
    """The event that is dispatched again."""

    event: int


class Paused(BaseModel):
    """Whether an automation is paused now."""

    automation: str
    paused: bool
