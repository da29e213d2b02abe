"""The admin site, and the app that provides it."""

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
    """Unfold's admin site, which makes the list of models only for pages that show it."""

    index_title = "Home"

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """The list of models, made when it is used.

        Django requests it for every page, with an address and four permissions for each model,
        though our sidebar has a list of its own.
        """
        return SimpleLazyObject(partial(super().get_app_list, request, app_label))


class SiteConfig(AdminConfig):
    """django.contrib.admin with this site."""

    default_site = "authz_project.site.Site"
