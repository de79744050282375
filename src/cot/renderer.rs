//! Renders templates in a process of its own: this binary, started again with a hidden verb. A stranger's template may
//! take any time and memory; there it takes no more than its limits.

use crate::process::{ToolCall, ToolError};
use rustix::process::{Resource, Rlimit, setrlimit};
use scriptworker_core::cot::template::{Renderer, Rendering, TemplateError, render};
use scriptworker_core::ids::TaskId;
use scriptworker_core::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The hidden verb.
pub const VERB: &str = "render-template";

/// How long a template may take, by the clock.
const LIMIT: Duration = Duration::from_secs(10);
/// How much of a processor's time, in seconds.
const CPU_SECONDS: u64 = 10;
/// How much address space, in bytes.
const MEMORY: u64 = 1 << 30;
/// The largest question and the largest answer, in bytes.
const MOST_BYTES: usize = 64 << 20;

/// What is asked of the process.
#[derive(Serialize, Deserialize)]
struct Question {
    template: Value,
    context: Map<String, Value>,
    now: UnixMillis,
    decision: TaskId,
    own: TaskId,
}

/// What it answers.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Reply {
    Made(Value),
    Unsupported { place: String, found: String },
    Differs { place: String, found: String },
    Unterminated { found: String },
    Refused { message: String },
}

/// Renders in another process. The same question is asked once.
#[derive(Debug, Default)]
pub struct Subprocess {
    program: Option<PathBuf>,
    known: Mutex<BTreeMap<Vec<u8>, Result<Value, TemplateError>>>,
}

impl Subprocess {
    /// With this program, which knows the hidden verb, instead of the one that runs.
    pub fn of(program: PathBuf) -> Self {
        Self { program: Some(program), known: Mutex::default() }
    }
}

impl Renderer for Subprocess {
    fn render(&self, rendering: &Rendering) -> Result<Value, TemplateError> {
        let question = Question {
            template: rendering.template.clone(),
            context: rendering.context.clone(),
            now: rendering.now,
            decision: rendering.decision.clone(),
            own: rendering.own.clone(),
        };
        let input =
            serde_json::to_vec(&question).map_err(|error| refused(format!("it cannot be sent: {error}")))?;
        // a map is whole after every step, whoever panicked while it was held
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = known().get(&input) {
            return answer.clone();
        }
        let answer = ask(self.program.as_ref(), input.clone());
        known().insert(input, answer.clone());
        answer
    }
}

fn refused(message: String) -> TemplateError {
    TemplateError::Refused { message }
}

fn too_much() -> TemplateError {
    let limit = format!("{} s or {} MiB of memory", LIMIT.as_secs(), MEMORY >> 20);
    TemplateError::TooMuch { limit }
}

fn ask(program: Option<&PathBuf>, input: Vec<u8>) -> Result<Value, TemplateError> {
    let program = program.map_or_else(std::env::current_exe, |program| Ok(program.clone()));
    let program = program.map_err(|error| refused(format!("no renderer: {error}")))?;
    let call = ToolCall {
        program,
        arguments: vec![VERB.into()],
        env: Vec::new(),
        input,
        limit: LIMIT,
        most_output: MOST_BYTES,
    };
    let output = match call.run() {
        Ok(output) => output,
        Err(ToolError::TimedOut { .. } | ToolError::TooMuchOutput { .. }) => return Err(too_much()),
        Err(error) => return Err(refused(format!("no renderer: {error}"))),
    };
    // out of memory is an abort, out of time a signal: neither has a code
    if output.code != Some(0) {
        return Err(too_much());
    }
    match serde_json::from_slice(&output.stdout) {
        Ok(Reply::Made(value)) => Ok(value),
        Ok(Reply::Unsupported { place, found }) => Err(TemplateError::Unsupported { place, found }),
        Ok(Reply::Differs { place, found }) => Err(TemplateError::Differs { place, found }),
        Ok(Reply::Unterminated { found }) => Err(TemplateError::Unterminated { found }),
        Ok(Reply::Refused { message }) => Err(refused(message)),
        Err(error) => Err(refused(format!("the renderer's answer is unreadable: {error}"))),
    }
}

/// The process: one question on stdin, one answer on stdout.
pub fn main() -> ExitCode {
    match answer() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn answer() -> io::Result<()> {
    let limit = |most| Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(Resource::As, limit(MEMORY))?;
    setrlimit(Resource::Cpu, limit(CPU_SECONDS))?;
    let mut input = Vec::new();
    io::stdin().lock().take(MOST_BYTES as u64).read_to_end(&mut input)?;
    let Question { template, context, now, decision, own } = serde_json::from_slice(&input)?;
    let reply = match render(&Rendering { template, context, now, decision, own }) {
        Ok(value) => Reply::Made(value),
        Err(TemplateError::Unsupported { place, found }) => Reply::Unsupported { place, found },
        Err(TemplateError::Differs { place, found }) => Reply::Differs { place, found },
        Err(TemplateError::Unterminated { found }) => Reply::Unterminated { found },
        Err(TemplateError::Refused { message }) => Reply::Refused { message },
        // nothing in a process without a parent's clock says so
        Err(error @ TemplateError::TooMuch { .. }) => Reply::Refused { message: error.to_string() },
    };
    let mut stdout = io::stdout().lock();
    serde_json::to_writer(&mut stdout, &reply)?;
    stdout.flush()
}
