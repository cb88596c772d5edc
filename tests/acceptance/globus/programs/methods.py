"""Calls every method of the Timers and Transfer clients, with a token, and checks what comes back."""

import datetime
import sys
import time

import globus_sdk

TOKEN = sys.argv[1]
HOOK = sys.argv[2]
SOURCE = "6c54cade-bde5-45c1-bdea-f4bd71dba2cc"
DESTINATION = "31ce9ba0-176d-45a5-add3-f37d233ba47d"
GENERATION = f"sdk{globus_sdk.__version__[0]}"

authorizer = globus_sdk.AccessTokenAuthorizer(TOKEN)
timers = globus_sdk.TimersClient(authorizer=authorizer)
transfer = globus_sdk.TransferClient(authorizer=authorizer)


def request(source, destination, **options):
    data = globus_sdk.TransferData(source_endpoint=SOURCE, destination_endpoint=DESTINATION, **options)
    data.add_item(source, destination, recursive=source.endswith("/"))
    return data


def refused(error, call, *arguments):
    try:
        call(*arguments)
    except error as caught:
        return caught
    raise AssertionError(f"{call} was not refused")


def wait(job_id):
    for _ in range(200):
        found = timers.get_job(job_id)
        if found["results"]["data"] and found["results"]["data"][0]["run_status"] != "running":
            return found
        time.sleep(0.1)
    raise AssertionError("the timer did not run")


# Timers

schedule = globus_sdk.RecurringTimerSchedule(60, end={"condition": "iterations", "iterations": 3})
body = request("/share/godata/file1.txt", f"/~/{GENERATION}/timer.txt", label="by a timer")
made = timers.create_timer(globus_sdk.TransferTimer(name=f"{GENERATION} nightly", schedule=schedule, body=body))
assert made.http_status == 201
assert made["timer"]["status"] == "new"
job_id = made["timer"]["job_id"]
found = wait(job_id)
(result,) = found["results"]["data"]
assert (result["status"], result["run_status"]) == (202, "succeeded")
assert (found["n_runs"], found["n_errors"], found["stop_after"]["n_runs"]) == (1, 0, 3)
assert transfer.get_task(result["data"]["details"]["task_id"])["label"] == "by a timer"
assert timers.pause_job(job_id)["message"] == f"Successfully paused job {job_id}."
assert timers.get_job(job_id)["inactive_reason"]["cause"] == "user"
assert timers.resume_job(job_id, update_credentials=True)["message"].startswith("Successfully resumed")
assert timers.update_job(job_id, {"name": "renamed"})["name"] == "renamed"
listed = timers.list_jobs(query_params={"filter_name": "RENAMED", "filter_status": "active"})
assert [job["job_id"] for job in listed["jobs"]] == [job_id]
assert timers.delete_job(job_id)["status"] == "deleted"
error = refused(globus_sdk.TimersAPIError, timers.get_job, job_id)
assert (error.http_status, error.code) == (404, "NOT_FOUND")
error = refused(globus_sdk.TimersAPIError, timers.create_job, {"name": "x"})
assert error.messages == ["field required: body.start", "field required: body.callback_url"]
job = globus_sdk.TimerJob(HOOK, {"a": 1}, datetime.datetime.now(datetime.UTC), None, name="hook")
made = timers.create_job(job)
assert (made["callback_url"], made["callback_body"], made["interval"]) == (HOOK, {"a": 1}, None)
assert wait(made["job_id"])["results"]["data"][0]["status"] == 200

# Transfer

data = request("/share/godata/", f"/~/{GENERATION}/direct/", label=f"{GENERATION} direct", sync_level="checksum")
made = transfer.submit_transfer(data)
assert (made.http_status, made["code"], transfer.submit_transfer(data)["code"]) == (202, "Accepted", "Duplicate")
task_id = made["task_id"]
assert transfer.task_wait(task_id, timeout=30, polling_interval=1)
task = transfer.get_task(task_id)
assert (task["status"], task["files"], task["files_transferred"]) == ("SUCCEEDED", 3, 3)
arrived = {file["destination_path"] for file in transfer.paginated.task_successful_transfers(task_id).items()}
assert arrived == {f"/home/{GENERATION}/direct/file{number}.txt" for number in (1, 2, 3)}
assert next(iter(transfer.paginated.task_event_list(task_id).items()))["code"] == "SUCCEEDED"
assert list(transfer.paginated.task_skipped_errors(task_id).items()) == []
listed = transfer.paginated.task_list(filter=f"status:ACTIVE,SUCCEEDED/label:~{GENERATION} D*").items()
assert [task["task_id"] for task in listed] == [task_id]
assert transfer.cancel_task(task_id)["code"] == "TaskComplete"
assert [file["name"] for file in transfer.operation_ls(DESTINATION, f"/~/{GENERATION}/direct/")] == [
    "file1.txt",
    "file2.txt",
    "file3.txt",
]
assert transfer.operation_stat(DESTINATION, f"/~/{GENERATION}/timer.txt")["size"] > 0
folder = f"/~/{GENERATION}/new"
assert transfer.operation_mkdir(DESTINATION, folder)["code"] == "DirectoryCreated"
assert refused(globus_sdk.TransferAPIError, transfer.operation_mkdir, DESTINATION, folder).code.endswith("Exists")
assert transfer.operation_rename(DESTINATION, folder, folder + "er")["code"] == "FileRenamed"
error = refused(globus_sdk.TransferAPIError, transfer.operation_ls, DESTINATION, "/nowhere")
assert (error.http_status, error.code) == (404, "ClientError.NotFound")
error = refused(globus_sdk.TransferAPIError, transfer.get_endpoint, SOURCE[::-1])
assert error.code == "EndpointNotFound"
assert error.request_id
assert {found["id"] for found in transfer.paginated.endpoint_search("demo").items()} == {SOURCE, DESTINATION}
submission_id = transfer.get_submission_id()["value"]
document = {"DATA_TYPE": "delete", "endpoint": DESTINATION, "recursive": True, "submission_id": submission_id}
made = transfer.submit_delete({**document, "DATA": [{"DATA_TYPE": "delete_item", "path": folder + "er"}]})
assert transfer.task_wait(made["task_id"], timeout=30, polling_interval=1)
assert transfer.get_task(made["task_id"])["type"] == "DELETE"
print("all methods answered")
