# SPDX-License-Identifier: LGPL-3.0-or-later
"""Several brokers of one instance on this machine: started, brought together, watched and ended."""
