"""Files that are written where the user says: whole or not at all, in no other file's place."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from vitrina.errors import SettingsError
from vitrina.output import output


def is_ours(begins: bytes) -> bool:
    return begins.startswith(b"ours")


def put(file: Path, text: str = "ours, too") -> None:
    with output(file, "--out", ours=is_ours) as stream:
        stream.write(text)


def put_new(file: Path, text: str = "new") -> None:
    with output(file, "--csv") as stream:
        stream.write(text)


@pytest.mark.parametrize("write", [put, put_new])
def test_a_file_is_there_once_it_is_whole(
    tmp_path: Path, write: Callable[[Path, str], None]
) -> None:
    file = tmp_path / "имя с пробелом.html"
    with suppress(ZeroDivisionError), output(file, "--out") as stream:
        stream.write("a part")
        stream.flush()
        assert not file.exists()
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    write(file, "a\nb\r\n")
    assert file.read_bytes() == b"a\nb\r\n"
    assert list(tmp_path.iterdir()) == [file]


def test_only_a_file_of_ours_is_replaced_and_only_where_that_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "page"
    for before in ("ours", ""):
        file.write_text(before)
        put(file)
        assert file.read_text() == "ours, too"
    with pytest.raises(SettingsError, match="is there already and stays as it is; give --csv"):
        put_new(file)
    file.write_text("not ours")
    with pytest.raises(SettingsError, match=r"was not written by this command.*give --out another"):
        put(file)
    assert file.read_text() == "not ours"


def test_neither_a_folder_nor_a_device_is_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    link = tmp_path / "link"
    link.symlink_to("/dev/null")
    for place, kind in ((tmp_path, "folder"), (pipe, "device"), (link, "device")):
        for write in (put, put_new):
            with pytest.raises(SettingsError, match=f"is a {kind}.*; give --(out|csv)"):
                write(place)
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert Path("/dev/null").is_char_device()


def test_what_a_link_points_to_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "page").write_text("ours")
    (tmp_path / "link").symlink_to("page")
    put(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "page").read_text() == "ours, too"


@pytest.mark.parametrize("name", ["absent/page", "x" * 300, "/dev/full/page", "/proc/page"])
def test_a_place_that_cannot_be_written_is_told_in_one_line(tmp_path: Path, name: str) -> None:
    for write in (put, put_new):
        with pytest.raises(SettingsError, match=r"cannot be written: \w") as raised:
            write(tmp_path / name)
        assert "\n" not in str(raised.value)
