"""Jobs: submitted, listed, looked at, steered."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from timers.cli import output
from timers.cli.reading import Usage, document, instant, seconds
from timers.client import RecurringTimerSchedule, TimerJob, TimersAPIError, TimersClient, TransferTimer
from timers.client.payloads import MISSING, OnceTimerSchedule

Verb = Callable[[str, Any, str], ArgumentParser]

TRANSFER_PATHS = ("/transfer/transfer/run", "/transfer/run")
"""By these paths an action's URL says that it is a transfer, on whatever host."""

_OLDER = {
    "source_endpoint_id": "source_endpoint",
    "destination_endpoint_id": "destination_endpoint",
    "transfer_items": "DATA",
}
PAGE_SIZE = 1_000


def add_commands(verb: Verb) -> None:
    """Add the commands of this noun."""
    submit = verb("submit", _submit, "Schedule an action: a URL that is called with a body, or a transfer.")
    add_when(submit)
    submit.add_argument("--action-url", required=True, help="what is called, or …/transfer/transfer/run for a transfer")
    body = submit.add_mutually_exclusive_group()
    body.add_argument("--action-body", help="what is sent, as JSON")
    body.add_argument("--action-file", metavar="PATH", help="a file that holds it")
    submit.add_argument("--scope", "--action-scope", help="accepted and not needed")

    listing = verb("list", _list, "List all jobs.")
    listing.add_argument("--status", help="only active, paused or ended ones (a comma list)")
    status = verb("status", _status, "Show how jobs are doing, with the result of their last run.")
    status.add_argument("job_id", nargs="*", metavar="JOB_ID")
    status.add_argument("--all", action="store_true", help="all jobs")
    steer(
        verb, "delete", "Delete jobs: they never run again, their history stays.", lambda client, _: client.delete_timer
    )
    pause = steer(verb, "pause", "Pause jobs.", _pausing)
    pause.add_argument("--reason", help="why, for whoever looks at it")
    pause.add_argument("--until", type=instant, help="when they resume by themselves")
    resume = steer(verb, "resume", "Resume jobs.", _resuming)
    resume.add_argument("--run-missed", action="store_true", help="run the last occurrence missed in the pause")
    steer(verb, "run", "Run jobs now, besides their schedule.", lambda client, _: client.run_timer)


def add_when(parser: ArgumentParser) -> None:
    """Add what every job has: a name and a schedule."""
    parser.add_argument("--name", required=True)
    parser.add_argument("--interval", type=seconds, help="seconds, or 1h30m and the like (w d h m s); once if left out")
    parser.add_argument(
        "--start", type=instant, help="when it first runs, local time without an offset; now if left out"
    )
    parser.add_argument("--stop-after-date", type=instant, metavar="DATE")
    parser.add_argument("--stop-after-runs", type=int, metavar="N")


def schedule_of(given: Namespace) -> Mapping[str, Any]:
    """Return the schedule that was asked for."""
    start = given.start or MISSING
    if given.interval is None:
        if given.stop_after_date or given.stop_after_runs not in (None, 1):
            raise Usage("without --interval a job runs once; there is nothing to stop")
        return OnceTimerSchedule(datetime=start)
    end = {
        **({"condition": "iterations", "n": given.stop_after_runs} if given.stop_after_runs is not None else {}),
        **({"condition": "time", "datetime": given.stop_after_date} if given.stop_after_date else {}),
    }
    return RecurringTimerSchedule(given.interval, start=start, end=end or MISSING)


def _submit(client: TimersClient, given: Namespace) -> int:
    body = document(given.action_body, given.action_file)
    if urlsplit(given.action_url).path.rstrip("/") in TRANSFER_PATHS:
        timer = TransferTimer(name=given.name, schedule=schedule_of(given), body=_transfer(body))
        return show(client.create_timer(timer).data, given)
    schedule = schedule_of(given)
    job = TimerJob(
        name=given.name,
        callback_url=given.action_url,
        callback_body=MISSING if body is None else body,
        start_time=given.start or MISSING,
        interval=given.interval if given.interval is not None else MISSING,
        stop_after=_stop(schedule),
    )
    return show(client.create_job(job).data, given)


def _stop(schedule: Mapping[str, Any]) -> Any:
    end = schedule.get("end")
    if not end:
        return MISSING
    return {name: value for name, value in (("date", end.get("datetime")), ("n_runs", end.get("n"))) if value}


def _transfer(body: Any) -> dict[str, Any]:
    """Return the transfer of an action's body, in either of its spellings."""
    inner = body.get("body", body) if isinstance(body, Mapping) else None
    if not isinstance(inner, Mapping):
        raise Usage("a transfer needs --action-body or --action-file with an object")
    return {_OLDER.get(str(name), str(name)): value for name, value in inner.items()}


def _list(client: TimersClient, given: Namespace) -> int:
    query = {"status": given.status} if given.status else {}
    found = list(client.iter_timers(page_size=PAGE_SIZE, query_params=query))
    if given.format == "json":
        output.as_json({"timers": found})
    else:
        output.table([_row(timer) for timer in found], "There are no jobs.")
    return 0


def _status(client: TimersClient, given: Namespace) -> int:
    if given.all == bool(given.job_id):
        raise Usage("say which jobs, or --all")
    ids = [timer["id"] for timer in client.iter_timers(fields="id")] if given.all else given.job_id
    return _each(ids, lambda job_id: client.get_timer(job_id).data, given)


def steer(verb: Verb, name: str, text: str, deed: Callable[[TimersClient, Namespace], Any]) -> ArgumentParser:
    """Add a command that does one thing to each of several jobs."""

    def carry_out(client: TimersClient, given: Namespace) -> int:
        act = deed(client, given)
        return _each(given.job_id, lambda job_id: act(job_id).data, given)

    parser = verb(name, carry_out, text)
    parser.add_argument("job_id", nargs="+", metavar="JOB_ID")
    return parser


def _pausing(client: TimersClient, given: Namespace) -> Any:
    return lambda job_id: client.pause_timer(job_id, reason=given.reason or MISSING, until=given.until or MISSING)


def _resuming(client: TimersClient, given: Namespace) -> Any:
    return lambda job_id: client.resume_timer(job_id, run_missed=given.run_missed or MISSING)


def _each(ids: list[str], act: Callable[[str], Any], given: Namespace) -> int:
    """Do one thing to each job, also when another one fails; return the exit status."""
    answers, failed = [], False
    for job_id in ids:
        try:
            answers.append(act(job_id))
        except TimersAPIError as error:
            output.complain(f"Error: {job_id}: {error}")
            failed = True
        except ValueError as error:
            raise Usage(str(error)) from error
    if given.format == "json":
        if answers:
            output.as_json(answers[0] if len(ids) == 1 else answers)
    else:
        output.records([_record(answer) for answer in answers])
    return int(failed)


def show(answer: Mapping[str, Any], given: Namespace) -> int:
    """Print the answer to one command."""
    if given.format == "json":
        output.as_json(answer)
    else:
        output.records([_record(answer)])
    return 0


# For people


def _record(answer: Mapping[str, Any]) -> dict[str, Any]:
    if "execution" in answer:
        execution = answer["execution"]
        return {
            "Job ID": execution["timer_id"],
            "Execution ID": execution["id"],
            "Status": execution["status"],
            "Planned": output.local(execution["scheduled_for"]),
        }
    timer = answer["timer"]
    schedule = timer["schedule"]
    return {
        "Name": timer["name"],
        "Job ID": timer["id"],
        "Type": timer["timer_type"],
        "Status": timer["status"],
        "Start": output.local(schedule.get("start") or schedule.get("datetime")),
        "Interval": output.span(schedule.get("interval_seconds")) or schedule.get("expression"),
        "Next Run At": output.local(timer["next_run"]),
        "Last Run At": output.local(timer["last_run_at"]),
        "Last Run Result": _last_result(timer),
        "Runs": f"{timer['run_count']}, {timer['failure_count']} failed",
    }


def _last_result(timer: Mapping[str, Any]) -> str:
    results = timer.get("results") or []
    if not results:
        return "not run"
    last = results[0]
    return f"{last['status']}: {last['error_message']}" if last.get("error_message") else str(last["status"])


def _row(timer: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "Name": timer["name"],
        "Job ID": timer["id"],
        "Type": timer["timer_type"],
        "Status": timer["status"],
        "Next Run At": output.local(timer["next_run"]),
        "Last Run At": output.local(timer["last_run_at"]),
        "Runs": timer["run_count"],
        "Failed": timer["failure_count"],
    }
