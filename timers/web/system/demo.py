"""The demo: loaded by a button of the first page; and the target of its webhook, which says back what it was told."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from timers import clock
from timers.errors import Forbidden
from timers.services import demo
from timers.web import page


@require_POST
@page.page
def load(request: HttpRequest) -> HttpResponse:
    """Make the collections and timers of the demo where they are missing."""
    if not request.user.is_staff:
        raise Forbidden("Only administrators can load the demo.")
    made = len(demo.load(now=clock.now()))
    messages.success(request, f"The demo is loaded: {made} timers." if made else "The demo was already loaded.")
    return HttpResponseRedirect(reverse("timers"))


@csrf_exempt
def echo(request: HttpRequest) -> JsonResponse:
    """Answer with the method and the size of the body; there only when the demo runs."""
    if not settings.TIMERS_DEMO_TARGET:
        raise Http404
    return JsonResponse({"method": request.method, "bytes": len(request.body)})
