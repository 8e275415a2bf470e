# SPDX-License-Identifier: LGPL-3.0-or-later
"""Files of a job's working directory."""

from __future__ import annotations

from pydantic import Field

from rosin.rest.own.schema.base import Model


class FileEntry(Model):
    """A name in a directory."""

    name: str
    type: str = Field(description="file, directory, link or other")
    size: int
    mtime: float
    mode: int = Field(description="permissions")


class FileList(Model):
    """A directory."""

    directory: str = Field(description="the job's working directory")
    path: str
    items: list[FileEntry]
    complete: bool = Field(description="whether these are all")


class Written(Model):
    """A file as it is now."""

    path: str
    size: int
