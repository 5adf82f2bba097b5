"""What is loaded before anything is tried, here and before processes are forked off, so that none has to load it."""

import functools
import logging
import ssl

import anyio._backends._asyncio  # noqa: F401
import httpcore2  # noqa: F401
import structlog
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
#: As the command line has it: commands keep no log, and what is logged by itself would stand between their results.
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
