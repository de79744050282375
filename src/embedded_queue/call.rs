//! The calls that the queue answers: their names, and the routes that lead to them (taskcluster-api.md 4).

use super::errors::{ApiError, BadArgument};
use percent_encoding::percent_decode_str;
use scriptworker_core::ids::{RunId, TaskId, TaskQueueId, WorkerId};

macro_rules! calls {
    ($($(#[$doc:meta])* $variant:ident $name:literal $method:literal $path:literal;)*) => {
        /// A call of the API.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Call {
            $($(#[$doc])* $variant,)*
        }

        impl Call {
            /// The name that the API's reference gives it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }

        const ROUTES: &[(Call, &str, &str)] = &[$((Call::$variant, $method, $path),)*];
    };
}

calls! {
    /// Whether the service is alive.
    Ping "ping" "GET" "/api/queue/v1/ping";
    /// Which program answers.
    Version "version" "GET" "/api/queue/v1/__version__";
    /// Whether the service is alive, for load balancers.
    Heartbeat "lbheartbeat" "GET" "/api/queue/v1/__lbheartbeat__";
    /// A task's definition.
    Task "task" "GET" "/api/queue/v1/task/<taskId>";
    /// A task's status.
    Status "status" "GET" "/api/queue/v1/task/<taskId>/status";
    /// The tasks of a group.
    ListTaskGroup "listTaskGroup" "GET" "/api/queue/v1/task-group/<taskGroupId>/list";
    /// Makes a task.
    CreateTask "createTask" "PUT" "/api/queue/v1/task/<taskId>";
    /// Runs a resolved task again.
    RerunTask "rerunTask" "POST" "/api/queue/v1/task/<taskId>/rerun";
    /// Ends a task.
    CancelTask "cancelTask" "POST" "/api/queue/v1/task/<taskId>/cancel";
    /// Asks for tasks.
    ClaimWork "claimWork" "POST" "/api/queue/v1/claim-work/<taskQueueId*>";
    /// Asks for one run (deprecated).
    ClaimTask "claimTask" "POST" "/api/queue/v1/task/<taskId>/runs/<runId>/claim";
    /// Renews a claim.
    ReclaimTask "reclaimTask" "POST" "/api/queue/v1/task/<taskId>/runs/<runId>/reclaim";
    /// Reports success.
    ReportCompleted "reportCompleted" "POST" "/api/queue/v1/task/<taskId>/runs/<runId>/completed";
    /// Reports failure.
    ReportFailed "reportFailed" "POST" "/api/queue/v1/task/<taskId>/runs/<runId>/failed";
    /// Reports anything else.
    ReportException "reportException" "POST" "/api/queue/v1/task/<taskId>/runs/<runId>/exception";
    /// Announces an artifact.
    CreateArtifact "createArtifact" "POST" "/api/queue/v1/task/<taskId>/runs/<runId>/artifacts/<name*>";
    /// Says that an object artifact is uploaded.
    FinishArtifact "finishArtifact" "PUT" "/api/queue/v1/task/<taskId>/runs/<runId>/artifacts/<name*>";
    /// Redirects to an artifact.
    GetArtifact "getArtifact" "GET" "/api/queue/v1/task/<taskId>/runs/<runId>/artifacts/<name*>";
    /// Redirects to an artifact of the last run.
    GetLatestArtifact "getLatestArtifact" "GET" "/api/queue/v1/task/<taskId>/artifacts/<name*>";
    /// The artifacts of a run.
    ListArtifacts "listArtifacts" "GET" "/api/queue/v1/task/<taskId>/runs/<runId>/artifacts";
    /// The artifacts of the last run.
    ListLatestArtifacts "listLatestArtifacts" "GET" "/api/queue/v1/task/<taskId>/artifacts";
    /// What an artifact is.
    ArtifactInfo "artifactInfo" "GET" "/api/queue/v1/task/<taskId>/runs/<runId>/artifact-info/<name*>";
    /// What an artifact of the last run is.
    LatestArtifactInfo "latestArtifactInfo" "GET" "/api/queue/v1/task/<taskId>/artifact-info/<name*>";
    /// Where an artifact's content is.
    Artifact "artifact" "GET" "/api/queue/v1/task/<taskId>/runs/<runId>/artifact-content/<name*>";
    /// Where the content of an artifact of the last run is.
    LatestArtifact "latestArtifact" "GET" "/api/queue/v1/task/<taskId>/artifact-content/<name*>";
    /// Keeps a worker from getting tasks.
    QuarantineWorker "quarantineWorker" "PUT"
        "/api/queue/v1/provisioners/<provisionerId>/worker-types/<workerType>/workers/<workerGroup>/<workerId>";
    /// Announces an upload to the object service.
    CreateUpload "createUpload" "PUT" "/api/object/v1/upload/<name*>";
    /// Says that an upload to the object service is complete.
    FinishUpload "finishUpload" "POST" "/api/object/v1/finish-upload/<name*>";
    /// Asks how an object may be downloaded.
    StartDownload "startDownload" "PUT" "/api/object/v1/start-download/<name*>";
    /// Redirects to an object.
    Download "download" "GET" "/api/object/v1/download/<name*>";
    /// The scopes of who asks.
    CurrentScopes "currentScopes" "GET" "/api/auth/v1/scopes/current";
    /// Uploads bytes (not of the API: the storage).
    StoragePut "storagePut" "PUT" "/storage/<key*>";
    /// Downloads bytes (not of the API: the storage).
    StorageGet "storageGet" "GET" "/storage/<key*>";
}

/// The arguments in a request's path, by name, in the order of the path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Params(pub(crate) Vec<(&'static str, String)>);

impl Params {
    /// An argument's text; empty when the route has none of this name.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value.as_str())
    }

    /// The task that the path names.
    pub(crate) fn task_id(&self) -> Result<TaskId, ApiError> {
        TaskId::parse(self.get("taskId")).map_err(|_| self.bad("taskId"))
    }

    /// The run that the path names.
    pub(crate) fn run_id(&self) -> Result<RunId, ApiError> {
        let number = self.get("runId").parse().map_err(|_| self.bad("runId"))?;
        RunId::new(number).map_err(|_| self.bad("runId"))
    }

    pub(crate) fn bad(&self, name: &'static str) -> ApiError {
        let argument = BadArgument { name, given: self.get(name).to_owned(), pattern: pattern_of(name) };
        ApiError::BadArguments(vec![argument])
    }

    /// Checks every argument against the pattern of its name.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        let wrong: Vec<_> = self
            .0
            .iter()
            .filter(|(name, value)| !is_valid(name, value))
            .map(|(name, value)| BadArgument { name, given: value.clone(), pattern: pattern_of(name) })
            .collect();
        if wrong.is_empty() { Ok(()) } else { Err(ApiError::BadArguments(wrong)) }
    }
}

fn pattern_of(name: &str) -> &'static str {
    match name {
        "taskId" | "taskGroupId" => {
            "/^[A-Za-z0-9_-]{8}[Q-T][A-Za-z0-9_-][CGKOSWaeimquy26-][A-Za-z0-9_-]{10}[AQgw]$/"
        }
        "runId" => "/^[0-9]+$/, at most 1000",
        "taskQueueId" => "/^[a-zA-Z0-9-_]{1,38}\\/[a-z]([-a-z0-9]{0,36}[a-z0-9])?$/",
        "name" | "key" => "/^[\\x20-\\x7e]+$/",
        _ => "/^[a-zA-Z0-9-_]{1,38}$/",
    }
}

fn is_valid(name: &str, value: &str) -> bool {
    match name {
        "taskId" | "taskGroupId" => TaskId::parse(value).is_ok(),
        "runId" => {
            !value.is_empty()
                && value.bytes().all(|byte| byte.is_ascii_digit())
                && value.parse().is_ok_and(|number| RunId::new(number).is_ok())
        }
        "taskQueueId" => {
            TaskQueueId::parse(value).is_ok()
                && value.split_once('/').is_some_and(|(_, worker_type)| is_worker_type(worker_type))
        }
        "name" | "key" => !value.is_empty() && value.bytes().all(|byte| (0x20..=0x7e).contains(&byte)),
        _ => WorkerId::parse(value).is_ok(),
    }
}

/// `[a-z]([-a-z0-9]{0,36}[a-z0-9])?`
pub(crate) fn is_worker_type(text: &str) -> bool {
    text.len() <= 38
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Finds the call that a method and a path (still percent-encoded) lead to.
pub(crate) fn find(method: &str, path: &str) -> Option<(Call, Params)> {
    let method = if method == "HEAD" { "GET" } else { method };
    ROUTES
        .iter()
        .filter(|(_, of_route, _)| *of_route == method)
        .find_map(|(call, _, pattern)| Some((*call, fit(pattern, path)?)))
}

/// The arguments of a path that fits a pattern. `<name>` is one segment, `<name*>` everything that is left.
fn fit(pattern: &'static str, path: &str) -> Option<Params> {
    let mut params = Vec::new();
    let mut rest = Some(path);
    for part in pattern.split('/') {
        let left = rest?;
        if let Some(name) = part.strip_prefix('<').and_then(|part| part.strip_suffix("*>")) {
            params.push((name, decode(left)));
            rest = None;
            continue;
        }
        let (segment, after) = match left.split_once('/') {
            Some((segment, after)) => (segment, Some(after)),
            None => (left, None),
        };
        match part.strip_prefix('<').and_then(|part| part.strip_suffix('>')) {
            Some(name) => params.push((name, decode(segment))),
            None if part == segment => {}
            None => return None,
        }
        rest = after;
    }
    rest.is_none().then_some(Params(params))
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_be_encoded_or_not() {
        for path in ["public%2Fa%20b", "public/a%20b", "public%2fa%20b"] {
            let path = format!("/api/queue/v1/task/T/runs/0/artifacts/{path}");
            let (call, params) = find("POST", &path).unwrap();
            assert_eq!((call, params.get("name")), (Call::CreateArtifact, "public/a b"));
        }
    }

    #[test]
    fn an_empty_name_is_a_name_and_no_list() {
        let (call, params) = find("GET", "/api/queue/v1/task/T/artifacts/").unwrap();
        assert_eq!((call, params.get("name")), (Call::GetLatestArtifact, ""));
        assert!(params.check().is_err());
        assert_eq!(find("HEAD", "/api/queue/v1/task/T/artifacts").unwrap().0, Call::ListLatestArtifacts);
        assert_eq!(find("GET", "/api/queue/v1/task/T/nothing"), None);
    }
}
