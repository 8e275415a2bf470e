# SPDX-License-Identifier: LGPL-3.0-or-later
"""The allocator: what jobs ask for (RFC 14), what there is (RFC 20, 28), and who gets what of it. Pure.

Schedulers compute with it, and programs that try things on, as flux-core's ``Rv1Pool``.
"""
