# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin serve``: the REST API and web page of an instance."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from rosin.cli.arguments import Parser
from rosin.errors import needs_package

if TYPE_CHECKING:
    import argparse

    from rosin.rest.settings import Settings

_EPILOG = """\
Credentials come from the environment: FLUX_USER and FLUX_TOKEN are the name and password (HTTP Basic, or the
token as a bearer token); FLUX_TOKEN_FILE names a file with the token. Without them your own processes on this
machine are let in, and the browser that first opens the link which is printed. 'rosin token' makes tokens for
programs.
"""


def parser(prog: str) -> Parser:
    """The command's options."""
    result = Parser(
        prog.replace("-", " "),
        description="Serve the REST API and web page of the enclosing instance. "
        "Start a new instance with them: rosin start rosin serve",
        epilog=_EPILOG,
    )
    add = result.add_argument
    add("--host", metavar="H", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    add("--port", metavar="P", type=int, default=5000, help="TCP port, 0 for any (default: 5000)")
    add("--unix", "--uds", metavar="PATH", help="listen on a UNIX socket instead, for this user only")
    add("--tls-cert", metavar="FILE", help="speak TLS (https), with this chain of certificates in PEM")
    add("--tls-key", metavar="FILE", help="the certificate's key, mode 600 (default: it is in the same file)")
    add(
        "--uri",
        metavar="URI",
        help="serve this instance, and wait for it when it is away (default: FLUX_URI, and end with it)",
    )
    add(
        "--allow-host",
        metavar="NAME",
        action="append",
        default=[],
        help="answer to this host name too (behind a proxy)",
    )
    add(
        "--trusted-proxy",
        metavar="ADDR",
        action="append",
        default=[],
        help="believe X-Forwarded-For of this proxy: an address, a network, or unix (default: of none)",
    )
    add(
        "--tokens",
        metavar="FILE",
        help="file of API tokens (default: that of 'rosin token', rosin/tokens.json in XDG_STATE_HOME)",
    )
    add(
        "--state",
        metavar="FILE",
        help="file of what outlives the server: sessions, webhooks, answers (default: "
        "rosin/serve-HOST-PLACE.db in XDG_STATE_HOME; with --port=0 none)",
    )
    add("--users", metavar="FILE", help="file of users beside the owner, and of guests (TOML)")
    add("--audit-log", metavar="FILE", help="add a line of JSON for what is changed or refused, and by whom")
    add(
        "--rate-limit",
        metavar="N",
        type=float,
        default=0.0,
        help="requests a second of each user (default: any)",
    )
    add(
        "--allow-webhook",
        metavar="ADDR",
        action="append",
        default=[],
        help="deliver webhooks to this address or network too (default: only to the internet)",
    )
    add("-v", "--verbose", action="store_true", help="write a line for each request")
    return result


def _settings(args: argparse.Namespace) -> Settings:
    """Raises ValueError when the server would be open to others."""
    from rosin.errors import FormatError
    from rosin.process import credentials
    from rosin.rest.auth.tokens import default_path
    from rosin.rest.settings import Settings, is_loopback, parse_network, parse_proxy, read_environment
    from rosin.rest.submission import server_options

    keywords = read_environment(os.environ, credentials.take())
    try:
        server_options(keywords["option_flags"])
    except FormatError as exc:
        raise ValueError(f"FLUX_OPTION_FLAGS: {exc}; expected for example -ompi=none") from None
    if not 0 <= args.rate_limit < float("inf"):
        raise ValueError(
            f"--rate-limit: expected requests a second such as 50, or 0, got '{args.rate_limit}'"
        )
    local = args.unix is not None or is_loopback(args.host)
    nobody = keywords["token"] is None and args.users is None
    if nobody and not local:
        raise ValueError(
            f"{args.host} can be reached from other machines and no credentials are set: "
            "set FLUX_USER and FLUX_TOKEN, or serve on 127.0.0.1 or with --unix"
        )
    same_user = keywords["token"] is None and local
    proxies = tuple(parse_proxy(text) for text in args.trusted_proxy)
    if same_user and proxies:
        raise ValueError(
            "--trusted-proxy: without credentials a proxy lets everybody in: set FLUX_USER and FLUX_TOKEN"
        )
    hosts = [name.lower() for name in args.allow_host]
    if local or hosts:
        hosts += ["localhost", "127.0.0.1", "::1", args.host.strip("[]").lower()]
    given: dict[str, Any] = {
        "uri": args.uri,
        "ends": args.uri is None,
        "hosts": tuple(dict.fromkeys(hosts)),
        "proxies": proxies,
        "same_user": same_user,
        "state": args.state,
        "users": args.users,
        "audit": args.audit_log,
        "rate": args.rate_limit,
        "webhook_networks": tuple(map(parse_network, args.allow_webhook)),
        "tokens": args.tokens or default_path(),
    }
    return Settings(**given, **keywords)


def _cookie(port: int, secure: bool) -> str:
    """The name of the session's cookie: a browser sends the cookies of a host to all of its ports.

    One that begins with __Host- can only be set over TLS, and by this host.
    """
    return f"{'__Host-' if secure else ''}rosin-{port}"


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    options = parser(prog)
    args = options.parse_args(argv)
    if not 0 <= args.port <= 65535:
        raise ValueError(f"--port: expected a number from 0 to 65535, such as 5000, got {args.port}")
    if args.tls_key is not None and args.tls_cert is None:
        raise ValueError("--tls-key: it needs --tls-cert, the certificate of this key")
    if args.tls_cert is not None and args.unix is not None:
        raise ValueError("--tls-cert: a UNIX socket has no TLS: choose --host and --port, or --unix")
    settings = _settings(args)
    from dataclasses import replace

    try:
        from rosin.rest.server import serve
    except ModuleNotFoundError as exc:
        raise needs_package("the server", exc.name or "?", "rest") from None
    from rosin.process import platform
    from rosin.rest.server_sockets import tcp_socket, tls_context, unix_socket
    from rosin.rest.serverstate import default_path

    if settings.token is not None:
        platform.hide_memory()  # jobs are processes of this user
    tls = None if args.tls_cert is None else tls_context(args.tls_cert, args.tls_key)
    if args.unix is not None:
        sock = unix_socket(args.unix)
        where = f"unix:{args.unix}"
    else:
        sock = tcp_socket(args.host, args.port)
        address, port = sock.getsockname()[:2]
        host = f"[{address}]" if ":" in address else address
        where = f"http{'' if tls is None else 's'}://{host}:{port}/"
        settings = replace(settings, cookie=_cookie(port, tls is not None))
    if settings.state is None and (args.unix is not None or args.port):
        settings = replace(settings, state=default_path(where))
    with sock:
        try:
            return serve(settings, sock, where, args.verbose, tls)
        finally:
            if args.unix is not None:
                os.unlink(args.unix)
