"""Telling others how a run goes. It must neither fail the run nor hold it up."""

import logging
from collections.abc import Callable
from threading import Thread

from vitrina.errors import VitrinaError
from vitrina.redacted import redacted

log = logging.getLogger(__name__)

PATIENCE = 3.0
"""Seconds that a run waits for a receiver."""


def deliver(what: str, send: Callable[[], object], seconds: float = PATIENCE) -> bool:
    """Call `send`, wait at most `seconds` for it, and return whether it has succeeded.

    A failure is logged as a warning that names `what`. `send` runs in a thread of its own, since
    no time limit covers a name that does not resolve, or a server that sends a byte a minute.
    """
    errors: list[Exception] = []

    def attempt() -> None:
        try:
            send()
        except Exception as error:  # noqa: BLE001 - whatever their clients raise
            errors.append(error)

    thread = Thread(target=attempt, name=what, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        log.warning("%s: no answer within %g s; the run goes on without", what, seconds)
        return False
    for error in errors:
        said = redacted(str(error))
        log.warning("%s: %s: %s; the run goes on without", what, type(error).__name__, said)
    return not errors


def line_of(error: BaseException) -> str:
    """What may be told of an error, in one line: the text of ours, which holds no secret.

    Of any other error it is the type alone, since its text may quote a password.
    """
    if isinstance(error, VitrinaError):
        return " ".join(str(error).split())
    return f"{type(error).__name__}; the log tells more"
