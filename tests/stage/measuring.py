"""What tests run through, measured by SlipCover: here, and in processes of their own that end by themselves."""

import os
import pickle
from pathlib import Path
from typing import NoReturn

import slipcover
from slipcover import pytest_plugin as plugin

#: What was passed stays marked: to take the marks out, all functions of all modules and frames are looked through
#: again and again, which takes more than the marks do.
slipcover.Slipcover.deinstrument_seen = lambda _: None
if plugin._slipcover_instance is not None:  # in workers, what Alembic loads by its path is not marked by itself
    slipcover.wrap_spec_from_file_location(plugin._slipcover_instance, plugin._file_matcher)


def written_at_the_end() -> None:
    """Have what this process and those that it forks run through written down for its worker.

    One that is killed leaves nothing. What a report takes seconds for is left to the worker.
    """
    if plugin._slipcover_instance is None or plugin._coverage_dir is None:
        return
    worker, folder, leave = plugin._get_worker_id(), Path(plugin._coverage_dir), os._exit

    def left(code: int) -> NoReturn:
        measured = plugin._slipcover_instance
        seen = [dict(measured.all_seen), dict(measured.newly_seen)]
        (folder / f"seen-{worker}-{os.getpid()}").write_bytes(pickle.dumps(seen))
        leave(code)

    os._exit = left


def gather() -> None:
    """Add what processes wrote down to what this worker ran through itself, before the plugin reports that."""
    if plugin._slipcover_instance is None or plugin._coverage_dir is None:
        return
    for written in Path(plugin._coverage_dir).glob(f"seen-{plugin._get_worker_id()}-*"):
        for seen in pickle.loads(written.read_bytes()):
            for file, places in seen.items():
                plugin._slipcover_instance.all_seen[file].update(places)
