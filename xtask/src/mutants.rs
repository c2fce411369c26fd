//! `cargo xtask mutants policy`: whether the tests of policy notice when one of its guarantees is broken.
//!
//! A mutant is one change of one place of the source that breaks a guarantee on purpose. Each of a list is built and
//! tested, one after the other; a mutant that no test catches is a test that is missing, or it changes nothing that
//! anybody could see and the list says why. This takes minutes and is no part of `ci`.
//!
//! Mutants are made in a copy of the workspace below `target/mutants`, so that an interruption leaves the sources as they
//! were. They are tested as `cargo test` does it, documentation apart: the same profile, and as many cases of each property.

mod policy;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::{Result, capture, cargo, root};

/// How long the tests of one mutant may take; a mutant that takes longer hangs, which somebody would notice.
const PATIENCE: Duration = Duration::from_secs(120);

/// Mutants of one package.
#[derive(Debug)]
struct List {
    /// What it is called, here and in `target/mutants`.
    name: &'static str,
    package: &'static str,
    /// The folder of its sources, in the workspace.
    folder: &'static str,
    /// What the names of tests have in them that try many cases: they come after the others.
    long: &'static [&'static str],
    mutants: &'static [Mutant],
}

/// One change that breaks a guarantee.
#[derive(Clone, Copy, Debug)]
struct Mutant {
    /// What is wrong in it, in a few words.
    name: &'static str,
    /// The file, in the folder of the list.
    file: &'static str,
    /// What is replaced: a text that is in the file once.
    text: &'static str,
    /// By what.
    with: &'static str,
    /// Why no test can catch it, if none can.
    survives: Option<&'static str>,
}

impl Mutant {
    const fn new(name: &'static str, file: &'static str, text: &'static str, with: &'static str) -> Self {
        Self {
            name,
            file,
            text,
            with,
            survives: None,
        }
    }

    /// The same, where no test can catch it.
    const fn survives(self, why: &'static str) -> Self {
        Self {
            survives: Some(why),
            ..self
        }
    }

    /// The file's text with the change.
    fn apply(&self, text: &str) -> Result<String> {
        match text.matches(self.text).count() {
            1 => Ok(text.replace(self.text, self.with)),
            count => {
                let problem = "its text must be in the file once";
                Err(format!("mutant `{}`: {}: {problem}, and is {count} times", self.name, self.file).into())
            }
        }
    }
}

/// What the tests say of a mutant.
#[derive(Debug)]
enum Outcome {
    /// This test failed, the first that did.
    Caught(String),
    /// The tests didn't end in time.
    Hangs,
    /// All tests passed.
    Survives,
    /// It is no program, so that nothing was tested.
    NoProgram,
}

/// Tests every mutant of the list whose name has `part` in it.
pub(crate) fn run(name: &str, part: &str) -> Result {
    let list = &policy::LIST;
    if name != list.name {
        return Err(format!("there is no list of mutants `{name}`; there is `{}`", list.name).into());
    }
    places(list)?;
    let workshop = Workshop::open(list)?;
    match workshop.test()? {
        Outcome::Survives => {}
        other => return Err(format!("without any mutant the tests don't pass: {other:?}").into()),
    }
    let start = Instant::now();
    let (mut caught, mut explained, mut faults) = (0_u32, 0_u32, Vec::new());
    for mutant in list.mutants.iter().filter(|mutant| mutant.name.contains(part)) {
        let outcome = workshop.try_out(mutant)?;
        let (word, by) = match (&outcome, mutant.survives) {
            (Outcome::Caught(test), None) => ("caught", test.as_str()),
            (Outcome::Hangs, None) => ("caught", "(the tests hang)"),
            (Outcome::Survives, Some(why)) => ("explained", why),
            (Outcome::Survives, None) => ("SURVIVES", ""),
            (Outcome::NoProgram, _) => ("NO PROGRAM", "it must compile"),
            (Outcome::Caught(_) | Outcome::Hangs, Some(_)) => ("CAUGHT", "though the list says that it survives"),
        };
        match word {
            "caught" => caught = caught.saturating_add(1),
            "explained" => explained = explained.saturating_add(1),
            _ => faults.push(mutant.name),
        }
        println!("{word:10} {:14} {:52} {by}", stem(mutant.file), mutant.name);
    }
    let minutes = start.elapsed().as_secs_f64() / 60.0;
    println!(
        "\n{caught} caught, {explained} survive as explained, {} at fault; {minutes:.1} minutes",
        faults.len()
    );
    match faults.as_slice() {
        [] if caught == 0 && explained == 0 => Err(format!("no mutant has `{part}` in its name").into()),
        [] => Ok(()),
        faults => Err(format!("at fault: {}", faults.join("; ")).into()),
    }
}

fn stem(file: &str) -> &str {
    file.strip_suffix(".rs").unwrap_or(file)
}

/// Whether each mutant has its place in the sources as they are.
fn places(list: &List) -> Result {
    let mut names = BTreeSet::new();
    let mut problems = Vec::new();
    for mutant in list.mutants {
        let file = root()?.join(list.folder).join(mutant.file);
        let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        if let Err(problem) = mutant.apply(&text) {
            problems.push(problem.to_string());
        }
        if !names.insert(mutant.name) {
            problems.push(format!("mutant `{}`: its name is taken", mutant.name));
        }
    }
    match problems.as_slice() {
        [] => Ok(()),
        problems => Err(problems.join("\n").into()),
    }
}

/// The copy of the workspace in which mutants are made.
#[derive(Debug)]
struct Workshop {
    list: &'static List,
    /// The copy.
    source: PathBuf,
    /// Where it is built.
    target: PathBuf,
}

impl Workshop {
    /// Makes the copy, or brings the one that is there up to date.
    fn open(list: &'static List) -> Result<Self> {
        let folder = root()?.join("target/mutants").join(list.name);
        let workshop = Self {
            list,
            source: folder.join("source"),
            target: folder.join("target"),
        };
        let arguments = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
        let names = capture(Command::new("git").args(arguments).current_dir(root()?))?;
        let mut wanted = BTreeSet::new();
        for name in names.split('\0').filter(|name| !name.is_empty()) {
            let from = root()?.join(name);
            // A file that was deleted is still listed until that is staged.
            if from.is_file() {
                let to = workshop.source.join(name);
                write_changed(&to, &fs::read(from)?)?;
                wanted.insert(to);
            }
        }
        remove_others(&workshop.source, &wanted)?;
        Ok(workshop)
    }

    /// Makes a mutant, tests it and takes it back.
    fn try_out(&self, mutant: &Mutant) -> Result<Outcome> {
        let file = self.source.join(self.list.folder).join(mutant.file);
        let text = fs::read_to_string(&file)?;
        fs::write(&file, mutant.apply(&text)?)?;
        let outcome = self.test();
        fs::write(&file, text)?;
        outcome
    }

    /// Builds and tests the copy as it is: what is quick and finds most first.
    fn test(&self) -> Result<Outcome> {
        let long = self.list.long;
        let skip: Vec<&str> = long.iter().flat_map(|name| ["--skip", *name]).collect();
        let mut built = Vec::new();
        for which in [&["--lib"][..], &["--test", "*"]] {
            let Some(binaries) = self.build(which)? else {
                return Ok(Outcome::NoProgram);
            };
            for (binary, folder) in &binaries {
                match test(binary, folder, &skip)? {
                    Outcome::Survives => {}
                    other => return Ok(other),
                }
            }
            built.extend(binaries);
        }
        for (binary, folder) in &built {
            match test(binary, folder, long)? {
                Outcome::Survives => {}
                other => return Ok(other),
            }
        }
        Ok(Outcome::Survives)
    }

    /// These test binaries, each with the folder that it runs in; `None` if the copy doesn't compile.
    fn build(&self, which: &[&str]) -> Result<Option<Vec<(PathBuf, PathBuf)>>> {
        let package = ["test", "--package", self.list.package];
        let how = ["--no-run", "--locked", "--message-format=json"];
        let mut build = cargo(package.iter().chain(which).chain(&how).copied())?;
        build
            .current_dir(&self.source)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_INCREMENTAL", "1")
            // Of the warnings and errors of a mutant nobody needs to know.
            .stderr(Stdio::null());
        let output = build.output()?;
        if !output.status.success() {
            return Ok(None);
        }
        let mut binaries = Vec::new();
        for line in String::from_utf8(output.stdout)?.lines() {
            let message: Value = serde_json::from_str(line)?;
            let binary = message.get("executable").and_then(Value::as_str);
            let manifest = message.get("manifest_path").and_then(Value::as_str);
            if let (Some(binary), Some(folder)) = (binary, manifest.and_then(|path| Path::new(path).parent())) {
                binaries.push((binary.into(), folder.into()));
            }
        }
        match binaries.is_empty() {
            true => Err("cargo built no tests".into()),
            false => Ok(Some(binaries)),
        }
    }
}

/// Runs a test binary until the first test fails.
fn test(binary: &Path, folder: &Path, arguments: &[&str]) -> Result<Outcome> {
    let mut child = Command::new(binary)
        .args(arguments)
        .current_dir(folder)
        // Cases that failed for one mutant must not serve against the next, and every run is the same.
        .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1")
        .env("PROPTEST_RNG_SEED", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let outcome = watch(&mut child);
    // It may have ended by itself.
    let _ = child.kill();
    let status = child.wait()?;
    match outcome? {
        Some(outcome) => Ok(outcome),
        None if status.success() => Ok(Outcome::Survives),
        None => Ok(Outcome::Caught(format!("({status})"))),
    }
}

/// What is said before the end; `None` if the child ends without a test that failed.
fn watch(child: &mut Child) -> Result<Option<Outcome>> {
    let output = child.stdout.take().ok_or("a test binary has no output")?;
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(std::io::Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let start = Instant::now();
    loop {
        match lines.recv_timeout(PATIENCE.saturating_sub(start.elapsed())) {
            Ok(line) => {
                if let Some(test) = failed(&line) {
                    return Ok(Some(Outcome::Caught(test.into())));
                }
            }
            Err(mpsc::RecvTimeoutError::Timeout) => return Ok(Some(Outcome::Hangs)),
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(None),
        }
    }
}

/// The test that failed, if a line of libtest says so.
fn failed(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

/// Writes a file unless it is so already: cargo builds anew what was written.
fn write_changed(path: &Path, bytes: &[u8]) -> Result {
    if fs::read(path).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(fs::write(path, bytes)?)
}

/// Removes the files of a folder that are not wanted.
fn remove_others(folder: &Path, wanted: &BTreeSet<PathBuf>) -> Result {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_others(&path, wanted)?;
        } else if !wanted.contains(&path) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutant_has_its_place() {
        places(&policy::LIST).unwrap();
    }

    #[test]
    fn a_text_that_is_not_there_once_is_an_error() {
        let mutant = Mutant::new("a", "a.rs", "b", "c");
        assert_eq!(mutant.apply("a b").unwrap(), "a c");
        for text in ["a", "b b"] {
            assert!(
                mutant
                    .apply(text)
                    .unwrap_err()
                    .to_string()
                    .contains("must be in the file once")
            );
        }
    }

    #[test]
    fn the_first_test_that_fails_is_the_outcome() {
        let script = |script: &str| {
            let mut child = Command::new("sh")
                .args(["-c", script])
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let outcome = watch(&mut child).unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
            outcome
        };
        let first = script("echo 'test a ... ok'; echo 'test b::c ... FAILED'; echo 'test d ... FAILED'; sleep 60");
        assert!(matches!(first, Some(Outcome::Caught(test)) if test == "b::c"));
        assert!(script("echo 'test a ... ok'; echo 'test result: ok.'").is_none());
    }

    #[test]
    fn a_copy_has_what_is_wanted_and_nothing_else() {
        let folder = std::env::temp_dir().join(format!("actionpass-mutants-{}", std::process::id()));
        let (kept, other) = (folder.join("a/kept"), folder.join("b/other"));
        write_changed(&kept, b"1").unwrap();
        write_changed(&other, b"2").unwrap();
        let written = fs::metadata(&kept).unwrap().modified().unwrap();
        write_changed(&kept, b"1").unwrap();
        assert_eq!(fs::metadata(&kept).unwrap().modified().unwrap(), written);
        remove_others(&folder, &BTreeSet::from([kept.clone()])).unwrap();
        assert!(kept.is_file() && !other.exists());
        fs::remove_dir_all(folder).unwrap();
    }
}
