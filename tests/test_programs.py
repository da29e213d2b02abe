"""Programs that tests start: installed where that may be, and else named."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support import missing_programs, programs

APT = """#!/bin/sh
echo "$@" >> {directory}/asked
case "$*" in *install*) cd {directory} && ln -s /bin/true chromium && ln -s /bin/true nginx;; esac
"""


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with openssl and pgbouncer, and apt; its directory of programs."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "_DAEMONS", "/nowhere")
    for name in ("openssl", "pgbouncer"):
        (tmp_path / name).symlink_to("/bin/true")
    (tmp_path / "env").symlink_to("/usr/bin/env")
    (tmp_path / "ln").symlink_to("/bin/ln")
    write(tmp_path / "apt-get", APT.format(directory=tmp_path))
    return tmp_path


def write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def test_root_gets_what_is_missing(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert programs.missing() == ["chromium", "nginx-light"]
    programs.main()
    asked = (bare / "asked").read_text().splitlines()
    assert asked == ["-qq update", "-qq install -y --no-install-recommends chromium nginx-light"]
    assert programs.missing() == []
    programs.main()  # there is nothing to do
    assert (bare / "asked").read_text().splitlines() == asked


@pytest.mark.parametrize("may", [True, False])
def test_another_user_gets_it_where_sudo_asks_for_no_password(
    may: bool, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    write(
        bare / "sudo",
        '#!/bin/sh\n[ "$1" = -n ] && shift && exec "$@"\n' if may else "#!/bin/sh\nexit 1\n",
    )
    (bare / "true").symlink_to("/bin/true")
    if may:
        programs.main()
        assert programs.missing() == []
    else:
        with pytest.raises(SystemExit, match="apt-get install chromium nginx-light"):
            programs.main()
        assert not (bare / "asked").exists()


def test_without_apt_the_packages_are_named(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (bare / "apt-get").unlink()
    with pytest.raises(SystemExit, match="apt-get install chromium nginx-light"):
        programs.main()


def test_tests_that_need_it_are_skipped_and_one_line_says_what_to_install(bare: Path) -> None:
    with pytest.raises(pytest.skip.Exception, match="apt-get install nginx-light") as skipped:
        missing_programs.needed("nginx")
    reports = [SimpleNamespace(longrepr=("", 1, f"Skipped: {skipped.value}"))] * 2
    others = [SimpleNamespace(longrepr=("", 1, "Skipped: systemd is not here"))]
    assert missing_programs.closing_line([*reports, *others]) == (  # type: ignore[list-item]
        "2 tests were skipped for want of programs that they start: "
        "apt-get install chromium nginx-light"
    )
    assert missing_programs.closing_line(others) == ""  # type: ignore[arg-type]
    assert missing_programs.needed("openssl") == str(bare / "openssl")


def test_the_look_needs_nothing_but_python() -> None:
    """It comes before any package is installed."""
    names = [name for name in sys.modules if name.startswith("tests.support.programs")]
    source = Path(sys.modules[names[0]].__file__ or "").read_text()
    imported = {
        line.split()[1] for line in source.splitlines() if line.startswith(("import", "from"))
    }
    assert imported <= sys.stdlib_module_names
