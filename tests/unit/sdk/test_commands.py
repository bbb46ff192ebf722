"""The `ranklog` command around its sub-commands."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest

from ranklog import __main__ as command_line
from ranklog import cli

MODULES_OF_HELP = "import sys; sys.argv = ['ranklog', '--help']\nfrom ranklog.cli import run\nrun(['--help'])\n"


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this module's commands be all there are."""
    names = ("fine", "broken", "interrupted", "piped", "told", "no_command")
    entries = [EntryPoint(name, f"{__name__}:{name}", cli.GROUP) for name in names]
    entries += [
        EntryPoint("agent", "ranklog_agent_without_its_extra:agent", cli.GROUP),
        EntryPoint("run", f"{__name__}:nothing", cli.GROUP),
    ]

    def fake(group: str, name: str | None = None) -> list[EntryPoint]:
        assert group == cli.GROUP
        return [entry for entry in entries if name in (None, entry.name)]

    monkeypatch.setattr(cli, "entry_points", fake)


@click.command()
def fine() -> int:
    """End with a code."""
    click.echo("done")
    return 3


@click.command()
def broken() -> None:
    """Meet what nobody expected."""
    raise RuntimeError("what nobody expected")


@click.command()
def interrupted() -> None:
    """Meet Ctrl-C."""
    raise KeyboardInterrupt


@click.command()
def piped() -> None:
    """Meet a reader who has gone."""
    raise BrokenPipeError


@click.command()
def told() -> None:
    """Say what is wrong."""
    raise click.ClickException("no such run")


no_command = 7


def test_a_commands_result_is_the_exit_code(only: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["fine"]) == 3
    assert capsys.readouterr().out == "done\n"


def test_what_goes_wrong_is_one_line(only: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["told"]) == 1
    assert capsys.readouterr().err == "Error: no such run\n"


def test_what_nobody_expected_shows_no_traceback(
    only: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RANKLOG_DEBUG", raising=False)
    assert cli.run(["broken"]) == cli.INTERNAL_ERROR
    error = capsys.readouterr().err
    assert "RuntimeError: what nobody expected" in error
    assert "Traceback" not in error
    monkeypatch.setenv("RANKLOG_DEBUG", "1")
    cli.run(["broken"])
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_is_quiet(only: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["interrupted"]) == 130
    assert "".join(capsys.readouterr()).strip() == ""


def test_ctrl_c_is_quiet_while_commands_are_being_imported_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(arguments: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "run", interrupt)
    monkeypatch.setattr(sys, "argv", ["ranklog", "ps"])
    assert command_line.main() == cli.INTERRUPTED


def test_output_that_cannot_be_written_is_said_to_be_so() -> None:
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "ranklog", "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert ended.stderr == "ranklog: the output cannot be written: No space left on device\n"
    assert ended.returncode == cli.FAILED


def test_streams_that_were_closed_are_done_without() -> None:
    command = ["sh", "-c", 'exec "$@" <&- >&-', "sh", sys.executable, "-m", "ranklog", "--help"]
    ended = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_reader_who_has_gone_is_no_error() -> None:
    code = f"import sys; from tests.unit.sdk.{__name__.rpartition('.')[2]} import piped; from ranklog import cli\n"
    code += "cli.ranklog.add_command(piped, 'piped'); cli.Commands.get_command = lambda self, ctx, name: piped\n"
    code += "sys.exit(cli.run(['piped']))"
    root = Path(__file__).parents[3]
    ended = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (cli.BROKEN_PIPE, "")


@pytest.mark.parametrize("arguments", [["no-such-command"], ["fine", "--no-such-option"], ["--no-such-option"]])
def test_bad_usage_ends_with_2(only: None, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_mistyped_command_is_told_what_it_may_have_been(only: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["fnie"]) == 2
    assert "No such command 'fnie'; did you mean fine?" in capsys.readouterr().err
    assert cli.run(["unlike-all"]) == 2
    assert "did you mean" not in capsys.readouterr().err


def test_a_command_that_is_none_is_said_to_be_none(only: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["no_command"]) == 1
    assert "is no command" in capsys.readouterr().err


def test_a_missing_extra_is_said_how_to_install(capsys: pytest.CaptureFixture[str]) -> None:
    entry = EntryPoint("ps", "ranklog_collector.cli.read:ps", cli.GROUP)
    error = ModuleNotFoundError("No module named 'rich.text'", name="rich.text")
    text = cli._what_is_missing(entry, error)
    assert text == "`ranklog ps` needs rich, which is not installed: pip install 'ranklog[collector]'"


def test_a_broken_installation_is_said_to_be_one(only: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["agent"]) == 1
    assert "cannot be loaded from ranklog_agent_without_its_extra" in capsys.readouterr().err


def test_help_lists_all_commands_and_imports_none() -> None:
    code = MODULES_OF_HELP + "assert not [name for name in sys.modules if name.startswith(('ranklog_', 'grpc'))]\n"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    for name, text in cli.HELPS.items():
        assert f"{name} " in ended.stdout
        assert text in ended.stdout


def test_exec_imports_nothing_that_it_does_not_need() -> None:
    code = "import sys; from ranklog.capture import command, service; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False, env=PATHS)
    assert not {"click", "json", "re", "enum", "typing", "dataclasses", "orjson", "ctypes"} & set(shown.stdout.split())
    assert "ranklog.capture.service" in shown.stdout


PATHS = {"PYTHONPATH": next(path for path in sys.path if path.endswith("/sdk"))}
