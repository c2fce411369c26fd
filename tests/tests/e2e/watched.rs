//! The system calls of a program, as strace tells them.

use std::path::Path;
use std::process::Stdio;

use crate::home::Home;
use crate::program::not_run;

/// What strace says of these calls while a program runs that ends well, a line for each; `None` if nobody may watch here.
///
/// Descriptors carry the path that they stand for on the disk: `17 fsync(3</tmp/x/home/trust.json>) = 0`.
pub(crate) fn watched(test: &str, home: &Home, calls: &str, program: &Path, args: &[&str]) -> Option<String> {
    let strace = |log: &str| {
        let mut strace = home.command_of("strace", ["-f", "-y", "-e", &format!("trace={calls}"), "-o", log]);
        // The programs that are watched are found by whoever runs the tests, and find nothing else.
        strace.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        strace
    };
    let works = strace("/dev/null").arg("true").stderr(Stdio::null()).status();
    if !works.is_ok_and(|status| status.success()) {
        not_run(&format!("{test} (strace is missing or not permitted)"));
        return None;
    }
    let child = strace("watched").arg(program).args(args).spawn().unwrap();
    home.finish(child).exits(0);
    Some(home.read("watched"))
}
