//! Pages in a real browser, headless, driven by scripts in `tests/browser`.

use std::path::Path;
use std::process::Command;

/// Runs `script` by Node. It drives the browser and fails by its exit code.
#[track_caller]
pub(crate) fn in_browser(script: &str, args: &[&str]) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let chromium = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
    let node = Command::new("node").arg("--version").output();
    let missing = [
        ("node", node.is_ok_and(|o| o.status.success())),
        ("chromium", Path::new(&chromium).exists()),
        (
            "playwright-core",
            dir.join("node_modules/playwright-core").exists(),
        ),
    ];
    let missing: Vec<_> = missing
        .iter()
        .filter(|(_, there)| !there)
        .map(|(n, _)| *n)
        .collect();
    assert!(
        missing.is_empty(),
        "{} missing; install with: scripts/bootstrap.sh test",
        missing.join(", ")
    );
    let output = Command::new("node")
        .arg(dir.join(script))
        .args(args)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
