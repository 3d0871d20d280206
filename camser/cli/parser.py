"""How ``camser`` explains itself: defaults and examples in its help, and the nearest subcommand."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from camser.cli.messages import add_message_options
from camser.registry import did_you_mean

EXAMPLES = {
    "report": "camser report results/ --output report",
    "export": "camser export results/my-run my-model --onnx",
    "push": "camser push my-model user/name --dry-run",
    "classify": "camser classify --model my-model interview.mp3 recordings/ --json > emotions.json",
    "doctor": "camser doctor",
    "cite": "camser cite results/my-run > used.bib",
    "demo": "camser demo my-model --open",
    "recipes": "camser recipes copy EmoDB",
    "recipes list": "camser recipes list",
    "recipes copy": "camser recipes copy EmoDB my-recipe",
    "plugins": "camser plugins list",
    "plugins list": "camser plugins list --load",
    "plugins show": 'camser plugins show mfcc_bilstm "{hidden_size: 8}"',
    "plugins check": "camser plugins check co_attention",
    "plugins describe": "camser plugins describe camser:Table/hparams/tiny.yaml",
    "plugins new": "camser plugins new prosody --kind encoder",
    "synthesize-corpus": "camser synthesize-corpus corpus --dialogues-per-session 8",
}
STATUSES = """\
camser COMMAND --help explains a command, with an example.

exit status: 0 all was done; 1 a mistake, or a file failed; 2 wrong arguments; 130 Ctrl-C;
141 the reader of the output has ended"""


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Adds the default of an option, where it is a value that the help does not name."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        text = action.help or ""
        has_value = isinstance(action.default, (int, float, str)) and action.nargs != 0
        if not (has_value and action.option_strings) or "default" in text:
            return text
        return f"{text} (default: %(default)s)"


class Parser(argparse.ArgumentParser):
    """Says which subcommand is the nearest to an unknown one. Its subcommands' parsers do too."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", HelpFormatter)
        name = str(options.get("prog", "")).removeprefix("camser ")
        if name in EXAMPLES:
            options.setdefault("epilog", f"example:\n  {EXAMPLES[name]}")
        super().__init__(**options)
        add_message_options(self)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As the parent, but for a subcommand that does not exist."""
        args = sys.argv[1:] if args is None else args
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                self._check_subcommand(action, args)
        return super().parse_known_args(args, namespace)

    def _check_subcommand(self, action: argparse._SubParsersAction, args: Any) -> None:
        names = [*action.choices]
        first = args[0] if args else ""
        if first and not first.startswith("-") and first not in names:
            hint = did_you_mean(first, names)
            self.error(f"no subcommand {first!r}; allowed: {', '.join(names)}.{hint}")
