"""The look of the admin: name, mark and colors, in the form of Unfold's settings."""

from collections.abc import Callable
from typing import Any

from django.templatetags.static import static

NAME = "Authorization desk"

# Warm paper and petrol ink; green, amber and red are reserved for outcomes. After changing a shade,
# check its contrast with `make screenshots`.
_PAPER = {
    "50": "oklch(98.4% .003 85)",
    "100": "oklch(96.4% .005 85)",
    "200": "oklch(91.8% .007 85)",
    "300": "oklch(85.5% .009 84)",
    "400": "oklch(66% .013 80)",
    "500": "oklch(51% .015 76)",
    "600": "oklch(43% .014 72)",
    "700": "oklch(36% .013 70)",
    "800": "oklch(27% .011 68)",
    "900": "oklch(20.5% .009 66)",
    "950": "oklch(14% .007 64)",
}
_INK = {
    "50": "oklch(97.6% .012 215)",
    "100": "oklch(94.4% .026 215)",
    "200": "oklch(88.6% .052 216)",
    "300": "oklch(82% .08 217)",
    "400": "oklch(75.5% .1 218)",
    "500": "oklch(68.5% .105 219)",
    "600": "oklch(47% .088 222)",
    "700": "oklch(40.5% .078 223)",
    "800": "oklch(34.5% .066 224)",
    "900": "oklch(28.5% .054 225)",
    "950": "oklch(21.5% .042 226)",
}


def _file(name: str) -> Callable[[object], str]:
    """The address of one of our static files; looked up for each page, once they are set up."""
    return lambda _request: static(f"authorizations/{name}")


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": NAME,
    "SITE_HEADER": NAME,
    "SITE_SUBHEADER": "authorizations.admin.site.look.whereabouts",
    "SITE_URL": None,  # there is no public site to view
    "SITE_ICON": _file("mark.svg"),
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _file("mark.svg")}],
    "ENVIRONMENT": "authorizations.admin.site.look.surroundings",
    "STYLES": [_file("desk.css"), _file("frame.css"), _file("unfold.css")],
    "SCRIPTS": [_file("zone.js"), _file("desk.js")],
    "DASHBOARD_CALLBACK": "authorizations.admin.home.page.home",
    "ACCOUNT": {"navigation": "authorizations.web.second_factor.account_links"},
    "COLORS": {"base": _PAPER, "primary": _INK},
    "SIDEBAR": {"navigation": "authorizations.admin.site.navigation.sidebar"},
}
