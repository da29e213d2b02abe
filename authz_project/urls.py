"""The addresses of the site."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from authorizations import views

handler500 = views.broken

urlpatterns = [
    # With and without a slash, because Stripe follows no redirects.
    re_path(r"^webhook/?$", views.webhook, name="webhook"),
    # As in Stripe's quickstart in PHP.
    path("webhook.php", views.webhook, name="webhook_php"),
    re_path(r"^healthz/?$", views.healthz, name="healthz"),
    re_path(r"^readyz/?$", views.readyz, name="readyz"),
    re_path(r"^metrics/?$", views.metrics, name="metrics"),
    # Unfold's search for pages, which no page links to and which fails on some input.
    path("admin/search/", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/second-factor/", include("authorizations.web.second_factor_urls")),
    path("admin/", admin.site.urls),
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
]
