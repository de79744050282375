#!/bin/bash
# Starts the worker in a container: checks the variables, writes the configuration, becomes the worker.
#
# Everything that is wrong is said at once (exit 1). The worker is started with an empty environment and one argument.
# Secrets reach it through files that nobody else can read, never through arguments.
set -euo pipefail
umask 077

problems=()
problem() {
    problems+=("$*")
}

# Each named variable must be set and not empty.
required() {
    local name
    for name in "$@"; do
        if [[ -z ${!name:-} ]]; then
            problem "$name: expected a value, found none"
        fi
    done
}

# A secret store may have put a newline at the end. What is left must be one line: it becomes a string of JSON.
one_line() {
    local name value
    for name in "$@"; do
        value=$(printf '%s' "${!name:-}")
        if [[ $value == *[[:cntrl:]]* ]]; then
            problem "$name: expected one line of text, found control characters"
        fi
        printf -v "$name" '%s' "$value"
    done
}

# A string as JSON. There are no control characters any more.
json() {
    local value=${1//\\/\\\\}
    printf '"%s"' "${value//\"/\\\"}"
}

APP_DIR=${APP_DIR:-/app}
CHAIN_OF_TRUST=${CHAIN_OF_TRUST:-by-env}
github_token_set=${GITHUB_OAUTH_TOKEN+yes}
required PROJECT_NAME ENV COT_PRODUCT TASKCLUSTER_ROOT_URL TASKCLUSTER_CLIENT_ID TASKCLUSTER_ACCESS_TOKEN
one_line APP_DIR PROJECT_NAME TASKCLUSTER_ROOT_URL TASKCLUSTER_CLIENT_ID TASKCLUSTER_ACCESS_TOKEN GITHUB_OAUTH_TOKEN

low_level=1
if [[ ${PROJECT_NAME:-} == signing ]]; then
    low_level=t
fi
suffix=
sign=false
case ${ENV:-} in
    prod) trust_level=3 sign=true ;;
    fake-prod) trust_level=$low_level ;;
    dev) trust_level=$low_level suffix=-dev ;;
    *)
        trust_level=
        problem "ENV: expected prod, fake-prod or dev, found '${ENV:-}'"
        ;;
esac

case ${COT_PRODUCT:-} in
    firefox) trust_domain='gecko' ;;
    thunderbird) trust_domain='comm' ;;
    adhoc | app-services | enterprise | glean | mobile | mozillavpn | translations | xpi) trust_domain=$COT_PRODUCT ;;
    *)
        trust_domain=
        problem "COT_PRODUCT: expected a product, found '${COT_PRODUCT:-}'"
        ;;
esac

case $CHAIN_OF_TRUST in
    by-env) verify=true ;;
    none)
        verify=false
        if [[ $sign == true ]]; then
            problem "CHAIN_OF_TRUST: expected by-env in production, found none"
        fi
        ;;
    *) problem "CHAIN_OF_TRUST: expected by-env or none, found '$CHAIN_OF_TRUST'" ;;
esac

if [[ $sign == true ]]; then
    required ED25519_PRIVKEY
    one_line ED25519_PRIVKEY
fi
if [[ $trust_domain != gecko && $trust_domain != comm && -z $github_token_set ]]; then
    problem "GITHUB_OAUTH_TOKEN: expected it to be set (it may be empty), found it unset"
fi

# Names have at most 38 characters; what is left of a worker's id after its type makes it unique.
worker_type=$trust_domain-$trust_level-${PROJECT_NAME:-}$suffix
if [[ ! $worker_type =~ ^[A-Za-z0-9_-]{1,31}$ ]]; then
    problem "PROJECT_NAME: expected at most 31 letters, digits, - or _ in the worker type, found '$worker_type'"
fi
random=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
worker_id=$worker_type-$random
worker_id=${worker_id:0:38}

worker=$APP_DIR/bin/scriptworker
script=${TASK_SCRIPT:-$APP_DIR/.venv/bin/${PROJECT_NAME:-}script}
one_line script
for program in "$worker" "$script"; do
    if [[ ! -x $program ]]; then
        problem "$program: expected a program"
    fi
done

if ((${#problems[@]})); then
    printf 'init.sh: %s\n' "${problems[@]}" >&2
    exit 1
fi

configs=$APP_DIR/configs
mkdir -p "$configs"
if [[ $sign == true ]]; then
    printf '%s\n' "$ED25519_PRIVKEY" >"$configs/ed25519_privkey"
fi
cat >"$configs/scriptworker.json" <<JSON
{
  "artifact_dir": $(json "$APP_DIR/artifacts"),
  "artifact_upload_timeout": 1200,
  "cot_job_type": "scriptworker",
  "cot_product": $(json "$COT_PRODUCT"),
  "credentials": {
    "accessToken": $(json "$TASKCLUSTER_ACCESS_TOKEN"),
    "clientId": $(json "$TASKCLUSTER_CLIENT_ID")
  },
  "ed25519_private_key_path": $(json "$configs/ed25519_privkey"),
  "github_oauth_token": $(json "$GITHUB_OAUTH_TOKEN"),
  "log_dir": $(json "$APP_DIR/logs"),
  "provisioner_id": "scriptworker-k8s",
  "scriptworker_provisioners": ["scriptworker-k8s", "scriptworker-prov-v1"],
  "sign_chain_of_trust": $sign,
  "task_log_dir": $(json "$APP_DIR/artifacts/public/logs"),
  "task_max_timeout": 7200,
  "task_script": [$(json "$script"), $(json "$configs/worker.json")],
  "taskcluster_root_url": $(json "$TASKCLUSTER_ROOT_URL"),
  "verbose": true,
  "verify_chain_of_trust": $verify,
  "verify_cot_signature": $sign,
  "watch_log_file": true,
  "work_dir": $(json "$APP_DIR/workdir"),
  "worker_group": $(json "$worker_type"),
  "worker_id": $(json "$worker_id"),
  "worker_type": $(json "$worker_type")
}
JSON

# The script's own part: writes configs/worker.json from the variables that it knows.
if [[ -f $APP_DIR/docker.d/init_worker.sh ]]; then
    # shellcheck source=/dev/null
    source "$APP_DIR/docker.d/init_worker.sh"
fi
if [[ ! -r $configs/worker.json ]]; then
    echo "init.sh: $configs/worker.json: expected the script's configuration; docker.d/init_worker.sh has to write it" >&2
    exit 1
fi

# Scripts are given the usual one: what they build is read by others.
umask 022
cd "$APP_DIR"
exec env - "$worker" "$configs/scriptworker.json"
