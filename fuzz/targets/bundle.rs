#![no_main]

#[allow(dead_code)]
#[path = "../../core/tests/input_bodies/mod.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = bodies::bundle(bytes);
});
