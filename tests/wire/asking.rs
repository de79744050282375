//! The queue client as the tests of misbehaviour ask it: for the status of a task.

use crate::faults::client;
use crate::server::Server;
use scriptworker::taskcluster::model::Status;
use scriptworker::taskcluster::{Answer, ApiError, Auth, Budget, HttpConfig, Queue, RootUrl};
use scriptworker_core::ids::TaskId;

pub const TASK: &str = "Ypg6xKhKRU-pnkwylNQrMw";

pub fn status_json() -> String {
    format!(
        r#"{{"status":{{"taskId":"{TASK}","provisionerId":"a","workerType":"b","schedulerId":"-",
        "taskGroupId":"{TASK}","deadline":"2026-11-23T16:51:23.599Z","expires":"2026-11-25T15:51:23.599Z",
        "retriesLeft":5,"state":"newer-than-us","runs":[],"unknown":1}}}}"#
    )
}

pub fn queue(config: HttpConfig, server: &Server, auth: Auth) -> Queue {
    Queue::new(client(config), &RootUrl::parse(&server.url()).unwrap(), auth)
}

pub async fn ask(queue: &Queue, budget: Budget) -> Result<Answer<Status>, ApiError> {
    queue.status(&TaskId::parse(TASK).unwrap(), budget).await
}
