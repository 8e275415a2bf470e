# SPDX-License-Identifier: LGPL-3.0-or-later
"""Removing trees: deep ones, wide ones, links, and what resists."""

import os

from rosin.process.remove import remove_tree


def test_a_tree_deeper_than_stack_descriptors_and_paths(tmp_path):
    top = tmp_path / "top"
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("directory", dir_fd=here)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        below = os.open("directory", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    remove_tree(str(top))
    assert not top.exists()


def test_links_are_removed_and_not_followed(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    top = tmp_path / "top"
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / "link").symlink_to(kept)
    (top / "link").symlink_to(kept)
    (top / ".remove-1").mkdir()
    (top / ".remove-1" / "c").mkdir()
    remove_tree(str(top))
    assert not top.exists()
    assert (kept / "file").read_text() == "x"
    (tmp_path / "alias").symlink_to(kept)
    remove_tree(str(tmp_path / "alias"))
    assert (kept / "file").exists()


def test_what_is_not_there_or_no_directory_is_left_alone(tmp_path):
    remove_tree(str(tmp_path / "nothing"))
    file = tmp_path / "file"
    file.write_text("x")
    remove_tree(str(file))
    assert file.exists()
