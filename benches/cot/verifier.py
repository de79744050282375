"""The published Python verifier on the release of a benchmark: what `verify_cot` does, with local addresses.

Run by the Python of the environment in which `scriptworker` is installed; the first argument is a JSON file that the
benchmark writes. Prints the seconds of the verification alone, without starting the interpreter.

Only addresses and keys are changed: the queue is local and without TLS, and source hosts are read from a mirror. With
`readSize`, downloads and hashes read that many bytes at once.
"""

import asyncio
import functools
import hashlib
import json
import logging
import os
import sys
import time
from copy import deepcopy
from unittest import mock
from urllib.parse import urlparse

from scriptworker import artifacts, utils
from scriptworker.config import apply_product_config
from scriptworker.constants import DEFAULT_CONFIG
from scriptworker.context import Context
from scriptworker.cot import verify
from taskcluster.aio import Queue


def configuration(given, work):
    """The configuration of `verify_cot`, for this queue and these keys."""
    config = dict(deepcopy(DEFAULT_CONFIG))
    config.update(
        {
            "taskcluster_root_url": given["rootUrl"],
            "cot_product": given["product"],
            "work_dir": os.path.join(work, "work"),
            "artifact_dir": os.path.join(work, "artifacts"),
            "task_log_dir": os.path.join(work, "artifacts", "public", "logs"),
            "verify_cot_signature": True,
            "ed25519_public_keys": given["keys"],
            "project_configuration_url": given["projectsUrl"],
        }
    )
    config = apply_product_config(config)
    rules = [dict(rule) for rule in config["valid_artifact_rules"]]
    for rule in rules:
        rule.update(schemes=("http",), netlocs=(urlparse(given["rootUrl"]).netloc,))
    config["valid_artifact_rules"] = tuple(rules)
    return config


def mirrored(original, source, target):
    """Reads what is at `source` from `target`."""

    async def load(context, url, path, **more):
        return await original(context, url.replace(source, target, 1), path, **more)

    return load


def hash_with(size):
    """`get_hash` with another read size."""

    def get_hash(path, hash_alg="sha256"):
        digest = hashlib.new(hash_alg)
        with open(path, "rb") as file:
            for chunk in iter(functools.partial(file.read, size), b""):
                digest.update(chunk)
        return digest.hexdigest()

    return get_hash


async def run(given, work):
    async with utils.scriptworker_session() as session:
        context = Context()
        context.session = session
        context.config = configuration(given, work)
        context.queue = Queue(session=session, options={"rootUrl": given["rootUrl"]})
        begun = time.perf_counter()
        context.task = await context.queue.task(given["taskId"])
        chain = verify.ChainOfTrust(context, "signing", task_id=given["taskId"])
        await verify.verify_chain_of_trust(chain)
        return time.perf_counter() - begun


def main():
    with open(sys.argv[1]) as file:
        given = json.load(file)
    logging.getLogger("scriptworker").setLevel(logging.INFO)
    logging.basicConfig(level=logging.INFO)
    source, target = given["mirror"]
    patches = [mock.patch.object(verify, "load_json_or_yaml_from_url", mirrored(verify.load_json_or_yaml_from_url, source, target))]
    if given.get("readSize"):
        size = given["readSize"]
        download = functools.partial(utils.download_file, chunk_size=size)
        artifacts.download_artifacts.__defaults__ = tuple(
            download if value is utils.download_file else value for value in artifacts.download_artifacts.__defaults__
        )
        patches.append(mock.patch.object(verify, "get_hash", hash_with(size)))
    for patch in patches:
        patch.start()
    print(json.dumps(asyncio.run(run(given, sys.argv[2]))))


main()
