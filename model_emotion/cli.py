"""How a stage ends when something is wrong: one line for the person at the keyboard, no traceback."""

import sys


class UserError(Exception):
    """Something the person at the keyboard can mend: a parameter, an input, a full disk."""

    def _render_traceback_(self):
        """The lines that IPython, and so Jupyter, shows in place of a traceback."""
        return [f"error: {self}"]


def run(main):
    """Call `main()`; a UserError or a failed read or write ends the process with one line and status 1, an interrupt with 130."""
    try:
        main()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
    except (UserError, OSError) as error:
        sys.exit(f"error: {error}")
