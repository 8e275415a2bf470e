# SPDX-License-Identifier: LGPL-3.0-or-later
"""A future that a program fulfils itself."""

from __future__ import annotations

import errno

from rosin.handle.future import Future, error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any, Self

    from rosin.handle.handle import Handle


class FutureExt(Future):
    """Calls ``init_cb(self, *args, **kw_args)`` when somebody first waits for it; that fulfils it, now or
    later.

    Requires a blocking handle, ``flux_handle`` or that of :meth:`set_flux`: OSError (EINVAL) without one.
    While a :meth:`get` waits, the callbacks of the handle's reactor run, as the initialization may have
    registered some.
    """

    __slots__ = ("_init",)

    def __init__(
        self, init_cb: Callable[..., Any], *args: Any, flux_handle: Handle | None = None, **kw_args: Any
    ) -> None:
        super().__init__(flux_handle)  # type: ignore[arg-type]
        self._init: Callable[[], Any] | None = lambda: init_cb(self, *args, **kw_args)

    def _begin(self) -> None:
        init, self._init = self._init, None
        if init is not None:
            init()

    def _check_handle(self) -> None:
        if self.handle is None:
            raise error(errno.EINVAL, "this future has no handle: give flux_handle, or call set_flux()")

    def wait_for(self, timeout: float = -1.0) -> Self:
        self._check_handle()
        self._begin()
        if not self._results:
            self.handle._run_until(self, timeout)
        return self

    def get(self) -> Any:
        return self.wait_for()._current()

    def then(self, callback: Callable[..., Any], *args: Any, timeout: float = -1.0, **kwargs: Any) -> Self:
        self._check_handle()
        super().then(callback, *args, timeout=timeout, **kwargs)
        if self._init is not None:
            self.handle._defer(self._begin)
        return self

    def __await__(self) -> Generator[Any, None, Any]:
        self._check_handle()
        self._begin()
        return super().__await__()
