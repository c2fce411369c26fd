//! The how-tos that are read first, as a newcomer would follow them: every `sh` block of a page, in their order, typed into one
//! shell in an empty folder. A command that says `# exit N` promises that; without, the promise is 0.

use std::fs;
use std::process::{Command, Stdio};

use crate::home::Home;
use crate::program::{actionpass, root};

/// A command as a shell takes it, maybe over several lines, and the exit code that it promises.
#[derive(Debug, PartialEq)]
struct Step {
    command: String,
    exit: String,
}

/// The steps of a page.
fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for block in page.split("```sh\n").skip(1) {
        let (block, _) = block.split_once("```").unwrap();
        let mut lines = block.lines();
        while let Some(line) = lines.next() {
            if line.trim().is_empty() || line.trim_start().starts_with('#') {
                continue;
            }
            let mut command = line.to_owned();
            let mut last = line;
            while last.ends_with('\\') {
                last = lines.next().expect("a command that goes on");
                command = format!("{command}\n{last}");
            }
            let promise = last.rsplit_once("# exit ").map_or("0", |(_, code)| code.trim());
            let end = command
                .split_once("<<'")
                .and_then(|(_, rest)| rest.split('\'').next())
                .map(str::to_owned);
            if let Some(end) = end {
                for line in lines.by_ref() {
                    command = format!("{command}\n{line}");
                    if line == end {
                        break;
                    }
                }
            }
            steps.push(Step {
                exit: format!("exit {promise}"),
                command,
            });
        }
    }
    steps
}

/// Types a page into a shell.
#[track_caller]
fn follow(page: &str, least: usize) {
    let steps = steps(&fs::read_to_string(root().join("docs/howto").join(page)).unwrap());
    assert!(steps.len() >= least, "{page}: {} steps", steps.len());
    let mut script = "exec 3>exits\n".to_owned();
    for step in &steps {
        script.push_str(&format!("{}\necho \"exit $?\" >&3\n", step.command));
    }
    let home = Home::none();
    fs::create_dir_all(home.path("work")).unwrap();
    let path = format!(
        "{}:/usr/local/bin:/usr/bin:/bin",
        actionpass().parent().unwrap().display()
    );
    let ran = Command::new("sh")
        .args(["-c", &script])
        .current_dir(home.path("work"))
        .env_clear()
        .env("PATH", path)
        .env("HOME", home.path(""))
        .env("USER", "tester")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [ran.stdout, ran.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let exits = home.read("work/exits");
    let mut exits = exits.lines();
    for step in &steps {
        assert_eq!(
            exits.next(),
            Some(&*step.exit),
            "{page}: {}\n{}\n{}",
            step.command,
            said[0],
            said[1]
        );
    }
    assert_eq!(exits.next(), None, "{page}");
}

#[test]
fn the_first_hour() {
    follow("first-hour.md", 40);
}

#[test]
fn a_first_policy() {
    follow("first-policy.md", 10);
}

#[test]
fn overrides() {
    follow("overrides.md", 8);
}

#[test]
fn requests() {
    follow("requests.md", 20);
}

#[test]
fn running_the_service() {
    follow("run-the-service.md", 15);
}

#[test]
fn several_tenants() {
    follow("several-tenants.md", 8);
}

#[test]
fn operating() {
    follow("operating.md", 15);
}

#[test]
fn archives() {
    follow("archives.md", 40);
}

#[test]
fn steps_are_told_apart() {
    let page = "text\n```sh\na b \\\n    c   # exit 11\n\n# a comment\ncat > x <<'END'\ny\nEND\nd\n```\nmore\n```sh\ne # exit 2\n```\n";
    let found: Vec<(String, String)> = steps(page).into_iter().map(|step| (step.command, step.exit)).collect();
    let expected = [
        ("a b \\\n    c   # exit 11", "exit 11"),
        ("cat > x <<'END'\ny\nEND", "exit 0"),
        ("d", "exit 0"),
        ("e # exit 2", "exit 2"),
    ];
    assert_eq!(
        found,
        expected.map(|(command, exit)| (command.to_owned(), exit.to_owned()))
    );
}
