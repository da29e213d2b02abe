""".env, read strictly: what can't be read is refused in one sentence that shows no value."""

import os
import re
import shutil
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from environ import Env

from authz_project import env_file, owners
from authz_project.env_file import EnvFileError
from tests.test_settings import PROJECT, VARIABLES

IS_ROOT = os.geteuid() == 0
SECRET = "sk_live_51Hxyz"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".env"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (f"# one\nDEBUG=true\nSECRET_KEY = {SECRET}\n", "line 3 of .env: write NAME=value, "),
        (f"SECRET_KEY: {SECRET}\n", "line 1 of .env: write NAME=value, without white space before"),
        (
            f"  SECRET_KEY={SECRET}\n",
            "line 1 of .env: write NAME=value, without white space before",
        ),
        (f"export  SECRET_KEY={SECRET}\n", "line 1 of .env: write NAME=value, "),
        (f"{SECRET}\n", "line 1 of .env: write NAME=value, without white space before the name "),
        (f"SECRET_KEY= {SECRET}\n", "the value of SECRET_KEY begins or ends with white space."),
        (f"SECRET_KEY={SECRET} \n", "the value of SECRET_KEY begins or ends with white space."),
        (f'SECRET_KEY="{SECRET}\n', "the value of SECRET_KEY begins with a quotation mark."),
        (
            f"SECRET_KEY='{SECRET}' # mine\n",
            "the value of SECRET_KEY begins with a quotation mark.",
        ),
        (f"SECRET_KEY='\"{SECRET}\"'\n", "the value of SECRET_KEY begins with a quotation mark."),
        (f"SECRET_KEY={SECRET} # mine\n", "line 1 of .env: there is a # after SECRET_KEY."),
        (f"SECRET_KEY={SECRET}\u2028X\n", "line 1 of .env: it has a character that can't"),
        (f"SECRET_KEY={SECRET}\0\n", "line 1 of .env: it has a character that can't be printed."),
        (f"\n\ufeffSECRET_KEY={SECRET}\n", "line 2 of .env: it has a character that can't"),
        (f"A=1\nSECRET_KEY={SECRET}\nA=2\n", "line 3 of .env: A is already set on line 1."),
    ],
)
def test_a_line_that_cannot_be_read_is_named_and_its_value_is_not(
    path: Path, content: str, sentence: str
) -> None:
    path.write_text(content)
    with pytest.raises(EnvFileError) as refused:
        env_file.lines(path)
    assert sentence in str(refused.value)
    assert re.match(r"line \d+ of \.env: .*\.$", str(refused.value))
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"A=1\n\nKEY=\xe9t\xe9\n", "line 3 of .env: it is not UTF-8. Save the file as UTF-8."),
        ("KEY=1\n".encode("utf-16"), "is UTF-16. Save it as UTF-8."),
    ],
)
def test_bytes_that_are_no_text_are_refused(path: Path, content: bytes, sentence: str) -> None:
    path.write_bytes(content)
    with pytest.raises(EnvFileError, match=re.escape(sentence)):
        env_file.lines(path)


def test_what_is_read_is_what_django_environ_makes_of_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = (
        "\ufeff# the mark that editors on Windows leave, and their ends of lines\r\n"
        "  # a comment further right\r\n"
        "   \r\n"
        "BARE=a=b#c$d\r\n"
        "export EXPORTED=yes\r\n"
        "SINGLE='with # and spaces '\r\n"
        'DOUBLE="it\'s \\"so\\""\r\n'
        "EMPTY=\r\n"
        "BLANK=  \r\n"
    )
    path.write_bytes(written.encode())
    monkeypatch.setattr(Env, "ENVIRON", found := dict[str, str]())
    Env.read_env(StringIO("\n".join(env_file.lines(path).values())))
    assert found == {
        "BARE": "a=b#c$d",
        "EXPORTED": "yes",
        "SINGLE": "with # and spaces ",
        "DOUBLE": 'it\'s "so"',
        "EMPTY": "",
        "BLANK": "  ",
    }


def test_without_a_file_there_is_nothing_to_read(path: Path) -> None:
    assert env_file.lines(path) == {}


def test_a_folder_and_a_link_to_nothing_are_not_taken_for_no_file(path: Path) -> None:
    path.mkdir()
    with pytest.raises(EnvFileError, match=r"\.env is a folder, .*Move the folder"):
        env_file.lines(path)
    path.rmdir()
    path.symlink_to(path.with_name("gone"))
    with pytest.raises(EnvFileError, match=r"\.env is a link to a file that does not exist"):
        env_file.lines(path)


AS_NOBODY = """
import os, sys
sys.path.insert(0, sys.argv[1])
from authz_project import env_file
from pathlib import Path
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    env_file.lines(Path(sys.argv[2]))
except env_file.EnvFileError as refused:
    print(refused)
"""


@pytest.mark.skipif(not IS_ROOT, reason="only root can leave files that others can't read")
def test_a_file_that_root_left_behind_is_named_with_who_can_read_it(path: Path) -> None:
    path.write_text("DEBUG=true\n")
    path.chmod(0o600)
    for folder in path.parents:
        if folder.stat().st_mode & 0o001 == 0 and folder.is_relative_to("/tmp"):
            folder.chmod(0o711)
    heard = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, PROJECT, path], capture_output=True, text=True, check=True
    )
    assert f"{path} can't be read by {owners.user_name(65534)}: it belongs to root." in heard.stdout
    assert f"sudo chown {owners.user_name(65534)} {path}" in heard.stdout


def test_a_command_ends_with_that_sentence_alone(tmp_path: Path) -> None:
    # A copy, as settings look for the file beside where they really lie.
    shutil.copy(PROJECT / "manage.py", tmp_path)
    shutil.copytree(PROJECT / "authz_project", tmp_path / "authz_project")
    (tmp_path / "authorizations").symlink_to(PROJECT / "authorizations")
    (tmp_path / ".env").write_text(f"DEBUG=true\nSECRET_KEY = {SECRET}\n")
    ended = subprocess.run(
        [sys.executable, "manage.py", "migrate"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name not in VARIABLES}
        | {"DJANGO_SETTINGS_MODULE": "authz_project.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("line 2 of .env: write NAME=value, without white space before ")
    assert (ended.stdout, ended.stderr.count("\n")) == ("", 1)
    assert SECRET not in ended.stderr


def test_a_file_for_systemd_reads_the_same_here(path: Path) -> None:
    path.write_text("A=1\nB='two words'\nC=\"three\"\n")
    assert env_file.values(path) == {"A": "1", "B": "two words", "C": "three"}
    path.write_text("SECRET_KEY=a\\b\n")
    with pytest.raises(EnvFileError, match="SECRET_KEY has a backslash, which systemd reads"):
        env_file.values(path)
