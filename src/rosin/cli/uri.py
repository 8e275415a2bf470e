# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin uri``: find the URI of an instance."""

from __future__ import annotations

import os

from rosin.cli.subcommands import AdminParser, as_written

_EPILOG = """\
Supported resolver schemes:
  jobid   the instance that is a job: jobid:ID, or ID alone
  pid     the instance that a local process belongs to: pid:PID
  slurm   the instance that runs in a Slurm job: slurm:ID
  lsf     the instance that runs in a job of IBM Spectrum LSF: lsf:ID
  path    an instance by its place: / (root), .. (parent), /JOBID/JOBID
  local   a URI of an instance on this host
  ssh     a URI of an instance on another host

?local, ?remote and ?wait behind a target are as the options are.
"""


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Find the URI of an instance.", epilog=_EPILOG, formatter_class=as_written)
    result.flag("--remote", text="print the URI for use from another host")
    result.flag("--local", text="print the URI for use on the instance's host")
    result.flag("--wait", text="wait until the job has published its URI")
    result.add_argument("target", metavar="TARGET", help="the instance")
    return result


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    from rosin.cli.resolvers import resolve
    from rosin.job.uri import JobURI

    args = parser(prog).parse_args(argv)
    if args.remote and args.local:
        raise ValueError("Only one of --remote or --local may be used")
    uri = JobURI(resolve(args.target, args.wait, prog.partition("-")[0]))
    local = args.local or (not args.remote and "FLUX_URI_RESOLVE_LOCAL" in os.environ)
    print(uri.remote if args.remote else uri.local if local else uri)
    return 0
