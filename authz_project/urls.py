"""Where everything is."""

from django.contrib import admin
from django.urls import path, re_path
from django.views.generic import RedirectView

from authorizations import views

urlpatterns = [
    # Both spellings: Stripe follows no redirect.
    re_path(r"^webhook/?$", views.webhook, name="webhook"),
    re_path(r"^healthz/?$", views.healthz, name="healthz"),
    re_path(r"^readyz/?$", views.readyz, name="readyz"),
    path("admin/", admin.site.urls),
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
]
