"""The commands for jobs: submit, list, status, delete, pause, resume and run."""

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
"""Paths of an action's URL that mean a transfer, on any host."""

_OLDER_SPELLINGS = {
    "source_endpoint_id": "source_endpoint",
    "destination_endpoint_id": "destination_endpoint",
    "transfer_items": "DATA",
}
PAGE_SIZE = 1_000


def add_commands(verb: Verb) -> None:
    """Add the commands for jobs."""
    submit = verb("submit", _submit, "Schedule an action: a URL that is called with a body, or a transfer.")
    add_schedule_options(submit)
    submit.add_argument("--action-url", required=True, help="URL to call, or …/transfer/transfer/run for a transfer")
    body = submit.add_mutually_exclusive_group()
    body.add_argument("--action-body", help="body to send, as JSON")
    body.add_argument("--action-file", metavar="PATH", help="file with the body")
    submit.add_argument("--scope", "--action-scope", help="accepted for compatibility, not needed")

    listing = verb("list", _list, "List all jobs.")
    listing.add_argument("--status", help="only jobs with these statuses: active, paused, ended (separated by commas)")
    status = verb("status", _status, "Show the status of jobs and the result of their last run.")
    status.add_argument("job_id", nargs="*", metavar="JOB_ID")
    status.add_argument("--all", action="store_true", help="all jobs")
    add_bulk_command(
        verb,
        "delete",
        "Delete jobs. They never run again; their history is kept.",
        lambda client, _: client.delete_timer,
    )
    pause = add_bulk_command(verb, "pause", "Pause jobs.", _pause_action)
    pause.add_argument("--reason", help="reason, shown with the job")
    pause.add_argument("--until", type=instant, help="time at which they resume automatically")
    resume = add_bulk_command(verb, "resume", "Resume jobs.", _resume_action)
    resume.add_argument("--run-missed", action="store_true", help="run the last occurrence that the pause skipped")
    add_bulk_command(verb, "run", "Run jobs now, independent of their schedule.", lambda client, _: client.run_timer)


def add_schedule_options(parser: ArgumentParser) -> None:
    """Add the options that every job has: name and schedule."""
    parser.add_argument("--name", required=True)
    parser.add_argument(
        "--interval", type=seconds, help="seconds, or text such as 1h30m (w d h m s); without it the job runs once"
    )
    parser.add_argument("--start", type=instant, help="first run, local time unless it has an offset (default: now)")
    parser.add_argument("--stop-after-date", type=instant, metavar="DATE")
    parser.add_argument("--stop-after-runs", type=int, metavar="N")


def schedule_of(options: Namespace) -> Mapping[str, Any]:
    """Return the schedule of the options; raises Usage for options that contradict each other."""
    start = options.start or MISSING
    if options.interval is None:
        if options.stop_after_date or options.stop_after_runs not in (None, 1):
            raise Usage("--stop-after-date and --stop-after-runs need --interval: without it a job runs once")
        return OnceTimerSchedule(datetime=start)
    end = {
        **({"condition": "iterations", "n": options.stop_after_runs} if options.stop_after_runs is not None else {}),
        **({"condition": "time", "datetime": options.stop_after_date} if options.stop_after_date else {}),
    }
    return RecurringTimerSchedule(options.interval, start=start, end=end or MISSING)


def _submit(client: TimersClient, options: Namespace) -> int:
    body = document(options.action_body, options.action_file)
    if urlsplit(options.action_url).path.rstrip("/") in TRANSFER_PATHS:
        timer = TransferTimer(name=options.name, schedule=schedule_of(options), body=_transfer(body))
        return print_answer(client.create_timer(timer).data, options)
    schedule = schedule_of(options)
    job = TimerJob(
        name=options.name,
        callback_url=options.action_url,
        callback_body=MISSING if body is None else body,
        start_time=options.start or MISSING,
        interval=options.interval if options.interval is not None else MISSING,
        stop_after=_stop(schedule),
    )
    return print_answer(client.create_job(job).data, options)


def _stop(schedule: Mapping[str, Any]) -> Any:
    end = schedule.get("end")
    if not end:
        return MISSING
    return {name: value for name, value in (("date", end.get("datetime")), ("n_runs", end.get("n"))) if value}


def _transfer(body: Any) -> dict[str, Any]:
    """Return the transfer of an action's body, in the older or newer spelling; raises Usage."""
    inner = body.get("body", body) if isinstance(body, Mapping) else None
    if not isinstance(inner, Mapping):
        raise Usage("a transfer needs --action-body or --action-file with an object")
    return {_OLDER_SPELLINGS.get(str(name), str(name)): value for name, value in inner.items()}


def _list(client: TimersClient, options: Namespace) -> int:
    query = {"status": options.status} if options.status else {}
    jobs = list(client.iter_timers(page_size=PAGE_SIZE, query_params=query))
    if options.format == "json":
        output.print_json({"timers": jobs})
    else:
        output.print_table([_row(timer) for timer in jobs], "There are no jobs.")
    return 0


def _status(client: TimersClient, options: Namespace) -> int:
    if options.all == bool(options.job_id):
        raise Usage("give job ids, or --all")
    ids = [timer["id"] for timer in client.iter_timers(fields="id")] if options.all else options.job_id
    return _for_each_job(ids, lambda job_id: client.get_timer(job_id).data, options)


def add_bulk_command(
    verb: Verb, name: str, text: str, action_of: Callable[[TimersClient, Namespace], Any]
) -> ArgumentParser:
    """Add a command that carries out one action on each of the given jobs; return its parser."""

    def carry_out(client: TimersClient, options: Namespace) -> int:
        action = action_of(client, options)
        return _for_each_job(options.job_id, lambda job_id: action(job_id).data, options)

    parser = verb(name, carry_out, text)
    parser.add_argument("job_id", nargs="+", metavar="JOB_ID")
    return parser


def _pause_action(client: TimersClient, options: Namespace) -> Any:
    return lambda job_id: client.pause_timer(job_id, reason=options.reason or MISSING, until=options.until or MISSING)


def _resume_action(client: TimersClient, options: Namespace) -> Any:
    return lambda job_id: client.resume_timer(job_id, run_missed=options.run_missed or MISSING)


def _for_each_job(ids: list[str], action: Callable[[str], Any], options: Namespace) -> int:
    """Carry out an action on each job and print the answers; return the exit status.

    One job that fails does not stop the others.
    """
    answers, failed = [], False
    for job_id in ids:
        try:
            answers.append(action(job_id))
        except TimersAPIError as error:
            output.print_error(f"Error: {job_id}: {error}")
            failed = True
        except ValueError as error:
            raise Usage(str(error)) from error
    if options.format == "json":
        if answers:
            output.print_json(answers[0] if len(ids) == 1 else answers)
    else:
        output.print_records([_record(answer) for answer in answers])
    return int(failed)


def print_answer(answer: Mapping[str, Any], options: Namespace) -> int:
    """Print the answer to one command."""
    if options.format == "json":
        output.print_json(answer)
    else:
        output.print_records([_record(answer)])
    return 0


# Text for people


def _record(answer: Mapping[str, Any]) -> dict[str, Any]:
    if "execution" in answer:
        execution = answer["execution"]
        return {
            "Job ID": execution["timer_id"],
            "Execution ID": execution["id"],
            "Status": execution["status"],
            "Planned": output.local_time(execution["scheduled_for"]),
        }
    timer = answer["timer"]
    schedule = timer["schedule"]
    return {
        "Name": timer["name"],
        "Job ID": timer["id"],
        "Type": timer["timer_type"],
        "Status": timer["status"],
        "Start": output.local_time(schedule.get("start") or schedule.get("datetime")),
        "Interval": output.duration(schedule.get("interval_seconds")) or schedule.get("expression"),
        "Next Run At": output.local_time(timer["next_run"]),
        "Last Run At": output.local_time(timer["last_run_at"]),
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
        "Next Run At": output.local_time(timer["next_run"]),
        "Last Run At": output.local_time(timer["last_run_at"]),
        "Runs": timer["run_count"],
        "Failed": timer["failure_count"],
    }
