//! Where random numbers come from: the operating system, and not the jitter of the processor's clock as well
//! (`.cargo/config.toml`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use memchr::memmem;
use serde_json::Value;

use crate::program::{actionpass, cargo};

/// What aws-lc calls to set up the collection of jitter, as its source has it.
const COLLECTOR: &str = "jent_entropy_collector_alloc";
/// What aws-lc calls to ask the operating system.
const SYSTEM: &str = "CRYPTO_sysrand";

/// Whether a program or an object file that isn't stripped has a symbol. aws-lc puts a prefix with its version before
/// each name, so what is looked for is the end of one in the table of names.
fn has_symbol(file: &Path, name: &str) -> bool {
    let bytes = fs::read(file).unwrap();
    memmem::find(&bytes, format!("_{name}\0").as_bytes()).is_some()
}

/// The source of the aws-lc that is built here.
fn aws_lc() -> PathBuf {
    let output = cargo().args(["metadata", "--format-version", "1"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == "aws-lc-sys").unwrap();
    let manifest = Path::new(package["manifest_path"].as_str().unwrap());
    manifest.parent().unwrap().to_owned()
}

#[test]
fn random_numbers_come_from_the_system_alone() {
    assert!(has_symbol(actionpass(), SYSTEM), "a stripped program shows nothing");
    assert!(!has_symbol(actionpass(), COLLECTOR));
}

/// The twin: the same search finds the collector in what the same source is compiled to otherwise, and aws-lc has no
/// other way to it.
#[test]
fn a_collector_of_jitter_would_be_found() {
    let source = aws_lc();
    let collects = "aws-lc/crypto/fipsmodule/rand/entropy/tree_drbg_jitter_entropy.c";
    let collects = fs::read_to_string(source.join(collects)).unwrap();
    assert!(collects.contains(&format!("{COLLECTOR}(")));

    let library = source.join("aws-lc/third_party/jitterentropy/jitterentropy-library");
    let folder = tempfile::tempdir().unwrap();
    let object = folder.path().join("collector.o");
    let mut compile = Command::new("cc");
    // The prefix as the crate's build script gives it; any would do.
    compile.args(["-O0", "-w", "-DAWSLC=1", "-DBORINGSSL_PREFIX=aws_lc_0_0_0", "-c", "-o"]);
    compile.arg(&object).arg(library.join("src/jitterentropy-base.c"));
    for include in [
        &library,
        &library.join("src"),
        &source.join("generated-include"),
        &source.join("include"),
    ] {
        compile.arg("-I").arg(include);
    }
    let output = compile.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(has_symbol(&object, COLLECTOR));
    assert!(!has_symbol(&object, SYSTEM));
}
