"""What is loaded before anything is tried, here and before processes are forked off, so that none has to load it."""

import functools
import ssl

import uvicorn.lifespan.on
import uvicorn.loops.uvloop
import uvicorn.protocols.http.httptools_impl  # noqa: F401

import roomkeeper.app.building
import roomkeeper.cli
import roomkeeper.serving.parts
import roomkeeper.simulator.server  # noqa: F401
from roomkeeper.remote import trusted
from stage.statements import shared

shared()
#: Loaded once for all clients: it takes tens of milliseconds, and the tests talk http.
ssl.create_default_context = functools.cache(ssl.create_default_context)
trusted()
