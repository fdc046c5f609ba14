"""Errors that a person can mend. A command shows them as one line, without a traceback."""


class UserError(Exception):
    """Something the person at the keyboard can mend: a parameter, an input, a full disk."""

    def _render_traceback_(self):
        """The lines that IPython, and so Jupyter, shows in place of a traceback."""
        return [f"error: {self}"]


class InputError(UserError):
    """An input that is missing, altered or malformed; the message is 'FILE: what is wrong'."""
