//! Replays checked-in corpora through fuzz bodies; included by the crates' `tests/fuzz_corpus.rs`.

use std::fs;
use std::path::{Path, PathBuf};

type Body = fn(&[u8]);

/// Runs every corpus file of every body. `krate` is the crate's name as targets write it.
///
/// # Panics
/// A body fails, a corpus is missing or empty, a body has no target or a target of `krate` no
/// body in the table.
pub(crate) fn replay(krate: &str, bodies: &[(&str, Body)]) {
    let fuzz = fuzz_dir();
    for (name, body) in bodies {
        let target = fuzz.join(format!("fuzz_targets/{name}.rs"));
        assert!(target.is_file(), "{} is missing", target.display());
        let corpus = fuzz.join("corpus").join(name);
        let files = files(&corpus);
        assert!(!files.is_empty(), "{} is empty", corpus.display());
        for file in files {
            // Shown by the test harness only where the body fails.
            println!("{}", file.display());
            body(&fs::read(&file).unwrap());
        }
    }
    for target in files(&fuzz.join("fuzz_targets")) {
        let name = target.file_stem().unwrap().to_str().unwrap();
        let ours = fs::read_to_string(&target)
            .unwrap()
            .contains(&format!("{krate}::fuzzing::"));
        let known = bodies.iter().any(|(body, _)| *body == name);
        assert!(!ours || known, "target {name} has no body in {krate}");
    }
    for corpus in files(&fuzz.join("corpus")) {
        let name = corpus.file_name().unwrap().to_str().unwrap();
        let target = fuzz.join(format!("fuzz_targets/{name}.rs"));
        assert!(target.is_file(), "corpus {name} has no target");
    }
}

/// The repository's `fuzz` folder, from any crate below the root.
fn fuzz_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|dir| dir.join("fuzz"))
        .find(|dir| dir.join("fuzz_targets").is_dir())
        .expect("the fuzz folder lies beside the crates")
}

/// What is in `dir`, in order of names.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}
