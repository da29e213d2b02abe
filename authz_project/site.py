"""The admin's site, and the app that serves it."""

from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite as UnfoldAdminSite
else:
    from unfold.sites import UnfoldAdminSite


class Site(UnfoldAdminSite):
    """Unfold's; it lists all models only where a page shows that list."""

    index_title = "Home"

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """When it is looked at: Django asks for every page, and our sidebar has its own list.

        Each time it would look up an address and four permissions of every model.
        """
        return SimpleLazyObject(partial(super().get_app_list, request, app_label))


class SiteConfig(AdminConfig):
    """django.contrib.admin with this site."""

    default_site = "authz_project.site.Site"
