"""What is kept: the tables. What they mean is said by the modules that use them."""

import sqlalchemy as sa

from roomkeeper.store.packed import Packed

metadata = sa.MetaData()
_Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite counts up only INTEGER keys

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", _Number, primary_key=True, autoincrement=True),
    sa.Column("connection", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),  # accepted | duplicate | ignored | refused
    sa.Column("reason", sa.Text, nullable=False, default=""),
    sa.Column("delivery", sa.Text, nullable=False),
    sa.Column("meaning", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False, default=""),
    sa.Column("lane", sa.Text, nullable=False, default=""),
    sa.Column("moved_to", sa.Text, nullable=False, default=""),  # JSON: what, and its place after this event
    sa.Column("subject", sa.Text, nullable=False, default=""),
    sa.Column("actor", sa.Text, nullable=False, default=""),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("received_at", sa.Double, nullable=False),
    sa.Column("facts", sa.Text, nullable=False, default="{}"),
    sa.Column("body", sa.LargeBinary),
    sa.Column("duplicate_of", _Number),
    sa.Column("target", sa.Text),  # the one automation it is for, if it was started by hand
    sa.Column("state", sa.Text, nullable=False),  # new: to be dispatched | parked | over | failed
    sa.Column("next_try", sa.Double, nullable=False, default=0.0),
    sa.Column("tries", sa.Integer, nullable=False, default=0),
    sa.Column("occurrence", sa.Text, nullable=False, default=""),  # what happened to what, without the moment
    sa.Column("witness", sa.Text, nullable=False, default=""),  # what told of the same in other words
    sa.Column("found", sa.Text, nullable=False, default=""),  # the trail it was found in, if it was not delivered
    sa.Column("head", sa.Text, nullable=False, default=""),  # how it was delivered: JSON, secrets left out
    sa.Column("trace", sa.Text, nullable=False, default=""),  # of the delivery, as W3C Trace Context writes it
    sqlite_autoincrement=True,  # an id is never used again
)
_accepted = events.c.status == "accepted"
sa.Index(
    "one_delivery",
    events.c.connection,
    events.c.delivery,
    unique=True,
    sqlite_where=_accepted,
    postgresql_where=_accepted,
)
sa.Index(
    "one_meaning",
    events.c.connection,
    events.c.meaning,
    unique=True,
    sqlite_where=_accepted,
    postgresql_where=_accepted,
)
sa.Index(
    "to_dispatch",
    events.c.connection,
    events.c.id,
    sqlite_where=events.c.state == "new",
    postgresql_where=events.c.state == "new",
)
sa.Index("events_by_age", events.c.received_at)
sa.Index("events_by_lane", events.c.connection, events.c.lane, events.c.id)
for _status in ("refused", "unusable"):
    _of_status = events.c.status == _status
    sa.Index(f"events_{_status}", events.c.id, sqlite_where=_of_status, postgresql_where=_of_status)
_failed = events.c.state == "failed"
sa.Index("events_failed", events.c.received_at, sqlite_where=_failed, postgresql_where=_failed)
sa.Index("events_by_kind", events.c.connection, events.c.type, events.c.status, events.c.id)
_repeats = events.c.duplicate_of.is_not(None)
sa.Index("events_repeated", events.c.duplicate_of, sqlite_where=_repeats, postgresql_where=_repeats)
_happened = sa.and_(_accepted, events.c.occurrence != "")
sa.Index(
    "events_by_occurrence",
    events.c.connection,
    events.c.occurrence,
    events.c.at,
    sqlite_where=_happened,
    postgresql_where=_happened,
)
_searched = events.c.found != ""
sa.Index("events_found", events.c.connection, events.c.delivery, sqlite_where=_searched, postgresql_where=_searched)
_confirmed = events.c.witness != ""
sa.Index(
    "events_by_witness",
    events.c.connection,
    events.c.witness,
    sqlite_where=_confirmed,
    postgresql_where=_confirmed,
)

waiting = sa.Table(
    "waiting",
    metadata,
    sa.Column("id", _Number, primary_key=True, autoincrement=True),
    sa.Column("automation", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("lane", sa.Text, nullable=False),
    sa.Column("connection", sa.Text, nullable=False),
    sa.Column("event_id", _Number, nullable=False),
    sa.Column("place", sa.Text),
    sa.Column("parked_at", sa.Double, nullable=False),
    sa.Column("run_id", _Number),
    sqlite_autoincrement=True,  # an id is never used again
)
_unclaimed = waiting.c.run_id.is_(None)
sa.Index(
    "parked_once",
    waiting.c.automation,
    waiting.c.event_id,
    unique=True,
    sqlite_where=_unclaimed,
    postgresql_where=_unclaimed,
)
sa.Index(
    "parked_by_key",
    waiting.c.automation,
    waiting.c.key,
    waiting.c.id,
    sqlite_where=_unclaimed,
    postgresql_where=_unclaimed,
)
sa.Index("waiting_by_run", waiting.c.run_id)
sa.Index("waiting_by_event", waiting.c.event_id)

#: The states of a run that is not over, and goes on by itself.
OPEN = ("waiting", "running")

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", _Number, primary_key=True, autoincrement=True),
    sa.Column("automation", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("connection", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),  # the automation as it was when the run was made
    sa.Column("gather", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # waiting | running | done | needs_attention | cancelled
    sa.Column("claims", sa.Boolean, nullable=False),  # whether it still has to claim its events
    sa.Column("attempt", sa.Integer, nullable=False, default=1),
    sa.Column("handed_over", sa.Boolean, nullable=False, default=False),  # whether the engine has this attempt
    sa.Column("cancel_requested", sa.Boolean, nullable=False, default=False),
    sa.Column("made_at", sa.Double, nullable=False),
    sa.Column("started_at", sa.Double),
    sa.Column("ended_at", sa.Double),
    sa.Column("error", sa.Text),
    sa.Column("remedy", sa.Text),
    sa.Column("undoes", _Number),  # the run whose moves this one takes back, if it was made for that
    sqlite_autoincrement=True,  # an id is never used again
)
_undoing = runs.c.undoes.is_not(None)
sa.Index("runs_that_undo", runs.c.undoes, sqlite_where=_undoing, postgresql_where=_undoing)
_to_claim = sa.and_(runs.c.state == "waiting", runs.c.claims)
sa.Index("one_waits", runs.c.automation, runs.c.key, unique=True, sqlite_where=_to_claim, postgresql_where=_to_claim)
sa.Index("runs_by_state", runs.c.state, runs.c.id)
sa.Index("runs_by_end", runs.c.state, runs.c.ended_at)
sa.Index("runs_by_age", runs.c.made_at)
sa.Index("runs_by_key", runs.c.automation, runs.c.key, runs.c.state, runs.c.id)
_open = runs.c.state.in_(OPEN)
sa.Index("runs_in_turn", runs.c.automation, runs.c.key, runs.c.id, sqlite_where=_open, postgresql_where=_open)
sa.Index("runs_by_automation", runs.c.automation, runs.c.state, runs.c.id)

steps = sa.Table(
    "steps",
    metadata,
    sa.Column("run_id", _Number, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("do", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # running | done | skipped | failed | asks | cancelled
    sa.Column("inputs", sa.Text),  # its settings, as the templates came out
    sa.Column("result", Packed),
    sa.Column("error", sa.Text),
    sa.Column("remedy", sa.Text),
    sa.Column("items", Packed),
    sa.Column("progress", sa.Text),
    sa.Column("executions", sa.Integer, nullable=False, default=1),
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("ended_at", sa.Double),
    sa.Column("plan", Packed),  # what it recorded of what is to be done: shown, gone on with, undone
    sa.Column("ask_until", sa.Double),  # until when a person may approve it
    sa.Column("approved_at", sa.Double),
    sa.Column("approved_by", sa.Text),
)

step_items = sa.Table(  # of a step that goes through a list, until it is done
    "step_items",
    metadata,
    sa.Column("run_id", _Number, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("result", sa.Text),
    sa.Column("at", sa.Double, nullable=False),
)

calls = sa.Table(
    "calls",
    metadata,
    sa.Column("id", _Number, primary_key=True, autoincrement=True),
    sa.Column("run_id", _Number, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("milliseconds", sa.Integer, nullable=False),
    sa.Column("error", sa.Text, nullable=False, default=""),
)
sa.Index("calls_by_run", calls.c.run_id)

ledger = sa.Table(
    "ledger",
    metadata,
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("item", sa.Text, primary_key=True),
    sa.Column("done", sa.Boolean, nullable=False),
    sa.Column("target", sa.Text, nullable=False, default=""),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("run_id", _Number, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
)
sa.Index("ledger_by_target", ledger.c.scope, ledger.c.target)

holds = sa.Table(
    "holds",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("run_id", _Number, nullable=False),
    sa.Column("since", sa.Double, nullable=False),
)

processes = sa.Table(
    "processes",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("works", sa.Boolean, nullable=False),  # takes runs; a receiver alone does not
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("seen_at", sa.Double, nullable=False),
    sa.Column("declared_dead", sa.Boolean, nullable=False, default=False),
)

tallies = sa.Table(
    "tallies",
    metadata,
    sa.Column("budget", sa.Text, primary_key=True),
    sa.Column("second", _Number, primary_key=True),
    sa.Column("calls", sa.Integer, nullable=False),
)

trails = sa.Table(
    "trails",
    metadata,
    sa.Column("connection", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("began_at", sa.Double, nullable=False),  # nothing older is looked for
    sa.Column("claimed_at", sa.Double, nullable=False),  # by the process that searches now or searched last
    sa.Column("searched_at", sa.Double),
    sa.Column("position", sa.Text, nullable=False),  # where the next search begins, in the connector's words
    sa.Column("starts", sa.Text, nullable=False),  # since when what is listened to, in which room
    sa.Column("trouble", sa.Text, nullable=False),  # what could not be looked at the last time
)

hooks = sa.Table(
    "hooks",
    metadata,
    sa.Column("connection", sa.Text, primary_key=True),
    # Where ours delivered to when last seen; empty before it was there, and once it was removed.
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("claimed_at", sa.Double, nullable=False),  # by the process that looks after it
    sa.Column("mark", _Number, nullable=False),  # the newest delivery when its secret was last set right
    sa.Column("marked_at", sa.Double, nullable=False),
    sa.Column("marked", sa.Integer, nullable=False, server_default="0"),  # how often within an hour
)

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("id", _Number, primary_key=True, autoincrement=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("remedy", sa.Text, nullable=False),
    sa.Column("opened_at", sa.Double, nullable=False),
    sa.Column("closed_at", sa.Double),
    sqlite_autoincrement=True,
)
_still = alerts.c.closed_at.is_(None)
sa.Index("one_alert", alerts.c.key, unique=True, sqlite_where=_still, postgresql_where=_still)

proofs = sa.Table(
    "proofs",
    metadata,
    sa.Column("automation", sa.Text, primary_key=True),
    sa.Column("day", sa.Text, primary_key=True),  # 2026-11-22, in UTC
    sa.Column("made_at", sa.Double, nullable=False),
    sa.Column("counts", sa.Text, nullable=False),  # how many lines of each outcome
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("complete", sa.Boolean, nullable=False),  # nothing unaccounted for, and all could be looked at
)

days = sa.Table(
    "days",
    metadata,
    sa.Column("budget", sa.Text, primary_key=True),
    sa.Column("day", sa.Integer, primary_key=True),
    sa.Column("writes", sa.Integer, nullable=False),
)

notices = sa.Table(
    "notices",
    metadata,
    sa.Column("alert_id", _Number, primary_key=True),
    sa.Column("messenger", sa.Text, primary_key=True),
    sa.Column("opening_told_at", sa.Double),
    sa.Column("closing_told_at", sa.Double),
)

messengers = sa.Table(
    "messengers",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("claimed_at", sa.Double, nullable=False),  # by the process that sends
)

subjects = sa.Table(
    "subjects",
    metadata,
    sa.Column("id", _Number, primary_key=True, autoincrement=True),
    sa.Column("connection", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),  # room | file | ticket | deal …
    sa.Column("number", sa.Text, nullable=False),  # its id at the service
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("sought", sa.Text, nullable=False),  # the title in small letters, as it is searched
    sqlite_autoincrement=True,
)
sa.Index("one_subject", subjects.c.connection, subjects.c.kind, subjects.c.number, unique=True)
sa.Index("subjects_by_number", subjects.c.number)

events_about = sa.Table(
    "events_about",
    metadata,
    sa.Column("subject_id", _Number, primary_key=True),
    sa.Column("event_id", _Number, primary_key=True),
)
sa.Index("about_of_event", events_about.c.event_id)

runs_about = sa.Table(
    "runs_about",
    metadata,
    sa.Column("subject_id", _Number, primary_key=True),
    sa.Column("run_id", _Number, primary_key=True),
)
sa.Index("about_of_run", runs_about.c.run_id)

pauses = sa.Table(
    "pauses",
    metadata,
    sa.Column("automation", sa.Text, primary_key=True),
    sa.Column("since", sa.Double, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
)

actions = sa.Table(
    "actions",
    metadata,
    sa.Column("id", _Number, primary_key=True, autoincrement=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("did", sa.Text, nullable=False),
    sa.Column("run_id", _Number),
    sa.Column("event_id", _Number),
    sa.Column("automation", sa.Text),
    sqlite_autoincrement=True,
)
sa.Index("actions_by_run", actions.c.run_id)

texts = sa.Table(  # of the configuration
    "texts",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
)

services = sa.Table(  # what runs on this store now, and which text of the configuration
    "services",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),  # host and process
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),  # SHA-256 of the file
    sa.Column("loaded_at", sa.Double, nullable=False),
    sa.Column("seen_at", sa.Double, nullable=False),
    sa.Column("ordered_at", sa.Double, nullable=False),  # when it was told to read the file anew
    sa.Column("settled_at", sa.Double, nullable=False),  # when it last did, or said why not
    sa.Column("trouble", sa.Text, nullable=False),
)

logins = sa.Table(  # attempts: those that failed, of a name or a network; the last that did not, of both
    "logins",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),  # a digest of it, or nothing
    sa.Column("network", sa.Text, primary_key=True),  # or nothing
    sa.Column("failed", sa.Integer, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),  # SHA-256 of what the browser keeps
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),  # viewer | operator
    sa.Column("origin", sa.Text, nullable=False),  # password, with a mark of it | oidc | link | ticket
    sa.Column("began_at", sa.Double, nullable=False),
    sa.Column("ends_at", sa.Double, nullable=False),
)
