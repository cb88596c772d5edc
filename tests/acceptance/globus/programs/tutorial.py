"""Makes a timer that copies one file every hour for three days, after a login."""

import datetime

import globus_sdk
from globus_sdk import UserApp

CLIENT_ID = "61338d24-54d5-408f-a10d-66c06b59f6d2"
SOURCE = "6c54cade-bde5-45c1-bdea-f4bd71dba2cc"
DESTINATION = "31ce9ba0-176d-45a5-add3-f37d233ba47d"

request = globus_sdk.TransferData(SOURCE, DESTINATION)
request.add_item("/share/godata/file1.txt", "/~/example-timer-destination.txt")
schedule = globus_sdk.RecurringTimerSchedule(
    interval_seconds=3600,
    end={"condition": "time", "datetime": datetime.datetime.now() + datetime.timedelta(days=3)},  # noqa: DTZ005
)
with (
    UserApp("manage-timers-example", client_id=CLIENT_ID) as app,
    globus_sdk.TimersClient(app=app) as client,
):
    client.add_app_transfer_data_access_scope((SOURCE, DESTINATION))
    timer = client.create_timer(globus_sdk.TransferTimer(name="tutorial", body=request, schedule=schedule))
    print("timer_id:", timer["timer"]["job_id"])
