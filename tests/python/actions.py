"""What a task of the test may ask its script to do, whichever library the script is written for."""

import asyncio
import builtins
import json
import os

import taskcluster


def write_artifact(config, name, content):
    path = os.path.join(config["artifact_dir"], name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        json.dump(content, file)


def report_surroundings(config, task):
    """Write down everything that a script may rely on."""
    with open(os.path.join(config["work_dir"], "current_task_info.json")) as file:
        info = json.load(file)
    write_artifact(
        config,
        "public/build/surroundings.json",
        {
            "task": task,
            "info": info,
            "env": dict(os.environ),
            "logs_exist": os.path.isdir(os.path.join(config["artifact_dir"], "public", "logs")),
            "work": sorted(os.listdir(config["work_dir"])),
        },
    )


async def hang(config):
    """Say that the script has come this far, then never end."""
    with open(config["ready_file"], "w"):
        pass
    await asyncio.Event().wait()


def use_credentials():
    """Ask the queue for something that only this run's own credentials allow, with Taskcluster's own client."""
    fd = int(os.environ["TASKCLUSTER_CREDENTIALS_FD"])
    credentials = json.loads(os.pread(fd, os.fstat(fd).st_size, 0))
    queue = taskcluster.Queue({"rootUrl": os.environ["TASKCLUSTER_ROOT_URL"], "credentials": credentials})
    task_id = os.environ["TASK_ID"]
    queue.createArtifact(
        task_id,
        os.environ["RUN_ID"],
        "public/made-by-script",
        {
            "storageType": "error",
            "reason": "file-missing-on-worker",
            "message": "made with the credentials of the run",
            "expires": queue.task(task_id)["expires"],
        },
    )


async def act(config, task, exceptions, upstream):
    """Do what the payload says; `upstream` is the library's own look-up."""
    payload = task["payload"]
    action = payload["action"]
    if action == "report":
        report_surroundings(config, task)
    elif action == "raise":
        # the library's own classes, or a built-in one that it knows nothing of
        error = getattr(exceptions, payload["class"], None) or getattr(builtins, payload["class"])
        raise error(*payload.get("args", ["raised on purpose"]), **payload.get("kwargs", {}))
    elif action == "hang":
        await hang(config)
    elif action == "credentials":
        use_credentials()
    elif action == "upstream":
        found, missing = upstream()
        write_artifact(config, "public/upstream.json", {"found": found, "missing": missing})
    else:
        raise ValueError(action)
