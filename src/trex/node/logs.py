"""Logs on standard error: for people, or one JSON object a line."""

import logging
import sys
from datetime import UTC, datetime

import click
import orjson

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

LEVELS = ("debug", "info", "warning", "error")


def extras(record: logging.LogRecord) -> dict[str, object]:
    """Return what a record was given beyond its text."""
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the record's extras, the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **extras(record),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(entry, default=str).decode()


class HumanFormatter(logging.Formatter):
    """Time, level, text, extras as key=value."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        moment = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S.%f")[:-3]
        level = click.style(
            f"{record.levelname.lower():<8}",
            fg={"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}.get(record.levelname),
        )
        more = "".join(f"  {key}={value}" for key, value in extras(record).items())
        text = f"{moment} {level} {record.getMessage()}{more}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


class Terminal(logging.Handler):
    """Writes log lines above a status, of one line or several, that stays at the bottom of a terminal."""

    def __init__(self) -> None:
        super().__init__()
        self.status = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record and the status line again behind it."""
        try:
            text = self.format(record)
            if self.status:
                click.echo(f"{self._erase()}{text}\n{self.status}", err=True, nl=False)
            else:
                click.echo(text, err=True)
        except Exception:
            self.handleError(record)

    def show(self, status: str) -> None:
        """Replace the status; an empty one removes it."""
        if sys.stderr.isatty() and status != self.status:
            click.echo(f"{self._erase()}{status}", err=True, nl=False)
            self.status = status

    def _erase(self) -> str:
        """Return what removes the status and puts the cursor where it began."""
        return "\r\x1b[K" + "\x1b[1A\x1b[K" * self.status.count("\n")


def set_up(level: str, as_json: bool) -> Terminal:
    """Send all logs to standard error and return the handler."""
    handler = Terminal()
    handler.setFormatter(JsonFormatter() if as_json else HumanFormatter())
    root = logging.getLogger()
    for other in root.handlers[:]:
        root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(level.upper())
    # Malformed requests are the client's business; aiohttp tells of each at this level.
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL if level != "debug" else logging.DEBUG)
    return handler
