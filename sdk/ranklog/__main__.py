"""The `ranklog` command. `ranklog exec` runs once a rank, so it comes before anything is imported."""

import sys


def main() -> int:
    """Run the command of `sys.argv` and return its exit code."""
    arguments = sys.argv[1:]
    try:
        if arguments[:1] == ["exec"]:
            from ranklog.capture.command import execute

            return execute(arguments[1:])
        from ranklog.cli import run

        return run(arguments)
    except KeyboardInterrupt:  # while all of this was being imported
        return 130


if __name__ == "__main__":
    sys.exit(main())
