"""Errors that the user can fix. A command shows them as one line, without a traceback."""


class UserError(Exception):
    """Something that the user can fix, such as a parameter, an input or a full disk."""

    def _render_traceback_(self) -> list[str]:
        """Return the lines that IPython and Jupyter show in place of a traceback."""
        return [f"error: {self}"]


class InputError(UserError):
    """An input that is missing, changed or malformed. The message is 'FILE: what is wrong'."""
