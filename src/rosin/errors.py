# SPDX-License-Identifier: LGPL-3.0-or-later
"""The one error that every decoder raises.

Failed RPCs raise :class:`OSError` with the errno and text of the response (RFC 6), so that callers can
write ``except FileNotFoundError``; nothing in Rosin defines another error for them.
"""


class FormatError(ValueError):
    """Input that does not follow its RFC.

    The text is one line that names the place and the cause (``hostlist: unbalanced '[' at column 5``).
    A service answers it as EPROTO.
    """
