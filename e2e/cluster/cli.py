"""The command line: one subcommand per thing a person or a Makefile asks for."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from . import images, progress, promtool, provider, source
from .access import access
from .errors import ClusterError
from .tools import tools_folder


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m e2e.cluster", description="The cluster for tests and demo.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="bring the cluster up; does nothing where it is up")
    up.set_defaults(run=_up)
    down = commands.add_parser("down", help="remove the cluster")
    down.add_argument("--purge", action="store_true", help="imported images too")
    down.set_defaults(run=_down)
    status = commands.add_parser("status", help="what runs; exit code 1 when something does not")
    status.set_defaults(run=_status)
    env = commands.add_parser("env", help="shell variables: eval $(python3 -m e2e.cluster env)")
    env.set_defaults(run=_env)
    built = commands.add_parser("images", help="build the images, bring them into the cluster, print name -> reference")
    built.add_argument("names", nargs="*", help="folders of images/ (default: all)")
    built.add_argument("--build-only", action="store_true", help="leave the cluster alone")
    built.set_defaults(run=_images)
    tool = commands.add_parser("promtool", help="build what tests of the chart's rules run, and print where it is")
    tool.set_defaults(run=_promtool)
    cycle = commands.add_parser("lifecycle", help="check up, killing everything, up again and down on a cluster aside")
    cycle.set_defaults(run=_lifecycle)
    alone = commands.add_parser("apiserver", help="etcd and kube-apiserver only, until interrupted")
    alone.add_argument("--dir", type=Path, help="folder to keep everything in (default: a temporary one)")
    alone.add_argument("--audit", action="store_true", help="write an audit log")
    alone.set_defaults(run=_apiserver)
    return parser


def _up(_: argparse.Namespace) -> int:
    provider.choose().up()
    return _env(_)


def _down(arguments: argparse.Namespace) -> int:
    provider.choose().down(purge=arguments.purge)
    return 0


def _env(_: argparse.Namespace) -> int:
    for name, value in access().variables().items():
        print(f"export {name}={shlex.quote(value)}")
    print(f'export PATH="$PATH:{tools_folder()}"')
    return 0


def _status(_: argparse.Namespace) -> int:
    chosen = provider.choose()
    print(f"provider: {chosen.name}")
    if chosen.name != "source":
        return _env(_)
    running = source.running()
    for name in reversed(source.DAEMONS):
        print(f"  {name:24} {'process ' + str(running[name]) if name in running else 'not running'}")
    return 0 if len(running) == len(source.DAEMONS) else 1


def _images(arguments: argparse.Namespace) -> int:
    references = images.build_all(arguments.names)
    if not arguments.build_only:
        provider.choose().load(list(references.values()))
    print(json.dumps(references, indent=1))
    return 0


def _promtool(_: argparse.Namespace) -> int:
    found = promtool.find(build=True)
    print(found or promtool.MISSING)
    return 0


def _lifecycle(_: argparse.Namespace) -> int:
    from . import lifecycle

    return lifecycle.main()


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
