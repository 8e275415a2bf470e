# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin token``: API tokens for ``rosin serve``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.cli.subcommands import AdminParser, dispatch

if TYPE_CHECKING:
    import argparse

    from rosin.rest.auth.tokens import ApiToken, TokenStore

_SHORTEST = 8
_SCOPES = "read, submit, control or admin"


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(
        prog,
        "Manage the tokens by which programs use the REST API of your servers (rosin serve). A token is sent "
        "as 'Authorization: Bearer TOKEN'. Only digests of them are kept.",
    )
    one = result.command("create", _create, "make a token and print it")
    one.add_argument("name", metavar="NAME", help="what it is for")
    one.add_argument(
        "-s",
        "--scope",
        metavar="SCOPE,...",
        type=_scopes,
        default=("read",),
        help=f"what it allows: {_SCOPES} (default: read). Who may submit may do all that your account may",
    )
    one.add_argument(
        "-e",
        "--expires",
        metavar="TIME",
        type=_lifetime,
        default=90 * 86400.0,
        help="how long it is good, such as 12h or 30d, or never (default: 90d)",
    )
    _file(one)
    one = result.command("list", _list, "list the tokens")
    one.flag("-n", "--no-header", text="leave out the line of titles")
    _file(one)
    one = result.command("revoke", _revoke, "make tokens worth nothing, at once")
    one.add_argument("ids", metavar="ID", nargs="+", help="the id of a token, from the list")
    _file(one)
    one = result.command("link", _link, "print a link that signs a browser in, once and within 15 minutes")
    one.add_argument(
        "url",
        metavar="URL",
        nargs="?",
        default="http://127.0.0.1:5000",
        help="the address of the server (default: http://127.0.0.1:5000). FLUX_TOKEN is sent if it is set",
    )
    result.command(
        "password", _password, "read a password and print what the file of 'rosin serve --users' has of it"
    )
    return result


def _link(args: argparse.Namespace) -> None:
    import os
    from urllib.parse import urlsplit

    from rosin.rest.loginlink import ask

    parts = urlsplit(args.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"expected the address of a server, such as http://127.0.0.1:5000, got '{args.url}'")
    print(ask(args.url.rstrip("/"), os.environ.get("FLUX_TOKEN", "")))


def _file(one: AdminParser) -> None:
    one.add_argument(
        "--file", metavar="FILE", help="the file of tokens (default: rosin/tokens.json in XDG_STATE_HOME)"
    )


def _store(args: argparse.Namespace) -> TokenStore:
    from rosin.rest.auth.tokens import TokenStore, default_path

    return TokenStore(args.file or default_path())


def _scopes(text: str) -> tuple[str, ...]:
    from argparse import ArgumentTypeError

    from rosin.rest.auth.tokens import parse_scopes

    try:
        return parse_scopes(text)
    except ValueError as exc:
        raise ArgumentTypeError(str(exc)) from None


def _lifetime(text: str) -> float | None:
    from argparse import ArgumentTypeError

    from rosin.errors import FormatError
    from rosin.rfc import fsd

    if text == "never":
        return None
    try:
        seconds = fsd.parse(text)
    except FormatError:
        seconds = 0.0
    if 0 < seconds < float("inf"):
        return seconds
    raise ArgumentTypeError(f"expected a time such as 12h or 30d, or never, got '{text}'")


def _create(args: argparse.Namespace) -> None:
    secret, _ = _store(args).create(args.name, args.scope, args.expires)
    print(secret)


def _list(args: argparse.Namespace) -> None:
    import time

    rows = [_row(token, time.time()) for token in _store(args).all()]
    if not args.no_header:
        rows.insert(0, ("ID", "SCOPES", "EXPIRES", "USER", "NAME"))
    widths = [max((len(row[at]) for row in rows), default=0) for at in range(4)]
    for row in rows:
        print(*(f"{text:{width}}" for text, width in zip(row[:4], widths, strict=True)), row[4])


def _row(token: ApiToken, now: float) -> tuple[str, str, str, str, str]:
    import time

    if token.expires is None:
        end = "never"
    elif token.expires <= now:
        end = "over"
    else:
        end = time.strftime("%Y-%m-%dT%H:%M", time.localtime(token.expires))
    return token.id, ",".join(token.scopes), end, token.user or "owner", token.name


def _revoke(args: argparse.Namespace) -> None:
    store = _store(args)
    for ident in args.ids:
        if store.revoke(ident) is None:
            raise ValueError(f"there is no token with the id '{ident}' (see rosin token list)")


def _password(_args: argparse.Namespace) -> None:
    import sys
    from getpass import getpass

    from rosin.rest.auth.users import hash_password

    if sys.stdin.isatty():
        password = getpass("Password: ")
        if getpass("Again: ") != password:
            raise ValueError("these are not the same")
    else:
        password = sys.stdin.readline().rstrip("\n")
    if len(password) < _SHORTEST:
        raise ValueError(f"expected a password of at least {_SHORTEST} characters, on standard input")
    print(hash_password(password))


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
