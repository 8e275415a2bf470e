# SPDX-License-Identifier: LGPL-3.0-or-later
"""What there is to do at the start or end of a broker: a module to load or remove, a function to call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from rosin.rfc.idset import Idset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    #: Called with a :class:`rosin.modprobe.context.RcContext`.
    Function = Callable[[Any], object]

#: Stands for all others in ``before`` and ``after``.
EVERYTHING = "*"
_LISTS = ("provides", "requires", "needs", "before", "after", "needs_attrs", "needs_config", "needs_env")
#: What every task may say of itself, and what it says if it does not.
DEFAULTS: dict[str, Any] = {"ranks": "all", **dict.fromkeys(_LISTS, ()), "disabled": False, "priority": 100}
_OWN = {"module": str, "args": list, "exec": bool}
#: The order in which ``show`` has a module's keys.
KEYS = (
    *("name", "module", "args", "ranks", "provides", "requires", "needs", "before", "after"),
    *("needs-attrs", "needs-config", "needs-env", "priority", "disabled", "exec"),
)


class RankSpec:
    """On which ranks: ``all``, an idset, ``>N`` or ``<N``."""

    def __init__(self, text: str) -> None:
        """Raises ValueError that says what is accepted."""
        self.text = text
        self._sign = text[:1] if text[:1] in ("<", ">") and text[1:].isdecimal() else ""
        try:
            self._limit = int(text[1:]) if self._sign else 0
            self._ids = None if self._sign or text == "all" else Idset.decode(text)
        except ValueError:
            raise ValueError(
                f'ranks: invalid idset: {text}: expected ranks, as in "0-3", "all" or ">0"'
            ) from None

    def __contains__(self, rank: int) -> bool:
        if self._sign:
            return rank < self._limit if self._sign == "<" else rank > self._limit
        return self._ids is None or rank in self._ids

    def __str__(self) -> str:
        return self.text


class RcConditions(Protocol):
    """What the conditions of tasks ask of the broker in which they run."""

    @property
    def rank(self) -> int: ...

    def attr_get(self, attr: str) -> str | None: ...

    def conf_get(self, key: str) -> Any: ...

    def getenv(self, var: str) -> str | None: ...


class RcBroker(RcConditions, Protocol):
    """What tasks ask of it in addition."""

    def getopts(self, name: str, default: Iterable[str], also: Iterable[str]) -> list[str]: ...

    def print(self, *words: object) -> None: ...

    def rpc(self, topic: str, payload: dict[str, Any]) -> Any: ...


class RcTask:
    """One task: its name, where and when it runs, and what it needs."""

    ranks: RankSpec
    provides: list[str]
    requires: list[str]
    needs: list[str]
    before: list[str]
    after: list[str]
    needs_attrs: list[str]
    needs_config: list[str]
    needs_env: list[str]
    disabled: bool
    priority: int

    def __init__(self, name: str, **settings: Any) -> None:
        """Raises ValueError that names the setting at fault."""
        self.name = name
        self.force_enabled = False
        self.starttime: float | None = None
        self.endtime: float | None = None
        for key, default in DEFAULTS.items():
            self.set(key, default)
        for key, value in settings.items():
            if key not in DEFAULTS:
                raise ValueError(f"{name}: unknown task argument {key}: expected {', '.join(DEFAULTS)}")
            self.set(key, DEFAULTS[key] if value is None else value)
        self.check()

    def set(self, key: str, value: Any) -> None:
        """Change a setting. Raises ValueError that names it."""
        kind = list if key in _LISTS else type(DEFAULTS[key])
        if kind is list:
            value = list(value) if isinstance(value, (list, tuple)) else value
        if not isinstance(value, kind) or (kind is list and not all(isinstance(item, str) for item in value)):
            text = {list: 'an array of names, as in ["kvs"]', bool: "true or false", int: "a number"}
            raise ValueError(f"{self.name}: {key}: expected {text.get(kind, 'a text')}, got {value!r}")
        setattr(self, key, RankSpec(str(value)) if key == "ranks" else value)

    def check(self) -> None:
        """Raise ValueError if the settings contradict each other."""
        for one, other in (("before", "after"), ("after", "before")):
            if EVERYTHING in getattr(self, one) and getattr(self, other):
                raise ValueError(
                    f"{self.name}: cannot specify '{one}=[\"*\"]' "
                    f"when '{other}' is also set ({other}={getattr(self, other)})"
                )

    def enabled(self, context: RcConditions | None = None) -> bool:
        """Whether it is to run; with a context, whether that is so on its rank, in its environment."""
        if self.force_enabled:
            return True
        if self.disabled or context is None:
            return not self.disabled
        return (
            context.rank in self.ranks
            and all(_holds(spec, context.conf_get) for spec in self.needs_config)
            and all(_holds(spec, context.attr_get) for spec in self.needs_attrs)
            and all(_holds(spec, context.getenv) for spec in self.needs_env)
        )

    def run(self, context: RcBroker) -> None:
        """Do it."""
        raise NotImplementedError

    def describe(self, context: RcBroker) -> str:
        """What :meth:`run` would do, in a line."""
        raise NotImplementedError


def _holds(spec: str, get: Callable[[str], Any]) -> bool:
    """Whether a name is set, or with ``!`` before it is not."""
    return get(spec[1:]) is None if spec[:1] == "!" else get(spec) is not None


class CodeTask(RcTask):
    """A function of a Python file."""

    def __init__(self, name: str, func: Function, **settings: Any) -> None:
        super().__init__(name, **settings)
        self.func = func

    def run(self, context: RcBroker) -> None:
        context.print(f"start {self.name}")
        self.func(context)
        context.print(f"completed {self.name}")

    def describe(self, _context: RcBroker) -> str:
        return f"run {self.name}"


def task(name: str, **settings: Any) -> Callable[[Function], CodeTask]:
    """Decorator that makes a task of a function, which is called with a :class:`~rosin.modprobe.RcContext`.

    ``ranks``: where it runs, as in "all" (default), "0-3" or ">0". ``before``, ``after``: tasks, modules or
    services, or ["*"] for all others. ``requires``: what becomes active with it; ``needs``: without which it
    is not enabled. ``needs_attrs``, ``needs_config``, ``needs_env``: names that must be set (with "!" before
    them: must not). ``provides``: services that it stands for; of several tasks with one, that of the highest
    ``priority`` (default 100) is taken. ``disabled``: it does not run. Raises ValueError.
    """

    def create(func: Function) -> CodeTask:
        return CodeTask(name, func, **settings)

    return create


class Module(RcTask):
    """A broker module: to be loaded, or after :meth:`set_remove` to be removed."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        """``entry``: a table of ``modules`` in a TOML file. Raises ValueError that names the key at fault."""
        name = entry.get("name")
        if not isinstance(name, str) or not name:
            raise ValueError("Missing required config key 'name'")
        super().__init__(name)
        self.module = name
        self.args: list[str] = []
        self.exec = False
        self.removing = False
        self.update(entry)

    def update(self, entry: Mapping[str, Any]) -> None:
        """Change what a table says. Raises ValueError that names the key at fault."""
        for key, value in entry.items():
            if key not in KEYS:
                raise ValueError(f"invalid config key {key}: expected {', '.join(KEYS)}")
            if key in _OWN:
                if not isinstance(value, _OWN[key]):
                    raise ValueError(f"{self.name}: {key}: expected {_OWN[key].__name__}, got {value!r}")
                setattr(self, key, value)
            elif key != "name":
                self.set(key.replace("-", "_"), value)
        self.check()

    def to_dict(self) -> dict[str, Any]:
        """Its settings, as ``show`` prints them."""
        values = {key: getattr(self, key) for key in KEYS if "-" not in key}
        return {**values, "ranks": str(self.ranks)}

    def set_remove(self) -> None:
        """Remove it instead: in the reverse order, and whatever it needs."""
        self.before, self.after = self.after, self.before
        self.needs, self.requires = [], []
        self.removing = True

    def _args(self, context: RcBroker) -> list[str]:
        return context.getopts(self.name, default=self.args, also=self.provides)

    def describe(self, context: RcBroker) -> str:
        if self.removing:
            return f"remove {self.name}"
        return " ".join((f"load {self.name}", *self._args(context)))

    def run(self, context: RcBroker) -> None:
        if self.removing:
            context.print(f"module.remove {self.name}")
            try:
                context.rpc("module.remove", {"name": self.name}).get()
            except FileNotFoundError:
                context.print(f"{self.name} is not loaded")
            return
        request: dict[str, Any] = {"path": self.module, "args": self._args(context), "exec": self.exec}
        if self.module != self.name:
            request["name"] = self.name
        context.print(f"module.load {request}")
        context.rpc("module.load", request).get()
        context.print(f"loaded {self.name}")
