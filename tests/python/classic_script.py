"""A script as the first generation wrote them: the library's functions, and an own main around them."""

import asyncio
import json
import sys
import traceback

from scriptworker import client, exceptions

import actions


def main():
    with open(sys.argv[1]) as file:
        config = json.load(file)
    try:
        task = client.get_task(config)
        with open(config["schema_file"]) as file:
            client.validate_json_schema(task, json.load(file))
        asyncio.run(actions.act(config, task, exceptions, None))
    except exceptions.ScriptWorkerTaskException as exc:
        traceback.print_exc()
        sys.exit(exc.exit_code)


if __name__ == "__main__":
    main()
