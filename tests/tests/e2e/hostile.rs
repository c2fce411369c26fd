//! Hostile texts on a real terminal: tmux draws what `requests show` prints, and says what is on its screen then.

use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::action::{self, STEP_UP};
use crate::home::Home;
use crate::program::{actionpass, root};

/// As wide as people have it, and high enough for all of it.
const SIZE: [&str; 4] = ["-x", "100", "-y", "1200"];

/// A terminal of its own, whose title and keyboard belong to nobody else.
struct Terminal {
    folder: TempDir,
}

impl Terminal {
    fn tmux(&self, args: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command
            .arg("-S")
            .arg(self.folder.path().join("socket"))
            .args(["-f", "/dev/null"]);
        command
            .args(args)
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "xterm-256color");
        let output = command.output().expect("`cargo xtask test` installs tmux");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command in it, and gives what stands on the screen when it has ended, line by line.
    fn show(home: &Home, args: &[&str]) -> (Self, String) {
        let folder = tempfile::tempdir().unwrap();
        let this = Self { folder };
        let place = home.path("home");
        let mut words = vec!["env".to_owned(), format!("ACTIONPASS_HOME={}", place.display())];
        words.push(actionpass().display().to_string());
        words.extend(args.iter().map(|arg| (*arg).to_owned()));
        let mut start = vec!["-u", "new-session", "-d"];
        start.extend(SIZE);
        let words = format!("{}; echo the end; sleep 60", words.join(" "));
        start.extend(["sh", "-c", &words]);
        this.tmux(&start);
        let mut screen = String::new();
        for _ in 0..600 {
            screen = this.tmux(&["capture-pane", "-p"]);
            if screen.contains("the end") {
                return (this, screen);
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("the command didn't end: {screen}");
    }

    /// What the terminal says of itself.
    fn says(&self, what: &str) -> String {
        self.tmux(&["display-message", "-p", what]).trim().to_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

/// Every text, with its name and what a person has to see of it.
fn texts() -> Vec<(String, String, String)> {
    let file = std::fs::read(root().join("tests/interop/hostile.json")).unwrap();
    let file: Value = serde_json::from_slice(&file).unwrap();
    let texts = file["texts"].as_array().unwrap().iter().map(|entry| {
        let text = |name: &str| entry[name].as_str().unwrap().to_owned();
        (text("name"), text("text"), text("mustSee"))
    });
    texts.collect()
}

/// Opens a request whose payload and words hold these, and gives its id.
fn open(home: &Home, payload: &Value, summary: &str) -> String {
    let mut action = action::read(home, STEP_UP);
    action["capability"]["payload"]["hostile"] = payload.clone();
    action["intent"]["summary"] = json!(summary);
    let file = home.write("hostile.json", action.to_string());
    let opened = home.run(["authorize", "--action", &file]).exits(11).json();
    opened["request"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn hostile_texts_are_seen_and_change_nothing_on_a_terminal() {
    let home = Home::with_maintainer();
    let texts = texts();
    assert!(texts.len() >= 60);
    let payload: Vec<Value> = texts
        .iter()
        .map(|(name, text, _)| json!({ "name": name, "text": text }))
        .collect();
    let id = open(&home, &json!(payload), "All of them");
    let (terminal, screen) = Terminal::show(&home, &["requests", "show", &id]);

    // Kept beside the pictures of the page.
    std::fs::write(
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile-terminal.txt"),
        &screen,
    )
    .unwrap();
    // Lines that were broken are one again.
    let joined: String = screen
        .lines()
        .map(|line| line.trim_start_matches([' ', '|']).trim_end())
        .collect();
    for (name, _, must_see) in &texts {
        let sought: String = must_see.split_whitespace().collect::<Vec<_>>().join(" ");
        let is_seen = joined.contains(&sought) || screen.contains(must_see.as_str());
        assert!(is_seen, "{name}: {must_see} isn't on the screen");
        assert!(joined.contains(name.as_str()), "the name of {name}");
    }
    // Nothing stands there that isn't seen, and the terminal is as it was.
    let hides = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
            || matches!(
                c,
                '\u{3164}' | '\u{2800}' | '\u{fff9}'..='\u{fffc}' | '\u{a0}' | '\u{3000}'
            )
    };
    let hidden: Vec<char> = screen.chars().filter(|c| *c != '\n' && hides(*c)).collect();
    assert!(hidden.is_empty(), "{hidden:?}: {screen}");
    assert_eq!(terminal.says("#{alternate_on}"), "0");
    assert!(!terminal.says("#{pane_title}").contains("owned"));
    assert!(terminal.says("#{buffer_names}").is_empty(), "the clipboard is nobody's");
    let hash = home.run(["requests", "show", &id]).exits(11).json()["request"]["actionHash"].clone();
    assert!(
        joined.contains(hash.as_str().unwrap()),
        "what stands below is still there"
    );
}

#[test]
fn a_mebibyte_of_text_is_counted_and_what_stands_below_is_still_seen() {
    let home = Home::with_maintainer();
    let config = home.read("home/config.toml");
    home.write(
        "home/config.toml",
        config.replace("max_bytes = 1048576", "max_bytes = 4194304"),
    );
    let long = "pay everybody everything ".repeat((1 << 20) / 25 + 1);
    let id = open(&home, &json!(long), &"\u{202e}!".repeat(100));
    let (terminal, screen) = Terminal::show(&home, &["requests", "show", &id]);
    // The screen is full of it, and its end is the end of the view.
    let hash = home.run(["requests", "show", &id]).exits(11).json()["request"]["payloadHash"].clone();
    let joined: String = screen.lines().map(str::trim).collect();
    assert!(joined.contains(hash.as_str().unwrap()), "{screen}");
    assert_eq!(terminal.says("#{alternate_on}"), "0");
}
