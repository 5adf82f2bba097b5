"""What a command comes to: an error that we foresaw is said, not thrown."""

from collections.abc import Callable

from roomkeeper.cli.options import FAILED, INTERRUPTED, USAGE
from roomkeeper.cli.printing import err, escaped, say_problems
from roomkeeper.errors import ConfigError, RoomkeeperError, StoreTakenAway


def outcome(act: Callable[[], object]) -> int:
    """Do it; gives the exit code."""
    try:
        act()
    except SystemExit as ended:
        return int(ended.code or 0)
    except ConfigError as error:
        say_problems(error.problems)
        return USAGE
    except RoomkeeperError as error:
        err.print(f"[red]{escaped(error.message)}[/red]")
        if error.remedy:
            err.print(f"    → {escaped(error.remedy)}")
        return error.exit_code if isinstance(error, StoreTakenAway) else FAILED
    except OSError as error:
        if error.filename is None:  # no file's
            raise
        err.print(f"[red]{escaped(f'{error.filename}: {error.strerror}')}[/red]")
        err.print("    → See whether the path is right, and whether this user may write there.")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0
