"""`vitrina …`: parse, call, print. Results go to stdout, progress and errors to stderr."""

import atexit
import gc
import signal
import sys
from typing import Annotated

import typer

from vitrina import __version__
from vitrina.commands import batches, files, ledger, reading, steps
from vitrina.commands.telling import program
from vitrina.errors import VitrinaError
from vitrina.pipeline import EXTRACT
from vitrina.printed import drop_output, err, in_one_line, lost, out, ready_streams

app = typer.Typer(
    name="vitrina",
    help="A fully automated weekly pipeline that turns an online store's sales into figures "
    "you can trust.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


_INTERRUPTED = 130


def main() -> None:
    """The entry point. A mistake of the user's is one line on stderr and exit code 1."""
    # Imports make 250,000 objects and no garbage; looking for it took a tenth of their time.
    gc.set_threshold(300_000)
    # Spares a search through all imported modules for garbage when Python ends.
    atexit.register(gc.freeze)
    ready_streams()
    # Both end a command as Ctrl-C does, which stops what it has started.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) is signal.SIG_DFL:
            signal.signal(ending, signal.default_int_handler)
    try:
        # A command that ends early hands back its exit code instead of raising.
        code = app(standalone_mode=False) or 0
        if code == _INTERRUPTED:
            # Typer has made an exit code of it.
            raise KeyboardInterrupt
        sys.stdout.flush()
        raise SystemExit(code)
    except BrokenPipeError:
        # The reader of the output has gone.
        drop_output()
        raise SystemExit(1) from None
    except OSError as error:
        message = lost(error)
    except VitrinaError as error:
        message = str(error)
    except typer.TyperException as error:
        if not error.format_message():
            # There were no arguments, and the help has been printed.
            raise SystemExit(error.exit_code) from None
        message = f"{error.format_message().rstrip('.')}; see: {program()} --help"
    except (KeyboardInterrupt, typer.Abort):
        err.print(
            "[yellow]interrupted[/]; readers see what they saw before the step that was under way; "
            "run the same command again, nothing is doubled",
            soft_wrap=True,
        )
        raise SystemExit(_INTERRUPTED) from None
    err.print("[red]error:[/]", end=" ")
    # Names of files may have line breaks.
    err.print(in_one_line(message), markup=False, highlight=False, soft_wrap=True)
    raise SystemExit(1)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        out.print(__version__)
        context.exit()


app.command(epilog="Example: vitrina run --store store.toml --as-of 2026-11-24")(steps.run)
for _step in steps.COMMANDS:
    _options = " --rows 100000 --seed 7" if _step.takes_recipe else ""
    if _step is EXTRACT:
        _options = " --store store.toml"
    app.command(
        _step.name,
        help=_step.help,
        epilog=f"Example: vitrina {_step.name}{_options} --as-of 2026-11-24",
    )(steps.command_of(_step))

for _command, _example in (
    (ledger.summary, "summary --as-of 2026-11-24"),
    (ledger.status, "status --json"),
    (ledger.runs, "runs --as-of 2026-11-24"),
    (ledger.show, "show --as-of 2026-11-17"),
    (files.rejects, "rejects --reason region_unknown --csv mend.csv"),
    (files.inspect, "inspect exports/ --out store.toml"),
    (batches.prove, "prove --as-of 2026-11-24 --from-feed"),
    (batches.prune, "prune --keep 8"),
    (files.archive, "archive --store store.toml --withdraw october.csv"),
    (ledger.migrate, "migrate"),
    (reading.dashboard, "dashboard --lang ru --out sales.html"),
    (reading.sql, 'sql postgres "SELECT * FROM sales_by_region"'),
):
    app.command(epilog=f"Example: vitrina {_example}")(_command)
