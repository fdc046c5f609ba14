"""How a stage ends when something is wrong: one line for the person at the keyboard, no traceback."""

import subprocess
import sys


class UserError(Exception):
    """Something the person at the keyboard can mend: a parameter, an input, a full disk."""

    def _render_traceback_(self):
        """The lines that IPython, and so Jupyter, shows in place of a traceback."""
        return [f"error: {self}"]


def running_stage():
    """`searchlight@published` where that is what `python -m stages.searchlight --run published` runs, as in dvc.yaml; else None."""
    module = getattr(sys.modules["__main__"].__spec__, "name", "")
    if not module.startswith("stages.") or len(sys.argv) not in (1, 3):
        return None
    return "@".join([module.removeprefix("stages."), *sys.argv[2:]])


def output(*command, **options):
    """What a command prints. options: of `subprocess.run`. Raises UserError with what it says where it fails."""
    ran = subprocess.run(command, capture_output=True, text=True, **options)
    if ran.returncode:
        raise UserError(f"`{' '.join(map(str, command))}`: {ran.stderr.strip() or 'failed'}")
    return ran.stdout.strip()


def run(main):
    """Call `main()`; a UserError or a failed read or write ends the process with one line and status 1, an interrupt with 130.

    How long a stage took is kept.
    """
    try:
        main()
        if stage := running_stage():
            from model_emotion.environment import record_time

            record_time(stage)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
    except (UserError, OSError) as error:
        sys.exit(f"error: {error}")
