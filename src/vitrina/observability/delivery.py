"""The outside: whoever is told how a run goes. Telling must neither fail a run nor hold it up."""

import logging
from collections.abc import Callable
from threading import Thread

from vitrina.errors import VitrinaError

log = logging.getLogger(__name__)

PATIENCE = 3.0
"""Seconds that a run waits for somebody outside."""


def deliver(what: str, send: Callable[[], object], seconds: float = PATIENCE) -> bool:
    """Call `send`, and wait at most `seconds` for it; whether it has succeeded by then.

    What goes wrong is logged as a warning that names `what`. In a thread of its own: a name
    that does not resolve and a server that sends a byte a minute heed no time limit.
    """
    errors: list[Exception] = []

    def attempt() -> None:
        try:
            send()
        except Exception as error:  # noqa: BLE001 - whatever a client of theirs raises
            errors.append(error)

    thread = Thread(target=attempt, name=what, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        log.warning("%s: no answer within %g s; the run goes on without", what, seconds)
        return False
    for error in errors:
        log.warning("%s: %s: %s; the run goes on without", what, type(error).__name__, error)
    return not errors


def line_of(error: BaseException) -> str:
    """What may be told of an error: the text of ours, which holds no secret, in one line.

    Of any other the kind alone, since its text may quote an address with a password.
    """
    if isinstance(error, VitrinaError):
        return " ".join(str(error).split())
    return f"{type(error).__name__}; the log tells more"
