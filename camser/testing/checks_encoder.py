"""Checks of encoders alone: rebuilding offline, and cached output."""

from __future__ import annotations

import json
import socket
from typing import Any
from unittest import mock

import torch

from camser.testing.assertions import ConformanceError, expect, expect_same, first_few
from camser.testing.checks_contract import saved
from camser.testing.plugin_under_test import PluginUnderTest


@torch.no_grad()
def rebuild(subject: PluginUnderTest) -> None:
    """init_config() is plain YAML that builds the same architecture again, offline."""
    encoder = subject.build()
    config = _plain(encoder.init_config())
    refused = ConformanceError("rebuilding it used the network; it must work offline")
    with (
        mock.patch.object(socket.socket, "connect", side_effect=refused),
        mock.patch.object(socket, "getaddrinfo", side_effect=refused),
    ):
        rebuilt = subject.build(params=config)
    length = subject.length
    got_spec, wanted_spec = rebuilt.frame_spec(length), encoder.frame_spec(length)
    expect(got_spec == wanted_spec, f"rebuilt, it declares {got_spec} in place of {wanted_spec}")
    shapes = [{(n, v.shape) for n, v in m.state_dict().items()} for m in (encoder, rebuilt)]
    names = sorted({name for name, _ in shapes[0] ^ shapes[1]})
    expect(not names, f"rebuilt, it has other weights, or other shapes: {first_few(names)}")
    rebuilt.load_state_dict(saved(encoder), strict=True)
    got, wanted = (subject.run(m.eval(), subject.inputs()) for m in (rebuilt, encoder))
    expect_same(
        got, wanted, f"rebuilt from {sorted(config)} with its weights loaded, its frames differ"
    )
    again = rebuilt.init_config()
    changed = [name for name in {*config, *again} if config.get(name) != again.get(name)]
    expect(not changed, f"rebuilt, its init_config() differs in {first_few(sorted(changed))}")


@torch.no_grad()
def cache(subject: PluginUnderTest) -> None:
    """The cached output of frozen encoders and front ends depends on the audio alone."""
    encoder, waveforms = subject.build(), subject.inputs()
    if not encoder.is_cacheable:
        return
    outputs = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        outputs.append(encoder.train().cacheable_output(waveforms.clone()))
    what = "its output" if encoder.is_frozen else "its front_end"
    expect_same(
        outputs[1], outputs[0], f"{what} is cached, yet in training it differs between passes", 0.0
    )
    encoder.eval()
    wanted = subject.run(encoder, waveforms)
    torch.manual_seed(0)
    got = encoder.from_cache(outputs[0].clone())
    expect_same(got, wanted, "the frames computed from the cache and by forward differ")


def _plain(args: Any) -> dict[str, Any]:
    """``args`` as a dict, if the files of an exported model store them without a change."""
    expect(isinstance(args, dict), f"init_config() returns a {type(args).__name__}, not a dict")
    for name, value in args.items():
        try:
            read_back = json.loads(json.dumps(value))
        except (TypeError, ValueError) as error:
            raise ConformanceError(
                f"init_config(): {name} is {value!r}, which plain YAML cannot store"
            ) from error
        expect(
            read_back == value,
            f"init_config(): {name} is {value!r} and is read from YAML as {read_back!r}",
        )
    return dict(args)
