#![no_main]

#[allow(dead_code)]
#[path = "../../core/tests/fuzz_bodies/mod.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::certificate(bytes));
