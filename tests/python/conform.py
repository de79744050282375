"""The verdicts of the published Python worker on the folders of tests/fixtures/cot, beside those that the folders expect.

    conform.py FIXTURES [FOLDER...]

Run by `just conform` with the interpreter of a virtual environment that has scriptworker 63.6.1. Every question of the
Python verifier is answered from the folder; one that the folder does not answer counts as a server that is down. Chains
of the classic generation, whose rules are those of a version that this one replaced, are left to gpg: it has to accept
every signature of those that have to be verified.

Exit code 1: a chain that has to be verified was refused, a signature was, or nothing was judged.
"""

import asyncio
import contextlib
import copy
import io
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import urllib.parse

import scriptworker.context
import scriptworker.cot.verify as verify
import scriptworker.task
import scriptworker.utils
from scriptworker.config import apply_product_config
from scriptworker.constants import DEFAULT_CONFIG
from scriptworker.context import Context
from scriptworker.exceptions import CoTError, DownloadError
from scriptworker.utils import load_json_or_yaml

# How long the Python verifier may take for one chain, in seconds: it takes a fraction of one.
LIMIT = 30
PUSHLOG = "https://pushlog.invalid/{repo}/{revision}"


class Unanswered(DownloadError):
    """The folder has no answer: the verifier would see an outage."""


class Absent(DownloadError):
    """There is no such thing, for certain: 404."""


class Folder:
    """What a folder knows."""

    def __init__(self, root, name):
        self.blobs = os.path.join(root, "blobs")
        with open(os.path.join(root, name, "case.json"), encoding="utf-8") as file:
            self.case = json.load(file)
        with open(os.path.join(root, name, "index.json"), encoding="utf-8") as file:
            entries = json.load(file)
        self.answers = {self.key(entry["need"]): entry["answer"] for entry in entries}

    @staticmethod
    def key(need):
        if need["kind"] in ("document", "artifact"):
            # the Python worker asks for the newest run, and for everything in the same way
            return ("artifact", need["run"]["taskId"], need["name"])
        if need["kind"] == "git-hub":
            return ("git-hub", need["repository"], *(str(value) for value in need["what"].values()))
        return tuple(str(value) for value in need.values())

    def bytes(self, *key):
        answer = self.answers.get(key)
        if answer is None:
            raise Unanswered("nothing is known of {}".format(" ".join(key)))
        if answer == "absent":
            raise Absent("404: {}".format(" ".join(key)))
        digest = answer.get("present") or answer.get("stored", {}).get("sha256")
        if digest is None:
            raise Unanswered("larger than anybody reads: {}".format(" ".join(key)))
        with open(os.path.join(self.blobs, digest), "rb") as file:
            return file.read()

    def names(self, task_id):
        known = [key[2] for key in self.answers if key[:2] == ("artifact", task_id)]
        listed = [key for key in self.answers if key[0] == "listing" and task_id in key[1]]
        for key in listed:
            known.extend(json.loads(self.bytes(*key)))
        return sorted(set(known))


class Queue:
    """The queue, as far as a verifier asks it."""

    def __init__(self, folder):
        self.folder = folder

    async def task(self, task_id):
        return json.loads(self.folder.bytes("task", task_id))

    def buildUrl(self, _, task_id, path):
        name = urllib.parse.quote(path)
        return f"https://firefox-ci-tc.services.mozilla.com/api/queue/v1/task/{task_id}/artifacts/{name}"

    def buildSignedUrl(self, name, task_id, path):
        return self.buildUrl(name, task_id, path)

    async def listLatestArtifacts(self, task_id, **_):
        return {"artifacts": [{"name": name} for name in self.folder.names(task_id)]}


def github_of(folder):
    """The class that stands for a repository on GitHub."""

    class Repository:
        def __init__(self, _, owner, name):
            self.name = f"{owner}/{name}"

        def known(self, *what):
            return json.loads(folder.bytes("git-hub", self.name, *what))

        async def get_definition(self):
            return self.known("repository")

        async def get_file_contents(self, path, ref=None):
            url = f"https://github.com/{self.name}"
            return folder.bytes("tree-file", url, str(ref), path).decode("utf-8")

        async def get_commit(self, revision):
            return self.known("commit", revision)

        async def get_pull_request(self, number):
            return self.known("pull", str(number))

        async def get_release(self, tag):
            return self.known("release", tag)

        async def get_tag_hash(self, tag):
            (found,) = [known for known in self.known("tags") if known["name"] == tag]
            return found["commit"]["sha"]

        async def has_commit_landed_on_repository(self, _, revision):
            if len(revision) != 40:
                revision = await self.get_tag_hash(revision)
            return folder.bytes("git-hub", self.name, "branch-commits", revision).strip() != b""

    return Repository


async def at_once(*_, **__):
    """In the place of pauses between attempts."""


@contextlib.contextmanager
def answered_by(folder):
    """Every way to the network ends in the folder."""

    async def download(_, url, path, **__):
        task_id, name = url.split("/task/", 1)[1].split("/artifacts/", 1)
        content = folder.bytes("artifact", task_id, urllib.parse.unquote(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)

    async def load(_, url, path, **__):
        if url.startswith(PUSHLOG.split("{", 1)[0]):
            repository, revision = url[len(PUSHLOG.split("{", 1)[0]) :].rsplit("/", 1)
            content, kind = folder.bytes("pushlog", repository, revision), "json"
        elif "/raw-file/" in url:
            repository, rest = url.split("/raw-file/", 1)
            revision, name = rest.split("/", 1)
            content, kind = folder.bytes("tree-file", repository, revision, name), "yaml"
        else:
            content, kind = folder.bytes("projects"), "yaml"
        return load_json_or_yaml(content.decode("utf-8"), file_type=kind)

    real_artifacts = verify.download_artifacts

    async def artifacts(*arguments, **more):
        return await real_artifacts(*arguments, download_func=download, **more)

    changes = [
        (verify, "download_artifacts", artifacts),
        (verify, "load_json_or_yaml_from_url", load),
        (scriptworker.context, "load_json_or_yaml_from_url", load),
        (scriptworker.utils.asyncio, "sleep", at_once),
        (verify, "GitHubRepository", github_of(folder)),
        (scriptworker.task, "GitHubRepository", github_of(folder)),
    ]
    before = [(module, name, getattr(module, name)) for module, name, _ in changes]
    try:
        for module, name, value in changes:
            setattr(module, name, value)
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


async def judge(root, folder, directory):
    """The verdict: nothing, or the error of a refusal."""
    case = folder.case
    with open(os.path.join(root, "config", "current.json"), encoding="utf-8") as file:
        given = json.load(file)
    given.update(case.get("config", {}))
    context = Context()
    config = dict(copy.deepcopy(DEFAULT_CONFIG))
    config.update({key: value for key, value in given.items() if key in config})
    config.update(
        {
            "cot_product": case["product"],
            "pushlog_url": PUSHLOG,
            "verify_cot_signature": case["verifySignatures"],
            "work_dir": os.path.join(directory, "work"),
            "artifact_dir": os.path.join(directory, "artifacts"),
            "task_log_dir": os.path.join(directory, "artifacts", "public", "logs"),
        }
    )
    context.config = apply_product_config(config)
    context.queue = Queue(folder)
    context.task = await context.queue.task(case["taskId"])
    chain = verify.ChainOfTrust(context, case["taskType"], task_id=case["taskId"])
    await verify.verify_chain_of_trust(chain, check_task=case["attested"])


def out_of_time(*_):
    raise TimeoutError(f"no verdict within {LIMIT} s")


def verdict(root, name):
    """`verified`, `refused` or `error`, and the last line of what was said."""
    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(LIMIT)
    try:
        folder = Folder(root, name)
        with tempfile.TemporaryDirectory() as directory, answered_by(folder):
            with contextlib.redirect_stdout(io.StringIO()):
                asyncio.run(judge(root, folder, directory))
    except CoTError as error:
        return "refused", str(error)
    # any other end of the verifier ends the task, too
    except Exception as error:  # noqa: BLE001
        return "error", f"{type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    return "verified", ""


def expressible(case):
    """Whether a configuration of the Python worker can say the same: its keys have no windows, its trees no branches."""
    config = case.get("config", {})
    keys = [key for keys in config.get("ed25519_public_keys", {}).values() for key in keys]
    return "policy" not in case and all(isinstance(key, str) for key in keys) and '"branches"' not in json.dumps(config)


def gpg(root):
    """How many signatures of valid classic chains gpg accepts, and what it does not."""
    good, bad = 0, []
    with tempfile.TemporaryDirectory() as home:
        call = ["gpg", "--homedir", home, "--batch", "--quiet", "--no-auto-check-trustdb", "--trust-model", "always"]
        keyrings = os.path.join(root, "config", "keyrings")
        keys = [os.path.join(folder, name) for folder, _, names in os.walk(keyrings) for name in names]
        subprocess.run([*call, "--import", *sorted(keys)], check=True, capture_output=True)
        for name in sorted(os.listdir(root)):
            if not os.path.exists(os.path.join(root, name, "case.json")):
                continue
            folder = Folder(root, name)
            if folder.case["generation"] != "classic" or folder.case["verdict"] != "verified":
                continue
            for key in folder.answers:
                if key[0] != "artifact" or key[2] != "public/chainOfTrust.json.asc":
                    continue
                signed = folder.bytes(*key)
                done = subprocess.run([*call, "--verify"], input=signed, capture_output=True, check=False)
                if done.returncode == 0:
                    good += 1
                else:
                    bad.append(f"{name}: {key[1]}: {done.stderr.decode().strip()}")
    return good, bad


def main():
    root, wanted = sys.argv[1], sys.argv[2:]
    logging.disable(logging.CRITICAL)
    judged, same, wrong, rows = 0, 0, [], []
    for name in wanted or sorted(os.listdir(root)):
        if not os.path.exists(os.path.join(root, name, "case.json")):
            continue
        with open(os.path.join(root, name, "case.json"), encoding="utf-8") as file:
            case = json.load(file)
        if case["generation"] != "current" or not expressible(case):
            continue
        judged += 1
        found, why = verdict(root, name)
        starts = found == "verified"
        if starts == (case["verdict"] == "verified"):
            same += 1
            continue
        if case["verdict"] == "verified":
            wrong.append(name)
        reason = case["findings"][0]["reason"] if case.get("findings") else "-"
        rows.append((name, case["verdict"], reason, found, " ".join(why.split())[:90]))
    print(f"{judged} chains of the current generation; the same verdict on {same}.")
    if rows:
        print("\nOther verdicts of the Python worker 63.6.1:\n")
        print("| folder | expected | reason | Python | it says |\n|---|---|---|---|---|")
        for row in rows:
            print("| " + " | ".join(part.replace("|", "\\|") or "-" for part in row) + " |")
    good, bad = gpg(root)
    print(f"\ngpg accepts {good} signatures of valid chains of the classic generation.")
    for line in bad:
        print(f"gpg refuses {line}")
    if wrong:
        print(f"\nrefused although they have to be verified: {', '.join(wrong)}")
    return 1 if wrong or bad or not judged or not good else 0


if __name__ == "__main__":
    sys.exit(main())
