#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| audiox_redis::fuzzing::session_base64(data));
