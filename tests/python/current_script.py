"""A script as most are today: an async function, and the library's sync_main around it."""

from scriptworker import artifacts, client, exceptions

import actions


async def async_main(context):
    await actions.act(
        context.config,
        context.task,
        exceptions,
        lambda: artifacts.get_upstream_artifacts_full_paths_per_task_id(context),
    )


if __name__ == "__main__":
    client.sync_main(async_main)
