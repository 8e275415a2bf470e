# SPDX-License-Identifier: LGPL-3.0-or-later
"""The ``initrc`` and ``userrc`` options, where they name Python files: plugins of a site and of a user.

flux-core's shell runs Lua programs there. Here each class in the file that derives from
:class:`~rosin.shell.plugins.api.ShellPlugin` is made and put on the stack, behind the
shell's own plugins or in the place of the one that has its name. A site's file is that of the broker
attribute ``conf.shell_initrc``, unless a job names another.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from rosin.shell.errors import ShellError, fault
from rosin.shell.plugins.api import ShellPlugin
from rosin.shell.startup import SITE

if TYPE_CHECKING:
    from rosin.shell.info import ShellInfo
    from rosin.shell.options import Options

RC_FILES = ("initrc", "userrc")
_SUFFIX = ".py"


def is_python(path: Any) -> bool:
    """Whether this value of an option names a file of plugins."""
    return isinstance(path, str) and path.endswith(_SUFFIX)


def files(options: Options, site: str | None) -> list[tuple[str, str]]:
    """The files of plugins that a job has, each with what names it."""
    found = [(name, options.get(name)) for name in RC_FILES if is_python(options.get(name))]
    if options.get("initrc") is None and is_python(site):
        found.insert(0, (SITE, str(site)))
    return found


def plugin_classes(info: ShellInfo, site: str | None = None) -> list[type[ShellPlugin]]:
    """The classes of all these files. Raises ShellError for a file that does not run."""
    found: list[type[ShellPlugin]] = []
    for name, path in files(info.options, site):
        found += _run(name, path, os.path.join(info.spec.cwd or "", path))
    return found


def _run(option: str, path: str, place: str) -> list[type[ShellPlugin]]:
    what = "attribute" if option == SITE else "shell option"
    module: dict[str, Any] = {"__name__": option, "__file__": place}
    try:
        with open(place, "rb") as stream:
            exec(compile(stream.read(), place, "exec"), module)
    except OSError as error:
        raise ShellError(f"{what} {option}: loading rc file {path}: {error.strerror}") from None
    except (Exception, SystemExit) as error:
        raise ShellError(f"{what} {option}={path}: {fault(error)}") from None
    classes = [
        value for value in module.values() if isinstance(value, type) and issubclass(value, ShellPlugin)
    ]
    own = [cls for cls in classes if cls.__module__ == option]
    for cls in own:
        cls.name = cls.name or cls.__name__
    return own
