"""The command line of `kubectl pintle`."""

from __future__ import annotations

import argparse
from collections.abc import Callable

DESCRIPTION = "Look at the models, rollouts and runs of Pintle, ask why they are as they are, and give your word."
EPILOG = """exit codes: 0 done; 1 the answer is no (a word refused or too late, a broken chain); 2 wrong usage;
3 no such object; 4 no cluster or no right; 5 no answer within --timeout; 130 interrupted.
NAME may be mdep/NAME, tj/NAME or mver/NAME. More: docs/cli.md"""


def parser() -> argparse.ArgumentParser:
    """All commands with their arguments."""
    root = argparse.ArgumentParser(
        prog="kubectl pintle",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[_where(given=True)],
    )
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, says: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=says, description=says, parents=[_where(given=False)])

    _looks(add)
    _words(add)
    audit = add("audit", "the operator's decisions out of a saved log, and whether their chain is whole")
    audit.add_argument("file", metavar="FILE", help="a saved log of the operator; - is standard input")
    audit.add_argument("--verify", action="store_true", help="check the chain of hashes")
    audit.add_argument("--from-middle", action="store_true", help="older lines were rotated away: no fault")
    audit.add_argument("--of", metavar="NAME", default="", help="decisions about objects of this name only")
    _backtest(add("backtest", "a recorded rollout, judged and decided again by the operator's own code"))
    return root


def _where(given: bool) -> argparse.ArgumentParser:
    """Flags that stand before or after the command; the place that is used wins."""
    flags = argparse.ArgumentParser(add_help=False, argument_default=None if given else argparse.SUPPRESS)
    flags.add_argument("-n", "--namespace", metavar="NAME", help="default: the context's")
    flags.add_argument("--context", metavar="NAME", help="context of the kubeconfig")
    flags.add_argument("--kubeconfig", metavar="FILE", help="default: KUBECONFIG, else ~/.kube/config")
    flags.add_argument("-o", "--output", choices=("json", "yaml"), help="for programs; docs/cli.md has the shape")
    return flags


def _prometheus(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--prometheus", metavar="URL", help="the operator's; http://NAME.NAMESPACE.svc:PORT goes through the API server"
    )
    command.add_argument("--token-file", metavar="FILE", help="a bearer token for Prometheus")
    command.add_argument("--ca-file", metavar="FILE", help="certificates (PEM) by which Prometheus is known")
    command.add_argument("--phase", choices=("Canary", "Guard"), default=None, help="which of the two is meant")


def _backtest(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", metavar="FILE", nargs="?", help="a recording (docs/backtest.md); - is standard input")
    command.add_argument("--compare", action="store_true", help="what Careful, Balanced and Fast would have done, too")
    command.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        help="another setting of spec.rollout: advanced.errors.margin=0.02, steps=5:60,50:300, sensitivity=Fast;"
        " of the guard: guard.seconds=600",
    )
    command.add_argument("--all", action="store_true", help="every look, not only those at which something changed")
    command.add_argument("--save", metavar="FILE", help="write what was read as a recording")
    _prometheus(command)
    command.add_argument("--deployment", metavar="NAME", help="with --prometheus: of which ModelDeployment")
    command.add_argument("--from", dest="since", metavar="TIME", help="before the rollout: RFC 3339, or 3h (ago)")
    command.add_argument("--to", dest="until", metavar="TIME", help="default: now")
    command.add_argument("--tested", metavar="REVISION", help="the one that came; found out where there are two")
    command.add_argument("--control", metavar="REVISION", help="the one that was there")
    command.add_argument("--origin", metavar="TIME", help="when it got its first traffic; found out from the counters")
    command.add_argument("--scrape-seconds", metavar="SECONDS", type=float, help="found out from the samples")


def _looks(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    get = add("get", "a model with its versions, deployments, revisions, weights and runs")
    get.add_argument("model", metavar="MODEL", nargs="?", help="all models when left out")
    get.add_argument("-A", "--all-namespaces", action="store_true")
    get.add_argument("-w", "--watch", action="store_true", help="draw it anew until Ctrl-C")
    get.add_argument("--interval", metavar="SECONDS", type=float, default=2.0, help="between two looks (default 2)")
    why = add("why", "why an object is as it is, what it waits for, and the trail of what was decided")
    why.add_argument("name", metavar="NAME")
    why.add_argument("--record", metavar="FILE", help="write its rollout or guard, or the last one, for backtest")
    _prometheus(why)
    lineage = add("lineage", "from what serves back to version, run, code, data, parameters and trigger")
    lineage.add_argument("name", metavar="NAME", help="a ModelDeployment or a ModelVersion")
    runs = add("runs", "runs of a TrainingJob, newest first")
    runs.add_argument("name", metavar="TRAININGJOB", nargs="?", help="all when left out")
    runs.add_argument("-A", "--all-namespaces", action="store_true")
    diff = add("diff", "what is different in two versions of a model")
    diff.add_argument("old", metavar="OLD", help="delays-v3, or v3 where there is one model only")
    diff.add_argument("new", metavar="NEW")
    diff.add_argument("--model", metavar="MODEL", default="", help="the model that v3 is a version of")


def _words(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    def word(name: str, says: str, target: str = "NAME") -> argparse.ArgumentParser:
        made = add(name, says)
        made.add_argument("name", metavar=target)
        made.add_argument("--wait", action="store_true", help="until the operator has answered")
        long = target == "TRAININGJOB"
        made.add_argument(
            "--timeout", metavar="SECONDS", type=float, default=3600.0 if long else 60.0, help="of --wait"
        )
        return made

    promote = word("promote", "go on to the next step of the rollout")
    promote.add_argument("--fully", action="store_true", help="give the canary all traffic at once")
    word("pause", "hold the rollout, or the end of the guard")
    word("resume", "go on after a pause")
    word("abort", "give all traffic back to the stable revision, and refuse the canary")
    retry = word("retry", "try the refused revision that the spec asks for again")
    retry.add_argument(
        "revision", metavar="REVISION", nargs="?", default="", help="or v4; needed where there are several"
    )
    rollback = word("rollback", "go back to the revision before, or to a version")
    rollback.add_argument("--to-version", metavar="N", type=int, help="default: the one before")
    clear = word("clear", "take back the refusal of a revision; it is tried again if the spec asks for it")
    clear.add_argument("revision", metavar="REVISION", help="or v4")
    word("train", "start a run now, past the brakes of retrainPolicy", target="TRAININGJOB")
