# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin keygen``: make the certificate that the brokers of a cluster share."""

from __future__ import annotations

import sys

from rosin.cli.subcommands import AdminParser, dispatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(
        prog,
        "Make a certificate by which the brokers of a cluster know each other. All have the same file, which "
        "only its owner can read; the configuration names it (bootstrap.curve_cert).",
    )
    add = result.add_argument
    add("path", metavar="PATH", nargs="?", help="where to write the certificate")
    add("-n", "--name", metavar="NAME", type=_name, help="what logs call its owner (the name of this host)")
    add(
        "--meta",
        metavar="KEY=VAL,...",
        type=_pairs,
        action="append",
        default=[],
        help="more to be written into it, such as site=north,contact=ops",
    )
    result.set_defaults(run=_keygen)
    return result


def _name(value: str) -> str:
    _check("name", value)
    return value


def _pairs(text: str) -> dict[str, str]:
    """Type of an option: KEY=VAL, ... A key that is there twice keeps its first value."""
    pairs: dict[str, str] = {}
    for word in text.split(","):
        key, _, value = word.partition("=")
        _check(key, value)
        pairs.setdefault(key, value)
    return pairs


def _check(key: str, value: str) -> None:
    from argparse import ArgumentTypeError

    from rosin.broker.overlay.cert import check_metadata
    from rosin.errors import FormatError

    try:
        check_metadata(key, value)
    except FormatError as exc:
        raise ArgumentTypeError(f"{exc}; an example is site=north,contact=ops") from None


def _keygen(args: argparse.Namespace) -> None:
    from rosin.broker.overlay.cert import BrokerCertificate

    if args.path is None:
        print(f"{args.prog}: WARNING: add PATH argument to save generated certificate", file=sys.stderr)
    metadata = {} if args.name is None else {"name": args.name}
    for pairs in [*args.meta, _facts()]:
        metadata = {**pairs, **metadata}
    certificate = BrokerCertificate.generate(metadata)
    if args.path is not None:
        certificate.write(args.path)


def _facts() -> dict[str, str]:
    """Where, when, by whom and by what the certificate is made; flux-core's keys."""
    import os
    import re
    import time

    import zmq

    from rosin.constants import FLUX_CORE_VERSION

    host = re.sub("[^A-Za-z0-9.-]", "-", os.uname().nodename)
    return {
        "name": host,
        "keygen.hostname": host,
        "keygen.time": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "keygen.userid": str(os.getuid()),
        "keygen.flux-core-version": FLUX_CORE_VERSION,
        "keygen.zmq-version": zmq.zmq_version(),
    }


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
