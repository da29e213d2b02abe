"""What browsers may do with our pages.

Each answer says it: where scripts, styles and pictures may come from, who may show the page in
a frame (nobody), and which of a browser's abilities pages use. tests/admin/test_browser_rules.py
opens the pages in Chromium and lets no complaint pass.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

_EVERYWHERE = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; img-src 'self'"
# Unfold's pages compute what they show from attributes (Alpine: 'unsafe-eval') and carry sizes
# and colours in style attributes. Inline scripts stay forbidden. The picture of a QR code is
# part of its page (data:).
ADMIN = (
    f"{_EVERYWHERE} data:; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "font-src 'self'; connect-src 'self'; form-action 'self'"
)
# Pages that say what went wrong.
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
    """Whether the address is one of the admin's."""
    return request.path_info.startswith("/admin/")


class BrowserRules:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        rules = ADMIN if is_of_admin(request) else OTHERS
        response.headers["Content-Security-Policy"] = rules
        response.headers["Permissions-Policy"] = PERMISSIONS
        return response
