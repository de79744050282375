"""The published library's answers to questions on stdin, for comparing them with those of the Rust library."""

import fnmatch
import json
import sys

from scriptworker import client, constants
from scriptworker.exceptions import ScriptWorkerTaskException


def file_path(rules, task_ids, url):
    try:
        return client.validate_artifact_url(rules, task_ids, url)
    except ScriptWorkerTaskException as exc:
        return {"exit_code": exc.exit_code}


def fits(task, schema):
    try:
        client.validate_json_schema(task, schema)
        return True
    except ScriptWorkerTaskException as exc:
        return {"exit_code": exc.exit_code}


questions = json.load(sys.stdin)
json.dump(
    {
        "statuses": dict(constants.STATUSES),
        "urls": [file_path(questions["rules"], questions["task_ids"], url) for url in questions["urls"]],
        "globs": [fnmatch.fnmatch(name, pattern) for pattern, name in questions["globs"]],
        "schemas": [fits(task, schema) for task, schema in questions["schemas"]],
    },
    sys.stdout,
)
