"""Pages of users and roles, styled like the other pages."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from authorizations.admin.history.of_object import WithHistory
from authorizations.admin.shared import choices
from authorizations.admin.shared.money import MoneyField, read_money
from authorizations.admin.shared.types import ModelAdmin, ModelForm, TabularInline, display
from authorizations.models import ExceptionLimit
from authorizations.rules.basics.card_numbers import mask_text
from authorizations.rules.basics.money import format_money

_LABELS = {"is_staff": "Staff", "is_superuser": "Superuser", "groups": "Roles"}
_HELP = {
    "is_active": "Off: the user can no longer log in. Better than deleting.",
    "is_staff": "May log in to these pages.",
    "is_superuser": "May do everything, including editing users.",
    "groups": "Operations: edit policies, groups and cards; freeze, block, allow and give. "
    "Auditors: look at everything.",
}

admin.site.unregister(User)
admin.site.unregister(Group)
# Allauth's pages would show secrets of second factors, and addresses that are not used.
admin.site.unregister([Authenticator, EmailAddress])


@admin.register(User)
class UserAdmin(WithHistory, DjangoUserAdmin, ModelAdmin[User]):  # type: ignore[type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    readonly_fields = ("last_login", "date_joined")  # facts, not settings
    # Without permissions of single users: rights come from roles.
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Access", {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        ("Record", {"fields": ("last_login", "date_joined")}),
    )
    list_display = ("username", "name", "roles", "is_active", "is_superuser", "last_login")
    search_fields = tuple(
        f"{name}__folded_contains" for name in ("username", "first_name", "last_name", "email")
    )
    filter_horizontal = ()
    list_filter = ("is_active", "is_superuser", "groups")

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Users who may only view see no part of the password's hash."""
        if obj is None or self.has_change_permission(request, obj):
            return super().get_fieldsets(request, obj)
        return ((None, {"fields": ("username",)}), *self.fieldsets[1:])

    def get_form(
        self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        texts = {"labels": _LABELS, "help_texts": _HELP}
        if obj and not self.has_change_permission(request, obj):
            texts["help_texts"] = {"username": "", **_HELP}  # Django's text says what may be typed
        return super().get_form(request, obj, change=change, **kwargs | texts)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "groups" and field:
            # All roles are listed, so there is no button to add or find one.
            field.widget.can_add_related = field.widget.can_view_related = False
        return field

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name != "groups":
            return super().formfield_for_manytomany(db_field, request, **kwargs)
        return forms.ModelMultipleChoiceField(
            Group.objects.order_by("name"),
            required=False,
            widget=UnfoldAdminCheckboxSelectMultipleWidget,
            label=_LABELS["groups"],
            help_text=_HELP["groups"],
        )

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        obj.first_name, obj.last_name = mask_text(obj.first_name), mask_text(obj.last_name)
        super().save_model(request, obj, form, change)

    @display(description="Name")
    def name(self, user: User) -> str:
        return user.get_full_name()

    @display(description="Roles")
    def roles(self, user: User) -> str:
        return ", ".join(group.name for group in user.groups.all())


class ExceptionLimitForm(ModelForm[ExceptionLimit]):
    """A clean `amount` is in the smallest unit of the currency."""

    currency = choices.choose_one(choices.currencies(), label="Currency")
    amount = MoneyField(label="May give")

    class Meta:
        model = ExceptionLimit
        fields = ("currency", "amount")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.instance.pk:
            self.initial["amount"] = format_money(self.instance.amount, self.instance.currency)

    def clean(self) -> None:
        super().clean()
        currency = self.cleaned_data.get("currency", "")
        if currency not in dict(choices.currencies()):
            self.add_error("currency", "Choose one of the list.")
        elif self.cleaned_data.get("amount") is None:
            self.add_error("amount", "Give an amount; remove the row for any amount.")
        else:
            read_money(self, "amount", currency)


class ExceptionLimitInline(TabularInline[ExceptionLimit, Group]):
    model = ExceptionLimit
    form = ExceptionLimitForm
    extra = 0
    hide_title = True
    readonly_fields = ("shown",)
    verbose_name = "limit"
    verbose_name_plural = (
        "The most that its users may give to one card, cardholder or group: exceptions, own "
        "amounts and funds, with all it has in force or got within 24 hours (none: any amount)"
    )

    def may_see(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return request.user.has_perm("auth.view_group")

    def may_edit(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return bool(request.user.is_superuser)

    @display(description="May give")
    def shown(self, row: ExceptionLimit) -> str:
        return format_money(row.amount, row.currency)

    def get_fields(self, request: HttpRequest, obj: Group | None = None) -> Any:
        return ("currency", "amount") if self.may_edit(request) else ("shown",)

    has_view_permission = may_see
    has_add_permission = has_change_permission = has_delete_permission = may_edit


@admin.register(Group)
class GroupAdmin(WithHistory, DjangoGroupAdmin, ModelAdmin[Group]):
    readonly_fields = ("rights",)
    inlines = (ExceptionLimitInline,)
    search_fields = ("name__folded_contains",)

    def get_fields(self, request: HttpRequest, obj: Group | None = None) -> Any:
        may_edit = obj is None or self.has_change_permission(request, obj)
        return ("name", "permissions" if may_edit else "rights")

    @display(description="May")
    def rights(self, group: Group) -> str:
        """ "View card, change card group": made of Django's "Can view card"."""
        names = group.permissions.values_list("name", flat=True).order_by("name")
        words = ", ".join(name.removeprefix("Can ") for name in names)
        return words[:1].upper() + words[1:]
