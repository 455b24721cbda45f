"""How a command ends when it cannot do what it was asked: one line on stderr, and an exit code that tells which kind."""

from typing import IO, Any, Final

import click

OK: Final = 0
FAILED: Final = 1
BAD_INPUT: Final = 2
NOT_FOUND: Final = 3
LIMIT_BREACHED: Final = 4


class CommandFailedError(click.ClickException):
    """Ends the command with one line (or one per error found) and an exit code, without a traceback."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = code

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message as it is."""
        click.echo(self.format_message(), err=True, file=file)
