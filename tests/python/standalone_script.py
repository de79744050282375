"""A script for the small stand-alone library, scriptworker_client."""

from scriptworker_client import artifacts, client, exceptions

import actions


async def async_main(config, task):
    await actions.act(
        config,
        task,
        exceptions,
        lambda: artifacts.get_upstream_artifacts_full_paths_per_task_id(config, task),
    )


if __name__ == "__main__":
    client.sync_main(async_main)
