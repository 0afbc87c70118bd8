#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| audiox_grpc::fuzzing::device_settings(data));
