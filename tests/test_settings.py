"""What the environment may say, and what stops the start."""

import os
import re
import runpy
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from authorizations.checks import TAG, refuse_unsafe_start
from authz_project import env_file, first_env

PROJECT = Path(__file__).resolve().parent.parent
SETTINGS = PROJECT / "authz_project" / "settings.py"
VARIABLES = set(re.findall(r"^#?([A-Z_]+)=", (PROJECT / ".env.example").read_text(), re.MULTILINE))
PRODUCTION = {
    "SECRET_KEY": "b7Xq0Zk3vN9sLw2RtYc8Hd5Jf1Gm6Pa4Ue7Bo0Ix3Cz9Vn2Ks5Ql8Wr1",
    "ALLOWED_HOSTS": "cards.example.com",
    "STRIPE_WEBHOOK_SECRET": "whsec_3a1f",
}

LoadSettings = Callable[..., dict[str, Any]]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> LoadSettings:
    """Reads the settings anew, with nothing but these variables in the environment."""
    monkeypatch.setattr(env_file, "lines", lambda _file: {})
    monkeypatch.setattr(first_env, "why_deployed", lambda _folder: "")
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def load(**variables: str) -> dict[str, Any]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(str(SETTINGS))

    return load


def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A program of the project, with these variables and no others; a blank one is unset."""
    known = ("DATABASE_URL", "EMBEDDED_POSTGRES_DIR", "SPOOL_DIR")
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "authz_project.settings",
        **{name: "" for name in VARIABLES if name not in known},
        **variables,
    }
    return subprocess.run(
        [sys.executable, "-W", "error", *command],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_of_the_environment_changes_the_settings_of_the_tests() -> None:
    """But the database and the spool, as tests/settings.py says."""
    shown = (
        "import re; from django.conf import settings\n"
        "found = {name: getattr(settings, name) for name in dir(settings) if name.isupper()}\n"
        "print(re.sub(' at 0x[0-9a-f]+', '', repr(found)))"
    )
    free = {"DATABASE_URL", "EMBEDDED_POSTGRES_DIR", "SPOOL_DIR"}
    nonsense = dict.fromkeys(VARIABLES - free, "nonsense")
    settings = {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    found = [run("-c", shown, **settings), run("-c", shown, **settings, **nonsense)]
    assert found[0].stdout.startswith("{")
    assert found[0].stdout == found[1].stdout, found[1].stderr


def test_every_variable_is_described_and_every_described_one_is_read() -> None:
    read = re.findall(
        r'\b(?:text|words|yes_or_no|matching|networks)\(\s*"([A-Z_]+)"', SETTINGS.read_text()
    )
    assert set(read) == VARIABLES


def test_without_any_variable_it_is_production_on_the_embedded_database(load: LoadSettings) -> None:
    settings = load()
    assert settings["DEBUG"] is False
    assert settings["ALLOWED_HOSTS"] == []
    assert settings["DATABASES"]["default"]["ENGINE"] == "authz_project.embedded_postgres"
    assert settings["DATABASES"]["default"]["DIRECTORY"] == PROJECT / ".postgres"
    assert settings["STRIPE_VERSION"] == "2022-08-01"
    assert settings["STRIPE_LIVEMODE"] is None
    assert settings["TIME_ZONE"] == "UTC"
    assert settings["SECURE_SSL_REDIRECT"] is True
    assert settings["SESSION_COOKIE_NAME"] == "__Host-sessionid"
    assert settings["CSRF_COOKIE_NAME"] == "__Host-csrftoken"
    assert "SECURE_PROXY_SSL_HEADER" not in settings


def test_development_forgives_what_is_missing(load: LoadSettings) -> None:
    settings = load(DEBUG="true")
    assert settings["ALLOWED_HOSTS"] == ["localhost", "127.0.0.1", "[::1]"]
    assert settings["SECURE_SSL_REDIRECT"] is False
    assert "SESSION_COOKIE_NAME" not in settings  # Django's own, which needs no HTTPS
    names = ("DEBUG", "SECRET_KEY", "UNSET_SECRET_KEY", "ALLOWED_HOSTS", "STRIPE_WEBHOOK_SECRETS")
    with override_settings(**{name: settings[name] for name in names}):
        assert run_checks(tags=[TAG]) == []


def test_a_missing_secret_key_is_never_a_known_one(load: LoadSettings) -> None:
    assert load()["SECRET_KEY"] != load()["SECRET_KEY"]


def test_several_webhook_secrets_are_separated_by_commas(load: LoadSettings) -> None:
    settings = load(STRIPE_WEBHOOK_SECRET=" whsec_a ,whsec_b,\twhsec_c\n,")
    assert settings["STRIPE_WEBHOOK_SECRETS"] == ["whsec_a", "whsec_b", "whsec_c"]


def test_a_secret_may_begin_with_a_dollar_sign(load: LoadSettings) -> None:
    assert load(SECRET_KEY="$HOME-is-no-variable-here")["SECRET_KEY"] == "$HOME-is-no-variable-here"


@pytest.mark.parametrize(
    ("written", "meant"), [("true", True), ("False", False), ("", None), ("  ", None)]
)
def test_livemode_is_true_false_or_unset(
    load: LoadSettings, written: str, meant: bool | None
) -> None:
    assert load(STRIPE_LIVEMODE=written)["STRIPE_LIVEMODE"] is meant


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("DATABASE_URL", "sqlite:///db.sqlite3", "names sqlite; this program needs PostgreSQL 14"),
        ("DATABASE_URL", "mysql://u:secret@h/n", "names mysql; this program needs PostgreSQL 14"),
        ("DATABASE_URL", "postgres://u:secret@h:port/n", "can't be read; write it like postgres:"),
        ("DATABASE_URL", "postgres://u:secret@h:5432", "can't be read; write it like postgres:"),
        ("DATABASE_URL", "secret", "can't be read; write it like postgres:"),
        ("DATABASE_URL", "postgres://u:sec%ret@h/n", "write it like postgres://user:password@"),
        ("DATABASE_URL", "postgres://u:12/secret@h/n", "write @ / ? # as %40, "),
        ("DATABASE_URL", "postgres://u:secret@1@h/n", "write @ / ? # as %40, "),
        ("DATABASE_URL", "postgres://u:secret?1@h/n", "write @ / ? # as %40, "),
        ("DATABASE_URL", "postgres://u:secret#1@h/n", "write @ / ? # as %40, "),
        (
            "DATABASE_URL",
            "postgres://u:secret@h/n?pool=false",
            "sets pool, which is not a ",
        ),
        (
            "DATABASE_URL",
            "postgres://u:secret@h/n?pgbouncer=true",
            "sets pgbouncer, which is not a ",
        ),
        ("TIME_ZONE", "Europe/Atlantis", "write the name of a time zone like Europe/Paris"),
        ("TIME_ZONE", "../etc/passwd", "write the name of a time zone like Europe/Paris"),
        ("STRIPE_LIVEMODE", "live", "write true or false, or leave it out"),
        ("TRUSTED_PROXIES", "proxy.example", "write it like 127.0.0.1,10.0.0.0/8"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "write it like 127.0.0.1,10.0.0.0/8"),
        ("SESSION_HOURS", "0", "write it like 12"),
        ("SESSION_MAX_HOURS", "1.5", "write it like 24"),
        ("REQUIRE_MFA", "always", "write true or false, or leave it out"),
        ("METRICS_ALLOWED", "everybody", "write it like 127.0.0.1,10.0.0.0/8"),
        ("DEBUG", "maybe", "write true or false, or leave it out"),
        ("STRIPE_VERSION", "latest", "write it like 2022-08-01"),
        ("STRIPE_VERSION", "2020-08-27; beta", "write it like 2022-08-01"),
        ("STRIPE_VERSION", "2022-08-01\nX-Other: header", "write it like 2022-08-01"),
    ],
)
def test_what_is_malformed_is_refused_with_a_sentence(
    load: LoadSettings, name: str, value: str, sentence: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=re.escape(sentence)) as refused:
        load(**{name: value})
    assert str(refused.value).startswith(f"{name} ")
    assert "secret" not in str(refused.value)


def test_a_postgresql_url_is_taken_with_its_options(load: LoadSettings) -> None:
    url = "postgres://desk:p%40ss@db.example.com:6432/cards?sslmode=require"
    database = load(DATABASE_URL=url)["DATABASES"]["default"]
    assert database["ENGINE"] == "authz_project.postgresql"
    assert (database["HOST"], database["PORT"], database["NAME"], database["PASSWORD"]) == (
        ("db.example.com", "6432", "cards", "p@ss")
    )
    assert database["OPTIONS"]["sslmode"] == "require"
    assert database["OPTIONS"]["server_side_binding"] is True
    assert database["OPTIONS"]["pool"]["max_size"] == 16


@pytest.mark.parametrize(
    ("url", "host", "name"),
    [
        ("postgres://desk@%2Fvar%2Frun%2Fpostgresql/cards", "/var/run/postgresql", "cards"),
        ("postgres://desk@/cards?host=/var/run/postgresql", "/var/run/postgresql", "cards"),
        ("postgres://desk@:5433//var/run/postgresql/cards", "/var/run/postgresql", "cards"),
        ("postgresql://desk@[::1]:5433,db.example.com:5434/cards", "::1,db.example.com", "cards"),
        ("pgsql:///cards", "", "cards"),
        ("postgres://desk:a%2Fb%23c@db/cards%20of%20ours", "db", "cards of ours"),
    ],
)
def test_a_url_is_read_as_postgresqls_own_clients_do(
    load: LoadSettings, url: str, host: str, name: str
) -> None:
    database = load(DATABASE_URL=url)["DATABASES"]["default"]
    assert (database["HOST"], database["NAME"]) == (host, name)


@pytest.mark.parametrize(
    ("name", "values", "sentence"),
    [
        ("SECRET_KEY", ["", "   "], "SECRET_KEY is not set. Set it to"),
        ("SECRET_KEY", [" a b ", "trailing\n"], "SECRET_KEY contains white space."),
        ("ALLOWED_HOSTS", ["", " ", " , "], "ALLOWED_HOSTS is not set. Set it to"),
        ("ALLOWED_HOSTS", ["a.example b.example"], "ALLOWED_HOSTS has white space inside a name."),
        ("STRIPE_WEBHOOK_SECRET", ["", " ", " ,"], "STRIPE_WEBHOOK_SECRET is not set. Set it to"),
        (
            "STRIPE_WEBHOOK_SECRET",
            ["whsec_a,sk_live_b", "whsec_a,whsec_b whsec_c", "whsec_a,whsec_"],
            "STRIPE_WEBHOOK_SECRET, secret 2, is not a signing secret.",
        ),
    ],
)
def test_outside_development_what_is_missing_or_blank_stops_the_start(
    load: LoadSettings, name: str, values: list[str], sentence: str
) -> None:
    for value in values:
        settings = load(**{**PRODUCTION, name: value})
        checked = ("SECRET_KEY", "UNSET_SECRET_KEY", "ALLOWED_HOSTS", "STRIPE_WEBHOOK_SECRETS")
        with override_settings(DEBUG=False, **{key: settings[key] for key in checked}):
            problems = run_checks(tags=[TAG])
            assert len(problems) == 1, value
            assert problems[0].is_serious()
            assert problems[0].msg.startswith(sentence)
            with pytest.raises(ImproperlyConfigured, match=re.escape(sentence)):
                refuse_unsafe_start()


def test_a_wrong_webhook_secret_is_refused_in_development_too(load: LoadSettings) -> None:
    secrets = load(STRIPE_WEBHOOK_SECRET="sk_test_1")["STRIPE_WEBHOOK_SECRETS"]
    with override_settings(DEBUG=True, STRIPE_WEBHOOK_SECRETS=secrets):
        assert [problem.id for problem in run_checks(tags=[TAG])] == ["authorizations.E006"]


def test_a_complete_environment_starts() -> None:
    assert run_checks(tags=[TAG]) == []
    refuse_unsafe_start()


def test_the_deployment_check_is_clean() -> None:
    checked = run("manage.py", "check", "--deploy", "--fail-level", "DEBUG", **PRODUCTION)
    assert checked.returncode == 0, checked.stderr
    assert "no issues (0 silenced)" in checked.stdout


def test_without_settings_no_command_starts_and_none_touches_the_database(tmp_path: Path) -> None:
    directory = tmp_path / "pg"
    refused = run("manage.py", "migrate", EMBEDDED_POSTGRES_DIR=str(directory))
    assert refused.returncode == 1
    for name in PRODUCTION:
        assert f"{name} is not set. Set it to" in refused.stderr
    assert "python -m authz_project.first_env" in refused.stderr
    assert not directory.exists()


def test_a_malformed_setting_is_one_sentence_without_a_traceback() -> None:
    refused = run("manage.py", "migrate", **PRODUCTION, DATABASE_URL="sqlite:///db.sqlite3")
    assert refused.returncode == 1
    assert refused.stderr.startswith("DATABASE_URL names sqlite; this program needs PostgreSQL 14")
    assert refused.stderr.count("\n") == 1


def test_a_wsgi_server_refuses_as_well() -> None:
    refused = run("-c", "import authz_project.wsgi", **{**PRODUCTION, "SECRET_KEY": " "})
    assert refused.returncode == 1
    assert "ImproperlyConfigured: SECRET_KEY is not set." in refused.stderr


# An older server can't be had here, so the program is made to want a newer one.
WANT_POSTGRESQL_99 = """
import sys
from django.db.backends.postgresql.features import DatabaseFeatures
DatabaseFeatures.minimum_database_version = (99,)
sys.argv = ["manage.py", "migrate"]
import manage
manage.main()
"""


def test_a_server_that_is_too_old_is_refused_with_a_sentence() -> None:
    refused = run("-c", WANT_POSTGRESQL_99, **PRODUCTION)
    assert refused.returncode == 1
    assert re.fullmatch(r"PostgreSQL 99 or later is required \(found 1\d.*\)\.\n", refused.stderr)


def test_a_real_variable_wins_over_the_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in VARIABLES:
        # Set, then unset: so that what the file sets is taken back afterwards.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("TIME_ZONE", "Asia/Tokyo")
    (tmp_path / ".env").write_text("TIME_ZONE=Europe/Paris\nSTRIPE_VERSION=2024-06-20\n")
    copy = tmp_path / "authz_project" / "settings.py"
    copy.parent.mkdir()
    copy.write_text(SETTINGS.read_text())
    settings = runpy.run_path(str(copy))
    assert settings["TIME_ZONE"] == "Asia/Tokyo"
    assert settings["STRIPE_VERSION"] == "2024-06-20"


def test_the_first_env_file_is_private_works_and_is_never_overwritten(
    tmp_path: Path, load: LoadSettings
) -> None:
    path = tmp_path / ".env"
    assert first_env.write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lines = [line.split("=", 1) for line in path.read_text().splitlines() if "=" in line]
    settings = load(**dict(lines))
    assert settings["DEBUG"] is True
    assert len(settings["SECRET_KEY"]) >= 50
    assert settings["STRIPE_WEBHOOK_SECRETS"][0].startswith("whsec_")

    before = path.read_bytes()
    assert not first_env.write(path)
    assert path.read_bytes() == before
    assert first_env.contents() != first_env.contents(), "each machine has secrets of its own"


def test_a_folder_that_can_not_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"can't be written \(No such file.*a folder of your own"):
        first_env.write(tmp_path / "nowhere" / ".env")


@pytest.mark.parametrize(
    ("command", "writes", "debug"),
    [("runserver", True, None), ("migrate", False, "true"), ("check", False, None)],
)
def test_a_fresh_clone_starts_by_djangos_habits_and_only_runserver_writes_env(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    writes: bool,
    debug: str | None,
) -> None:
    monkeypatch.setattr(first_env, "PROJECT", tmp_path)
    for name in first_env.CONFIGURED_BY:
        monkeypatch.setenv(name, "set to be removed again")
        monkeypatch.delenv(name)
    first_env.ease_first_steps([command])
    assert (tmp_path / ".env").exists() == writes
    assert os.environ.get("DEBUG") == debug


@pytest.mark.parametrize("why", ["image", "/etc/desk", "owner"])
def test_a_deployed_folder_is_not_taken_for_a_developers_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    monkeypatch.delenv(first_env.IMAGE_MARK, raising=False)
    monkeypatch.setattr(first_env, "OF_DEPLOYMENTS", tmp_path / "etc-desk")
    assert first_env.why_deployed(tmp_path) == ""
    match why:
        case "image":
            monkeypatch.setenv(first_env.IMAGE_MARK, "true")
        case "/etc/desk":
            (tmp_path / "etc-desk").mkdir()
        case "owner":
            monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    assert first_env.why_deployed(tmp_path)

    monkeypatch.setattr(first_env, "PROJECT", tmp_path)
    for name in first_env.CONFIGURED_BY:
        monkeypatch.setenv(name, "set to be removed again")
        monkeypatch.delenv(name)
    for command in first_env.FIRST_STEPS:
        first_env.ease_first_steps([command])
    assert "DEBUG" not in os.environ
    assert not (tmp_path / ".env").exists()


def test_in_a_deployed_folder_a_database_must_be_named(
    load: LoadSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(first_env, "why_deployed", lambda _folder: "this is a deployment")
    with pytest.raises(ImproperlyConfigured, match="No database is named, and this is a deploym"):
        load(SECRET_KEY="set")
    small = load(EMBEDDED_POSTGRES_DIR=str(tmp_path))
    assert small["DATABASES"]["default"]["DIRECTORY"] == tmp_path
    assert load(DATABASE_URL="postgres://h/n")["DATABASES"]["default"]["HOST"] == "h"


@pytest.mark.parametrize(
    "command", [["migrate"], ["createsuperuser", "--noinput"], ["replay_spool"], ["check"]]
)
def test_in_a_deployed_folder_no_command_makes_a_database_up(command: list[str]) -> None:
    variables = {**PRODUCTION, "DATABASE_URL": "", "EMBEDDED_POSTGRES_DIR": "", "DESK_IMAGE": "1"}
    refused = run("manage.py", *command, **variables)
    assert refused.returncode == 1
    assert refused.stderr.startswith("No database is named, and this is a container of the desk's ")
    assert (refused.stdout, refused.stderr.count("\n")) == ("", 1)


def test_in_a_deployed_folder_no_spool_is_made_up() -> None:
    refused = run("manage.py", "replay_spool", **PRODUCTION, DESK_IMAGE="1", SPOOL_DIR="")
    assert refused.returncode == 1
    assert "SPOOL_DIR is not set, and this is a container of the desk's image" in refused.stderr


def test_where_anything_is_configured_nothing_is_assumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_env, "PROJECT", tmp_path)
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.delenv("DEBUG")
    first_env.ease_first_steps(["migrate"])
    first_env.ease_first_steps(["runserver"])
    assert "DEBUG" not in os.environ
    assert not (tmp_path / ".env").exists()
