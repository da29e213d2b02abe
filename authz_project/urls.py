"""Where everything is."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from authorizations import views

handler500 = views.broken

urlpatterns = [
    # Both spellings: Stripe follows no redirect.
    re_path(r"^webhook/?$", views.webhook, name="webhook"),
    # Where Stripe's quickstart in PHP has it.
    path("webhook.php", views.webhook, name="webhook_php"),
    re_path(r"^healthz/?$", views.healthz, name="healthz"),
    re_path(r"^readyz/?$", views.readyz, name="readyz"),
    re_path(r"^metrics/?$", views.metrics, name="metrics"),
    # Unfold's search over names of pages: no page offers it, and an odd number makes it fail.
    path("admin/search/", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/second-factor/", include("authorizations.web.second_factor_urls")),
    path("admin/", admin.site.urls),
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
]
