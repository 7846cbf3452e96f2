"""`millrace warm script.py [args]`: runs a script and keeps the programs that its runs are compiled to."""

import os
import sys
from collections.abc import Sequence

from millrace.cli.run import run_script
from millrace.runtime.folder import own_folder
from millrace.runtime.warmed import count_marks


def warm_script(script: str, arguments: Sequence[str]) -> int:
    """Runs a script so that the next process finds compiled what this one has run.

    Each run that would be compiled sometime is compiled at once. A script that trains for long may be ended
    by Ctrl-C as soon as every run that it makes has happened once.

    Returns:
      The script's exit status, or 2 where there is no folder to keep programs in.
    """
    place = own_folder()
    if place is None:
        print("millrace warm: there is no folder to keep programs in; see MILLRACE_CACHE", file=sys.stderr)
        return 2
    os.environ["MILLRACE_WARM"] = "1"
    try:
        return run_script(script, arguments, "warm")
    finally:
        kept = count_marks(place)
        print(f"millrace warm: {kept} runs are ready compiled in {place}", file=sys.stderr)
