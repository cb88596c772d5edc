"""The target of the demo's webhook: says back what it was told."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt


@csrf_exempt
def echo(request: HttpRequest) -> JsonResponse:
    """Answer with the method and the size of the body; there only when the demo runs."""
    if not settings.TIMERS_DEMO_TARGET:
        raise Http404
    return JsonResponse({"method": request.method, "bytes": len(request.body)})
