"""`ranklog collector`: the daemon that assembles run folders."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from ranklog_collector.config import SILENCE_S, Config, Http, Limits, Tls, is_loopback
from ranklog_collector.errors import ConfigError

if TYPE_CHECKING:
    from ranklog_collector.app import Collector

FILE = click.Path(exists=True, dir_okay=False)
PORT = 7070
DEFAULTS = Limits()


@click.command()
@click.option("--root", metavar="DIR", help="Where run folders are kept.  [env: RANKLOG_ROOT; default: ./ranklog-runs]")
@click.option(
    "--grpc",
    metavar="HOST:PORT",
    help=f"Listen here for agents; port 0 takes any free one.  [default: 0.0.0.0:{PORT} with a token or client "
    f"certificates, else 127.0.0.1:{PORT}]",
)
@click.option(
    "--http",
    metavar="HOST:PORT",
    help="Also serve the HTTP API here, and MLflow's; port 0 takes any free one.  [default: not at all]",
)
@click.option(
    "--catalog",
    metavar="URL",
    help="The database in which MLflow clients' searches look: postgresql+psycopg://USER@HOST/NAME.  [default: SQLite "
    "below the root]",
)
@click.option("--port-file", type=click.Path(), help="Write the port here once agents may connect.")
@click.option("--token-file", type=FILE, help="Let in who has this token only.  [env for the token: RANKLOG_TOKEN]")
@click.option("--tls-cert", type=FILE, help="Speak TLS with this certificate.")
@click.option("--tls-key", type=FILE, help="The certificate's key.")
@click.option("--client-ca", type=FILE, help="Let in who has a certificate of this authority only.")
@click.option(
    "--stacks-after-silence",
    type=click.FloatRange(min=0),
    default=SILENCE_S,
    show_default=True,
    metavar="SECONDS",
    help="Keep the stacks of jobs that say nothing for so long; 0: never.",
)
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    metavar="SECONDS",
    help="When told to end, how long to wait for runs to end that are under way: they may have been told as well.",
)
@click.option("--runs-max", default=DEFAULTS.runs_max, show_default=True, help="Runs at the same time.")
@click.option("--sessions-max", default=DEFAULTS.sessions_max, show_default=True, help="Agents at the same time.")
@click.option("--streams-max", default=DEFAULTS.streams_max, show_default=True, help="Streams of one run.")
@click.option(
    "--message-bytes-max", default=DEFAULTS.message_bytes_max, show_default=True, help="Size of an agent's message."
)
def collector(**options: Any) -> None:
    """Take in what agents mirror and assemble a folder for each run.

    SIGTERM makes it send its agents away, make everything durable and end; a second SIGTERM ends it at once. Agents
    come back to a collector that is started again, and nothing is lost or doubled, also if it was killed.
    """
    logging.basicConfig(format="ranklog collector: %(message)s", level=logging.INFO, stream=sys.stderr)
    try:
        config = _config(options)
        for address in (config.grpc, options["http"]):
            if config.is_open and address is not None and not is_loopback(address):
                _say(f"warning: {address} is open to anybody who reaches it; give a --token-file or a --client-ca")
        # gRPC reads this when it is imported; what is wrong with a peer is said in our own words.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        from ranklog_collector import app

        asyncio.run(app.run(config, lambda ready: _on_ready(ready, config, options["port_file"])))
    except ConfigError as error:
        _say(str(error))
        sys.exit(2)


def _config(options: dict[str, Any]) -> Config:
    token = _token(options["token_file"])
    tls = _tls(options["tls_cert"], options["tls_key"], options["client_ca"])
    _check_catalog(options["catalog"])
    is_guarded = token is not None or options["client_ca"] is not None
    return Config(
        root=options["root"] or os.environ.get("RANKLOG_ROOT") or "ranklog-runs",
        grpc=options["grpc"] or f"{'0.0.0.0' if is_guarded else '127.0.0.1'}:{PORT}",
        http=Http(options["http"], token, options["catalog"]) if options["http"] else None,
        token=token,
        tls=tls,
        grace_s=options["grace"],
        stacks_after_silence_s=options["stacks_after_silence"],
        limits=Limits(
            message_bytes_max=options["message_bytes_max"],
            streams_max=options["streams_max"],
            runs_max=options["runs_max"],
            sessions_max=options["sessions_max"],
        ),
    )


def _check_catalog(url: str | None) -> None:
    if url is not None and not url.startswith(("sqlite:///", "postgresql")):
        raise ConfigError(
            f"the catalog can be at sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME, not at {url!r}"
        )


def _token(path: str | None) -> str | None:
    if path is None:
        return os.environ.get("RANKLOG_TOKEN") or None
    token = _content(path).decode(errors="replace").strip()
    if not token:
        raise ConfigError(f"the token file {path} is empty")
    return token


def _tls(certificate: str | None, key: str | None, client_ca: str | None) -> Tls | None:
    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None:
        raise ConfigError("TLS needs --tls-cert and --tls-key")
    return Tls(_content(key), _content(certificate), _content(client_ca) if client_ca else None)


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None


def _on_ready(ready: Collector, config: Config, port_file: str | None) -> None:
    _say(f"ready on {ready.address}, run folders are below {os.path.abspath(config.root)}")
    if ready.url is not None:
        _say(f"HTTP on {ready.url}/api/v1/runs")
    if port_file:
        _write(port_file, ready.address.rpartition(":")[2] + "\n")


def _write(path: str, text: str) -> None:
    """By rename: whoever waits for the file finds all of it."""
    try:
        with open(f"{path}.new", "w", encoding="ascii") as file:
            file.write(text)
        os.replace(f"{path}.new", path)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None


def _say(text: str) -> None:
    print(f"ranklog collector: {text}", file=sys.stderr, flush=True)
