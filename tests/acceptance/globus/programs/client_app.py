"""Acts as a confidential client: makes a timer and a transfer without anybody logging in."""

import sys

import globus_sdk

SOURCE = "6c54cade-bde5-45c1-bdea-f4bd71dba2cc"
DESTINATION = "31ce9ba0-176d-45a5-add3-f37d233ba47d"

data = globus_sdk.TransferData(SOURCE, DESTINATION)
data.add_item("/share/godata/file1.txt", "/~/by-client-app.txt")
with (
    globus_sdk.ClientApp("as-a-client", client_id=sys.argv[1], client_secret=sys.argv[2]) as app,
    globus_sdk.TimersClient(app=app) as timers,
    globus_sdk.TransferClient(app=app) as transfer,
):
    timers.add_app_transfer_data_access_scope((SOURCE, DESTINATION))
    timer = globus_sdk.TransferTimer(name="by a client", schedule=globus_sdk.OnceTimerSchedule(), body=data)
    print("timer_id:", timers.create_timer(timer)["timer"]["job_id"])
    print("task_id:", transfer.submit_transfer(data)["task_id"])
