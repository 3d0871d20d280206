"""Checks of what encoders alone promise: to be built again offline, and to be kept."""

from __future__ import annotations

import json
import socket
from typing import Any, NoReturn

import torch
import yaml

from camser.testing.assertions import ConformanceError, expect, expect_same, first_few, replaced
from camser.testing.checks_contract import saved
from camser.testing.plugin_under_test import EncoderUnderTest


@torch.no_grad()
def rebuild(subject: EncoderUnderTest) -> None:
    """init_config() is plain YAML that builds the same architecture again, offline."""
    encoder = subject.build()
    args = _plain(encoder.init_config())
    with replaced(socket.socket, connect=_refuse), replaced(socket, getaddrinfo=_refuse):
        rebuilt = subject.build(params=args)
    length = subject.length
    same = rebuilt.frame_spec(length), encoder.frame_spec(length)
    expect(same[0] == same[1], f"rebuilt, it declares {same[0]} in place of {same[1]}")
    different = {n: v.shape for n, v in encoder.state_dict().items()}.items() ^ {
        n: v.shape for n, v in rebuilt.state_dict().items()
    }.items()
    names = sorted({name for name, _ in different})
    expect(not names, f"rebuilt, it has other weights, or of another shape: {first_few(names)}")
    rebuilt.load_state_dict(saved(encoder), strict=True)
    got, wanted = (subject.run(m.eval(), subject.inputs()) for m in (rebuilt, encoder))
    expect_same(
        got, wanted, f"rebuilt from {sorted(args)} and given its weights, its frames differ"
    )
    again = rebuilt.init_config()
    changed = [name for name in {*args, *again} if args.get(name) != again.get(name)]
    expect(not changed, f"rebuilt, its init_config() differ in {first_few(sorted(changed))}")


@torch.no_grad()
def kept(subject: EncoderUnderTest) -> None:
    """What is kept of frozen encoders and front ends depends on the audio alone."""
    encoder, waves = subject.build(), subject.inputs()
    if not encoder.is_cacheable:
        return
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        found.append(encoder.train().cacheable_output(waves.clone()))
    what = "all of it" if encoder.is_frozen else "its front_end"
    expect_same(
        found[1], found[0], f"{what} is kept, yet in training it differs from pass to pass", 0.0
    )
    encoder.eval()
    wanted = subject.run(encoder, waves)
    torch.manual_seed(0)
    got = encoder.from_cache(found[0].clone())
    expect_same(got, wanted, "from what is kept, the frames of forward differ")


def _plain(args: Any) -> dict[str, Any]:
    """``args`` as they come back from a file."""
    expect(isinstance(args, dict), f"init_config() gives a {type(args).__name__}, not a dict")
    for name, value in args.items():
        try:
            back = yaml.safe_load(yaml.safe_dump(value)), json.loads(json.dumps(value))
        except (yaml.YAMLError, TypeError, ValueError) as error:
            raise ConformanceError(
                f"init_config(): {name} is {value!r}, which no YAML can say plainly"
            ) from error
        expect(
            back == (value, value),
            f"init_config(): {name} is {value!r} and comes back from YAML as {back[0]!r}",
        )
    return dict(args)


def _refuse(*arguments: Any, **options: Any) -> NoReturn:
    raise ConformanceError("to be rebuilt, it asked for the network; it must need none")
