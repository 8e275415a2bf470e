# SPDX-License-Identifier: LGPL-3.0-or-later
"""What is done at the start and at the end of a broker, and in which order: modules, and tasks around them.

It is the same for a broker that loads its modules by itself and for the command ``modprobe``.
"""
