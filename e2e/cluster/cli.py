"""The command line: one subcommand per thing a person or a Makefile asks for."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from . import progress
from .errors import ClusterError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m e2e.cluster", description="The cluster for tests and demo.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="bring the cluster up; does nothing where it is up")
    up.set_defaults(run=_up)
    down = commands.add_parser("down", help="remove the cluster")
    down.add_argument("--purge", action="store_true", help="imported images too")
    down.set_defaults(run=_down)
    alone = commands.add_parser("apiserver", help="etcd and kube-apiserver only, until interrupted")
    alone.add_argument("--dir", type=Path, help="folder to keep everything in (default: a temporary one)")
    alone.add_argument("--audit", action="store_true", help="write an audit log")
    alone.set_defaults(run=_apiserver)
    return parser


def _up(_: argparse.Namespace) -> int:
    from . import source

    source.up()
    return 0


def _down(arguments: argparse.Namespace) -> int:
    from . import source

    source.down(purge=arguments.purge)
    return 0


def _apiserver(arguments: argparse.Namespace) -> int:
    from .apiserver import ApiServer

    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with ApiServer(arguments.dir, audit=arguments.audit) as server:
        progress.say(f"ready at {server.url}; Ctrl-C ends it")
        print(f"export KUBECONFIG={server.kubeconfig}", flush=True)
        ended.wait()
    return 0


def main(words: Sequence[str] | None = None) -> int:
    """Exit code 1 with one message for what the user can mend; a traceback is a fault of ours."""
    arguments = _parser().parse_args(words)
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
