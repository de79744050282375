//! Renders templates in a process of its own: this binary, started again with a hidden verb. A stranger's template may
//! take any time and memory; there it takes no more than its limits.

use crate::process::{RUNNING_PROGRAM, ToolCall, ToolError, ToolOutput};
use nix::sys::signal::Signal;
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

/// How much of a processor's time a template may take, in seconds.
const CPU_SECONDS: u64 = 10;
/// How long it is waited for by the clock: a machine with too much to do is no reason to refuse a template.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the process is started before there is no answer.
const ATTEMPTS: u32 = 2;
/// How a panic ends the process: for example one about a text that no memory could hold.
const PANICKED: i32 = 101;
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

/// Why the process has no answer: trouble of this machine, which says nothing about the template.
#[derive(Debug, thiserror::Error)]
pub enum RendererTrouble {
    /// It cannot be started, cannot be talked to, or does not get to its end.
    #[error("render a template: {0}")]
    Process(#[from] ToolError),
    /// It ended before it had an answer, and no limit of it was reached.
    #[error(
        "render a template: expected an answer, found the process ended (code {code:?}, signal {signal:?})"
    )]
    Ended {
        /// Its exit code.
        code: Option<i32>,
        /// The signal that ended it.
        signal: Option<i32>,
    },
    /// Its answer is none.
    #[error("render a template: expected an answer, found other bytes: {0}")]
    Unreadable(#[from] serde_json::Error),
}

/// Renders in another process. The same question is asked once, unless there was trouble.
#[derive(Debug, Default)]
pub struct Subprocess {
    program: Option<PathBuf>,
    known: Mutex<BTreeMap<Vec<u8>, Result<Value, TemplateError>>>,
    trouble: Mutex<Option<RendererTrouble>>,
}

impl Subprocess {
    /// With this program, which knows the hidden verb, instead of the one that runs.
    pub fn of(program: PathBuf) -> Self {
        Self { program: Some(program), ..Self::default() }
    }

    /// What kept a template from being rendered since the last call of this. What was judged meanwhile is no verdict.
    pub fn take_trouble(&self) -> Option<RendererTrouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Asks; once more after trouble.
    fn ask(&self, input: &[u8]) -> Result<Result<Value, TemplateError>, RendererTrouble> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let program = self.program.clone().unwrap_or_else(|| RUNNING_PROGRAM.into());
            match ask(program, input.to_vec()) {
                Err(trouble) if attempts < ATTEMPTS => {
                    tracing::warn!("{trouble}; it is started once more");
                }
                answer => return answer,
            }
        }
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
        if input.len() > MOST_BYTES {
            return Err(too_much());
        }
        match self.ask(&input) {
            Ok(answer) => {
                known().insert(input, answer.clone());
                answer
            }
            Err(trouble) => {
                let problem = trouble.to_string();
                self.trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(trouble);
                Err(TemplateError::Unavailable { problem })
            }
        }
    }
}

fn refused(message: String) -> TemplateError {
    TemplateError::Refused { message }
}

fn too_much() -> TemplateError {
    let limit = format!("{} s or {} MiB of memory", CPU_SECONDS, MEMORY >> 20);
    TemplateError::TooMuch { limit }
}

fn ask(program: PathBuf, input: Vec<u8>) -> Result<Result<Value, TemplateError>, RendererTrouble> {
    let call = ToolCall {
        program,
        arguments: vec![VERB.into()],
        env: Vec::new(),
        input,
        limit: PATIENCE,
        most_output: MOST_BYTES,
    };
    let output = match call.run() {
        Ok(output) => output,
        Err(ToolError::TooMuchOutput { .. }) => return Ok(Err(too_much())),
        Err(error) => return Err(error.into()),
    };
    if has_reached_a_limit(&output) {
        return Ok(Err(too_much()));
    }
    let ToolOutput { code, signal, stdout, .. } = output;
    if code != Some(0) {
        return Err(RendererTrouble::Ended { code, signal });
    }
    Ok(match serde_json::from_slice(&stdout)? {
        Reply::Made(value) => Ok(value),
        Reply::Unsupported { place, found } => Err(TemplateError::Unsupported { place, found }),
        Reply::Differs { place, found } => Err(TemplateError::Differs { place, found }),
        Reply::Unterminated { found } => Err(TemplateError::Unterminated { found }),
        Reply::Refused { message } => Err(refused(message)),
    })
}

/// Out of time is a signal of its own; out of memory an abort, a panic, or a stack that cannot grow. Any other signal
/// comes from somebody else.
fn has_reached_a_limit(output: &ToolOutput) -> bool {
    const OWN: [Signal; 3] = [Signal::SIGXCPU, Signal::SIGABRT, Signal::SIGSEGV];
    output.code == Some(PANICKED) || OWN.iter().any(|own| output.signal == Some(*own as i32))
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
    // at the harder of the two it would be killed by the signal that everybody may send
    let cpu = Rlimit { current: Some(CPU_SECONDS), maximum: Some(CPU_SECONDS + 1) };
    setrlimit(Resource::Cpu, cpu)?;
    setrlimit(Resource::Core, limit(0))?;
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
        Err(error @ (TemplateError::TooMuch { .. } | TemplateError::Unavailable { .. })) => {
            Reply::Refused { message: error.to_string() }
        }
    };
    let mut stdout = io::stdout().lock();
    serde_json::to_writer(&mut stdout, &reply)?;
    stdout.flush()
}
