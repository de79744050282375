//! What request bodies must look like: the rules of the API's request schemas, with the words of its validator.

use super::call::is_worker_type;
use super::state::definition::PRIORITIES;
use scriptworker_core::ids::{TaskId, TaskQueueId};
use scriptworker_core::time::UnixMillis;
use serde_json::{Map, Value};

/// What may stand at one place.
enum Rule {
    Text { min: usize, max: usize },
    Fits { holds: fn(&str) -> bool, pattern: &'static str },
    OneOf(&'static [&'static str]),
    Integer { min: u64, max: u64 },
    Date,
    Texts { max: usize },
    Object,
    Boolean,
    Fields(&'static [Field]),
}

struct Field {
    name: &'static str,
    required: bool,
    rule: Rule,
}

/// The schema of a request's body.
pub(crate) struct Schema {
    /// Its place below `/schemas/`.
    pub(crate) name: &'static str,
    fields: &'static [Field],
}

const fn must(name: &'static str, rule: Rule) -> Field {
    Field { name, required: true, rule }
}

const fn may(name: &'static str, rule: Rule) -> Field {
    Field { name, required: false, rule }
}

const fn text(max: usize) -> Rule {
    Rule::Text { min: 0, max }
}

const IDENTIFIER: Rule = Rule::Text { min: 1, max: 38 };
const SLUGID: Rule = Rule::Fits {
    holds: |text| TaskId::parse(text).is_ok(),
    pattern: "^[A-Za-z0-9_-]{8}[Q-T][A-Za-z0-9_-][CGKOSWaeimquy26-][A-Za-z0-9_-]{10}[AQgw]$",
};
const PROJECT: Rule = Rule::Text { min: 1, max: 500 };
const CONTENT_TYPE: Rule = text(255);
const ANY_LENGTH: Rule = Rule::Integer { min: 0, max: u64::MAX };

pub(crate) const CLAIM_WORK: Schema = Schema {
    name: "queue/v1/claim-work-request.json#",
    fields: &[
        must("workerGroup", IDENTIFIER),
        must("workerId", IDENTIFIER),
        must("tasks", Rule::Integer { min: 1, max: 32 }),
    ],
};

pub(crate) const CLAIM_TASK: Schema = Schema {
    name: "queue/v1/task-claim-request.json#",
    fields: &[must("workerGroup", IDENTIFIER), must("workerId", IDENTIFIER)],
};

pub(crate) const REPORT_EXCEPTION: Schema = Schema {
    name: "queue/v1/task-exception-request.json#",
    fields: &[must(
        "reason",
        Rule::OneOf(&[
            "worker-shutdown",
            "malformed-payload",
            "resource-unavailable",
            "internal-error",
            "intermittent-task",
        ]),
    )],
};

pub(crate) const FINISH_ARTIFACT: Schema =
    Schema { name: "queue/v1/finish-artifact-request.json#", fields: &[must("uploadId", SLUGID)] };

pub(crate) const QUARANTINE: Schema = Schema {
    name: "queue/v1/quarantine-worker-request.json#",
    fields: &[must("quarantineUntil", Rule::Date), may("quarantineInfo", text(4000))],
};

pub(crate) const CREATE_TASK: Schema = Schema {
    name: "queue/v1/create-task-request.json#",
    fields: &[
        must("created", Rule::Date),
        must("deadline", Rule::Date),
        must("payload", Rule::Object),
        must(
            "metadata",
            Rule::Fields(&[
                must("name", text(255)),
                must("description", text(32768)),
                must("owner", text(255)),
                must(
                    "source",
                    Rule::Fits {
                        holds: |text| {
                            ["http://", "https://", "ssh://", "git@"]
                                .iter()
                                .any(|start| text.starts_with(start))
                        },
                        pattern: "^(https?://|ssh://|git@)",
                    },
                ),
            ]),
        ),
        may("expires", Rule::Date),
        may("provisionerId", IDENTIFIER),
        may("workerType", Rule::Fits { holds: is_worker_type, pattern: "^[a-z]([-a-z0-9]{0,36}[a-z0-9])?$" }),
        may(
            "taskQueueId",
            Rule::Fits {
                holds: |text| TaskQueueId::parse(text).is_ok(),
                pattern: "^[a-zA-Z0-9-_]{1,38}/[a-z]([-a-z0-9]{0,36}[a-z0-9])?$",
            },
        ),
        may("schedulerId", IDENTIFIER),
        may("projectId", PROJECT),
        may("taskGroupId", SLUGID),
        may("dependencies", Rule::Texts { max: 10_000 }),
        may("requires", Rule::OneOf(&["all-completed", "all-resolved"])),
        may("routes", Rule::Texts { max: 64 }),
        may("priority", Rule::OneOf(&PRIORITIES)),
        may("retries", Rule::Integer { min: 0, max: 49 }),
        may("scopes", Rule::Texts { max: usize::MAX }),
        may("tags", Rule::Object),
        may("extra", Rule::Object),
    ],
};

pub(crate) const CREATE_UPLOAD: Schema = Schema {
    name: "object/v1/create-upload-request.json#",
    fields: &[
        must("projectId", PROJECT),
        must("uploadId", SLUGID),
        must("expires", Rule::Date),
        may("hashes", Rule::Object),
        must(
            "proposedUploadMethods",
            Rule::Fields(&[
                may(
                    "dataInline",
                    Rule::Fields(&[must("contentType", CONTENT_TYPE), must("objectData", text(10_926))]),
                ),
                may(
                    "putUrl",
                    Rule::Fields(&[must("contentType", CONTENT_TYPE), must("contentLength", ANY_LENGTH)]),
                ),
            ]),
        ),
    ],
};

pub(crate) const FINISH_UPLOAD: Schema = Schema {
    name: "object/v1/finish-upload-request.json#",
    fields: &[must("projectId", PROJECT), must("uploadId", SLUGID), may("hashes", Rule::Object)],
};

pub(crate) const START_DOWNLOAD: Schema = Schema {
    name: "object/v1/download-object-request.json#",
    fields: &[must(
        "acceptDownloadMethods",
        Rule::Fields(&[may("simple", Rule::Boolean), may("getUrl", Rule::Boolean)]),
    )],
};

const ARTIFACT_NAME: &str = "queue/v1/post-artifact-request.json#";
const WITH_BYTES: Schema = Schema {
    name: ARTIFACT_NAME,
    fields: &[
        must("storageType", Rule::OneOf(&["s3", "object"])),
        must("expires", Rule::Date),
        must("contentType", CONTENT_TYPE),
        may("contentLength", ANY_LENGTH),
    ],
};
const REFERENCE: Schema = Schema {
    name: ARTIFACT_NAME,
    fields: &[
        must("storageType", Rule::OneOf(&["reference"])),
        must("expires", Rule::Date),
        must("contentType", CONTENT_TYPE),
        must("url", Rule::Fits { holds: |text| url::Url::parse(text).is_ok(), pattern: "format \"uri\"" }),
    ],
};
const LINK: Schema = Schema {
    name: ARTIFACT_NAME,
    fields: &[
        must("storageType", Rule::OneOf(&["link"])),
        must("expires", Rule::Date),
        must("artifact", text(usize::MAX)),
        may("contentType", CONTENT_TYPE),
    ],
};
const ERROR: Schema = Schema {
    name: ARTIFACT_NAME,
    fields: &[
        must("storageType", Rule::OneOf(&["error"])),
        must("expires", Rule::Date),
        must(
            "reason",
            Rule::OneOf(&[
                "file-missing-on-worker",
                "invalid-resource-on-worker",
                "too-large-file-on-worker",
                "file-not-readable-on-worker",
            ]),
        ),
        must("message", text(4096)),
    ],
};

/// The schema of a `createArtifact` request: one for each kind of storage.
pub(crate) fn create_artifact(body: &Value) -> &'static Schema {
    match body.get("storageType").and_then(Value::as_str) {
        Some("reference") => &REFERENCE,
        Some("link") => &LINK,
        Some("error") => &ERROR,
        _ => &WITH_BYTES,
    }
}

impl Schema {
    /// The object that a body is, or what is wrong with it.
    pub(crate) fn check<'a>(&self, body: &'a Value) -> Result<&'a Map<String, Value>, Vec<String>> {
        let mut errors = Vec::new();
        check_fields(self.fields, "data", body, &mut errors);
        match body.as_object() {
            Some(body) if errors.is_empty() => Ok(body),
            _ => Err(errors),
        }
    }
}

fn check_fields(fields: &[Field], at: &str, value: &Value, errors: &mut Vec<String>) {
    let Some(object) = value.as_object() else {
        errors.push(format!("{at} must be object"));
        return;
    };
    for field in fields {
        match object.get(field.name) {
            Some(value) => check(&field.rule, &format!("{at}/{}", field.name), value, errors),
            None if field.required => {
                errors.push(format!("{at} must have required property '{}'", field.name));
            }
            None => {}
        }
    }
    for key in object.keys().filter(|key| fields.iter().all(|field| field.name != *key)) {
        errors.push(format!("{at} must NOT have additional properties: {key:?}"));
    }
}

fn check(rule: &Rule, at: &str, value: &Value, errors: &mut Vec<String>) {
    let string = value.as_str();
    let complaint = match rule {
        Rule::Object => (!value.is_object()).then(|| "must be object".to_owned()),
        Rule::Boolean => (!value.is_boolean()).then(|| "must be boolean".to_owned()),
        Rule::Fields(fields) => {
            check_fields(fields, at, value, errors);
            None
        }
        Rule::Integer { min, max } => match value.as_u64() {
            _ if !(value.is_u64() || value.is_i64()) => Some("must be integer".to_owned()),
            Some(number) if number > *max => Some(format!("must be <= {max}")),
            Some(number) if number >= *min => None,
            _ => Some(format!("must be >= {min}")),
        },
        Rule::Texts { max } => match value.as_array() {
            Some(list) if list.len() > *max => Some(format!("must NOT have more than {max} items")),
            Some(list) if list.iter().all(Value::is_string) => None,
            Some(_) => Some("must have items that are strings".to_owned()),
            None => Some("must be array".to_owned()),
        },
        Rule::OneOf(names) => (!string.is_some_and(|text| names.contains(&text)))
            .then(|| "must be equal to one of the allowed values".to_owned()),
        Rule::Text { .. } | Rule::Fits { .. } | Rule::Date => match string {
            None => Some("must be string".to_owned()),
            Some(text) => check_text(rule, text),
        },
    };
    errors.extend(complaint.map(|complaint| format!("{at} {complaint}")));
}

fn check_text(rule: &Rule, text: &str) -> Option<String> {
    match rule {
        Rule::Text { max, .. } if text.chars().count() > *max => {
            Some(format!("must NOT have more than {max} characters"))
        }
        Rule::Text { min, .. } if text.chars().count() < *min => {
            Some(format!("must NOT have fewer than {min} characters"))
        }
        Rule::Fits { holds, pattern } if !holds(text) => Some(format!("must match pattern {pattern:?}")),
        Rule::Date if UnixMillis::parse(text).is_err() => Some("must match format \"date-time\"".to_owned()),
        _ => None,
    }
}
