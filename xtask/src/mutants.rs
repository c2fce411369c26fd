//! `cargo xtask mutants`: whether the tests notice when a guarantee is broken.
//!
//! A mutant is one change of one place of the source that breaks a guarantee on purpose. Each of a list is built and
//! tested, one after the other; a mutant that no test catches is a test that is missing, or it changes nothing that
//! anybody could see and the list says why. This takes minutes for each list and is no part of `ci`.
//!
//! Mutants are made in a copy of the workspace below `target/mutants`, so that an interruption leaves the sources as they
//! were. They are tested as `cargo test` does it, documentation apart: the same profile, and as many cases of each property.

mod archives;
mod cli;
mod core;
mod display;
mod doors;
mod faults;
mod gate;
mod policy;
mod server;
mod store;
mod store_postgres;
mod store_sqlite;
mod verify;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::{Result, capture, cargo, root};
use crate::variants::EVERYTHING;

/// How long the tests of one suite may say nothing; a mutant under which they do hangs, which somebody would notice. Suites that take
/// longer than this say something all the time.
const PATIENCE: Duration = Duration::from_secs(150);

/// How often a suite that says nothing is looked at.
const GLANCE: Duration = Duration::from_secs(1);

/// Where tests that run the command line find it.
const PROGRAM: &str = "ACTIONPASS_PROGRAM";

/// Every list, those of the quickest tests first.
const LISTS: [&List; 15] = [
    &display::LIST,
    &gate::LIST,
    &verify::LIST,
    &core::LIST,
    &store::LIST,
    &store_sqlite::LIST,
    &faults::STORE,
    &store_postgres::LIST,
    &doors::LIST,
    &faults::POSTGRES,
    &server::LIST,
    &cli::LIST,
    &archives::LIST,
    &faults::HOME,
    &policy::LIST,
];

/// Mutants of one package.
#[derive(Debug)]
struct List {
    name: &'static str,
    /// The folder of its sources, in the workspace.
    folder: &'static str,
    /// What Cargo is told to build all suites of, so that it builds each crate once, with the same features.
    packages: &'static [&'static str],
    /// What must notice: what is quick and finds most comes first, and the next isn't built if one test fails.
    suites: &'static [Suite],
    mutants: &'static [Mutant],
}

/// Some of the tests of the list's packages.
#[derive(Clone, Copy, Debug)]
struct Suite {
    /// Which targets Cargo is told to build.
    targets: &'static [&'static str],
    /// What the names of the tests have in them that are run; all if that is empty.
    only: &'static [&'static str],
    /// What the names of the tests have in them that are not run.
    skip: &'static [&'static str],
    /// Whether they run the command line, which is then built as well.
    runs_program: bool,
}

impl Suite {
    const fn of(targets: &'static [&'static str]) -> Self {
        Self {
            targets,
            only: &[],
            skip: &[],
            runs_program: false,
        }
    }

    const fn only(self, only: &'static [&'static str]) -> Self {
        Self { only, ..self }
    }

    const fn skip(self, skip: &'static [&'static str]) -> Self {
        Self { skip, ..self }
    }

    const fn running_the_program(self) -> Self {
        Self {
            runs_program: true,
            ..self
        }
    }
}

/// One package and those whose tests are end to end.
const END_TO_END: [&str; 3] = ["-pactionpass-tests", "-pactionpass-cli", EVERYTHING];

/// The guarantees, tested through the crates.
const GUARANTEES: Suite = Suite::of(&["--test=guarantees"]);

/// The command line, without what needs servers or takes long and is about something else.
const COMMAND_LINE: Suite = Suite::of(&["--test=e2e"])
    .skip(&["custodians", "entropy", "dependencies", "crowds"])
    .running_the_program();

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

/// Tests the mutants of every list, or of the one of that name; if parts of names are given, those that have one in theirs.
pub(crate) fn run(name: Option<&str>, parts: &[&str]) -> Result {
    let lists = || LISTS.iter().filter(|list| name.is_none_or(|name| list.name == name));
    if lists().next().is_none() {
        let names: Vec<&str> = LISTS.iter().map(|list| list.name).collect();
        return Err(format!("there is no such list of mutants; there are {}", names.join(", ")).into());
    }
    for list in lists() {
        places(list)?;
    }
    let workshop = Workshop::open()?;
    let start = Instant::now();
    let (mut caught, mut explained, mut faults) = (0_u32, 0_u32, Vec::new());
    for list in lists() {
        let mut mutants = list
            .mutants
            .iter()
            .filter(|mutant| parts.is_empty() || parts.iter().any(|part| mutant.name.contains(part)))
            .peekable();
        if mutants.peek().is_none() {
            continue;
        }
        match workshop.test(list)? {
            Outcome::Survives => {}
            other => {
                let problem = "without any mutant the tests don't pass";
                return Err(format!("{}: {problem}: {other:?}", list.name).into());
            }
        }
        for mutant in mutants {
            let began = Instant::now();
            let outcome = workshop.try_out(list, mutant)?;
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
            let seconds = began.elapsed().as_secs();
            println!(
                "{word:10} {seconds:4} s {:24} {:52} {by}",
                stem(mutant.file),
                mutant.name
            );
        }
    }
    let minutes = start.elapsed().as_secs_f64() / 60.0;
    println!(
        "\n{caught} caught, {explained} survive as explained, {} at fault; {minutes:.1} minutes",
        faults.len()
    );
    match faults.as_slice() {
        [] if caught == 0 && explained == 0 => Err(format!("no mutant has one of {parts:?} in its name").into()),
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
    /// The copy.
    source: PathBuf,
    /// Where it is built.
    target: PathBuf,
}

/// What Cargo built.
#[derive(Debug, Default)]
struct Built {
    /// The test binaries, each with the folder that it runs in.
    tests: Vec<(PathBuf, PathBuf)>,
    /// The command line.
    program: Option<PathBuf>,
}

impl Workshop {
    /// Makes the copy, or brings the one that is there up to date.
    fn open() -> Result<Self> {
        let folder = root()?.join("target/mutants");
        let workshop = Self {
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
    fn try_out(&self, list: &List, mutant: &Mutant) -> Result<Outcome> {
        let file = self.source.join(list.folder).join(mutant.file);
        let text = fs::read_to_string(&file)?;
        fs::write(&file, mutant.apply(&text)?)?;
        let outcome = self.test(list);
        fs::write(&file, text)?;
        outcome
    }

    /// Builds and tests the copy as it is, suite after suite.
    fn test(&self, list: &List) -> Result<Outcome> {
        for suite in list.suites {
            // In one command, so that Cargo builds the crates below once for both.
            let (command, program): (&[&str], &[&str]) = match suite.runs_program {
                true => (&["build"], &["--bin=actionpass"]),
                false => (&["test", "--no-run"], &[]),
            };
            let Some(built) = self.build(list, command, &[suite.targets, program].concat())? else {
                return Ok(Outcome::NoProgram);
            };
            if built.tests.is_empty() {
                return Err(format!("cargo built no tests of {}: {:?}", list.name, suite.targets).into());
            }
            let skip = suite.skip.iter().flat_map(|name| ["--skip", *name]);
            let arguments: Vec<&str> = suite.only.iter().copied().chain(skip).collect();
            for (binary, folder) in &built.tests {
                let mut test = Command::new(binary);
                test.args(&arguments).current_dir(folder);
                if let Some(program) = &built.program {
                    test.env(PROGRAM, program);
                }
                match run_tests(&mut test)? {
                    Outcome::Survives => {}
                    other => return Ok(other),
                }
            }
        }
        Ok(Outcome::Survives)
    }

    /// What Cargo makes of the list's packages with this command; `None` if the copy doesn't compile.
    fn build(&self, list: &List, command: &[&str], targets: &[&str]) -> Result<Option<Built>> {
        let how = ["--locked", "--message-format=json"];
        let mut build = cargo(command.iter().chain(list.packages).chain(targets).chain(&how).copied())?;
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
        let mut built = Built::default();
        for line in String::from_utf8(output.stdout)?.lines() {
            let message: Value = serde_json::from_str(line)?;
            let binary = message.get("executable").and_then(Value::as_str);
            let manifest = message.get("manifest_path").and_then(Value::as_str);
            let is_test = message.pointer("/profile/test").and_then(Value::as_bool);
            match (binary, manifest.and_then(|path| Path::new(path).parent())) {
                (Some(binary), Some(folder)) if is_test == Some(true) => {
                    built.tests.push((binary.into(), folder.into()));
                }
                (Some(binary), _) => built.program = Some(binary.into()),
                _ => {}
            }
        }
        Ok(Some(built))
    }
}

/// Runs a test binary until the first test fails.
fn run_tests(test: &mut Command) -> Result<Outcome> {
    let mut child = test
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
    let mut said = Instant::now();
    loop {
        match lines.recv_timeout(GLANCE) {
            Ok(line) => {
                said = Instant::now();
                if let Some(test) = failed(&line) {
                    return Ok(Some(Outcome::Caught(test.into())));
                }
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(None),
            // What a test started and left running may hold the output open: the end of the child is the end.
            Err(mpsc::RecvTimeoutError::Timeout) if child.try_wait()?.is_some() => return Ok(None),
            Err(mpsc::RecvTimeoutError::Timeout) if said.elapsed() > PATIENCE => return Ok(Some(Outcome::Hangs)),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
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
        let problems: Vec<String> = LISTS
            .iter()
            .filter_map(|list| places(list).err())
            .map(|error| error.to_string())
            .collect();
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    }

    #[test]
    fn every_mutant_is_in_one_list() {
        let mut seen = BTreeSet::new();
        for list in LISTS {
            for mutant in list.mutants {
                let change = (Path::new(list.folder).join(mutant.file), mutant.text, mutant.with);
                assert!(
                    seen.insert(change),
                    "`{}` of {} is elsewhere, too",
                    mutant.name,
                    list.name
                );
            }
        }
    }

    #[test]
    fn every_survivor_is_explained_to_readers() {
        let guarantees = fs::read_to_string(root().unwrap().join("docs/guarantees.md")).unwrap();
        let (_, table) = guarantees.split_once("## Mutants that survive").unwrap();
        let mut rows = 0;
        for list in LISTS {
            for mutant in list.mutants {
                if let Some(why) = mutant.survives {
                    let row = format!("| {} | {} | {why} |", list.name, mutant.name);
                    assert!(table.contains(&row), "not in docs/guarantees.md: {row}");
                    rows += 1;
                }
            }
        }
        assert_eq!(
            table.matches("\n| ").count(),
            rows + 1,
            "one row for each, and the head"
        );
    }

    #[test]
    fn what_a_test_left_running_keeps_no_suite_waiting() {
        let folder = std::env::temp_dir().join(format!("actionpass-mutants-left-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (id, script) = (
            folder.join("id"),
            "sleep 600 & echo $! >\"$0\"; echo test a ... ok; exit 3",
        );
        let outcome = run_tests(Command::new("sh").args(["-c", script]).arg(&id)).unwrap();
        assert!(matches!(outcome, Outcome::Caught(status) if status.contains('3')));
        let left = fs::read_to_string(&id).unwrap();
        assert!(Command::new("kill").arg(left.trim()).status().unwrap().success());
        fs::remove_dir_all(folder).unwrap();
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
