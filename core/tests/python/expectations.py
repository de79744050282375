"""What the Python worker makes of templates and of YAML: `../fixtures/taskcluster_yml/*/*/expected.json` and
`../fixtures/yaml_scalars.json`. It needs the packages of the published worker, scriptworker 63.6.1.

The context is the worker's own: `populate_jsone_context` of its `cot/verify.py` supplies `now` and `as_slugid`.
"""

import asyncio
import json
import pathlib
import types

import jsone
import yaml_scalars
from scriptworker.cot.verify import populate_jsone_context
from scriptworker.utils import load_json_or_yaml

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures"


def worker_context(case):
    """An action of a GitHub product takes all else from its task, so that nothing has to be fetched."""
    given = dict(case["context"])
    if "tasks_for" in case:
        given["tasks_for"] = case["tasks_for"]
    task = {"created": case["now"], "extra": {"action": {"context": given}}}
    parent = types.SimpleNamespace(task_id=case["own"], task=task, name="parent")
    decision = types.SimpleNamespace(task_id=case["decision"], task=task, name="decision")
    config = {"cot_product_type": "github", "cot_product": "firefox"}
    chain = types.SimpleNamespace(context=types.SimpleNamespace(config=config))
    context = asyncio.run(populate_jsone_context(chain, parent, decision, "action"))
    if "tasks_for" in case:
        return context
    # what a hook is fired with has none of the rest
    return {key: context[key] for key in ("now", "as_slugid", *given)}


def expectation(folder):
    case = json.loads((folder / "context.json").read_text("utf-8"))
    template = load_json_or_yaml(str(folder.parent / "template.yml"), is_path=True, file_type="yaml")
    try:
        expected = {"result": jsone.render(template, worker_context(case))}
    except jsone.JSONTemplateError as error:
        expected = {"refused": str(error)}
    if "unsupported" in case:
        expected["unsupported"] = case["unsupported"]
    return expected


def main():
    for context in sorted((FIXTURES / "taskcluster_yml").glob("*/*/context.json")):
        text = json.dumps(expectation(context.parent), indent=1, sort_keys=True, ensure_ascii=False)
        (context.parent / "expected.json").write_text(text + "\n", "utf-8")
    yaml_scalars.write(FIXTURES / "yaml_scalars.json")


if __name__ == "__main__":
    main()
