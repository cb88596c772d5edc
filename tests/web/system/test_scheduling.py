"""The page about scheduling: who may pause what, and what is said while everything rests."""

from __future__ import annotations

import pytest
from django.test import Client

from timers.services.timers import pause_all


def test_the_owner_pauses_and_resumes_all_of_their_timers(owners_browser: Client, owner: object) -> None:
    answer = owners_browser.post("/scheduling/pause/", {"everybody": "no", "reason": "Moving <house>."}, follow=True)

    page = answer.content.decode()
    assert pause_all.is_paused(owner)
    assert "Your timers are paused." in page
    assert "Moving &lt;house&gt;." in page
    assert "Resume all my timers" in page

    owners_browser.post("/scheduling/resume/", {"everybody": "no"})
    assert not pause_all.is_paused(owner)


def test_only_administrators_see_and_use_the_button_for_everybody(
    owners_browser: Client, admins_browser: Client, stranger: object
) -> None:
    assert "Pause everybody" not in owners_browser.get("/scheduling/").content.decode()
    assert owners_browser.post("/scheduling/pause/", {"everybody": "yes"}).status_code == 403
    assert not pause_all.is_paused(stranger)

    admins_browser.post("/scheduling/pause/", {"everybody": "yes"})
    assert pause_all.is_paused(stranger)
    assert "Paused by admin" in owners_browser.get("/scheduling/").content.decode()


@pytest.mark.parametrize("path", ["/", "/activity/", "/scheduling/"])
def test_every_page_says_that_everything_is_paused(owners_browser: Client, owner: object, path: str) -> None:
    owners_browser.post("/scheduling/pause/", {"everybody": "no", "reason": "Moving house."})

    page = owners_browser.get(path).content.decode()

    assert 'role="alert"' in page
    assert "All your timers are paused" in page
    assert "Moving house." in page
