#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| audiox_io::fuzzing::guess(data));
