"""Start and end a stage or another command: its option --run, errors in one line, a record of its time."""

import argparse
import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from model_emotion.base.errors import UserError
from model_emotion.base.files import write_json

TIMES = Path("results/times")
"""How long each stage took on this machine, one file per stage. They are not outputs of DVC."""


def run_option(description: str | None) -> str:
    """Parse a stage's command line, `--run RUN`, and return RUN. description: of the stage, for --help."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--run", required=True, help="published or live")
    return parser.parse_args().run


def run(main: Callable[[], object], kept: str = "") -> None:
    """Call `main`, and record its time if it is a stage.

    A UserError or a failed read or write ends the process with one line and status 1, Ctrl-C with status 130.
    kept: what the same command would not do again; one more line then says so.
    """
    again = f"the same command again: {kept} are kept."
    try:
        main()
        if name := running_stage():
            record_time(name)
    except KeyboardInterrupt:
        print("stopped" + (f"\nRun {again}" if kept else ""), file=sys.stderr)
        sys.exit(130)
    except (UserError, OSError) as error:
        sys.exit(f"error: {error}" + (f"\nCorrect this, then run {again}" if kept else ""))


def running_stage() -> str | None:
    """Return the stage that this process runs as dvc.yaml does, such as `searchlight@published`, or None."""
    module = getattr(sys.modules["__main__"].__spec__, "name", "")
    if not module.startswith("stages.") or len(sys.argv) not in (1, 3):
        return None
    return "@".join([module.removeprefix("stages."), *sys.argv[2:]])


def peak_mib() -> float:
    """Return the peak memory of this process so far, in MiB.

    On Linux getrusage also counts the parent's memory before this process started, so /proc is read instead.
    """
    status = Path("/proc/self/status")
    if status.exists() and (found := re.search(r"VmHWM:\s*(\d+) kB", status.read_text())):
        return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1024**2 if sys.platform == "darwin" else 1024
    )


def record_time(stage: str) -> None:
    """Write results/times/STAGE.json: seconds of this process, peak memory of it and of its largest child."""
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    seconds = time.time() - psutil.Process().create_time()
    about = {
        "stage": stage,
        "seconds": round(seconds, 2),
        "memory_mib": {"own": round(peak_mib()), "largest_child": child},
    }
    write_json(about | {"ended": round(time.time())}, TIMES / f"{stage}.json")
