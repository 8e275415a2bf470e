# SPDX-License-Identifier: LGPL-3.0-or-later
"""The content backing store in a directory of files."""
