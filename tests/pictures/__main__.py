"""python -m tests.pictures [directory] [part of the names of pictures]

Takes a picture of every page, in light, dark and on a phone. Says what is wrong with each page
(tests/pictures/audit.js) and ends with 1 if anything is. Those of the docs are made anew by
`python -m tests.pictures docs/pictures -small`.
"""

import atexit
import os
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import Browser, BrowserContext, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from tests.pictures.desk import PROJECT, environment, running, served
from tests.support import programs

if TYPE_CHECKING:
    from tests.pictures.pages import Shown

ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
AUDIT = Path(__file__).with_name("audit.js").read_text("utf-8")
PATIENCE_MS = 60_000
SETTLED_MS = 250
"""Charts and menus move for so long."""


@dataclass(frozen=True, slots=True)
class Look:
    name: str
    scheme: Any
    width: int
    height: int
    whole: bool = True
    """The whole page, or what fits into the window."""


LOOKS = (
    Look("light", "light", 1440, 900),
    Look("dark", "dark", 1440, 900),
    Look("phone", "light", 390, 844),
    Look("phone-dark", "dark", 390, 844),
    Look("small", "light", 1280, 960, whole=False),
)
IN_DOCS = (
    *("index", "decision_changelist", "decision_declined", "card_4242", "policy_operator"),
    *("historyentry_changelist", "differences"),
    *("standinswitch_changelist", "second_factor_app"),
)

Wanted = dict[tuple[Look, "Shown"], Path]


def main(directory: Path, part: str) -> int:
    directory.mkdir(parents=True, exist_ok=True)
    settings = environment(_scratch() / "postgres")
    with served(settings) as url, running(settings | {"REQUIRE_MFA": "true"}) as strict_url:
        shown = _pages(settings)
        files = {
            (look, one): f"{one.name}-{look.name}.png"
            for look in LOOKS
            for one in shown
            if look.whole or one.name in IN_DOCS
        }
        wanted = {key: directory / file for key, file in files.items() if part in file}
        wrong = _take({False: url, True: strict_url}, wanted)
    for sentence, where in sorted(wrong.items()):
        print(f"{sentence}\n    {', '.join(where)}")
    print(f"{len(wanted)} pictures in {directory}; {len(wrong)} kinds of flaws.")
    return 1 if wrong else 0


def _scratch() -> Path:
    """A directory that goes last of all, after the database in it was left."""
    scratch = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    scratch.chmod(0o711)  # the database may run as another user
    return scratch


def _pages(settings: dict[str, str]) -> list["Shown"]:
    """Django knows them: it is set up here, on the same database as the server."""
    os.environ.update(settings)
    import django  # noqa: PLC0415

    django.setup()
    from tests.pictures.pages import all_pages  # noqa: PLC0415
    from tests.pictures.stage import set_the_stage  # noqa: PLC0415

    set_the_stage()
    return all_pages()


def _take(urls: dict[bool, str], wanted: Wanted) -> dict[str, list[str]]:
    """The pictures, and where each flaw was seen; the addresses by whether REQUIRE_MFA is on."""
    wrong: dict[str, list[str]] = defaultdict(list)
    browser = programs.find("chromium")
    if browser is None:
        sys.exit(f"Chromium takes the pictures: {programs.hint(['chromium'])}")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=ARGUMENTS)
        for (look, who, strict), pictures in _by_session(wanted).items():
            with _logged_in(chromium, look, urls[strict], who) as context:
                for one, file in pictures:
                    for flaw in _picture(context, look, one, file):
                        wrong[flaw].append(file.stem)
        chromium.close()
    return wrong


def _by_session(wanted: Wanted) -> dict[tuple[Look, str, bool], list[tuple["Shown", Path]]]:
    """Those that one and the same person looks at."""
    sessions = defaultdict(list)
    for (look, one), file in wanted.items():
        sessions[look, one.who, one.require_mfa].append((one, file))
    return sessions


@contextmanager
def _logged_in(chromium: Browser, look: Look, url: str, who: str) -> Iterator[BrowserContext]:
    context = chromium.new_context(
        viewport={"width": look.width, "height": look.height},
        color_scheme=look.scheme,
        timezone_id="Europe/Paris",
        base_url=url,
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto("/admin/login/")
    if who:
        page.fill("[name=username]", who)
        page.fill("[name=password]", "demo")
        page.locator("#login-form [type=submit]").click()
        page.wait_for_url(lambda there: "/login/" not in there)
    page.close()
    yield context
    context.close()


def _picture(context: BrowserContext, look: Look, shown: "Shown", file: Path) -> list[str]:
    """Take it, and say what is wrong."""
    page = context.new_page()
    flaws: list[str] = []
    page.on("pageerror", lambda error: flaws.append(f"script error: {error}"))
    page.on("console", lambda said: _note(flaws, said.text) if said.type == "error" else None)
    answer = page.goto(shown.path)
    if answer and answer.status != shown.status:
        flaws.append(f"answered {answer.status}")
    try:
        if shown.act:
            shown.act(page)
            page.wait_for_load_state()
        page.wait_for_timeout(SETTLED_MS)
        page.screenshot(path=file, full_page=look.whole)
        flaws += page.evaluate(AUDIT)
    except PlaywrightError as error:
        flaws.append(f"can't be used: {error.message.splitlines()[0]}")
    page.close()
    return flaws


def _note(flaws: list[str], text: str) -> None:
    if "status of 403" not in text:  # a page that is refused on purpose
        flaws.append(f"console: {text}")


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT / ".pictures"
    sys.exit(main(target, sys.argv[2] if len(sys.argv) > 2 else ""))
