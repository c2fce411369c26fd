//! What holds for `hook run` before its command line is read, and after it has run: every end that isn't an answer blocks the call.
//!
//! An agent takes exit code 2 with a reason on stderr for a block, and any other failure for nothing at all. So a watchdog
//! runs from the start, a panic ends the program with 2, and so does what clap refuses. Two agents (Codex 0.171, Gemini CLI
//! 0.61) run a call whose hook exits 2 without a word, so there always is one. A stack overflow, a signal, or a program that isn't
//! there can't be caught here: what stands behind the command in the agent's configuration blocks then.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use actionpass_home::duration;
use actionpass_hook::{Agent, HookCode};

use crate::output::{is_said, say};

/// What blocks, with every agent.
pub(super) const BLOCK: u8 = 2;

/// The agent's time-out, where the command line doesn't say a readable one: no agent waits less unless it is told to.
const SHORTEST: Duration = Duration::from_secs(5);

/// Whether stdin was read to its end.
static IS_READ: AtomicBool = AtomicBool::new(false);
/// Whether there was an answer: no opinion, or a block with its reason.
static IS_ANSWERED: AtomicBool = AtomicBool::new(false);

/// What a command line says that isn't read yet.
#[derive(Clone, Copy, Debug)]
struct Guard {
    /// The agent of a hook that only observes: nothing blocks then.
    observes: Option<Agent>,
    deadline: Duration,
}

/// Whether this is `hook run`, wherever options stand between.
pub(crate) fn is_hook(args: &[OsString]) -> bool {
    let at = |name: &str| args.iter().skip(1).position(|arg| arg == name);
    matches!((at("hook"), at("run")), (Some(hook), Some(run)) if hook < run)
}

/// When a hook without an answer blocks: after 80 % of the time for which the agent waits.
pub(super) fn last_moment(deadline: Duration) -> Duration {
    deadline.mul_f32(0.8)
}

/// Runs the command so that nothing but an answer lets a call through, and gives the exit code.
pub(crate) fn hold(args: &[OsString], command: impl FnOnce() -> u8) -> u8 {
    let guard = Guard::of(args);
    let watchdog = thread::Builder::new().name("watchdog".to_owned());
    let watched = watchdog.spawn(move || {
        thread::sleep(last_moment(guard.deadline));
        guard.end(
            "there was no answer in the time that the agent waits",
            HookCode::HookDeadlinePassed.as_str(),
        );
    });
    if let Err(error) = watched {
        return guard.fail(&format!("no watchdog can be started: {error}"), "internal_error");
    }
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map_or(String::new(), ToString::to_string);
        guard.end(&format!("a fault of ActionPass at {place}"), "internal_error");
    }));
    if let Err(error) = without_environment(args).and_then(|()| env::set_current_dir("/")) {
        return guard.fail(&format!("the environment can't be left: {error}"), "internal_error");
    }
    if args.iter().any(|arg| arg == "--json") {
        // Its failures would stand on stdout, and nothing on stderr.
        return guard.fail(
            "--json is not for `hook run`: agents read its exit code and stderr",
            "usage_invalid",
        );
    }
    let exit = command();
    if IS_ANSWERED.load(Ordering::SeqCst) {
        match exit {
            0 | BLOCK => return exit,
            // The answer didn't get out.
            _ => return guard.fail("the answer can't be written to stdout", "output_closed"),
        }
    }
    // A person who asks for help has no pipe for stdin, and an agent has.
    if exit == 0 && !is_piped() {
        return exit;
    }
    drain();
    // What is wrong with the command line was said already.
    say("ActionPass blocks this call, because its hook gave no answer.\n");
    BLOCK
}

/// Says that stdin was read to its end.
pub(super) fn is_read() {
    IS_READ.store(true, Ordering::SeqCst);
}

/// Says that what the command ends with is an answer.
pub(super) fn is_answered() {
    IS_ANSWERED.store(true, Ordering::SeqCst);
}

impl Guard {
    fn of(args: &[OsString]) -> Self {
        let observes = args.iter().any(|arg| arg == "--observe");
        let agent = value(args, "--agent").and_then(|name| Agent::parse(&name));
        let deadline = value(args, "--deadline").and_then(|text| duration::parse(&text).ok());
        Self {
            observes: agent.filter(|_| observes),
            deadline: deadline.unwrap_or(SHORTEST),
        }
    }

    /// Says why there is no answer, and gives the exit code.
    fn fail(self, message: &str, code: &str) -> u8 {
        let exit = self.tell(message, code);
        drain();
        exit
    }

    /// The same, and ends the program: from any thread.
    fn end(self, message: &str, code: &str) -> ! {
        process::exit(i32::from(self.tell(message, code)))
    }

    fn tell(self, message: &str, code: &str) -> u8 {
        if let Some(agent) = self.observes {
            say(&format!(
                "ActionPass observes, and can't judge this call: {message} ({code}).\n"
            ));
            use std::io::Write;
            // Nothing is blocked, so nobody is left to be told that stdout is closed.
            let _ = io::stdout().write_all(agent.no_opinion().as_bytes());
            return 0;
        }
        // An agent whose stderr is closed isn't told why, which can't be helped here.
        let _ = is_said(&format!(
            "ActionPass blocks this call, because it can't be judged: {message} ({code}).\n"
        ));
        BLOCK
    }
}

/// The value of an option, as far as it can be told without reading the command line.
fn value(args: &[OsString], name: &str) -> Option<String> {
    let joined = format!("{name}=");
    let next = args.iter().skip(1).map(Some).chain([None]);
    args.iter().zip(next).find_map(|(arg, next)| {
        let arg = arg.to_str()?;
        match arg.strip_prefix(&joined) {
            Some(value) => Some(value.to_owned()),
            None if arg == name => next?.to_str().map(ToOwned::to_owned),
            None => None,
        }
    })
}

/// Whether a variable is left out: a project could set it, and it would change whom is asked, what is believed or what is said.
fn is_ignored(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("ACTIONPASS_") || ["SSL_CERT_FILE", "SSL_CERT_DIR"].contains(&&*name)
}

/// The program with these arguments and without variables that a project could have set; `None` if there are none of those.
fn anew(args: &[OsString]) -> io::Result<Option<process::Command>> {
    let ignored: Vec<OsString> = env::vars_os()
        .map(|(name, _)| name)
        .filter(|name| is_ignored(name))
        .collect();
    if ignored.is_empty() {
        return Ok(None);
    }
    let mut anew = process::Command::new(env::current_exe()?);
    anew.args(args.iter().skip(1));
    for name in &ignored {
        anew.env_remove(name);
    }
    Ok(Some(anew))
}

/// Starts the program anew without variables that a project could have set, if there are any.
#[cfg(unix)]
fn without_environment(args: &[OsString]) -> io::Result<()> {
    use std::os::unix::process::CommandExt;
    let Some(mut anew) = anew(args)? else { return Ok(()) };
    // Only returns if it fails.
    Err(anew.exec())
}

/// Where a program can't be replaced by another, it runs as a child, and its end is this one's.
#[cfg(not(unix))]
fn without_environment(args: &[OsString]) -> io::Result<()> {
    let Some(mut anew) = anew(args)? else { return Ok(()) };
    let ended = anew.status()?;
    process::exit(if ended.code() == Some(0) { 0 } else { i32::from(BLOCK) })
}

/// Reads what is left of stdin, if something else writes it: some versions of Codex run a call whose hook didn't take in all that it was told. The
/// watchdog ends this if it has no end.
fn drain() {
    if is_piped() && !IS_READ.swap(true, Ordering::SeqCst) {
        // What can't be read any more needs no reader.
        let _ = io::copy(&mut io::stdin().lock().by_ref(), &mut io::sink());
    }
}

/// Whether another program writes stdin.
#[cfg(unix)]
fn is_piped() -> bool {
    use std::fs::File;
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileTypeExt;
    let stdin = io::stdin();
    let Ok(file) = stdin.as_fd().try_clone_to_owned() else {
        return true;
    };
    let kind = File::from(file).metadata().map(|about| about.file_type());
    kind.map_or(true, |kind| kind.is_fifo() || kind.is_socket())
}

/// Whether another program writes stdin.
#[cfg(not(unix))]
fn is_piped() -> bool {
    use std::io::IsTerminal;
    !io::stdin().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn a_hook_is_known_wherever_options_stand() {
        for line in [
            "a hook run",
            "a --home /h hook run --agent x",
            "a hook --json run",
            "a -v hook --observe run",
        ] {
            assert!(is_hook(&args(line)), "{line}");
        }
        for line in ["a hook doctor", "a run hook", "a hook", "a help run", "hook run"] {
            assert!(!is_hook(&args(line)), "{line}");
        }
    }

    #[test]
    fn time_and_agent_are_told_before_the_command_line_is_read() {
        let guard = |line: &str| Guard::of(&args(line));
        assert_eq!(guard("a hook run --deadline 30s").deadline, Duration::from_secs(30));
        assert_eq!(guard("a hook run --deadline=2m").deadline, Duration::from_secs(120));
        for line in ["a hook run", "a hook run --deadline", "a hook run --deadline soon"] {
            assert_eq!(guard(line).deadline, SHORTEST, "{line}");
        }
        assert_eq!(
            guard("a hook run --observe --agent gemini").observes,
            Some(Agent::Gemini)
        );
        // Who asks isn't known, so what it reads as no opinion isn't either.
        assert_eq!(guard("a hook run --observe --agent x").observes, None);
        assert_eq!(guard("a hook run --agent gemini").observes, None);
    }

    #[test]
    fn what_a_project_could_set_is_ignored() {
        for name in ["ACTIONPASS_HOME", "ACTIONPASS_", "SSL_CERT_FILE"] {
            assert!(is_ignored(OsStr::new(name)));
        }
        for name in ["HOME", "VAULT_ADDR", "actionpass_home"] {
            assert!(!is_ignored(OsStr::new(name)));
        }
    }
}
