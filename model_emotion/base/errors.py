"""Errors that the user can fix. A command shows them as one line, without a traceback."""


class UserError(Exception):
    """An error that the user can fix, such as a wrong parameter, a bad input or a full disk."""

    def _render_traceback_(self) -> list[str]:
        """Return the lines that IPython and Jupyter show in place of a traceback."""
        return [f"error: {self}"]


class InputError(UserError):
    """An input is missing, altered or malformed. The message is 'FILE: what is wrong'."""
