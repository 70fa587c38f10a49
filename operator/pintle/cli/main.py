"""`kubectl pintle`: the plugin's entry point. Commands give a view (data); what is printed is made of it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

from pintle.cli import commands, errors, watching
from pintle.cli.answer import Answer
from pintle.cli.arguments import parser
from pintle.cli.errors import CliError
from pintle.cli.kubectl import Kubectl
from pintle.cli.text import plain
from pintle.cli.yaml_text import to_yaml

SHAPE = "cli.pintle.dev/v1alpha1"
"""Version of what -o json and -o yaml print: fields are added to it, never renamed or taken away."""


def main(words: Sequence[str] | None = None) -> int:
    """Runs a command; the exit code says how it ended (docs/cli.md)."""
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    arguments = parser().parse_args(words)
    kubectl = Kubectl(arguments.context or "", arguments.kubeconfig or "", arguments.namespace or "")
    try:
        if arguments.command == "get" and arguments.watch:
            return watching.watch(lambda: commands.get(kubectl, arguments), arguments, sys.stdout, printed)
        answer = commands.COMMANDS[arguments.command](kubectl, arguments)
        sys.stdout.write(printed(answer, arguments, sys.stdout))
        return answer.code
    except CliError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code
    except BrokenPipeError:
        # The reader (head, less) has seen enough. Without this Python complains when it closes its own end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return errors.DONE
    except KeyboardInterrupt:
        return errors.INTERRUPTED


def printed(answer: Answer, arguments: argparse.Namespace, stream: TextIO) -> str:
    """As asked for by -o; colours for a terminal only, and not with NO_COLOR."""
    view = {"apiVersion": SHAPE, "kind": answer.kind, **answer.view}
    if arguments.output == "json":
        return json.dumps(view, indent=2, ensure_ascii=False) + "\n"
    if arguments.output == "yaml":
        return to_yaml(view)
    text = "".join(line + "\n" for line in answer.lines)
    return text if is_colourful(stream, os.environ) else plain(text)


def is_colourful(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether a person with a terminal reads, who has not said no (https://no-color.org)."""
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
