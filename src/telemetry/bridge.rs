//! Libraries that speak through the `log` crate (the TLS library does): their records become lines like our own, under
//! the same filter.

use super::event::EventText;
use super::format::Record;
use super::log::Sink;
use chrono::Local;
use log::{LevelFilter, Log, Metadata, SetLoggerError};
use std::sync::Arc;
use tracing::Level;
use tracing_subscriber::filter::Targets;

struct Bridge {
    sink: Arc<Sink>,
    filter: Targets,
}

/// Makes the log the one of the `log` crate, too.
pub(super) fn install(sink: Arc<Sink>) -> Result<(), SetLoggerError> {
    let filter = sink.filter();
    log::set_boxed_logger(Box::new(Bridge { sink, filter }))?;
    log::set_max_level(LevelFilter::Debug);
    Ok(())
}

fn level(level: log::Level) -> Level {
    match level {
        log::Level::Error => Level::ERROR,
        log::Level::Warn => Level::WARN,
        log::Level::Info => Level::INFO,
        log::Level::Debug => Level::DEBUG,
        log::Level::Trace => Level::TRACE,
    }
}

impl Log for Bridge {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.would_enable(metadata.target(), &level(metadata.level()))
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut text = EventText::new(&self.sink.format);
        text.set_message(&record.args().to_string());
        self.sink.write_record(&Record {
            when: Local::now(),
            level: level(record.level()),
            target: record.target(),
            file: record.file(),
            line: record.line(),
            thread: std::thread::current().name().unwrap_or("unnamed"),
            message: text.message(),
            fields: text.fields(),
        });
    }

    fn flush(&self) {}
}
