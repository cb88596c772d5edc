"""The paths of the Conductor interface, below /conductor/api/. None redirects: a redirected POST becomes a GET."""

from __future__ import annotations

from django.urls import URLPattern, path, re_path

from timers.conductor import metadata, scheduler, schedules, tasks, token, workflows
from timers.conductor.base import UnknownConductorPath

scheduler_urls = [
    path("scheduler/schedules", schedules.ScheduleList.as_view()),
    path("scheduler/schedules/search", schedules.ScheduleSearchOrDetail.as_view(), {"name": "search"}),
    path("scheduler/schedules/pause", scheduler.PauseAllOrScheduleDetail.as_view(), {"name": "pause"}),
    path("scheduler/schedules/resume", scheduler.ResumeAllOrScheduleDetail.as_view(), {"name": "resume"}),
    path("scheduler/schedules/<str:name>", schedules.ScheduleDetail.as_view()),
    path("scheduler/schedules/<str:name>/pause", schedules.SchedulePause.as_view()),
    path("scheduler/schedules/<str:name>/resume", schedules.ScheduleResume.as_view()),
    path("scheduler/schedules/<str:name>/tags", schedules.ScheduleTags.as_view()),
    path("scheduler/admin/pause", scheduler.PauseAllSchedules.as_view()),
    path("scheduler/admin/resume", scheduler.ResumeAllSchedules.as_view()),
    path("scheduler/admin/requeue", scheduler.RequeueStuckExecutions.as_view()),
    path("scheduler/requeue", scheduler.RequeueStuckExecutions.as_view()),
    path("scheduler/bulk/pause", schedules.ScheduleBulkAction.as_view()),
    path("scheduler/bulk/resume", schedules.ScheduleBulkAction.as_view(resumes=True)),
    path("scheduler/nextFewSchedules", scheduler.NextSchedules.as_view()),
    path("scheduler/nextFewRuns", scheduler.NextSchedules.as_view()),
    path("scheduler/search/executions", scheduler.ExecutionSearch.as_view()),
]
metadata_urls = [
    path("metadata/workflow", metadata.WorkflowDefinitionList.as_view()),
    path("metadata/workflow/<str:name>", metadata.WorkflowDefinitionDetail.as_view()),
    path("metadata/workflow/<str:name>/<int:version>", metadata.WorkflowVersionDetail.as_view()),
    path("metadata/taskdefs", metadata.TaskDefinitionList.as_view()),
    path("metadata/taskdefs/<str:name>", metadata.TaskDefinitionDetail.as_view()),
]
workflow_urls = [
    path("workflow", workflows.WorkflowNew.as_view()),
    path("workflow/search", workflows.WorkflowSearch.as_view()),
    path("workflow/execute/<str:name>", workflows.WorkflowExecution.as_view()),
    path("workflow/execute/<str:name>/<str:version>", workflows.WorkflowExecution.as_view()),
    path("workflow/running/<str:name>", workflows.RunningWorkflowList.as_view()),
    path("workflow/<str:name>", workflows.WorkflowRunView.as_view()),
    path("workflow/<str:name>/remove", workflows.WorkflowRemoval.as_view()),
    path("workflow/<str:name>/status", workflows.WorkflowState.as_view()),
    path("workflow/<str:name>/correlated/<str:correlation_id>", workflows.CorrelatedWorkflowList.as_view()),
]
task_urls = [
    path("tasks/poll/batch/<str:name>", tasks.batch_poll),
    path("tasks/update-v2", tasks.TaskResultsAndNext.as_view()),
    path("tasks", tasks.TaskResults.as_view()),
    path("tasks/poll/<str:name>", tasks.poll),
    path("tasks/queue/sizes", tasks.QueueSizes.as_view()),
    path("tasks/<str:task_id>", tasks.TaskDetail.as_view()),
    path("tasks/<str:task_id>/log", tasks.TaskLog.as_view()),
    path("tasks/<str:workflow_id>/<str:reference>/<str:status>", tasks.TaskByReference.as_view()),
    path("tasks/<str:workflow_id>/<str:reference>/<str:status>/sync", tasks.TaskByReference.as_view(answers_run=True)),
]

urlpatterns: list[URLPattern] = [
    *task_urls,  # first, because they are called most often
    *workflow_urls,
    *scheduler_urls,
    *metadata_urls,
    path("token", token.TokenNew.as_view()),
    re_path("", UnknownConductorPath.as_view()),
]
