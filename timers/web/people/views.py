"""Log in and out, how the reader wants to see the pages, and where notices go."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from timers import clock
from timers.errors import Invalid, TooMany
from timers.models import Preference
from timers.services.notifications import delivery
from timers.services.people import accounts
from timers.web import page
from timers.web.people.forms import AccountForm, AddressForm, LoginForm, PasswordForm


class LogIn(LoginView):
    """Two fields and one button; slow to guess at."""

    template_name = "timers/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().post(request, *args, **kwargs)
        except TooMany as error:
            return self._too_many(error)

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        if not form.cleaned_data["stay"]:
            self.request.session.set_expiry(0)
        return response

    def _too_many(self, error: TooMany) -> HttpResponse:
        context = self.get_context_data(form=LoginForm(self.request), too_many=error.message)
        response = self.render_to_response(context, status=429)
        response.headers["Retry-After"] = str(error.retry_after)
        return response


log_in = LogIn.as_view()
log_out = LogoutView.as_view()


@page.page
def account(request: HttpRequest) -> HttpResponse:
    """Show and save the reader's time zone and theme; tell how the service is."""
    form = AccountForm(request.POST or None, preference=page.preference_of(request))
    if request.method == "POST" and form.is_valid():
        _keep(request, **form.cleaned_data)
        messages.success(request, "Saved.")
        response = HttpResponseRedirect(reverse("account"))
        return _remember_theme(response, form.cleaned_data["theme"])
    return _page(request, form=form)


@require_POST
@page.page
def address(request: HttpRequest) -> HttpResponse:
    """Save where the reader is told things."""
    form = AddressForm(request.POST)
    if form.is_valid():
        try:
            accounts.change_address(request.user, email=form.cleaned_data["email"], now=clock.now())
        except Invalid as error:
            form.take(error.fields, {})
        else:
            messages.success(request, "Saved.")
            return HttpResponseRedirect(reverse("account"))
    return _page(request, address_form=form)


@require_POST
@page.page
def password(request: HttpRequest) -> HttpResponse:
    """Change the reader's password; this browser stays logged in, all others must log in again."""
    form = PasswordForm(request.POST)
    if form.is_valid():
        given = form.cleaned_data
        try:
            accounts.change_password(request.user, present=given["present"], new=given["new"], now=clock.now())
        except Invalid as error:
            form.take(error.fields, {})
        else:
            update_session_auth_hash(request, request.user)  # type: ignore[arg-type]
            messages.success(request, "Your password is changed. Other browsers have to log in again.")
            return HttpResponseRedirect(reverse("account"))
    return _page(request, password_form=form)


@require_POST
@page.page
def send_test(request: HttpRequest) -> HttpResponse:
    """Send the reader a notice and say what came of it."""
    to = getattr(request.user, "email", "")
    page.attempt(request, lambda: delivery.send_test(request.user, now=clock.now()), f"A test notice was sent to {to}.")
    return HttpResponseRedirect(reverse("account"))


def _page(
    request: HttpRequest,
    *,
    form: AccountForm | None = None,
    address_form: AddressForm | None = None,
    password_form: PasswordForm | None = None,
) -> HttpResponse:
    wrong = next((sent for sent in (form, address_form, password_form) if sent is not None and sent.errors), None)
    context = {
        "form": form or AccountForm(preference=page.preference_of(request)),
        "address_form": address_form or AddressForm(initial={"email": getattr(request.user, "email", "")}),
        "password_form": password_form or PasswordForm(),
        "wrong": wrong,
        "sends_mail": delivery.mail_is_on(),
        "current": "account",
    }
    return page.render(request, "timers/account.html", context, now=clock.now(), status=400 if wrong else 200)


@require_POST
@page.page
def theme(request: HttpRequest) -> HttpResponse:
    """Keep the theme chosen in the menu."""
    chosen = request.POST.get("theme", "")
    chosen = chosen if chosen in page.THEMES else ""
    _keep(request, theme=chosen)
    return _remember_theme(page.back(request, reverse("timers")), chosen)


def _keep(request: HttpRequest, **fields: Any) -> None:
    Preference.objects.update_or_create(owner_id=request.user.pk, defaults=fields)


def _remember_theme(response: HttpResponseRedirect, chosen: str) -> HttpResponse:
    if chosen:
        response.set_cookie(
            page.THEME_COOKIE,
            chosen,
            max_age=page.YEAR_IN_SECONDS,
            samesite="Lax",
            secure=settings.SESSION_COOKIE_SECURE,
        )
    else:
        response.delete_cookie(page.THEME_COOKIE)
    return response
