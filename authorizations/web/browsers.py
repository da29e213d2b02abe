"""Security headers for browsers: Content-Security-Policy and Permissions-Policy.

They say where scripts, styles and images may come from, that no page may be framed, and which
browser features pages use. tests/admin/test_every_page.py opens the pages in Chromium and fails
on any violation.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

_EVERYWHERE = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; img-src 'self'"
# Unfold's pages evaluate attributes (Alpine: 'unsafe-eval') and have style attributes. Inline
# scripts stay forbidden. A QR code is a data: image.
ADMIN = (
    f"{_EVERYWHERE} data:; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "font-src 'self'; connect-src 'self'; form-action 'self'"
)
# Error pages.
OTHERS = f"{_EVERYWHERE}; style-src 'self'; form-action 'none'"

# Of these only copying (explanations, record ids) and security keys are used.
_UNUSED = (
    "accelerometer, autoplay, camera, display-capture, encrypted-media, fullscreen, geolocation, "
    "gyroscope, magnetometer, microphone, midi, payment, picture-in-picture, usb"
)
PERMISSIONS = ", ".join(f"{name}=()" for name in _UNUSED.split(", ")) + (
    ", clipboard-write=(self), publickey-credentials-create=(self), "
    "publickey-credentials-get=(self)"
)


def is_of_admin(request: HttpRequest) -> bool:
    """Whether the request is for a page of the admin."""
    return request.path_info.startswith("/admin/")


class BrowserRules:
    """Middleware that adds the security headers to every response."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        rules = ADMIN if is_of_admin(request) else OTHERS
        response.headers["Content-Security-Policy"] = rules
        response.headers["Permissions-Policy"] = PERMISSIONS
        return response
