"""The command line: which verbs there are, and the one place that turns what happened into an exit code."""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise, takewhile
from typing import Any

import click

from edgec import __version__
from edgec.commands.options import PROSE, Format, Output, output, put, silence
from edgec.diagnostics import Diagnostic, Failure

OBJECTS = 100_000
"""New ones after which Python's collector looks for cycles; at its own 700 it takes 7 % of a build that lowers nothing."""

COMMANDS: dict[str, str] = {
    "init": "Write a commented manifest to start from.",
    "validate": "Find every mistake in manifests that shows without loading a model.",
    "plan": "Show what a build would do, fully resolved.",
    "build": "Build, measure and judge bundles.",
    "verify": "Check a bundle's signatures, and run its own verification on this machine.",
    "sign": "Sign bundles with their measurements.",
    "inspect": "Show what is inside a bundle or a .pte file.",
    "diff": "Compare two releases of a bundle.",
    "push": "Push a release to a registry.",
    "pull": "Pull a release from a registry.",
    "list": "List sources, formats, recipes, delegates, targets, metrics and tasks.",
    "explain": "Explain a diagnostic code, a manifest field, a target or a plugin.",
    "lock": "Write down what manifests are built from.",
    "cache": "Look at, check or shrink the cache.",
    "schema": "Print the manifest's JSON Schema.",
    "doctor": "Check that this machine has what builds need.",
}
"""Verb to its line in --help; ``edgec.commands.<verb>`` is imported only when the verb is used."""

FORMATS: tuple[Format, ...] = ("json", "sarif", "github")
"""Those of programs, which are told of a command line that is not understood in the format that it asks for."""

PAGES = {"-h", "--help", "--version"}

ENDING = ("SIGTERM", "SIGHUP")
"""Signals that end a command as Ctrl-C does, children and temporary folders with it: those of `timeout`, of a cancelled CI
job, of a terminal that is closed."""

AGAIN_SECONDS = 1.0
"""A Ctrl-C sooner after another is of a hand that is not off the key yet, or of `timeout`, and what cleans up goes on."""

ENVIRONMENT = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "permission denied",
    errno.EPERM: "the operation is not permitted",
    errno.EROFS: "the file system is read-only",
    errno.EMFILE: "too many open files",
    errno.EIO: "the device failed",
}


class Verbs(click.Group):
    """A group whose commands are modules, imported when they are called for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the verb's command, or None for an unknown verb."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"edgec.commands.{cmd_name}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Add the verb that was likely meant to click's message."""
        from edgec.diagnostics import nearest

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = nearest(args[0], COMMANDS)
            meant = f"did you mean {near!r}?" if near else f"commands: {', '.join(COMMANDS)}"
            ctx.fail(f"No such command {args[0]!r}; {meant}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; a Failure is shown as the verb's options ask, and its exit code returned."""
        try:
            return super().invoke(ctx)
        except Failure as failure:
            output(ctx).findings(failure.diagnostics, failure.documents)
            return failure.exit_code
        except OSError as error:
            if error.errno not in ENVIRONMENT or output(ctx).format in PROSE:
                raise
            from edgec.store.atomic import environment_failure

            output(ctx).findings([environment_failure(error, "go on")], {})
            return 8


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="edgec", message="%(prog)s %(version)s")
def group() -> None:
    """Compile a YAML manifest into a tested ExecuTorch bundle for an edge device.

    \b
    Exit codes: 0 ok, 2 usage, 3 manifest invalid, 4 the model could not be built,
    5 a budget is missed, 6 a tool is missing, 7 integrity, 8 environment, 130 interrupted,
    143 and 129 ended by SIGTERM and SIGHUP.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit."""
    gc.set_threshold(OBJECTS)
    _open_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal's encoding may lack what a message or a file's name holds
            stream.reconfigure(errors="backslashreplace")
    code = _run(arguments)
    try:
        put(sys.stdout)
    except OSError as error:
        code = code if code == 8 else min(code or 8, _environment(error))  # 8 is what the command met, and said, too
        silence(sys.stdout)
    gc.freeze()  # the interpreter looks through all that is left, twice, before it lets go of it
    sys.exit(code)


@contextlib.contextmanager
def _interrupting(came: list[signal.Signals]) -> Iterator[None]:
    """Inside it the first of ENDING or Ctrl-C, noted in ``came``, raises KeyboardInterrupt; an ignored one (nohup) stays so.

    Those after it do nothing, to the process's end: `timeout` sends its signal twice, and what cleans up should be let finish.
    Only Ctrl-C raises again inside it, AGAIN_SECONDS after the one before: the user does not want to wait.
    """
    inside, last = True, 0.0

    def interrupt(number: int, frame: object) -> None:
        nonlocal last
        came.append(signal.Signals(number))
        pause, last = time.monotonic() - last, time.monotonic()
        if len(came) == 1 or (number == signal.SIGINT and inside and pause >= AGAIN_SECONDS):
            raise KeyboardInterrupt

    usual: dict[signal.Signals, Any] = {getattr(signal, name): signal.SIG_DFL for name in ENDING if hasattr(signal, name)}
    usual[signal.SIGINT] = signal.default_int_handler
    here = threading.current_thread() is threading.main_thread()  # nowhere else may a handler be set
    taken = {number: handler for number, handler in usual.items() if here and signal.getsignal(number) == handler}
    try:
        for number in taken:
            signal.signal(number, interrupt)
        yield
    finally:
        inside = False
        for number, handler in taken.items() if not came else ():
            signal.signal(number, handler)


def _open_closed() -> None:
    """Put a stream in the place of each standard one that is closed, so that no file opened later takes its descriptor.

    What is written to the one for standard output is refused (EBADF), as by a full disk; nobody hears standard error.
    """
    for number, name, flags in ((0, "stdin", os.O_RDONLY), (1, "stdout", os.O_RDONLY), (2, "stderr", os.O_WRONLY)):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, flags)
            if nowhere == number:
                os.set_inheritable(nowhere, True)
            else:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))


def _run(arguments: list[str] | None) -> int:
    """Run one command; return its exit code whatever happens."""
    came: list[signal.Signals] = []
    words = sys.argv[1:] if arguments is None else arguments
    if not PAGES & {*words} and _is_gone():
        hint = "change to one that is there"
        return _told(Diagnostic(code="not-readable", message="the current folder is gone", hint=hint), _format(words, FORMATS))
    try:
        with _interrupting(came):
            result = group.main(arguments, prog_name="edgec", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.ClickException as error:
        form = _format(words, _formats(error))
        if isinstance(error, click.UsageError) and form not in PROSE:
            hint = f"{error.ctx.command_path if error.ctx else 'edgec'} --help"
            return _told(Diagnostic(code="usage-error", message=error.format_message(), hint=hint), form)
        error.show(said := io.StringIO())
        put(sys.stderr, said.getvalue())
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        ended_by = came[0] if came else signal.SIGINT
        put(sys.stderr, "edgec: interrupted\n" if ended_by == signal.SIGINT else f"edgec: ended by {ended_by.name}\n")
        return 128 + ended_by
    except SystemExit:  # click's answer to any closed pipe; verbs print through Output, which raises none
        return 0 if PAGES & {*words} else _bug(BrokenPipeError("a closed pipe"))
    except OSError as error:
        return _environment(error) if error.errno in ENVIRONMENT or _is_unheard(error) else _bug(error)
    except Exception as error:  # whatever is left is ours
        return _bug(error)


def _is_gone() -> bool:
    """Whether the current folder was deleted: nothing can be found from there."""
    try:
        os.getcwd()  # noqa: PTH109
    except FileNotFoundError:
        return True
    return False


def _told(found: Diagnostic, form: Format) -> int:
    """Tell what kept a command from running; return its exit code."""
    try:
        Output(format=form).findings([found], {})
    except OSError as error:
        return _environment(error)
    return found.exit_code


def _format(words: list[str], allowed: Sequence[str]) -> Format:
    """Return the format that the command line asks for, where it was not understood; human where it is not ``allowed``."""
    options = list(takewhile(lambda word: word != "--", words))
    pairs = ((*word.partition("="), after) for word, after in pairwise([*options, ""]))
    given = [inside if equals else after for name, equals, inside, after in pairs if name == "--output"]
    return next((form for form in FORMATS if form in allowed and given[-1:] == [form]), "human")


def _formats(error: click.ClickException) -> Sequence[str]:
    """Return the formats of the command that refused its command line; all, where it is not known which was meant."""
    command = error.ctx.command if isinstance(error, click.UsageError) and error.ctx else None
    types = [option.type for option in command.params if option.name == "format"] if command else []
    return next((kind.choices for kind in types if isinstance(kind, click.Choice)), FORMATS)


def _is_unheard(error: OSError) -> bool:
    """Whether it is of a standard output that was closed, or is open for reading only."""
    import fcntl

    return error.errno == errno.EBADF and fcntl.fcntl(1, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY


def _environment(error: OSError) -> int:
    what = "standard output is closed" if _is_unheard(error) else ENVIRONMENT.get(error.errno or 0, error.strerror)
    where = f": {error.filename}" if error.filename else ""
    put(sys.stderr, f"edgec: {what}{where}\n")
    return 8


def _bug(error: Exception) -> int:
    if os.environ.get("EDGEC_DEBUG"):
        import traceback

        put(sys.stderr, "".join(traceback.format_exception(error)))
    lines = [line.strip() for line in f"{type(error).__name__}: {error}".splitlines() if line.strip()]
    text = lines[0] if len(lines) == 1 else f"{lines[0]} {lines[-1]}"  # the last line of a child's traceback is the error
    put(
        sys.stderr,
        f"edgec: this is a bug in edgec, not in your manifest: {text}\n"
        f"edgec: please report it in the project's issue tracker, with what EDGEC_DEBUG=1 and `edgec doctor` print"
        f" (edgec {__version__})\n",
    )
    return 1
