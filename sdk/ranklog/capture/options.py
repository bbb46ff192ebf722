"""The command line of `ranklog exec`, read without click, whose import would cost every rank 25 ms."""

USAGE = "usage: ranklog exec [--run ID] [--spool DIR] [--split] [--quiet] [--name NAME] [--] COMMAND [ARGUMENT]..."

HELP = f"""{USAGE}

Run one process of a job, under any launcher, and keep its output, whatever happens to the process:

    mpirun -n 8 ranklog exec -- python train.py

The command gets a terminal of its own for stdout and stderr, so that each line is in a file the moment it is written.
What it writes also goes to where it would have gone without `ranklog exec`. Its exit code or signal, its stdin and the
signals that it gets stay as they are. The node's agent ships the files; none needs to run for the job to run.

Options:
  --run ID     the run that this process belongs to (RANKLOG_RUN_ID); without it that of the agent on this node, else
               one named after the launcher's job
  --spool DIR  folder in which the output is kept until it is shipped (RANKLOG_SPOOL); default /tmp/ranklog-UID/RUN
  --split      keep stderr apart from stdout; their order among each other is lost
  --quiet      do not write the output to the original stdout and stderr as well (RANKLOG_QUIET)
  --name NAME  file name of the output in the run folder; %r stands for the rank
  -h, --help   show this and exit

Exit codes are the command's own, but for 2 (bad usage), 126 (the command cannot be executed), 127 (not found).
"""


class UsageError(Exception):
    """A command line that means nothing; the text says why."""


class Options:
    """What the caller wants."""

    run: str | None = None
    spool: str | None = None
    name: str | None = None
    split: bool = False
    quiet: bool = False
    help: bool = False
    command: tuple[str, ...] = ()


def parse(arguments: list[str]) -> Options:
    """Read the words after `ranklog exec`. Options end at `--` or at the command's first word. Raises UsageError."""
    options = Options()
    rest = list(arguments)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        option, has_value, value = word.partition("=")
        if option in ("--run", "--spool", "--name"):
            if not has_value and not rest:
                raise UsageError(f"{option} needs a value")
            setattr(options, option[2:], value if has_value else rest.pop(0))
        elif word in ("--split", "--quiet", "--help", "-h"):
            setattr(options, "help" if word == "-h" else word[2:], True)
        else:
            raise UsageError(f"unknown option {word}")
    options.command = tuple(rest)
    if not rest and not options.help:
        raise UsageError("there is no command to run")
    return options
