"""Makes the same timer, and finds out first whether the collections ask for a consent of their own."""

import datetime

import globus_sdk
from globus_sdk import UserApp

CLIENT_ID = "61338d24-54d5-408f-a10d-66c06b59f6d2"
SOURCE = "6c54cade-bde5-45c1-bdea-f4bd71dba2cc"
DESTINATION = "31ce9ba0-176d-45a5-add3-f37d233ba47d"


def uses_data_access(client, collection_id):
    found = client.get_endpoint(collection_id)
    return found["entity_type"] == "GCSv5_mapped_collection" and not found["high_assurance"]


schedule = globus_sdk.RecurringTimerSchedule(
    interval_seconds=3600,
    end={"condition": "time", "datetime": datetime.datetime.now() + datetime.timedelta(days=3)},  # noqa: DTZ005
)
with UserApp("manage-timers-discovery", client_id=CLIENT_ID) as app:
    request = globus_sdk.TransferData(SOURCE, DESTINATION)
    request.add_item("/home/share/godata/file1.txt", "/~/example-timer-discovered.txt")
    with globus_sdk.TransferClient(app=app) as transfer, globus_sdk.TimersClient(app=app) as client:
        for collection in (SOURCE, DESTINATION):
            if uses_data_access(transfer, collection):
                client.add_app_transfer_data_access_scope(collection)
        timer = client.create_timer(globus_sdk.TransferTimer(name="discovery", body=request, schedule=schedule))
        print("timer_id:", timer["timer"]["job_id"])
