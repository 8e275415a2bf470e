# SPDX-License-Identifier: LGPL-3.0-or-later
"""Modules in processes of their own (RFC 5), connected by a socket (``fd://``).

:mod:`hosted` is the broker's side: a module that passes everything on to its process. :mod:`process` is the
other one: a program that runs one of our modules. Either of them may be flux-core's instead.
"""
