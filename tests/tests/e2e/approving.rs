//! `approve` in front of a person, on a terminal.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::action::STEP_UP;
use crate::home::{Home, MAINTAINER, Ran, key_file};

/// The command line of an approval by somebody, of the action in a file.
fn approve<'a>(principal: &'a str, key: &'a str, action: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let base = [
        "approve", "--action", action, "--key", key, "--as", principal, "--reason", "read it",
    ];
    [&base, more].concat()
}

/// A command that runs on a terminal of its own, whose other end is here.
struct OnTerminal {
    home: Home,
    child: Child,
    here: File,
    shown: String,
}

impl OnTerminal {
    /// Starts the approval of an action by the maintainer, on a terminal of this size into which something was typed before
    /// the command ran.
    fn approving(home: Home, action: &str, (rows, columns): (u16, u16), typed: &[u8]) -> Self {
        let here = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&here).unwrap();
        unlockpt(&here).unwrap();
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&here, size).unwrap();
        let name = ptsname(&here, Vec::new()).unwrap();
        let there =
            || rustix::fs::open(&*name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let there = [there(), there()].map(Stdio::from);
        let mut here = File::from(here);
        here.write_all(typed).unwrap();
        let key = key_file(MAINTAINER);
        // `setsid --ctty` makes the terminal on stdin the one of the command.
        let mut command = home.command_of("setsid", ["--ctty"]);
        command.arg(crate::program::actionpass());
        command.args(approve(MAINTAINER, &key, action, &[]));
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("TERM", "dumb");
        let [stdin, stderr] = there;
        let child = command.stdin(stdin).stderr(stderr).spawn().unwrap();
        // The ends that the command has are its own from now on.
        drop(command);
        Self {
            home,
            child,
            here,
            shown: String::new(),
        }
    }

    /// Reads what is shown until a text comes, or the command closes the terminal.
    fn until(&mut self, text: &str) -> &str {
        let mut bytes = [0; 4096];
        while !self.shown.contains(text) {
            // At its end a terminal is an error.
            let read = self.here.read(&mut bytes).ok().and_then(|read| bytes.get(..read));
            let Some(read) = read.filter(|read| !read.is_empty()) else {
                break;
            };
            self.shown.push_str(&String::from_utf8_lossy(read).replace('\r', ""));
        }
        &self.shown
    }

    /// Answers the question, once it is there; gives what was shown and how it ended.
    fn answer(mut self, answer: &str) -> (String, Ran) {
        self.until("[y/N] ");
        self.here.write_all(answer.as_bytes()).unwrap();
        self.end()
    }

    fn end(mut self) -> (String, Ran) {
        self.until("\0");
        let ran = self.home.finish(self.child);
        (self.shown, ran)
    }
}

#[test]
fn what_was_typed_before_the_question_is_no_answer() {
    let start = |typed: &[u8]| OnTerminal::approving(Home::with_maintainer(), STEP_UP, (60, 80), typed);
    let (shown, ran) = start(b"y\ny\n").answer("n\n");
    assert!(shown.contains("(approval_declined)"), "{shown}");
    assert_eq!(ran.exits(10).stdout, "");
    let (shown, ran) = start(b"n\n").answer("y\n");
    assert!(shown.contains("approved; the approval is on stdout"), "{shown}");
    assert_eq!(ran.exits(0).stdout.matches('.').count(), 2);
    // The end of the input is no yes either.
    start(b"y\n").answer("\u{4}").1.exits(10);
}

#[test]
fn what_scrolled_by_is_counted() {
    let asked = |rows| {
        let started = OnTerminal::approving(Home::with_maintainer(), STEP_UP, (rows, 80), b"");
        let (shown, ran) = started.answer("y\n");
        ran.exits(0);
        shown
    };
    let shown = asked(20);
    let (above, _) = shown
        .split_once(" lines above, your terminal shows 20: scroll up, or ")
        .unwrap();
    let (above, count) = above.rsplit_once('\n').unwrap();
    // The last of them is empty.
    assert!(above.ends_with("}\n"), "{shown}");
    assert_eq!(count.parse(), Ok(above.lines().count() + 1), "{shown}");
    assert!(!asked(100).contains("lines above"));
}

#[test]
fn a_terminal_that_would_break_lines_itself_is_not_asked_on() {
    let (shown, ran) = OnTerminal::approving(Home::with_maintainer(), STEP_UP, (60, 75), b"y\n").end();
    assert!(
        shown.contains("it shows 75 columns, and 76 are needed (confirmation_required)"),
        "{shown}"
    );
    assert_eq!(ran.exits(2).stdout, "");
}

#[test]
fn what_is_shown_on_a_terminal_is_what_the_approval_says_was_shown() {
    let (shown, ran) = OnTerminal::approving(Home::with_maintainer(), STEP_UP, (100, 80), b"").answer("y\n");
    let (above, _) = shown
        .split_once("tool         github.pull_requests.create\nresource     repo:company/web-app\npayloadHash")
        .unwrap();
    let home = Home::none();
    home.write("approval.jwt", ran.exits(0).stdout);
    let inspected = home.run(["inspect", "approval.jwt"]).exits(0).json();
    let hash = actionpass_canon::sha256(above.as_bytes()).to_string();
    assert_eq!(inspected["payload"]["approval"]["shown"]["hash"], hash, "{shown}");
}
